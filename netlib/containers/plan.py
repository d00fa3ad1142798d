"""A plan: the operations by which one thread runs a program, for inputs of given shapes.

A training loop passes the same shapes to a container in every step. In the first step, layers that
the table of fused kernels lists run as one operation where their inputs allow it, every value is a
new array, and the program records the shapes of all values. From the second step on, it runs a
plan: results are written to work arrays, which every step reuses. Both compute what the layers
would compute. They also set the cache of each layer, so that the layer's own backward works as it
would after its own forward.

Only two kinds of code receive work arrays: fused operations, and the backward of layers with a
`kernel_name`, which must return new arrays and keep none of their arguments. Arrays from any other
code are copied, and any other code gets new arrays.
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


class SpecMismatch(Exception):  # noqa: N818 - not an error: the plan continues layer by layer
    """Raised if the output of a layer has another shape or type than the plan was made for."""


class Op:
    """One operation of a plan, for one layer or several, with the slots it reads and writes."""

    __slots__ = (
        "backward",
        "backward_parameters",
        "calls_layer",
        "first",
        "forward",
        "frees",
        "gradient_slots",
        "is_source_only",
        "last",
        "n_outputs",
        "source",
        "sources",
        "steps",
        "target",
        "uses_all_cores",
    )

    def __init__(self, steps: tuple[Step, ...], forward: Any, backward: Any, backward_parameters: Any) -> None:
        self.steps = steps
        self.first, self.last = first, last = steps[0], steps[-1]
        self.forward: Callable[..., Any] = forward
        self.backward: Any = backward
        """Takes dout and returns the gradients. None for a copy, whose reader does it instead."""
        self.backward_parameters: Any = backward_parameters
        self.set_sources(first.sources)
        self.gradient_slots = first.sources
        """The slots to whose gradients backward adds."""
        self.target, self.n_outputs = last.target, last.n_outputs
        self.frees: tuple[int, ...] = ()
        """The slots that no later operation reads."""
        self.is_source_only = first.is_source_only
        self.uses_all_cores = False
        """Whether it runs parts of the batch at the same time, in threads of its own."""
        self.calls_layer = False
        """Whether it calls the methods of a layer, which may return anything."""

    def set_sources(self, sources: tuple[int, ...]) -> None:
        """Set the slots that forward reads."""
        self.sources = sources
        self.source = sources[0] if len(sources) == 1 else -1

    def step_of(self, error: Exception) -> Step:
        """Return the step whose layer raised `error`, by default the last one."""
        where = getattr(error, "where", None)
        return next((step for step in self.steps if step.layer is where), self.last)


class Plan:
    """The operations of a program, with their work arrays. A plan belongs to one thread.

    Parameters
    ----------
    program : Program
    ops : list of Op
        In the order of forward.
    inputs : tuple of Spec
        Shape and type of the inputs that it is made for. Empty for a plan without fused operations,
        which runs for any inputs.
    unfused : Plan, optional
        The plan without fused operations, with which a forward continues if the output of a layer
        has another shape than before.

    Attributes
    ----------
    copies : list of (int, ndarray)
        Inputs to copy, since the caller could write into them: the slot of each, and the array.
    copy_slots : list of ndarray or None
        The initial values of the slots for copies, which follow the slots of the program: the
        arrays in `copies`, and None for a value that an operation copies.
    sums : dict of int to ndarray
        By slot, the array for the sum of the gradients of a value that several operations read.
    dout_types : list of dtype or None
        The type to which each dout is converted, in C order. None if the layer that receives it
        converts it.
    """

    def __init__(
        self,
        program: Program,
        ops: list[Op],
        inputs: tuple[Spec, ...] = (),
        unfused: Plan | None = None,
    ) -> None:
        self.program = program
        self.inputs = inputs
        self.copies: list[tuple[int, Array]] = []
        self.copy_slots: list[Array | None] = []
        self.sums: dict[int, Array] = {}
        self.dout_types: list[np.dtype[Any] | None] = [None] * len(program.outputs)
        self.ops, self._unfused = ops, unfused
        self._backward_ops = self._last_backward_ops = in_reverse(ops)
        self._calls_layers = any(op.calls_layer for op in ops)
        self._is_chain = not self._calls_layers and _are_chained(ops, program)
        self._empty_slots = [None] * (program.n_slots - program.n_inputs)
        self._output_specs: dict[int, Spec] = {}
        self._input = inputs[0] if len(inputs) == 1 else None
        self._is_compiled = is_loaded()
        self.uses_all_cores = False
        """Whether most of its work is in operations that use all cores themselves."""

    def matches(self, inputs: Sequence[Any]) -> bool:
        """Return whether the plan was made for such inputs, and for the kernels in use."""
        if self._input is not None:  # the common case, without a loop
            x, (shape, dtype) = inputs[0], self._input
            fits = type(x) is np.ndarray and x.shape == shape and x.dtype is dtype
        else:
            pairs = zip(inputs, self.inputs, strict=True)
            fits = all(type(x) is np.ndarray and (x.shape, x.dtype) == spec for x, spec in pairs)
        return fits and self._is_compiled is is_loaded()

    def forward(self, inputs: Sequence[Any]) -> list[Any]:
        """Run the operations and return the outputs."""
        for slot, copy in self.copies:
            copy[...] = inputs[slot]
        if self._is_chain:
            return [self._forward_of_chain(self.copies[0][1] if self.copies else inputs[0])]
        values = [*inputs, *self._empty_slots, *self.copy_slots]
        self._last_backward_ops = self._backward_ops
        if self._calls_layers:
            self._run_forward_with_layers(values)
        else:
            self._run_forward(self.ops, values)
        return [values[slot] for slot in self.program.outputs]

    def backward(self, douts: Sequence[Array], input_gradient: bool) -> list[Any]:
        """Run the operations in reverse, and return dL/d(input) for each input.

        It is None if it was not requested, or if no gradient reaches the input.
        """
        given = [
            dout if dtype is None or (dout.dtype is dtype and dout.flags.carray) else np.array(dout, dtype, order="C")
            for dout, dtype in zip(douts, self.dout_types)  # noqa: B905 - the caller has counted
        ]
        if self._is_chain:
            return [self._backward_of_chain(given[0], input_gradient)]
        grads: list[Any] = [None] * self.program.n_slots
        for slot, dout in zip(self.program.outputs, given, strict=True):
            grads[slot] = dout
        self._run_backward(grads, input_gradient)
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
            for op in self._backward_ops:
                if op.is_source_only and not input_gradient:
                    op.backward_parameters(dout)
                    return None
                dout = op.backward(dout)
        except Exception as error:
            add_location(error, None if op is None else op.step_of(error), self.program.steps)
            raise
        return dout

    def _run_forward_with_layers(self, values: list[Any]) -> None:
        outer = execution.op
        try:
            self._run_forward(self.ops, values)
        except SpecMismatch as mismatch:
            n_done: int = mismatch.args[0]
            assert self._unfused is not None
            done_ops = self.ops[:n_done]
            done_steps = {step for op in done_ops if op.backward is not None for step in op.steps}
            rest = [op for op in self._unfused.ops if op.first not in done_steps]
            self._last_backward_ops = in_reverse([*done_ops, *rest])
            self._run_forward(rest, values)
        finally:
            execution.op = outer

    def _run_forward(self, ops: list[Op], values: list[Any]) -> None:
        op = None
        try:
            for op in ops:
                source = op.source
                if source >= 0:
                    y = op.forward(values[source])
                else:
                    y = op.forward(*[values[slot] for slot in op.sources])
                if op.n_outputs == 1:
                    values[op.target] = y
                else:
                    for slot, part in enumerate(outputs_of(op.last, y), op.target):
                        values[slot] = part
                        self._output_specs[slot] = spec_of(part)
                for slot in op.frees:
                    values[slot] = None
        except SpecMismatch:
            raise SpecMismatch(ops.index(op)) from None  # type: ignore[arg-type]
        except Exception as error:
            add_location(error, None if op is None else op.first)
            raise

    def _run_backward(self, grads: list[Any], input_gradient: bool) -> None:
        op = None
        dout: Any
        try:
            for op in self._last_backward_ops:
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
                slots_to_add = op.gradient_slots
                if type(dx) is np.ndarray and len(slots_to_add) == 1:
                    gradients: tuple[Any, ...] = (dx,)
                else:
                    gradients = gradients_of(op.first, dx)
                for slot, d in zip(slots_to_add, gradients):  # noqa: B905 - may be fewer gradients
                    if grads[slot] is None:
                        grads[slot] = d
                    elif d is not None:
                        grads[slot] = self._sum(slot, grads[slot], d)
        except Exception as error:
            add_location(error, None if op is None else op.step_of(error), self.program.steps)
            raise

    def _sum(self, slot: int, a: Any, b: Any) -> Any:
        # after a mismatch, forward ran other operations, and shapes may differ from the plan's
        if slot in self.sums and self._last_backward_ops is self._backward_ops:
            return np.add(a, b, out=self.sums[slot])
        return a + b

    def _zeros(self, slot: int) -> Array:
        return np.zeros(*self._output_specs[slot])


def _are_chained(ops: list[Op], program: Program) -> bool:
    """Return whether each operation takes the output of the one before it, and nothing else."""
    if program.n_inputs != 1 or not ops:
        return False
    *inner, last = [op.target for op in ops]
    sources = [op.gradient_slots for op in ops[1:]]
    return sources == [(slot,) for slot in inner] and program.outputs == (last,)


def in_reverse(ops: list[Op]) -> list[Op]:
    """Return the operations that have a backward, the last one first."""
    return [op for op in reversed(ops) if op.backward is not None]


def outputs_of(step: Step, y: Any) -> tuple[Any, ...]:
    """Return the result of the forward of `step` as a tuple with one array per output."""
    if step.n_outputs == 1:
        return (y,)
    if not isinstance(y, tuple) or len(y) != step.n_outputs:
        got, expected = type(y).__name__, f"a tuple of {step.n_outputs} arrays"
        raise InvalidTypeError(f"forward returned {got}, expected {expected}", where=step.layer)
    return y


def gradients_of(step: Step, dx: Any) -> tuple[Any, ...]:
    """Return the result of the backward of `step` as a tuple with one gradient per input.

    A gradient is None if none flows to the input.
    """
    layer = step.layer
    n_gradients = layer.count_differentiable(len(step.sources))
    if dx is None and n_gradients == 0:
        return ()
    if dx is None and not step.is_source_only:  # the layers before it need a gradient
        hint = "Is its return statement missing?"
        raise InvalidTypeError("backward returned None, expected dL/dx", where=layer, hint=hint)
    gradients: tuple[Any, ...] = dx if type(dx) is tuple else (dx,)
    if len(gradients) != n_gradients:
        message = f"backward returned {len(gradients)} gradients for {len(step.sources)} inputs"
        raise ShapeError(message, where=layer)
    return gradients


def add_location(error: Exception, step: Step | None, steps: Sequence[Step] = ()) -> None:
    """Add the location of `step` to an error that its layer raised.

    If the error is about dout, its hint names the layers among `steps` that computed it.
    """
    if step is None:
        return
    if not isinstance(error, NetlibError):
        error.add_note(f"in {step.path} {step.layer!r}")
        return
    error.add_location(step.path)
    if isinstance(error, GradientShapeError):
        readers = [each for each in steps if any(slot in step.targets for slot in each.sources)]
        makers = " and ".join(f"{each.path} {each.layer!r}" for each in readers)
        error.hint = f"The backward of {makers} returned it." if makers else ""
