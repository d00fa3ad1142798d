"""The flat program that every container runs: which layer takes which values, in an order that works."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Array, Shape, as_floats
from ..errors import GradientShapeError, InvalidTypeError, InvalidValueError, NetlibError, ShapeError
from ..layer import Layer

if TYPE_CHECKING:
    from .container import Container

    Slots = tuple[int, ...]
    Zeros = tuple[tuple[int, Array], ...]
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
    def path(self) -> str:
        """The place for people: ``Sequential[1].Residual.layer``."""
        labels, outer = [self.label], self.outer
        while outer is not None:
            outer, label = outer
            labels.append(label)
        return ".".join(reversed(labels))


class Program:
    """A container and all containers inside it, wired flat.

    Values live in numbered slots: the inputs first, then the outputs of each step. Forward runs the steps in order;
    backward runs them in reverse and adds up the gradients that meet at a slot, so a step is reached only when the
    gradient of its output is complete.
    """

    def __init__(self, container: Container, n_inputs: int) -> None:
        self.n_inputs = n_inputs
        self.steps: list[Step] = []
        self.parts: list[tuple[Container, object]] = []
        self.n_slots = n_inputs
        self._places: dict[int, Step] = {}
        self.outputs = self._wire(container)
        used = {slot for step in self.steps for slot in step.sources}.union(self.outputs)
        self._unused = [slot for slot in range(n_inputs, self.n_slots) if slot not in used]
        given = set(range(n_inputs))
        for step in self.steps:
            step.is_source_only = given.issuperset(step.sources)

    def _wire(self, container: Container) -> Slots:
        """Ask the container for its wiring, and whenever that names another container, that one first: a stack, no recursion."""
        self.parts.append((container, container.structure()))
        stack: list[tuple[Wiring, Any]] = [(container.wire(*range(self.n_inputs)), None)]
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
            step = Step(layer, sources, self.n_slots, outer, label)
            twin = self._places.setdefault(id(layer), step)
            if twin is not step:
                raise same_object_twice(layer, twin.path, step.path)
            inner = as_wirable(layer)
            if inner is not None:
                self.parts.append((inner, inner.structure()))
                stack.append((inner.wire(*sources), (outer, label)))
                slots = None
            else:
                self.steps.append(step)
                slots = tuple(range(step.target, step.target + step.n_outputs))
                self.n_slots += step.n_outputs

    def is_current(self, n_inputs: int) -> bool:
        """Whether no container has changed since the wiring, such as by `append`."""
        return n_inputs == self.n_inputs and all(container.structure() is structure for container, structure in self.parts)

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
        outputs = [np.array(values[slot]) if slot < self.n_inputs else values[slot] for slot in self.outputs]
        return outputs, tuple((slot, np.zeros_like(values[slot])) for slot in self._unused)

    def backward(self, douts: Sequence[Array], zeros: Zeros, input_gradient: bool) -> list[Any]:
        """Run the steps in reverse and return dL/d(input) for each input: None where none was asked for or none flows."""
        grads: list[Any] = [None] * self.n_slots
        for slot, nothing in zeros:
            grads[slot] = nothing
        for slot, given in zip(self.outputs, douts, strict=True):
            if grads[slot] is not None:
                grads[slot] = grads[slot] + given
            else:
                grads[slot] = np.array(given) if slot < self.n_inputs else given
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
                    dout = tuple(grads[target : target + step.n_outputs])
                    if all(d is None for d in dout):
                        continue
                if step.is_source_only and not input_gradient:
                    layer.backward_parameters(dout)
                    continue
                dx = layer.backward(dout)
                if type(dx) is not tuple:
                    if dx is None and not step.is_source_only:
                        raise InvalidTypeError("backward returned None, wanted dL/dx", where=layer, mend="Does it lack a return?")
                    dx = (dx,)
                if len(dx) + layer.n_constant_inputs != len(step.sources):
                    raise ShapeError(f"backward returned {len(dx)} gradients for {len(step.sources)} inputs", where=layer)
                for slot, d in zip(step.sources, dx, strict=False):
                    if grads[slot] is None:
                        grads[slot] = d
                    elif d is not None:
                        grads[slot] = grads[slot] + d
        except Exception as error:
            locate(error, step)
            if isinstance(error, GradientShapeError) and step is not None:
                error.mend = self._who_made_the_gradient_of(step)
            raise
        return grads[: self.n_inputs]

    def _who_made_the_gradient_of(self, step: Step) -> str:
        slots = range(step.target, step.target + step.n_outputs)
        makers = [f"{each.path} {each.layer!r}" for each in self.steps if any(slot in slots for slot in each.sources)]
        return f"It came out of the backward of {' and '.join(makers)}." if makers else ""

    @staticmethod
    def _spread(y: Any, step: Step, values: list[Any]) -> None:
        n = step.n_outputs
        if not isinstance(y, tuple) or len(y) != n:
            raise InvalidTypeError(f"forward returned {type(y).__name__}, wanted a tuple of {n} arrays", where=step.layer)
        values[step.target : step.target + n] = y


def locate(error: Exception, step: Step | None) -> None:
    """Write the place of `step` on an error that came out of it."""
    if step is not None:
        if isinstance(error, NetlibError):
            error.inside(step.path)
        else:
            error.add_note(f"in {step.path} {step.layer!r}")


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
