"""The flat program that every container runs: which layer takes which values, in an order that works."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from threading import local
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arrays import Array, Shape, as_floats
from ..errors import InvalidValueError, NetlibError, ShapeError
from ..execution import execution
from ..kernels.fused import TABLE
from ..kernels.fused.fusion import Fusion
from ..layer import Layer
from ..layers.identity import Identity
from ..structure import METHODS, Structure
from .plan import add_location, outputs_of
from .planning import Plans, last_reads

if TYPE_CHECKING:
    from .container import Container

Slots = tuple[int, ...]
Wiring = Generator[tuple[str, Layer, Slots], Slots, Slots]


class Step:
    """One layer of a program, the slots its inputs come from, and the first of the slots its outputs go to."""

    __slots__ = (
        "is_inner",
        "is_output",
        "is_source_only",
        "kernel",
        "label",
        "layer",
        "n_outputs",
        "outer",
        "sources",
        "takes_foreign",
        "target",
    )

    def __init__(self, layer: Layer, sources: Slots, target: int, outer: Any, label: str) -> None:
        self.layer = layer
        self.sources = sources
        self.target = target
        self.outer = outer
        self.label = label
        self.n_outputs = layer.n_outputs
        is_watched = any(name in layer.__dict__ for name in METHODS)
        self.kernel = "" if is_watched else type(layer).kernel_name
        self.is_source_only = self.is_output = self.takes_foreign = False
        self.is_inner = True

    def mark(self, n_inputs: int, outputs: Slots, foreign: set[int]) -> None:
        """Note where the step stands among the others."""
        self.is_source_only = all(slot < n_inputs for slot in self.sources)
        self.is_output = any(slot in outputs for slot in self.targets)
        self.takes_foreign = any(slot in foreign for slot in self.sources)
        self.is_inner = not self.is_output and not self.takes_foreign

    @property
    def targets(self) -> range:
        """The slots its outputs go to."""
        return range(self.target, self.target + self.n_outputs)

    @property
    def path(self) -> str:
        """The place for people: ``Sequential[1].Residual.layer``."""
        return path_of((self.outer, self.label))

    def own(self, kept: tuple[Any, ...], y: Any) -> tuple[Any, ...]:
        """Return what the layer keeps, with copies of the arrays that somebody outside may write into."""
        outputs = y if type(y) is tuple else (y,)

        def is_foreign(x: Any) -> bool:
            return isinstance(x, np.ndarray) and (self.takes_foreign or any(np.may_share_memory(x, each) for each in outputs))

        return tuple([x.copy() if is_foreign(x) else x for x in kept])


class OfThread(local):
    """What a program has for each thread."""

    def __init__(self, program: Program) -> None:
        self.plans = Plans(program)


class Group(NamedTuple):
    """Steps that may run as one operation, the first of which alone reads slots that others may read too."""

    steps: tuple[Step, ...]
    fusion: Fusion | None
    layers: tuple[Layer, ...]
    sources: Slots
    target: int
    frees: Slots
    """The slots that no later group reads."""


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
        self.n_inputs = n_inputs
        self.structure = Structure(container)
        self.steps: list[Step] = []
        self.n_slots = n_inputs
        self.outputs = self._as_own(self._wire(container), container.short)
        unnamed = {slot for step in self.steps if not step.kernel for slot in step.targets}
        self.foreign = unnamed.union(range(n_inputs), self.outputs)
        """The slots whose arrays somebody outside may write into: the caller, or a layer that promises nothing."""
        for step in self.steps:
            step.mark(n_inputs, self.outputs, self.foreign)
        self.groups = self._grouped()
        self.has_fusions = any(group.fusion for group in self.groups)
        self.of_thread = OfThread(self)

    def is_wired_as(self, other: Program) -> bool:
        """Return whether both run the same layers in the same way."""
        mine, others = ([(step.layer, step.sources) for step in program.steps] for program in (self, other))
        return len(mine) == len(others) and all(a is b and s == t for (a, s), (b, t) in zip(mine, others, strict=True) if s)

    def infer(self, inputs: Sequence[Any]) -> list[Any]:
        """Return the outputs; keep nothing, and hold no value longer than it is read."""
        values = [*inputs, *[None] * (self.n_slots - self.n_inputs)]
        step: Step | None = None
        try:
            for steps, fusion, layers, sources, target, frees in self.groups:
                step = steps[0]
                if fusion is None:
                    self._infer_one_by_one(steps, values)
                elif len(sources) == 1:  # the common case, without a list
                    x = values[sources[0]]
                    if type(x) is np.ndarray and fusion.fits(layers, x):
                        values[target] = fusion.infer(layers, x)
                    else:
                        self._infer_one_by_one(steps, values)
                    x = None
                else:
                    xs = [values[slot] for slot in sources]
                    if all(type(x) is np.ndarray for x in xs) and fusion.fits(layers, *xs):
                        values[target] = fusion.infer(layers, *xs)
                    else:
                        self._infer_one_by_one(steps, values)
                    xs = []
                for slot in frees:
                    values[slot] = None
        except Exception as error:
            add_location(error, next((each for each in steps if each.layer is getattr(error, "where", None)), step) if step else None)
            raise
        return [values[slot] for slot in self.outputs]

    @staticmethod
    def _infer_one_by_one(steps: Sequence[Step], values: list[Any]) -> None:
        for step in steps:
            layer = step.layer.untraced() if execution.evaluates else step.layer
            y = layer.forward(*[values[slot] for slot in step.sources])
            values[step.target : step.target + step.n_outputs] = outputs_of(step, y)
        for step in steps[:-1]:
            values[step.target] = None

    def _grouped(self) -> list[Group]:
        """Return the steps in groups, each the longest row of the table that begins there."""
        longest = max(map(len, TABLE))
        reader: dict[int, Step | None] = dict.fromkeys(self.outputs)
        for step in self.steps:
            for slot in step.sources:
                reader[slot] = None if slot in reader else step
        done: set[int] = set()
        chains: list[tuple[tuple[Step, ...], Fusion | None]] = []
        for step in self.steps:
            if step.target in done:
                continue
            chain = [step]
            while len(chain) < longest and (after := reader.get(chain[-1].target)) is not None and len(after.sources) == 1:
                chain.append(after)
            while len(chain) > 1 and tuple([each.kernel for each in chain]) not in TABLE:
                chain.pop()
            done.update(each.target for each in chain)
            chains.append((tuple(chain), TABLE.get(tuple([each.kernel for each in chain]))))
        frees = last_reads([(steps[0].sources, steps[-1].targets) for steps, _ in chains], self.outputs)
        return [
            Group(steps, fusion, tuple([each.layer for each in steps]), steps[0].sources, steps[-1].target, freed)
            for (steps, fusion), freed in zip(chains, frees, strict=True)
        ]

    def _wire(self, container: Container) -> Slots:
        """Ask the container for its wiring, and whenever that names another container, that one first: a stack, no recursion."""
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
            inner = layer.as_inlinable()
            if inner is not None:
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


def same_object_twice(layer: Layer, first: str, second: str) -> InvalidValueError:
    """Return the error for one object at two places: the second forward would overwrite what the first keeps."""
    return InvalidValueError(
        f"the same object stands at {first} and at {second}; it keeps one forward only",
        where=layer,
        hint="Use layer.tied_copy() for the second place: a layer of its own over the same parameters.",
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
    """Return `dout` as one array for each output, of the output's shape; errors name `where`, a container by its short name."""
    n = len(shapes)
    if n == 1:
        if type(dout) is np.ndarray and dout.dtype.kind == "f" and dout.shape == shapes[0]:
            return [dout]
        dout = (dout,)
    elif not isinstance(dout, tuple | list) or len(dout) != n:
        got = f"a list of {len(dout)}" if isinstance(dout, tuple | list) else type(dout).__name__
        raise ShapeError(f"got {got} for dout, wanted a tuple of {n} arrays, one for each output", where=getattr(where, "short", where))
    where = getattr(where, "short", where)
    arrays = [as_floats(d, where=where) for d in dout]
    for i, (array, shape) in enumerate(zip(arrays, shapes, strict=True)):
        if array.shape != shape:
            which = f" of output {i}" if n > 1 else ""
            raise ShapeError(f"dout{which} has shape {array.shape}, wanted that of the output, {shape}", where=where)
    return arrays
