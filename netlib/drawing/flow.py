"""What flows through a model: forward and backward, once, noted value by value."""

from __future__ import annotations

import inspect
import re
from ast import literal_eval
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..arrays import Array, as_array, as_floats
from ..containers import Graph
from ..containers.plan import add_location, gradients_of, outputs_of
from ..containers.program import Step, as_gradients
from ..errors import ShapeError
from ..inspection import deep_copy
from ..layer import Layer
from ..layers import Identity
from ..layers.rules import numbered
from ..parameter import Parameter
from ..random_state import preserve_random_state
from .opening import opened


@dataclass
class Value:
    """An array on its way from the operation that makes it to those that use it.

    Attributes
    ----------
    name : str
        What the user called it; empty where nobody did.
    kind : {"input", "parameter", "constant", "made"}
    path : str
        Where the model keeps a parameter or the layer that makes the value: ``"0.weight"``.
    array : ndarray
    grad : ndarray or None
        dL/d(value), the sum over all uses; None where none was computed, which is not the same as zeros.
    """

    name: str
    kind: str
    path: str
    array: Array
    grad: Array | None = None

    def receive(self, gradient: Array | None) -> None:
        """Add what one use sent back."""
        self.grad = added(self.grad, gradient)


@dataclass
class Operation:
    """One layer that ran: the numbers of the values it took and made, and what its backward sent to each that it took.

    Attributes
    ----------
    inputs, parameters, targets : list of int
        Numbers of values.
    roles : list of str
        What the layer itself calls them, inputs first: the names in its forward, and the paths of its parameters.
    sent : list of (ndarray or None)
        One for each of `inputs` and `parameters`.
    """

    layer: Layer
    path: str
    inputs: list[int]
    parameters: list[int]
    targets: list[int]
    roles: list[str]
    sent: list[Array | None] = field(default_factory=list)

    @property
    def sources(self) -> list[int]:
        """All that it takes: inputs, then parameters."""
        return self.inputs + self.parameters


class Flow:
    """One forward and one backward of a copy of `model`, which itself is not touched.

    Parameters
    ----------
    model : Layer
    inputs : sequence of array_like
    dout : array_like, or a tuple of them, optional
        dL/d(output), ones where it is None.
    open_layers : bool
        Whether a layer such as `Affine` runs as the nodes it stands for.

    Attributes
    ----------
    values : list of Value
    operations : list of Operation
        In the order of the forward; backward took them in reverse.
    inputs, outputs : list of int
        Numbers of values.
    seeds : list of ndarray
        The gradient that enters at each output.
    layers : dict
        Every layer of the copy by its path.

    Raises
    ------
    NetlibError
        Whatever the model raises for these inputs, or this `dout`.
    """

    def __init__(self, model: Layer, inputs: Sequence[Any], dout: Any = None, open_layers: bool = False) -> None:
        self.values: list[Value] = []
        self.operations: list[Operation] = []
        self._steps: list[Step] = []  # of the operations
        self._open = open_layers
        self._parameters: dict[object, int] = {}
        with preserve_random_state(model):
            model = deep_copy(model, "a copy is what is drawn")
            self.layers = dict(model.walk())
            self._paths = {id(layer): path for path, layer in self.layers.items()}
            self._paths |= {id(parameter): path for path, parameter in model.parameters().items()}
            where = getattr(model, "short", model)
            steps, ends = _wired(model, len(inputs))
            given = [as_array(x, where) for x in inputs]
            self.inputs = [self._new(name, "input", "", x) for name, x in zip(_input_names(model, len(given)), given, strict=True)]
            slots = self._forward(steps, dict(enumerate(self.inputs)))
            self.outputs = [slots[slot] for slot in ends]
            self.seeds = self._seeds(dout, where)
            self._backward()

    def _new(self, name: str, kind: str, path: str, array: Array) -> int:
        self.values.append(Value(name, kind, path, np.array(array)))
        return len(self.values) - 1

    def _forward(self, steps: Sequence[Step], slots: dict[int, int]) -> dict[int, int]:
        """Run `steps`; `slots` says which value lies in which slot of their program, and is filled up."""
        for step in steps:
            inputs = [slots[slot] for slot in step.sources]
            arrays = [self.values[i].array for i in inputs]
            inner = opened(step.layer, arrays, _given_name(step)) if self._open else None
            if inner is not None:
                slots[step.target] = self._opened(step, inner, inputs)
            elif type(step.layer) is Identity and id(step.layer) not in self._paths:  # only keeps what is returned apart
                slots[step.target] = inputs[0]
            else:
                running = Step(step.layer, tuple(inputs), 0, step.outer, step.label)
                running.is_source_only = set(self.inputs).issuperset(inputs)
                slots.update(zip(step.targets, self._run(running, arrays, _given_name(step)), strict=True))
        return slots

    def _opened(self, step: Step, inner: Graph, inputs: Sequence[int]) -> int:
        """Run the nodes that the layer of `step` stands for, and return the value they make."""
        path, held = self._paths[id(step.layer)], step.layer.parameters()
        self._paths |= {id(layer): _joined(path, name) for name, layer in inner.walk()}
        for name, parameter in inner.parameters().items():
            self._paths[id(parameter)] = self._paths[id(held[name])]
            self._parameter(parameter)
        program = inner.program(len(inputs))
        return self._forward(program.steps, dict(enumerate(inputs)))[program.outputs[0]]

    def _run(self, step: Step, arrays: Sequence[Array], name: str) -> list[int]:
        """Run one layer, and return the values it makes."""
        layer = step.layer
        with _located(step):
            y = layer.forward(*(array.copy() for array in arrays))
            y = outputs_of(step, y)
            outputs = [as_array(each, layer) for each in y]
        held = layer.parameters()
        if not arrays:
            source = next(iter(held.values()), None)
            if source is None:
                return [self._new(name, "constant", "", outputs[0])]
            if y[0] is source.value:
                return [self._parameter(source, name)]
        path = self._paths.get(id(layer), "")
        parameters = [self._parameter(parameter) for parameter in held.values()]
        targets = [self._new(name, "made", path, array) for array in outputs]
        self._steps.append(step)
        roles = [*input_names(layer, len(arrays)), *held]
        self.operations.append(Operation(layer, path, list(step.sources), parameters, targets, roles))
        return targets

    def _parameter(self, parameter: Parameter, name: str = "") -> int:
        path = self._paths.get(id(parameter), "")
        key = path or id(parameter), parameter.shape  # the bias of an opened layer is a row, and of one that could not be, a vector
        if key not in self._parameters:
            self._parameters[key] = self._new(name, "parameter", path, parameter.value)
        return self._parameters[key]

    @property
    def can_be_opened(self) -> bool:
        """Whether there is a layer that `open_layers` would run as the nodes it stands for."""
        return any(opened(each.layer, [self.values[i].array for i in each.inputs]) is not None for each in self.operations)

    def agrees_with(self, other: Flow) -> bool:
        """Return whether another flow of the same model gave about the same outputs and gradients: a layer may say a rule that is wrong."""
        ours, theirs = self._ends(), other._ends()
        return ours.keys() == theirs.keys() and all(_is_close(ours[key], theirs[key]) for key in ours)

    def _ends(self) -> dict[tuple[str, int], Array]:
        """Return the outputs, and the gradients of the inputs and of the parameters, whatever nodes the layers ran as."""
        ends = {("output", i): self.values[number].array for i, number in enumerate(self.outputs)}
        gradients = [(("input", i), self.values[number].grad) for i, number in enumerate(self.inputs)]
        gradients += [((value.path, 0), value.grad) for value in self.values if value.kind == "parameter"]
        for key, grad in gradients:
            if grad is not None:
                ends[key] = ends.get(key, 0) + grad.reshape(-1)
        return ends

    def _seeds(self, dout: Any, where: object) -> list[Array]:
        outputs = [self.values[i].array for i in self.outputs]
        if dout is None:
            return [np.ones_like(as_floats(array)) for array in outputs]
        return [d.copy() for d in as_gradients(dout, [array.shape for array in outputs], where)]

    def _backward(self) -> None:
        for i, seed in zip(self.outputs, self.seeds, strict=True):
            self.values[i].receive(seed)
        for operation, step in zip(reversed(self.operations), reversed(self._steps), strict=True):
            operation.sent = self._sent(operation, step)
            for i, gradient in zip(operation.sources, operation.sent, strict=True):
                self.values[i].receive(gradient)

    def _sent(self, operation: Operation, step: Step) -> list[Array | None]:
        """Run one backward, unless no gradient reaches it, and return what it sends to each input and parameter."""
        made = [self.values[i] for i in operation.targets]
        if all(each.grad is None for each in made):
            return [None] * len(operation.sources)
        douts = [np.zeros_like(each.array) if each.grad is None else each.grad.copy() for each in made]
        parameters = list(operation.layer.parameters().values())
        for parameter in parameters:
            parameter.zero_grad()
        with _located(step):
            gradients = gradients_of(step, operation.layer.backward(tuple(douts) if step.n_outputs > 1 else douts[0]))
            sent = [None if d is None else np.array(as_array(d, operation.layer)) for d in gradients]
            for d, i in zip(sent, operation.inputs, strict=False):
                shape = self.values[i].array.shape
                if d is not None and d.shape != shape:
                    raise ShapeError(f"backward returned dL/dx of shape {d.shape}, wanted that of x, {shape}", where=operation.layer)
        sent += [None] * (len(operation.inputs) - len(sent))
        sent = [None if self.values[i].kind == "constant" else d for i, d in zip(operation.inputs, sent, strict=True)]  # nobody takes it
        return [*sent, *(parameter.grad.copy() for parameter in parameters)]


def input_names(layer: Layer, n: int) -> list[str]:
    """Return what `layer` calls its inputs: the names in its forward, ``x1, x2, …`` where that takes any number.

    >>> import netlib as nl
    >>> input_names(nl.MatMul(), 2), input_names(nl.Add(), 3)
    (['a', 'b'], ['x1', 'x2', 'x3'])
    """
    parameters = list(inspect.signature(layer.forward).parameters.values())
    names = [each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    return (names + numbered(n)[len(names) :])[:n]


def _input_names(model: Layer, n: int) -> list[str]:
    """Return what the inputs of `model` are called: by its graph, by its forward, or not at all."""
    container = model.as_inlinable()
    if isinstance(container, Graph):
        return [node.name or "" for node in container.inputs]
    return [""] * n if n == 1 or container is not None else input_names(model, n)


def _wired(model: Layer, n_inputs: int) -> tuple[Sequence[Step], Sequence[int]]:
    """Return the steps of `model`, a single one where it is no container, and the slots of its outputs."""
    container = model.as_inlinable()
    if container is not None:
        program = container.program(n_inputs)
        return program.steps, program.outputs
    step = Step(model, tuple(range(n_inputs)), n_inputs, None, "")
    return [step], step.targets


@contextmanager
def _located(step: Step) -> Iterator[None]:
    """Write the place of `step`, if it has one, on an error that comes out of it."""
    try:
        yield
    except Exception as error:
        if step.path:
            add_location(error, step)
        raise


def _given_name(step: Step) -> str:
    """Return the name that a node of a graph was given, empty where it goes by its class and a number."""
    if not step.label.startswith("Graph["):
        return ""
    name = str(literal_eval(step.label[len("Graph[") : -1]))
    return "" if re.fullmatch(rf"{type(step.layer).__name__}_\d+", name) else name


def _joined(prefix: str, path: str) -> str:
    return f"{prefix}.{path}" if prefix and path else prefix or path


def _is_close(a: Array, b: Array) -> bool:
    largest = float(np.nanmax(np.abs(b), initial=0.0))
    return np.allclose(a.reshape(b.shape), b, rtol=0, atol=0.01 * largest, equal_nan=True)


def added(a: Array | None, b: Array | None) -> Array | None:
    """Return a + b, where None stands for what was not computed.

    >>> added(None, np.ones(2)), added(None, None)
    (array([1., 1.]), None)
    """
    return b if a is None else a if b is None else np.asarray(a + b)
