"""How one thread runs a program: operation by operation, in work arrays that are used again where the inputs have a shape seen before.

A training loop shows a container the same shapes time after time. The first time its layers run one by one, and the shapes of all values
are noted. From then on layers that the table of fused kernels knows run together, and their results lie in work arrays. The mathematics is
that of the layers, and so is what they keep: each layer's cache is set, so that its own backward works as after its own forward.

Who may see a work array: fused operations, and the backward of layers with a `kernel_name`, which promise to return new arrays and to
hold on to nothing. What comes from anybody else is copied, and what goes to them is new.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arrays import Array, Shape
from ..errors import GradientShapeError, InvalidTypeError, NetlibError, ShapeError
from ..execution import execution
from ..kernels import is_loaded

if TYPE_CHECKING:
    from .program import Program, Step

Specs = dict[int, "Spec"]


class Spec(NamedTuple):
    """Shape and type of a value."""

    shape: Shape
    dtype: np.dtype[Any]


def spec_of(x: Any) -> Spec:
    """Return the shape and type of `x`."""
    x = np.asarray(x)
    return Spec(x.shape, x.dtype)


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
        self.target, self.n_outputs = last.target, last.n_outputs
        self.frees: tuple[int, ...] = ()
        self.is_source_only = first.is_source_only
        self.is_alone = False

    def refusing(self, error: Exception) -> Step:
        """Return the step whose layer raised `error`; the last where none says so."""
        return next((step for step in self.steps if step.layer is getattr(error, "where", None)), self.last)

    def reads(self, sources: tuple[int, ...]) -> None:
        """Have it read these slots."""
        self.sources = sources
        self.source = sources[0] if len(sources) == 1 else -1


class Plan:
    """The operations of a program, with the memory they work in. It belongs to one thread.

    Parameters
    ----------
    program : Program
    ops : list of Op
        In the order of forward.
    alone : Plan, optional
        The plan without fused operations, by which it goes on where a layer gives something of another shape than before.

    Attributes
    ----------
    copies : list of (int, ndarray)
        Inputs that are copied, since the caller could write into them: the slot of each, and the array. All copies have slots
        behind those of the program.
    behind : list
        What lies in those slots: these copies, and None for others.
    sums : dict of int to ndarray
        Where the gradients that meet at a slot are added up.
    dout_types : list of dtype or None
        The type that each dout must have, and C order with it; None where the layer that gets it sees to that itself.
    """

    def __init__(self, program: Program, ops: list[Op], inputs: tuple[Spec, ...] = (), alone: Plan | None = None) -> None:
        self.program = program
        self.inputs = inputs
        self.copies: list[tuple[int, Array]] = []
        self.behind: list[Array | None] = []
        self.sums: dict[int, Array] = {}
        self.dout_types: list[np.dtype[Any] | None] = [None] * len(program.outputs)
        self.ops, self._alone = ops, alone
        self._in_reverse = self._ran_in_reverse = _in_reverse(ops)
        self._has_layers_alone = any(op.is_alone for op in ops)
        self._is_chain = program.n_inputs == 1 and not self._has_layers_alone and self._chains()
        self._made = [None] * (program.n_slots - program.n_inputs)
        self._like: dict[int, Spec] = {}
        self._input = inputs[0] if len(inputs) == 1 else None
        self._is_compiled = is_loaded()

    def takes(self, inputs: Sequence[Any]) -> bool:
        """Return whether it was made for such inputs, and for the kernels that are in use."""
        if self._input is not None:  # the common case, without a loop
            x, (shape, dtype) = inputs[0], self._input
            fits = type(x) is np.ndarray and x.shape == shape and x.dtype is dtype
        else:
            fits = all(type(x) is np.ndarray and (x.shape, x.dtype) == spec for x, spec in zip(inputs, self.inputs, strict=True))
        return fits and self._is_compiled is is_loaded()

    def forward(self, inputs: Sequence[Any], noted: Specs | None = None) -> list[Any]:
        """Run the operations and return the outputs. `noted` fills with the shapes and types of all values."""
        for slot, copy in self.copies:
            copy[...] = inputs[slot]
        if self._is_chain:
            return [self._forward_of_chain(self.copies[0][1] if self.copies else inputs[0])]
        values = [*inputs, *self._made, *self.behind]
        self._ran_in_reverse = self._in_reverse
        if self._has_layers_alone:
            self._forward_with_layers(values, noted)
        else:
            self._run(self.ops, values)
        return [values[slot] for slot in self.program.outputs]

    def backward(self, douts: Sequence[Array], input_gradient: bool) -> list[Any]:
        """Run the operations in reverse and return dL/d(input) for each input: None where none was asked for or none flows."""
        given = [
            dout if dtype is None or (dout.dtype is dtype and dout.flags.carray) else np.array(dout, dtype, order="C")
            for dout, dtype in zip(douts, self.dout_types)  # noqa: B905 - whoever calls has counted
        ]
        if self._is_chain:
            return [self._backward_of_chain(given[0], input_gradient)]
        grads: list[Any] = [None] * self.program.n_slots
        for slot, dout in zip(self.program.outputs, given, strict=True):
            grads[slot] = dout
        self._run_in_reverse(grads, input_gradient)
        return grads[: self.program.n_inputs]

    def _forward_of_chain(self, x: Any) -> Any:
        op = None
        try:
            for op in self.ops:
                x = op.forward(x)
        except Exception as error:
            add_location(error, None if op is None else op.first)
            raise
        return x

    def _backward_of_chain(self, dout: Any, input_gradient: bool) -> Any:
        op = None
        try:
            for op in self._in_reverse:
                if op.is_source_only and not input_gradient:
                    op.backward_parameters(dout)
                    return None
                dout = op.backward(dout)
        except Exception as error:
            add_location(error, None if op is None else op.refusing(error), self.program.steps)
            raise
        return dout

    def _chains(self) -> bool:
        """Return whether each operation takes what the one before it gives, and nothing else."""
        targets = [op.target for op in self.ops]
        sources = [op.to for op in self.ops[1:]]
        return bool(targets) and sources == [(slot,) for slot in targets[:-1]] and self.program.outputs == (targets[-1],)

    def _forward_with_layers(self, values: list[Any], noted: Specs | None) -> None:
        outer = execution.op
        try:
            self._run(self.ops, values, noted)
        except OtherInput as stop:
            at: int = stop.args[0]
            assert self._alone is not None
            done = {step for op in self.ops[:at] if op.backward is not None for step in op.steps}
            rest = [op for op in self._alone.ops if op.first not in done]
            self._ran_in_reverse = _in_reverse([*self.ops[:at], *rest])
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
                        self._like[slot] = spec_of(values[slot])
                if noted is not None:
                    for slot in op.last.targets:
                        noted[slot] = spec_of(values[slot])
                for slot in op.frees:
                    values[slot] = None
        except OtherInput:
            raise OtherInput(ops.index(op)) from None  # type: ignore[arg-type]
        except Exception as error:
            add_location(error, None if op is None else op.first)
            raise

    def _run_in_reverse(self, grads: list[Any], input_gradient: bool) -> None:
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
                gradients = (dx,) if type(dx) is np.ndarray and len(op.to) == 1 else gradients_of(op.first, dx)
                for slot, d in zip(op.to, gradients):  # noqa: B905 - none for inputs that are not differentiated
                    if grads[slot] is None:
                        grads[slot] = d
                    elif d is not None:
                        grads[slot] = self._sum(slot, grads[slot], d)
        except Exception as error:
            add_location(error, None if op is None else op.refusing(error), self.program.steps)
            raise

    def _sum(self, slot: int, a: Any, b: Any) -> Any:
        if slot in self.sums and self._ran_in_reverse is self._in_reverse:  # else some shapes are others than planned
            return np.add(a, b, out=self.sums[slot])
        return a + b

    def _zeros(self, slot: int) -> Array:
        return np.zeros(*self._like[slot])


def _in_reverse(ops: list[Op]) -> list[Op]:
    """Return the operations that have a backward, the last one first."""
    return [op for op in reversed(ops) if op.backward is not None]


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
        raise InvalidTypeError("backward returned None, wanted dL/dx", where=layer, hint="Does it lack a return?")
    gradients: tuple[Any, ...] = dx if type(dx) is tuple else (dx,)
    if len(gradients) + layer.n_nondifferentiable_inputs != len(step.sources):
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
        error.hint = f"It came out of the backward of {' and '.join(makers)}." if makers else ""
