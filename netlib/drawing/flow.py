"""What flows through a model: forward and backward, once, noted value by value."""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..arrays import Array, as_floats
from ..containers import Graph, Sequential
from ..containers.program import Step, as_gradients, as_wirable, gradients_of, locate
from ..derivatives.twin import chance_preserved
from ..errors import InvalidTypeError
from ..layer import Layer, Parameter
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
        if gradient is not None:
            self.grad = gradient if self.grad is None else self.grad + gradient


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
        Whether `Affine` runs as the nodes it stands for.

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
        self.seeds: list[Array] = []
        self._open = open_layers
        self._parameters: dict[int, int] = {}
        with chance_preserved(model):
            model = _copied(model)
            is_container = as_wirable(model) is not None
            program = (model if is_container else Sequential(model)).program(len(inputs))  # type: ignore[attr-defined]
            self.layers = dict(model.walk())
            self._skipped = 0 if is_container else 1
            given = [copy.deepcopy(x) for x in inputs]
            self.inputs = [self._new(name, "input", "", x) for name, x in zip(_input_names(model, len(given)), given, strict=True)]
            slots = self._forward(program.steps, dict(enumerate(self.inputs)), "")
            self.outputs = [slots[slot] for slot in program.outputs]
            self._backward(dout, model)

    def _new(self, name: str, kind: str, path: str, array: Any) -> int:
        self.values.append(Value(name, kind, path, np.array(array)))
        return len(self.values) - 1

    def _forward(self, steps: Sequence[Step], slots: dict[int, int], prefix: str) -> dict[int, int]:
        """Run `steps`; `slots` says which value lies in which slot of their program, and is filled up."""
        for step in steps:
            path = _joined(prefix, _path_of(step, 0 if prefix else self._skipped))
            inputs = [slots[slot] for slot in step.sources]
            arrays = [self.values[i].array for i in inputs]
            inner = opened(step.layer, arrays, _given_name(step)) if self._open else None
            if inner is not None:
                program = inner.program(len(inputs))
                made = self._forward(program.steps, dict(enumerate(inputs)), path or ".")
                slots[step.target] = made[program.outputs[0]]
                continue
            try:
                y = step.layer.forward(*(array.copy() for array in arrays))
            except Exception as error:
                locate(error, step)
                raise
            outputs = y if step.n_outputs > 1 else (y,)
            if not inputs:
                slots[step.target] = self._source(step.layer, path, outputs[0])
                continue
            targets = [self._new(_given_name(step), "made", path, array) for array in outputs]
            slots.update(zip(step.targets, targets, strict=True))
            held = {_joined(path, name): parameter for name, parameter in step.layer.parameters().items()}
            parameters = [self._parameter(parameter, name) for name, parameter in held.items()]
            roles = [*input_names(step.layer, len(inputs)), *step.layer.parameters()]
            self.operations.append(Operation(step.layer, path, inputs, parameters, targets, roles))
        return slots

    def _source(self, layer: Layer, path: str, array: Array) -> int:
        """Return the value of a layer without inputs: a parameter if it has one, a constant otherwise."""
        name = path.rpartition(".")[-1]
        for parameter in layer.parameters().values():
            return self._parameter(parameter, path, name)
        return self._new(name, "constant", path, array)

    def _parameter(self, parameter: Parameter, path: str, name: str = "") -> int:
        if id(parameter) not in self._parameters:
            self._parameters[id(parameter)] = self._new(name, "parameter", path, parameter.value)
        return self._parameters[id(parameter)]

    def _backward(self, dout: Any, model: Layer) -> None:
        outputs = [self.values[i] for i in self.outputs]
        if dout is None:
            ones = tuple(np.ones_like(as_floats(each.array)) for each in outputs)
            dout = ones if len(ones) > 1 else ones[0]
        self.seeds = as_gradients(dout, [each.array.shape for each in outputs], getattr(model, "short", model))
        for output, seed in zip(outputs, self.seeds, strict=True):
            output.receive(seed)
        for operation in reversed(self.operations):
            made = [self.values[i] for i in operation.targets]
            operation.sent = [None] * len(operation.sources)
            if all(each.grad is None for each in made):
                continue
            douts = [np.zeros_like(each.array) if each.grad is None else each.grad.copy() for each in made]
            parameters = list(operation.layer.parameters().values())
            for parameter in parameters:
                parameter.zero_grad()
            step = Step(operation.layer, tuple(operation.inputs), 0, None, operation.path)
            try:
                gradients = gradients_of(step, operation.layer.backward(douts[0] if len(douts) == 1 else tuple(douts)))
            except Exception as error:
                locate(error, step)
                raise
            sent = [None if d is None else np.array(d) for d in gradients]
            operation.sent = [*sent, *[None] * (len(operation.inputs) - len(sent)), *(p.grad.copy() for p in parameters)]
            for i, number in enumerate(operation.sources):
                if self.values[number].kind == "constant":  # what is sent there, nobody takes
                    operation.sent[i] = None
                self.values[number].receive(operation.sent[i])


def input_names(layer: Layer, n: int) -> list[str]:
    """Return what `layer` calls its inputs: the names in its forward, ``x1, x2, …`` where that takes any number.

    >>> import netlib as nl
    >>> input_names(nl.MatMul(), 2), input_names(nl.Add(), 3)
    (['a', 'b'], ['x1', 'x2', 'x3'])
    """
    parameters = list(inspect.signature(layer.forward).parameters.values())
    names = [each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if len(names) < n:
        names += ["x"] if n == 1 else [f"x{i}" for i in range(1, n + 1)][len(names) :]
    return names[:n]


def _input_names(model: Layer, n: int) -> list[str]:
    """Return what the inputs of `model` are called: by its graph, by its forward, or not at all."""
    if isinstance(model, Graph):
        return [node.name or "" for node in model.inputs]
    return [""] * n if n == 1 or as_wirable(model) is not None else input_names(model, n)


def _copied(model: Layer) -> Layer:
    try:
        return copy.deepcopy(model)
    except Exception as error:
        mend = "Keep files, locks and the like out of the layer, or give it a __deepcopy__."
        raise InvalidTypeError(f"cannot be deep-copied, and a copy is what is drawn: {error}", where=model, mend=mend) from error


def _path_of(step: Step, skipped: int) -> str:
    """Return the path under which `Layer.walk` knows the layer of `step`: ``"1.layer.0"``."""
    names = []
    place: Any = (step.outer, step.label)
    while place is not None:
        place, label = place
        names.append(_name_in(label))
    return ".".join(reversed(names[: len(names) - skipped]))


def _name_in(label: str) -> str:
    """Return the name that a container's label gives its member.

    >>> _name_in("Sequential[2]"), _name_in("Graph['XW']"), _name_in("Residual.layer")
    ('2', 'XW', 'layer')
    """
    if label.endswith("]"):
        return label[label.index("[") + 1 : -1].strip("'\"")
    return label.rpartition(".")[-1]


def _given_name(step: Step) -> str:
    """Return the name that a node of a graph was given, empty where it goes by its class and a number."""
    name = _name_in(step.label)
    is_made_up = re.fullmatch(rf"{re.escape(type(step.layer).__name__)}_\d+", name)
    return name if step.label.startswith("Graph[") and not is_made_up else ""


def _joined(prefix: str, path: str) -> str:
    return ".".join(part for part in (prefix.strip("."), path) if part)
