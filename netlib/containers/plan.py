"""How one thread runs a program: operation by operation, in work arrays that are used again where the inputs have a shape seen before.

A training loop shows a container the same shapes time after time. The first time its layers run one by one, and the shapes of all values
are noted. From then on layers that the table of fused kernels knows run together, and their results lie in work arrays. The mathematics is
that of the layers, and so is what they keep: each layer's cache is set, so that its own backward works as after its own forward.

Who may see a work array: fused operations, and the backward of layers with a `kernel_name`, which promise to return new arrays and to
hold on to nothing. What comes from anybody else is copied, and what goes to them is new.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import kernels
from ..arrays import Array, Shape
from ..errors import GradientShapeError, InvalidTypeError, NetlibError, ShapeError, stale_cache
from ..execution import execution
from .memory import WorkArrays

if TYPE_CHECKING:
    from ..kernels.fused.fusion import Fusion
    from .program import Program, Step

    Specs = dict[int, "Spec"]


class Spec(NamedTuple):
    """Shape and type of a value."""

    shape: Shape
    dtype: np.dtype[Any]


class OtherInput(Exception):  # noqa: N818 - no error: the plan goes on layer by layer
    """A layer that is not fused has given something of another shape or type than before."""


class Op:
    """What is done for one layer, or for several at once, and where it reads and writes."""

    __slots__ = (
        "backward",
        "backward_parameters",
        "first",
        "forward",
        "frees",
        "is_alone",
        "is_source_only",
        "last",
        "n_outputs",
        "source",
        "sources",
        "steps",
        "target",
        "to",
        "to_one",
    )

    def __init__(self, steps: tuple[Step, ...], forward: Any, backward: Any, backward_parameters: Any) -> None:
        self.steps = steps
        self.first, self.last = first, last = steps[0], steps[-1]
        self.forward: Callable[..., Any] = forward
        self.backward: Any = backward
        """Takes dout and returns the gradients; None for a copy, whose reader sends the gradient on."""
        self.backward_parameters: Any = backward_parameters
        self.reads(first.sources)
        self.to = first.sources
        """The slots whose gradients it adds to."""
        self.to_one = self.source
        self.target, self.n_outputs = last.target, last.n_outputs
        self.frees: tuple[int, ...] = ()
        self.is_source_only = first.is_source_only
        self.is_alone = False

    def reads(self, sources: tuple[int, ...]) -> None:
        """Have it read these slots."""
        self.sources = sources
        self.source = sources[0] if len(sources) == 1 else -1


class Plan:
    """The operations of a program, with the memory they work in. It belongs to one thread."""

    def __init__(self, program: Program, ops: list[Op], n_slots: int, inputs: tuple[Spec, ...] = (), alone: Plan | None = None) -> None:
        self.program = program
        self.inputs = inputs
        self._shape: Shape | None
        self._dtype: np.dtype[Any] | None
        self._shape, self._dtype = inputs[0] if len(inputs) == 1 else (None, None)
        self._is_compiled = kernels.is_loaded()
        self._ops, self._alone = ops, alone
        self._empty = [None] * (n_slots - program.n_inputs)
        self._has_layers_alone = any(op.is_alone for op in ops)
        self._in_reverse = _in_reverse(ops)
        self._ran_in_reverse = self._in_reverse
        self._sums: dict[int, Array] = {}
        self._like: dict[int, Spec] = {}

    def takes(self, inputs: Sequence[Any]) -> bool:
        """Return whether it was made for such inputs, and for the kernels that are in use."""
        if self._shape is not None:  # the common case, without a loop
            x = inputs[0]
            fits = type(x) is np.ndarray and x.shape == self._shape and x.dtype is self._dtype
        else:
            fits = all(type(x) is np.ndarray and (x.shape, x.dtype) == spec for x, spec in zip(inputs, self.inputs, strict=True))
        return fits and self._is_compiled is kernels.is_loaded()

    def forward(self, inputs: Sequence[Any], noted: Specs | None = None) -> list[Any]:
        """Run the operations and return the outputs. `noted` fills with the shapes and types of all values."""
        values = [*inputs, *self._empty]
        self._ran_in_reverse = self._in_reverse
        if self._has_layers_alone:
            self._forward_with_layers(values, noted)
        else:
            self._run(self._ops, values)
        return [values[slot] for slot in self.program.outputs]

    def _forward_with_layers(self, values: list[Any], noted: Specs | None) -> None:
        outer = execution.op
        try:
            self._run(self._ops, values, noted)
        except OtherInput as stop:
            at: int = stop.args[0]
            assert self._alone is not None
            done = {step for op in self._ops[:at] if op.backward is not None for step in op.steps}
            rest = [op for op in self._alone._ops if op.first not in done]
            self._ran_in_reverse = _in_reverse([*self._ops[:at], *rest])
            self._run(rest, values)
        finally:
            execution.op = outer

    def _run(self, ops: list[Op], values: list[Any], noted: Specs | None = None) -> None:
        op = None
        try:
            for op in ops:
                source = op.source
                y = op.forward(values[source]) if source >= 0 else op.forward(*[values[slot] for slot in op.sources])
                if op.n_outputs == 1:
                    values[op.target] = y
                else:
                    values[op.target : op.target + op.n_outputs] = outputs_of(op.last, y)
                    for slot in op.last.targets:
                        self._like[slot] = _spec(values[slot])
                if noted is not None:
                    for slot in op.last.targets:
                        noted[slot] = _spec(values[slot])
                for slot in op.frees:
                    values[slot] = None
        except OtherInput:
            raise OtherInput(ops.index(op)) from None  # type: ignore[arg-type]
        except Exception as error:
            add_location(error, None if op is None else op.first)
            raise

    def backward(self, douts: Sequence[Array], input_gradient: bool) -> list[Any]:
        """Run the operations in reverse and return dL/d(input) for each input: None where none was asked for or none flows."""
        grads: list[Any] = [None] * self.program.n_slots
        for slot, given in zip(self.program.outputs, douts):  # noqa: B905 - whoever calls has counted
            grads[slot] = given
        op = None
        dout: Any
        try:
            for op in self._ran_in_reverse:
                target = op.target
                if op.n_outputs == 1:
                    dout = grads[target]
                    if dout is None:
                        continue
                    grads[target] = None
                else:
                    slots = op.last.targets
                    if all(grads[slot] is None for slot in slots):
                        continue
                    dout = tuple([self._zeros(slot) if grads[slot] is None else grads[slot] for slot in slots])
                if op.is_source_only and not input_gradient:
                    op.backward_parameters(dout)
                    continue
                dx = op.backward(dout)
                slot = op.to_one
                if slot >= 0 and type(dx) is np.ndarray:  # the common case
                    grads[slot] = dx if grads[slot] is None else self._sum(slot, grads[slot], dx)
                    continue
                for slot, d in zip(op.to, gradients_of(op.first, dx), strict=False):
                    if grads[slot] is None:
                        grads[slot] = d
                    elif d is not None:
                        grads[slot] = self._sum(slot, grads[slot], d)
        except Exception as error:
            refusing = [step for step in op.steps if step.layer is getattr(error, "where", None)] if op else []
            add_location(error, refusing[0] if refusing else op.last if op else None, self.program.steps)
            raise
        return grads[: self.program.n_inputs]

    def _sum(self, slot: int, a: Any, b: Any) -> Any:
        if slot in self._sums and self._ran_in_reverse is self._in_reverse:  # else some shapes are others than planned
            return np.add(a, b, out=self._sums[slot])
        return a + b

    def _zeros(self, slot: int) -> Array:
        return np.zeros(*self._like[slot])


class Plans:
    """How one thread runs one program: layer by layer, and by plans for the few shapes that came by last."""

    MOST = 4

    def __init__(self, program: Program) -> None:
        self.run: tuple[Plan, list[Shape]] | None = None
        """The plan of the last forward of this thread, with the shapes of its outputs."""
        self._program = program
        self._alone = Plan(program, [_layer_alone(step) for step in program.steps], program.n_slots)
        _free(self._alone._ops, program)
        self._plans: list[Plan] = []
        self._seen: dict[tuple[Spec, ...], Specs] = {}

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
        like = tuple(map(_spec, inputs))
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


def _spec(x: Any) -> Spec:
    x = np.asarray(x)
    return Spec(x.shape, x.dtype)


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


def planned(program: Program, inputs: tuple[Spec, ...], specs: Specs, alone: Plan) -> Plan:
    """Return the plan for inputs and values of these shapes and types."""
    groups = [(g.fusion if g.fusion and g.fusion.fits(g.layers, *[specs[s] for s in g.sources]) else None, g) for g in program.groups]
    pieces: list[tuple[Fusion | None, tuple[Step, ...]]] = []
    for fusion, group in groups:
        pieces += [(fusion, group.steps)] if fusion else [(None, (step,)) for step in group.steps]
    arrays = WorkArrays(program, pieces, specs)
    ops: list[Op] = []
    n_slots = program.n_slots
    for i, (fusion, steps) in enumerate(pieces):
        first, last = steps[0], steps[-1]
        if fusion is None:
            ops.append(_layer_alone(first))
            continue
        xs = [specs[slot] for slot in first.sources]
        copies: dict[int, Array] = {}
        sources = []
        for slot in first.sources:
            if fusion.keeps_inputs and slot in program.foreign:
                copies[slot] = np.empty(*specs[slot])
                ops.append(_copy(first, slot, n_slots, copies[slot], check=slot >= program.n_inputs))
                sources.append(n_slots)
                n_slots += 1
            else:
                sources.append(slot)
        operation = fusion.prepare([step.layer for step in steps], xs, arrays.memory(i, copies))
        op = Op(steps, operation.forward, operation.backward, operation.backward_parameters)
        op.reads(tuple(sources))
        unsure = [k for k, slot in enumerate(first.sources) if not arrays.is_sure(slot) and slot not in copies]
        if unsure:
            op.forward = _checking(op.forward, unsure, xs)
        if not arrays.sends_fitting(i):
            like = specs[last.target]
            op.backward = _receiving(op.backward, last, like)
            op.backward_parameters = _receiving(op.backward_parameters, last, like)
        if fusion.sends_dout_on and (new := arrays.must_be_new(i)):
            op.backward = _sending_new(op.backward, new)
        ops.append(op)
    _free(ops, program, arrays.lent)
    plan = Plan(program, ops, n_slots, inputs, alone)
    plan._sums = arrays.sums
    return plan


def _copy(reader: Step, source: int, target: int, work: Array, check: bool) -> Op:
    """Return the operation that copies what somebody else may write into. It has no backward: its reader sends the gradient on."""

    def forward(x: Any) -> Array:
        if check and (type(x) is not np.ndarray or x.shape != work.shape or x.dtype is not work.dtype):
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


def _in_reverse(ops: list[Op]) -> list[Op]:
    """Return the operations that have a backward, the last one first."""
    return [op for op in reversed(ops) if op.backward is not None]


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


def outputs_of(step: Step, y: Any) -> tuple[Any, ...]:
    """Return what the forward at `step` returned as one array for each output."""
    if step.n_outputs == 1:
        return (y,)
    if not isinstance(y, tuple) or len(y) != step.n_outputs:
        raise InvalidTypeError(f"forward returned {type(y).__name__}, wanted a tuple of {step.n_outputs} arrays", where=step.layer)
    return y


def gradients_of(step: Step, dx: Any) -> tuple[Any, ...]:
    """Return what the backward at `step` returned as one gradient for each input, None where nothing flows."""
    layer = step.layer
    if dx is None and not step.is_source_only:  # layers before it wait for a gradient
        raise InvalidTypeError("backward returned None, wanted dL/dx", where=layer, mend="Does it lack a return?")
    gradients: tuple[Any, ...] = dx if type(dx) is tuple else (dx,)
    if len(gradients) + layer.n_constant_inputs != len(step.sources):
        raise ShapeError(f"backward returned {len(gradients)} gradients for {len(step.sources)} inputs", where=layer)
    return gradients


def add_location(error: Exception, step: Step | None, steps: Sequence[Step] = ()) -> None:
    """Write the place of `step` on an error that came out of it; on one about dout, also which of `steps` made that."""
    if step is None:
        return
    if not isinstance(error, NetlibError):
        error.add_note(f"in {step.path} {step.layer!r}")
        return
    error.inside(step.path)
    if isinstance(error, GradientShapeError):
        makers = [f"{each.path} {each.layer!r}" for each in steps if any(slot in step.targets for slot in each.sources)]
        error.mend = f"It came out of the backward of {' and '.join(makers)}." if makers else ""
