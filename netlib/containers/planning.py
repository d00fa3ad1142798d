"""Making plans: which layers run together, what is copied and what is checked on the way, and when."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Array, Shape
from ..errors import stale_cache
from ..execution import execution
from ..kernels.fused.fusion import Fusion
from .memory import WorkArrays
from .plan import Op, OtherInput, Plan, Spec, Specs, spec_of

if TYPE_CHECKING:
    from .program import Program, Step


class Plans:
    """How one thread runs one program: layer by layer, and by plans for the few shapes that came by last."""

    MOST = 4

    def __init__(self, program: Program) -> None:
        self.run: tuple[Plan, list[Shape]] | None = None
        """The plan of the last forward of this thread, with the shapes of its outputs."""
        self._program = program
        self._plans: list[Plan] = []
        self._seen: dict[tuple[Spec, ...], Specs] = {}

    @cached_property
    def _alone(self) -> Plan:
        """The plan by which each layer runs by itself. A model that only predicts has none."""
        return planned_alone(self._program)

    def forward(self, inputs: Sequence[Any]) -> list[Any]:
        """Run the program on `inputs`, by a plan from the second time that such inputs come by."""
        plan, noted = self._find(inputs)
        try:
            outputs = plan.forward(inputs, noted)
        except BaseException:
            self.run = None  # what a refused forward leaves is a part of it
            raise
        self.run = plan, [y.shape if type(y) is np.ndarray else np.shape(y) for y in outputs]
        return outputs

    def _find(self, inputs: Sequence[Any]) -> tuple[Plan, Specs | None]:
        for plan in self._plans if execution.uses_work_arrays else ():
            if plan.takes(inputs):
                return plan, None
        if not (self._program.has_fusions and execution.uses_work_arrays) or not all(type(x) is np.ndarray for x in inputs):
            return self._alone, None
        like = tuple(map(spec_of, inputs))
        noted = self._seen.pop(like, None)
        if noted is None:
            noted = self._seen[like] = dict(enumerate(like))
            for old in list(self._seen)[: -self.MOST]:
                del self._seen[old]
            return self._alone, noted
        self._seen[like] = noted
        if len(noted) < self._program.n_slots:  # that forward was refused
            return self._alone, noted
        plan = planned(self._program, like, noted, self._alone)
        others = [other for other in self._plans if other.inputs != like]
        self._plans = [*others[1 - self.MOST :], plan]
        return plan, None


def _layer_alone(step: Step) -> Op:
    """Return the operation of a layer that runs by its own methods."""
    layer, attributes = step.layer, step.layer.__dict__
    is_unnamed = not step.kernel and bool(step.sources)  # a weight or a constant keeps no forward

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
    op.is_alone = True
    return op


def planned_alone(program: Program) -> Plan:
    """Return the plan by which each layer runs by itself, for inputs of any shape."""
    ops = [_layer_alone(step) for step in program.steps]
    _free(ops, program)
    return Plan(program, ops)


def planned(program: Program, inputs: tuple[Spec, ...], specs: Specs, alone: Plan) -> Plan:
    """Return the plan for inputs and values of these shapes and types."""
    pieces: list[tuple[Fusion | None, tuple[Step, ...]]] = []
    for group in program.groups:
        if group.fusion is not None and group.fusion.fits(group.layers, *[specs[slot] for slot in group.sources]):
            pieces.append((group.fusion, group.steps))
        else:
            pieces += [(None, (step,)) for step in group.steps]
    arrays = WorkArrays(program, pieces, specs)
    ops: list[Op] = []
    copies: list[tuple[int, Array]] = []
    behind: list[Array | None] = []
    for i, (fusion, steps) in enumerate(pieces):
        if fusion is None:
            ops.append(_layer_alone(steps[0]))
            continue
        copied: dict[int, Array] = {}
        reads = []
        for slot in steps[0].sources:
            reads.append(slot)
            if fusion.keeps_inputs and slot in program.foreign:
                reads[-1] = program.n_slots + len(behind)
                copied[slot] = np.empty(*specs[slot])
                if slot < program.n_inputs:
                    copies.append((slot, copied[slot]))
                    behind.append(copied[slot])
                else:
                    ops.append(_copy(steps[0], slot, reads[-1], copied[slot]))
                    behind.append(None)
        ops.append(_fused(i, fusion, steps, tuple(reads), copied, arrays, specs))
    _free(ops, program, arrays.lent)
    plan = Plan(program, ops, inputs, alone)
    plan.copies, plan.behind, plan.sums = copies, behind, arrays.sums
    plan.dout_types = [specs[slot].dtype if arrays.is_fused(slot) else None for slot in program.outputs]
    return plan


def _fused(
    i: int, fusion: Fusion, steps: tuple[Step, ...], reads: tuple[int, ...], copied: dict[int, Array], arrays: WorkArrays, specs: Specs
) -> Op:
    """Return the operation of piece `i` of a plan, several layers at once, with the checks that its neighbours make necessary."""
    sources, last = steps[0].sources, steps[-1]
    xs = [specs[slot] for slot in sources]
    operation = fusion.prepare([step.layer for step in steps], xs, arrays.memory(i, copied))
    op = Op(steps, operation.forward, operation.backward, operation.backward_parameters)
    op.reads(reads)
    unsure = [k for k, slot in enumerate(sources) if not arrays.is_sure(slot) and slot not in copied]
    if unsure:
        op.forward = _checking(op.forward, unsure, xs)
    if not arrays.sends_fitting(i):
        op.backward = _receiving(op.backward, last, specs[last.target])
        op.backward_parameters = _receiving(op.backward_parameters, last, specs[last.target])
    if fusion.sends_dout_on and (new := arrays.must_be_new(i)):
        op.backward = _sending_new(op.backward, new)
    return op


def _copy(reader: Step, source: int, target: int, work: Array) -> Op:
    """Return the operation that copies what a layer may write into. It has no backward: its reader sends the gradient on."""

    def forward(x: Any) -> Array:
        if type(x) is not np.ndarray or x.shape != work.shape or x.dtype is not work.dtype:
            raise OtherInput
        work[...] = x
        return work

    op = Op((reader,), forward, None, None)
    op.reads((source,))
    op.to, op.target, op.n_outputs = (), target, 1
    return op


def _checking(forward: Callable[..., Any], unsure: list[int], specs: Sequence[Spec]) -> Callable[..., Any]:
    """Return a forward that looks at inputs first which no fused operation made."""

    def checked_forward(*xs: Any) -> Any:
        for k in unsure:
            x, spec = xs[k], specs[k]
            if type(x) is not np.ndarray or x.shape != spec.shape or x.dtype is not spec.dtype:
                raise OtherInput
        return forward(*xs)

    return checked_forward


def _receiving(backward: Callable[[Any], Any], last: Step, spec: Spec) -> Callable[[Any], Any]:
    """Return a backward that takes a dout of any type and layout, where that of `spec` is wanted."""
    shape, dtype = spec

    def receiving_backward(dout: Any) -> Any:
        if type(dout) is not np.ndarray or dout.dtype is not dtype or dout.shape != shape:
            dout = last.layer.recall(dout)[0]
        return backward(dout if dout.flags.carray else dout.copy())

    return receiving_backward


def _sending_new(backward: Callable[[Any], Any], new: list[bool]) -> Callable[[Any], Any]:
    """Return a backward whose gradients are copies where somebody else will have them."""

    def sending_backward(dout: Any) -> Any:
        return tuple([d.copy() if is_new else d for d, is_new in zip(backward(dout), new, strict=True)])

    return sending_backward


def _free(ops: list[Op], program: Program, lent: Container[int] = ()) -> None:
    """Have each operation let go of the values that no later one reads, but for work arrays; what is copied is held for its reader."""
    reads = [({*op.sources, *op.to}, op.last.targets) if op.backward is not None else ((), ()) for op in ops]
    for op, frees in zip(ops, last_reads(reads, program.outputs), strict=True):
        op.frees = tuple([slot for slot in frees if program.n_inputs <= slot < program.n_slots and slot not in lent])


def last_reads(operations: Sequence[tuple[Iterable[int], Iterable[int]]], outputs: Iterable[int]) -> list[tuple[int, ...]]:
    """Return for each of some operations, slots read and slots written, the slots that are not read after it.

    >>> last_reads([((0,), (1,)), ((0, 1), (2,))], outputs=[2])
    [(), (0, 1)]
    """
    needed = set(outputs)
    frees = []
    for reads, writes in reversed(operations):
        here = {*reads, *writes} - needed
        frees.append(tuple(sorted(here)))
        needed |= here
    return frees[::-1]
