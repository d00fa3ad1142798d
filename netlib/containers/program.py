"""The flat program that a container runs.

A container may hold containers, to any depth. A program lists the layers inside all of them as
steps, each after the steps whose outputs it takes. Values are kept in numbered slots: a step reads
the slots of its inputs and writes the slots of its outputs.

Training runs a program by plans (see `planning`), and inference by `Program.infer`.
"""

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
from .plan import Specs, add_location, outputs_of, spec_of
from .planning import Plans, last_reads

if TYPE_CHECKING:
    from .container import Container

Slots = tuple[int, ...]
Wiring = Generator[tuple[str, Layer, Slots], Slots, Slots]


class Step:
    """One layer of a program, with the slots of its inputs and the first slot of its outputs."""

    __slots__ = (
        "is_inner",
        "is_output",
        "is_source_only",
        "kernel",
        "label",
        "layer",
        "n_outputs",
        "outer",
        "reads_exposed",
        "sources",
        "target",
    )

    def __init__(self, layer: Layer, sources: Slots, target: int, outer: Any, label: str) -> None:
        self.layer = layer
        self.sources = sources
        self.target = target
        self.outer = outer
        self.label = label
        self.n_outputs = layer.n_outputs
        is_replaced = any(name in layer.__dict__ for name in METHODS)
        self.kernel = "" if is_replaced else type(layer).kernel_name

    def set_flags(self, n_inputs: int, outputs: Slots, exposed: set[int]) -> None:
        """Set the flags that depend on the rest of the program."""
        self.is_source_only = all(slot < n_inputs for slot in self.sources)
        self.is_output = any(slot in outputs for slot in self.targets)
        self.reads_exposed = any(slot in exposed for slot in self.sources)
        self.is_inner = not self.is_output and not self.reads_exposed

    @property
    def targets(self) -> range:
        """The slots of its outputs."""
        return range(self.target, self.target + self.n_outputs)

    @property
    def path(self) -> str:
        """The location for messages, such as ``Sequential[1].Residual.layer``."""
        return path_of((self.outer, self.label))

    def copy_exposed(self, kept: tuple[Any, ...], y: Any) -> tuple[Any, ...]:
        """Return what the layer caches, with copies of arrays that other code may write into."""
        outputs = y if type(y) is tuple else (y,)

        def is_exposed(x: Any) -> bool:
            if not isinstance(x, np.ndarray):
                return False
            return self.reads_exposed or any(np.may_share_memory(x, each) for each in outputs)

        return tuple([x.copy() if is_exposed(x) else x for x in kept])


class ThreadLocal(local):
    """The part of a program that is separate for each thread."""

    def __init__(self, program: Program) -> None:
        self.plans = Plans(program)


class Group(NamedTuple):
    """Steps that may run as one operation: each is the only reader of the output before it."""

    steps: tuple[Step, ...]
    fusion: Fusion | None
    layers: tuple[Layer, ...]
    sources: Slots
    target: int
    frees: Slots
    """The slots that no later group reads."""


def path_of(location: Any) -> str:
    """Return the labels from the outermost container to `location`, joined by dots.

    A location is a pair of the outer location, None at the top, and a label.
    """
    labels = []
    while location is not None:
        location, label = location
        labels.append(label)
    return ".".join(reversed(labels))


class Program:
    """The steps of a container and of all containers inside it.

    The first slots are those of the inputs, followed by those of the outputs of each step. Forward
    runs the steps in order. Backward runs them in reverse and adds up the gradients of each slot.
    So when it reaches a step, the gradient of the step's output is complete.
    """

    def __init__(self, container: Container, n_inputs: int) -> None:
        self.n_inputs = n_inputs
        self.structure = Structure(container)
        self.steps: list[Step] = []
        self.n_slots = n_inputs
        self.outputs = self._copy_shared(self._wire(container), container.short)
        unnamed = {slot for step in self.steps if not step.kernel for slot in step.targets}
        self.exposed = unnamed.union(range(n_inputs), self.outputs)
        """The slots whose arrays other code may write into: the caller, or an unnamed layer."""
        for step in self.steps:
            step.set_flags(n_inputs, self.outputs, self.exposed)
        self.groups = self._make_groups()
        self.has_fusions = any(group.fusion for group in self.groups)
        self.is_named = all(step.kernel and step.sources for step in self.steps)
        """Whether all layers are netlib's, and none is a weight or a constant."""
        self.divisible: dict[Any, bool] = {}
        """By shapes and types of inputs, whether inference is divided among cores."""
        self.thread_local = ThreadLocal(self)

    def is_wired_as(self, other: Program) -> bool:
        """Return whether both programs run the same layers on the same slots."""
        if len(self.steps) != len(other.steps):
            return False
        pairs = zip(self.steps, other.steps, strict=True)
        return all(a.layer is b.layer and a.sources == b.sources for a, b in pairs if a.sources)

    def infer(self, inputs: Sequence[Any]) -> list[Any]:
        """Return the outputs without caching, and free each value after its last use."""
        values = [*inputs, *[None] * (self.n_slots - self.n_inputs)]
        steps: tuple[Step, ...] = ()
        try:
            for steps, fusion, layers, sources, target, frees in self.groups:
                if fusion is None:
                    self._infer_layers(steps, values)
                elif len(sources) == 1:  # the common case, without a list
                    x = values[sources[0]]
                    if type(x) is np.ndarray and fusion.fits(layers, x):
                        _set_outputs(values, target, fusion.infer(layers, x))
                    else:
                        self._infer_layers(steps, values)
                    x = None
                else:
                    xs = [values[slot] for slot in sources]
                    if all(type(x) is np.ndarray for x in xs) and fusion.fits(layers, *xs):
                        _set_outputs(values, target, fusion.infer(layers, *xs))
                    else:
                        self._infer_layers(steps, values)
                    xs = []
                for slot in frees:
                    values[slot] = None
        except Exception as error:
            where = getattr(error, "where", None)
            add_location(error, next((each for each in steps if each.layer is where), steps[0]))
            raise
        return [values[slot] for slot in self.outputs]

    def specs(self, inputs: Sequence[Any]) -> Specs:
        """Return the shapes and types of all values, computed layer by layer without caching."""
        values: list[Any] = [*inputs, *[None] * (self.n_slots - self.n_inputs)]
        for step in self.steps:
            self._infer_layers((step,), values)
        return {slot: spec_of(value) for slot, value in enumerate(values)}

    @staticmethod
    def _infer_layers(steps: Sequence[Step], values: list[Any]) -> None:
        for step in steps:
            layer = step.layer.for_inference() if execution.evaluates else step.layer
            y = layer.forward(*[values[slot] for slot in step.sources])
            for slot, part in enumerate(outputs_of(step, y), step.target):
                values[slot] = part
        for step in steps[:-1]:
            values[step.target] = None

    def _make_groups(self) -> list[Group]:
        """Return the steps in groups, each as long as the table of fused kernels allows."""
        max_length = max(map(len, TABLE))
        readers: dict[int, Step | None] = dict.fromkeys(self.outputs)  # None for several readers
        for step in self.steps:
            for slot in step.sources:
                readers[slot] = None if slot in readers else step
        done: set[int] = set()
        chains: list[tuple[Step, ...]] = []
        for step in self.steps:
            if step.target in done:
                continue
            chain = [step]
            while len(chain) < max_length:
                reader = readers.get(chain[-1].target)
                if reader is None or len(reader.sources) != 1:
                    break
                chain.append(reader)
            while len(chain) > 1 and _kernels(chain) not in TABLE:
                chain.pop()
            done.update(each.target for each in chain)
            chains.append(tuple(chain))
        reads_and_writes = [(chain[0].sources, chain[-1].targets) for chain in chains]
        return [
            Group(
                steps=chain,
                fusion=TABLE.get(_kernels(chain)),
                layers=tuple([step.layer for step in chain]),
                sources=chain[0].sources,
                target=chain[-1].target,
                frees=frees,
            )
            for chain, frees in zip(chains, last_reads(reads_and_writes, self.outputs), strict=True)
        ]

    def _wire(self, container: Container) -> Slots:
        """Add the steps of the container, and return the slots of its outputs.

        If its wiring yields a container, that one is wired first. A stack avoids recursion.
        """
        stack: list[tuple[Wiring, Any]] = [(container.wire(*range(self.n_inputs)), None)]
        first_steps: dict[int, Step] = {}
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
                    error.add_location(path_of(outer))
                raise
            step = Step(layer, sources, self.n_slots, outer, label)
            first = first_steps.setdefault(id(layer), step)
            if first is not step and sources:  # weights and constants cache nothing
                raise shared_layer_error(layer, first.path, step.path)
            inner = layer.as_inlinable()
            if inner is not None:
                stack.append((inner.wire(*sources), (outer, label)))
                slots = None
            else:
                self.steps.append(step)
                slots = tuple(step.targets)
                self.n_slots += step.n_outputs

    def _copy_shared(self, outputs: Slots, label: str) -> Slots:
        """Return `outputs` with copies of inputs and of repeated outputs.

        So the caller gets a separate array for each output.
        """
        separate: list[int] = []
        for slot in outputs:
            if slot >= self.n_inputs and slot not in separate:
                separate.append(slot)
            else:
                self.steps.append(Step(Identity(), (slot,), self.n_slots, None, label))
                separate.append(self.n_slots)
                self.n_slots += 1
        return tuple(separate)


def _set_outputs(values: list[Any], target: int, y: Any) -> None:
    """Put the result of a fused operation into its slot, or its slots if it is a tuple."""
    if type(y) is tuple:
        for slot, part in enumerate(y, target):
            values[slot] = part
    else:
        values[target] = y


def _kernels(steps: Sequence[Step]) -> tuple[str, ...]:
    return tuple([step.kernel for step in steps])


def shared_layer_error(layer: Layer, first: str, second: str) -> InvalidValueError:
    """Return the error for a layer that is used twice: its second forward overwrites the cache."""
    return InvalidValueError(
        f"the same layer is used at {first} and at {second}, but it caches one forward only",
        where=layer,
        hint="Use layer.tied_copy() for the second: a separate layer with the same parameters.",
    )


def require_distinct_layers(layers: Sequence[tuple[str, Layer]]) -> None:
    """Raise if two of the layers are, or hold, the same layer.

    A single layer needs no check, since it was checked when it was created.
    """
    if len(layers) < 2:
        return
    labels: dict[int, str] = {}
    for label, layer in layers:
        for _, each in layer.walk():
            if id(each) in labels:
                raise shared_layer_error(each, labels[id(each)], label)
            labels[id(each)] = label


def as_gradients(dout: Any, shapes: Sequence[Shape], where: object) -> list[Array]:
    """Return `dout` as a list with one array for each output, or raise if a shape is wrong.

    Errors name `where`, or its short name if that is a container.
    """
    n = len(shapes)
    if n == 1:
        if type(dout) is np.ndarray and dout.dtype.kind == "f" and dout.shape == shapes[0]:
            return [dout]
        dout = (dout,)
    elif not isinstance(dout, tuple | list) or len(dout) != n:
        got = f"a list of {len(dout)}" if isinstance(dout, tuple | list) else type(dout).__name__
        message = f"got {got} for dout, expected a tuple of {n} arrays, one for each output"
        raise ShapeError(message, where=getattr(where, "short", where))
    where = getattr(where, "short", where)
    arrays = [as_floats(d, where=where) for d in dout]
    for i, (array, shape) in enumerate(zip(arrays, shapes, strict=True)):
        if array.shape != shape:
            which = f" of output {i}" if n > 1 else ""
            message = f"dout{which} has shape {array.shape}, expected that of the output, {shape}"
            raise ShapeError(message, where=where)
    return arrays
