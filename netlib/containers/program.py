"""The flat program that every container runs: which layer takes which values, in an order that works."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Array, Shape, as_floats
from ..errors import GradientShapeError, InvalidTypeError, InvalidValueError, NetlibError, ShapeError
from ..layer import Layer
from ..layers.identity import Identity

if TYPE_CHECKING:
    from .container import Container

    Slots = tuple[int, ...]
    Zeros = dict[int, Array]
    Wiring = Generator[tuple[str, Layer, Slots], Slots, Slots]


class Step:
    """One layer of a program, the slots its inputs come from, and the first of the slots its outputs go to."""

    __slots__ = ("is_source_only", "label", "layer", "n_outputs", "outer", "sources", "target")

    def __init__(self, layer: Layer, sources: Slots, target: int, outer: Any, label: str) -> None:
        self.layer = layer
        self.sources = sources
        self.target = target
        self.outer = outer
        self.label = label
        self.n_outputs = layer.n_outputs
        self.is_source_only = False

    @property
    def targets(self) -> range:
        """The slots its outputs go to."""
        return range(self.target, self.target + self.n_outputs)

    @property
    def path(self) -> str:
        """The place for people: ``Sequential[1].Residual.layer``."""
        return path_of((self.outer, self.label))


def path_of(place: Any) -> str:
    """Return the labels from the outermost container to `place`, joined by dots."""
    labels = []
    while place is not None:
        place, label = place
        labels.append(label)
    return ".".join(reversed(labels))


class Program:
    """A container and all containers inside it, wired flat.

    Values live in numbered slots: the inputs first, then the outputs of each step. Forward runs the steps in order;
    backward runs them in reverse and adds up the gradients that meet at a slot, so a step is reached only when the
    gradient of its output is complete.
    """

    def __init__(self, container: Container, n_inputs: int) -> None:
        from .plan import Plans

        self.n_inputs = n_inputs
        self.steps: list[Step] = []
        self.parts: list[tuple[Container, object]] = []
        self.n_slots = n_inputs
        self.outputs = self._as_own(self._wire(container), container.short)
        self._shared_steps = [slot for step in self.steps if step.n_outputs > 1 for slot in step.targets]
        given = set(range(n_inputs))
        for step in self.steps:
            step.is_source_only = given.issuperset(step.sources)
        is_chain = n_inputs == 1 and self.outputs == (len(self.steps),)
        is_chain = is_chain and all((step.sources, step.n_outputs) == ((i,), 1) for i, step in enumerate(self.steps))
        self.plans = Plans(self) if is_chain and self.steps else None
        """Of a chain, for shapes that have come by before."""

    def _wire(self, container: Container) -> Slots:
        """Ask the container for its wiring, and whenever that names another container, that one first: a stack, no recursion."""
        self.parts.append((container, container.structure()))
        stack: list[tuple[Wiring, Any]] = [(container.wire(*range(self.n_inputs)), None)]
        places: dict[int, Step] = {}
        slots: Slots | None = None
        while True:
            wiring, outer = stack[-1]
            try:
                label, layer, sources = wiring.send(slots)  # type: ignore[arg-type]  # None starts a generator
            except StopIteration as end:
                stack.pop()
                slots = end.value
                if not stack:
                    return end.value  # type: ignore[no-any-return]
                continue
            except NetlibError as error:
                if outer is not None:
                    error.inside(path_of(outer))
                raise
            step = Step(layer, sources, self.n_slots, outer, label)
            twin = places.setdefault(id(layer), step)
            if twin is not step and sources:  # a weight or a constant keeps no forward
                raise same_object_twice(layer, twin.path, step.path)
            inner = as_wirable(layer)
            if inner is not None:
                self.parts.append((inner, inner.structure()))
                stack.append((inner.wire(*sources), (outer, label)))
                slots = None
            else:
                self.steps.append(step)
                slots = tuple(step.targets)
                self.n_slots += step.n_outputs

    def _as_own(self, outputs: Slots, label: str) -> Slots:
        """Return `outputs` with a copy in place of each that is an input, or an output already: what is returned is the caller's."""
        own: list[int] = []
        for slot in outputs:
            if slot >= self.n_inputs and slot not in own:
                own.append(slot)
            else:
                self.steps.append(Step(Identity(), (slot,), self.n_slots, None, label))
                own.append(self.n_slots)
                self.n_slots += 1
        return tuple(own)

    def is_current(self) -> bool:
        """Whether no container has changed since the wiring, such as by `append`."""
        for container, structure in self.parts:  # noqa: SIM110 - this runs at every call, and a generator would double its time
            if container.structure() is not structure:
                return False
        return True

    def forward(self, inputs: Sequence[Any]) -> tuple[list[Any], Zeros]:
        """Run the steps; return the outputs, never an input itself, and the gradients of what nobody uses: zeros by slot."""
        values: list[Any] = [*inputs, *[None] * (self.n_slots - self.n_inputs)]
        step = None
        try:
            for step in self.steps:
                sources = step.sources
                if len(sources) == 1:  # the common case, without a list
                    y = step.layer.forward(values[sources[0]])
                else:
                    y = step.layer.forward(*[values[slot] for slot in sources])
                if step.n_outputs == 1:
                    values[step.target] = y
                else:
                    self._spread(y, step, values)
        except Exception as error:
            locate(error, step)
            raise
        return [values[slot] for slot in self.outputs], {slot: np.zeros_like(values[slot]) for slot in self._shared_steps}

    def backward(self, douts: Sequence[Array], zeros: Zeros, input_gradient: bool) -> list[Any]:
        """Run the steps in reverse and return dL/d(input) for each input: None where none was asked for or none flows."""
        grads: list[Any] = [None] * self.n_slots
        for slot, given in zip(self.outputs, douts, strict=True):
            grads[slot] = given
        step = None
        dout: Any
        try:
            for step in reversed(self.steps):
                layer, target = step.layer, step.target
                if step.n_outputs == 1:
                    dout = grads[target]
                    if dout is None:
                        continue
                    grads[target] = None
                else:
                    if all(grads[slot] is None for slot in step.targets):
                        continue
                    dout = tuple(zeros[slot].copy() if grads[slot] is None else grads[slot] for slot in step.targets)
                if step.is_source_only and not input_gradient:
                    layer.backward_parameters(dout)
                    continue
                for slot, d in zip(step.sources, gradients_of(step, layer.backward(dout)), strict=False):
                    if grads[slot] is None:
                        grads[slot] = d
                    elif d is not None:
                        grads[slot] = grads[slot] + d
        except Exception as error:
            locate(error, step, self.steps)
            raise
        return grads[: self.n_inputs]

    @staticmethod
    def _spread(y: Any, step: Step, values: list[Any]) -> None:
        values[step.target : step.target + step.n_outputs] = outputs_of(step, y)


def outputs_of(step: Step, y: Any) -> tuple[Any, ...]:
    """Return what the forward at `step` returned as one array for each output."""
    if step.n_outputs == 1:
        return (y,)
    if not isinstance(y, tuple) or len(y) != step.n_outputs:
        raise InvalidTypeError(f"forward returned {type(y).__name__}, wanted a tuple of {step.n_outputs} arrays", where=step.layer)
    return y


def locate(error: Exception, step: Step | None, steps: Sequence[Step] = ()) -> None:
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


def gradients_of(step: Step, dx: Any) -> tuple[Any, ...]:
    """Return what the backward at `step` returned as one gradient for each input, None where nothing flows."""
    layer = step.layer
    if dx is None and not step.is_source_only:  # layers before it wait for a gradient
        raise InvalidTypeError("backward returned None, wanted dL/dx", where=layer, mend="Does it lack a return?")
    gradients: tuple[Any, ...] = dx if type(dx) is tuple else (dx,)
    if len(gradients) + layer.n_constant_inputs != len(step.sources):
        raise ShapeError(f"backward returned {len(gradients)} gradients for {len(step.sources)} inputs", where=layer)
    return gradients


def as_wirable(layer: Layer) -> Container | None:
    """Return `layer` as a container to be wired flat, or None for whatever must be called: all else, and overridden containers."""
    from .container import Container

    kind = type(layer)
    if isinstance(layer, Container) and kind.forward is Container.forward and kind.backward is Container.backward:
        return layer
    return None


def same_object_twice(layer: Layer, first: str, second: str) -> InvalidValueError:
    """Return the error for one object at two places: the second forward would overwrite what the first keeps."""
    return InvalidValueError(
        f"the same object stands at {first} and at {second}; it keeps one forward only",
        where=layer,
        mend="Use layer.tied_copy() for the second place: a layer of its own over the same parameters.",
    )


def refuse_same_object_twice(layers: Sequence[tuple[str, Layer]]) -> None:
    """Refuse layers of which two are, or hold, the same object. A single layer was checked when it was made."""
    if len(layers) < 2:
        return
    places: dict[int, str] = {}
    for place, layer in layers:
        for _, each in layer.walk():
            if id(each) in places:
                raise same_object_twice(each, places[id(each)], place)
            places[id(each)] = place


def as_gradients(dout: Any, shapes: Sequence[Shape], where: object) -> list[Array]:
    """Return `dout` as one array for each output, of the output's shape."""
    n = len(shapes)
    if n == 1:
        if type(dout) is np.ndarray and dout.dtype.kind == "f" and dout.shape == shapes[0]:
            return [dout]
        dout = (dout,)
    elif not isinstance(dout, tuple | list) or len(dout) != n:
        got = f"a list of {len(dout)}" if isinstance(dout, tuple | list) else type(dout).__name__
        raise ShapeError(f"got {got} for dout, wanted a tuple of {n} arrays, one for each output", where=where)
    arrays = [as_floats(d, where=where) for d in dout]
    for i, (array, shape) in enumerate(zip(arrays, shapes, strict=True)):
        if array.shape != shape:
            which = f" of output {i}" if n > 1 else ""
            raise ShapeError(f"dout{which} has shape {array.shape}, wanted that of the output, {shape}", where=where)
    return arrays
