"""Making plans: which layers run as one operation, and which arrays are copied or checked.

`Plans` decides when to make a plan, `make_plan` makes one. Each operation of a plan is a closure
around the forward and backward of a fused kernel or of a layer. A fused operation relies on arrays
of the planned shape and type, and writes its results to work arrays. So `_fused_op` wraps it if a
neighbour is a layer of unknown behaviour: inputs and `dout` from such a layer are checked, and
gradients to it are copied.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Array, Shape
from ..errors import stale_cache
from ..execution import execution
from ..kernels.fused.fusion import Fusion, Memory
from ..kernels.threads import at_most_cores, with_products_on_one_core
from .division import can_divide, divide
from .memory import WorkArrays
from .plan import Op, Plan, Spec, SpecMismatch, Specs, in_reverse, spec_of

if TYPE_CHECKING:
    from .program import Program, Step


class Plans:
    """The plans by which one thread runs one program, for the few input shapes that it saw last."""

    MAX_PLANS = 4

    def __init__(self, program: Program) -> None:
        self.run: tuple[Plan, list[Shape]] | None = None
        """The plan of the last forward of this thread, with the shapes of its outputs."""
        self._program = program
        self._plans: list[Plan] = []
        self._seen: dict[tuple[Spec, ...], Specs] = {}

    @cached_property
    def _unfused(self) -> Plan:
        """The plan without fused operations. A model that only predicts does not need it."""
        return make_unfused_plan(self._program)

    def forward(self, inputs: Sequence[Any]) -> list[Any]:
        """Run the program on `inputs`, in work arrays from the second time on."""
        plan = self._find(inputs)
        try:
            outputs = plan.forward(inputs)
        except BaseException:
            self.run = None  # some layers have run and others have not, so backward must not
            raise
        self.run = plan, [y.shape if type(y) is np.ndarray else np.shape(y) for y in outputs]
        return outputs

    def _find(self, inputs: Sequence[Any]) -> Plan:
        """Return the plan for `inputs`."""
        if not execution.uses_work_arrays:
            return self._unfused
        for plan in self._plans:
            if plan.matches(inputs):
                return plan
        if not self._program.has_fusions or not all(type(x) is np.ndarray for x in inputs):
            return self._unfused
        input_specs = tuple(map(spec_of, inputs))
        specs = self._seen[input_specs] = self._seen.pop(input_specs, {}) or dict(enumerate(input_specs))
        for old in list(self._seen)[: -self.MAX_PLANS]:
            del self._seen[old]
        if len(specs) < self._program.n_slots:  # it is new, or that forward raised an error
            return FirstPlan(self._program, specs)
        plan = self._make_plan(input_specs, specs)
        others = [other for other in self._plans if other.inputs != input_specs]
        self._plans = [*others[1 - self.MAX_PLANS :], plan]
        return plan

    def _make_plan(self, inputs: tuple[Spec, ...], specs: Specs) -> Plan:
        """Return the plan that uses all cores best.

        Its operations may divide their work among the cores, or each core may run all of them on
        its share of the batch. Otherwise the matrix library alone has threads: those of others
        would compete with its own.
        """
        arguments = self._program, inputs, specs, self._unfused
        plan = make_plan(*arguments)
        if plan.uses_all_cores:
            return plan
        if can_divide(*arguments[:3]):
            del plan  # and its work arrays
            return divide(*arguments, make_plan)
        if any(op.uses_all_cores for op in plan.ops):
            with at_most_cores(1):
                return make_plan(*arguments)
        return plan


class FirstPlan(Plan):
    """The operations of the first forward on inputs of some shape, chosen while it runs.

    Fused operations run where they fit, as in the plan that may follow, but in new arrays: inputs
    of ever new shapes never have another plan.

    Parameters
    ----------
    program : Program
    specs : dict of int to Spec
        The specs of the inputs, to which forward adds those of all values.
    """

    def __init__(self, program: Program, specs: Specs) -> None:
        super().__init__(program, [])
        self._specs = specs

    def forward(self, inputs: Sequence[Any]) -> list[Any]:
        """Choose and run the operations, record the specs of all values, and return the outputs."""
        specs, values, ops, outer = self._specs, [*inputs, *self._empty_slots], [], execution.op
        try:
            for group in self.program.groups:
                xs = [values[slot] for slot in group.sources]
                if group.fusion is not None and all(type(x) is np.ndarray for x in xs) and group.fusion.fits(group.layers, *xs):
                    with at_most_cores(1):  # before the work is known, the matrix library alone has threads
                        op = _op_in_new_arrays(group.fusion, group.steps, xs, self.program)
                    new = [op]
                    self._run_forward(new, values)
                    for step in group.steps[:-1]:
                        specs[step.target] = Spec(*step.layer.__dict__["_cache"][:2])
                    _convert_douts(op, group.fusion, spec_of(values[group.target]))
                    if group.fusion.passes_dout_on:
                        op.backward = _copy_gradients(op.backward, [True] * len(xs))
                else:
                    new = [_layer_op(step) for step in group.steps]
                    self._run_forward(new, values)
                ops += new
                for op in new:
                    specs |= {slot: spec_of(values[slot]) for slot in op.last.targets}
                for slot in group.frees:
                    values[slot] = None
        finally:
            execution.op = outer
        self._last_backward_ops = in_reverse(ops)
        return [values[slot] for slot in self.program.outputs]


def make_unfused_plan(program: Program) -> Plan:
    """Return the plan without fused operations, which runs for inputs of any shape."""
    ops = [_layer_op(step) for step in program.steps]
    _set_frees(ops, program)
    return Plan(program, ops)


def make_plan(program: Program, inputs: tuple[Spec, ...], specs: Specs, unfused: Plan) -> Plan:
    """Return the plan for inputs and values of these shapes and types.

    A piece of the plan is a group of the program if its fused kernel fits these shapes, and
    otherwise a single layer.
    """
    pieces: list[tuple[Fusion | None, tuple[Step, ...]]] = []
    for group in program.groups:
        fusion = group.fusion
        if fusion is not None and fusion.fits(group.layers, *[specs[slot] for slot in group.sources]):
            pieces.append((fusion, group.steps))
        else:
            pieces += [(None, (step,)) for step in group.steps]
    arrays = WorkArrays(program, pieces, specs)
    ops: list[Op] = []
    work_on_all_cores = other_work = 0
    copies: list[tuple[int, Array]] = []
    copy_slots: list[Array | None] = []
    for i, (fusion, steps) in enumerate(pieces):
        if fusion is None:
            ops.append(_layer_op(steps[0]))
            continue
        copied: dict[int, Array] = {}
        sources = []
        for slot in steps[0].sources:
            sources.append(slot)
            if fusion.keeps_inputs and slot in program.exposed:
                sources[-1] = program.n_slots + len(copy_slots)
                copied[slot] = np.empty(*specs[slot])
                if slot < program.n_inputs:
                    copies.append((slot, copied[slot]))
                    copy_slots.append(copied[slot])
                else:
                    ops.append(_copy_op(steps[0], slot, sources[-1], copied[slot]))
                    copy_slots.append(None)
        op = _fused_op(i, fusion, steps, tuple(sources), copied, arrays, specs)
        ops.append(op)
        work = steps[0].layer.multiply_adds(*[specs[slot].shape for slot in steps[0].sources])
        if op.uses_all_cores:
            work_on_all_cores += work
        else:
            other_work += work
    _set_frees(ops, program, arrays.reused_slots)
    plan = Plan(program, ops, inputs, unfused)
    plan.copies, plan.copy_slots, plan.sums = copies, copy_slots, arrays.sums
    plan.uses_all_cores = work_on_all_cores > 2 * other_work
    if plan.uses_all_cores:
        plan.forward = with_products_on_one_core(plan.forward)  # type: ignore[method-assign]
        plan.backward = with_products_on_one_core(plan.backward)  # type: ignore[method-assign]
    plan.dout_types = [specs[slot].dtype if arrays.is_fused(slot) else None for slot in program.outputs]
    return plan


def _layer_op(step: Step) -> Op:
    """Return the operation that calls the methods of a single layer."""
    layer, attributes = step.layer, step.layer.__dict__
    is_unnamed = not step.kernel and bool(step.sources)  # weights and constants cache nothing

    def forward(*xs: Any) -> Any:
        execution.op = op
        y = layer.forward(*xs)
        if is_unnamed:
            attributes["_run"] = op
        return y

    def check() -> None:
        cache = attributes.get("_cache")
        if (cache is not None and cache[-1] is not op) or (is_unnamed and attributes.get("_run") is not op):
            raise stale_cache(layer)

    def backward(dout: Any) -> Any:
        check()
        return layer.backward(dout)

    def backward_parameters(dout: Any) -> Any:
        check()
        return layer.backward_parameters(dout)

    op = Op((step,), forward, backward, backward_parameters)
    op.calls_layer = True
    return op


def _copy_op(reader: Step, source: int, target: int, copy: Array) -> Op:
    """Return the operation that copies a value into which other code may write.

    It has no backward, since its reader adds to the gradient of the original.
    """

    def forward(x: Any) -> Array:
        if type(x) is not np.ndarray or x.shape != copy.shape or x.dtype is not copy.dtype:
            raise SpecMismatch
        copy[...] = x
        return copy

    op = Op((reader,), forward, None, None)
    op.set_sources((source,))
    op.gradient_slots, op.target, op.n_outputs = (), target, 1
    return op


def _fused_op(
    i: int,
    fusion: Fusion,
    steps: tuple[Step, ...],
    sources: tuple[int, ...],
    copied: dict[int, Array],
    arrays: WorkArrays,
    specs: Specs,
) -> Op:
    """Return the fused operation of piece `i`, with the checks and copies that neighbours require.

    `sources` are the slots that it reads: those of the first step, or copies of them.
    """
    first, last = steps[0], steps[-1]
    x_specs = [specs[slot] for slot in first.sources]
    layers = [step.layer for step in steps]
    operation = fusion.prepare(layers, x_specs, arrays.memory(i, copied))
    op = Op(steps, operation.forward, operation.backward, operation.backward_parameters)
    op.set_sources(sources)
    op.uses_all_cores = operation.uses_all_cores
    to_check = [k for k, slot in enumerate(first.sources) if not arrays.has_fixed_spec(slot) and slot not in copied]
    if to_check:
        op.forward = _check_inputs(op.forward, to_check, x_specs)
    if not arrays.dout_has_fixed_spec(i):
        _convert_douts(op, fusion, specs[last.target])
    if fusion.passes_dout_on and (to_copy := arrays.gradients_to_copy(i)):
        op.backward = _copy_gradients(op.backward, to_copy)
    return op


def _op_in_new_arrays(fusion: Fusion, steps: tuple[Step, ...], xs: Sequence[Array], program: Program) -> Op:
    """Return the fused operation on such inputs whose results are new arrays."""
    exposed = [fusion.keeps_inputs and slot in program.exposed for slot in steps[0].sources]
    no_memory = Memory((None,) * len(xs), None, (None,) * len(xs), None)
    operation = fusion.prepare([step.layer for step in steps], xs, no_memory)

    def forward(*xs: Array) -> Array:
        return operation.forward(*[x.copy() if is_exposed else x for x, is_exposed in zip(xs, exposed, strict=True)])

    return Op(steps, forward if any(exposed) else operation.forward, operation.backward, operation.backward_parameters)


def _check_inputs(forward: Callable[..., Any], to_check: list[int], specs: Sequence[Spec]) -> Callable[..., Any]:
    """Return a forward that first checks the inputs numbered `to_check`."""

    def checked_forward(*xs: Any) -> Any:
        for k in to_check:
            x, spec = xs[k], specs[k]
            if type(x) is not np.ndarray or x.shape != spec.shape or x.dtype is not spec.dtype:
                raise SpecMismatch
        return forward(*xs)

    return checked_forward


def _convert_douts(op: Op, fusion: Fusion, spec: Spec) -> None:
    """Let the backward of a fused operation take dout of any type and layout."""
    if op.n_outputs == 1:
        options = op.last, spec, fusion.layout != "C" and not fusion.passes_dout_on
        op.backward, op.backward_parameters = [_convert_dout(each, *options) for each in (op.backward, op.backward_parameters)]


def _convert_dout(backward: Callable[[Any], Any], last: Step, spec: Spec, takes_any_layout: bool = False) -> Callable[[Any], Any]:
    """Return a backward that first converts dout to `spec`'s type, and to C order if needed."""
    shape, dtype = spec

    def converting_backward(dout: Any) -> Any:
        if type(dout) is not np.ndarray or dout.dtype is not dtype or dout.shape != shape:
            dout = last.layer.recall(dout)[0]
        return backward(dout if takes_any_layout or dout.flags.carray else dout.copy())

    return converting_backward


def _copy_gradients(backward: Callable[[Any], Any], to_copy: list[bool]) -> Callable[[Any], Any]:
    """Return a backward that copies those of its gradients that other code may keep."""

    def copying_backward(dout: Any) -> Any:
        gradients = backward(dout)
        if type(gradients) is np.ndarray:  # of the only input
            return gradients.copy()
        pairs = zip(gradients, to_copy, strict=True)
        return tuple([d.copy() if must_copy else d for d, must_copy in pairs])

    return copying_backward


def _set_frees(ops: list[Op], program: Program, reused_slots: Container[int] = ()) -> None:
    """Make each operation free the values that no later one reads.

    Values in work arrays are not freed, and a copied value stays until the copy has been read.
    """
    reads_and_writes: list[tuple[Iterable[int], Iterable[int]]] = [
        ((*op.sources, *op.gradient_slots), op.last.targets) if op.backward is not None else ((), ()) for op in ops
    ]
    for op, frees in zip(ops, last_reads(reads_and_writes, program.outputs), strict=True):
        inner = [slot for slot in frees if program.n_inputs <= slot < program.n_slots]
        op.frees = tuple([slot for slot in inner if slot not in reused_slots])


def last_reads(operations: Sequence[tuple[Iterable[int], Iterable[int]]], outputs: Iterable[int]) -> list[tuple[int, ...]]:
    """Return, for each operation, the slots that no later one reads.

    An operation is given as the slots that it reads and the slots that it writes.

    >>> last_reads([((0,), (1,)), ((0, 1), (2,))], outputs=[2])
    [(), (0, 1)]
    """
    needed = set(outputs)
    frees = []
    for reads, writes in reversed(operations):
        unneeded = {*reads, *writes} - needed
        frees.append(tuple(sorted(unneeded)))
        needed |= unneeded
    return frees[::-1]
