"""One forward and backward of a model, recorded value by value."""

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
from ..layers import Identity, Scalar
from ..layers.rules import format_number, numbered_names
from ..parameter import Parameter
from ..random_state import preserve_random_state
from .opening import open_layer


@dataclass
class Value:
    """An array that one operation computes and others use.

    Attributes
    ----------
    name : str
        The name given by the user; empty if there is none.
    kind : {"input", "parameter", "constant", "made"}
    path : str
        The path of the parameter, or of the layer that computes the value: ``"0.weight"``. A
        constant has one only if it is a number in a formula.
    array : ndarray
    grad : ndarray or None
        dL/d(value), summed over all uses; None if none was computed, which does not mean zero.
    """

    name: str
    kind: str
    path: str
    array: Array
    grad: Array | None = None

    @property
    def is_held(self) -> bool:
        """Whether the model holds it: a parameter or a constant."""
        return self.kind in ("parameter", "constant")

    def add_grad(self, gradient: Array | None) -> None:
        """Add the gradient of one use."""
        self.grad = add_gradients(self.grad, gradient)


@dataclass
class Operation:
    """One layer that ran, with the numbers of the values that it read and computed.

    Attributes
    ----------
    inputs, parameters, targets : list of int
        Numbers of values.
    roles : list of str
        The layer's own names of `inputs` and `parameters`: arguments of forward, then paths.
    gradients : list of (ndarray or None)
        What backward returned for each of `inputs` and `parameters`.
    """

    layer: Layer
    path: str
    inputs: list[int]
    parameters: list[int]
    targets: list[int]
    roles: list[str]
    gradients: list[Array | None] = field(default_factory=list)

    @property
    def sources(self) -> list[int]:
        """All values that it reads: inputs, then parameters."""
        return self.inputs + self.parameters


class Flow:
    """One forward and one backward of a copy of `model`; the model itself does not change.

    Parameters
    ----------
    model : Layer
    inputs : sequence of array_like
    dout : array_like, or a tuple of them, optional
        dL/d(output), ones by default.
    open_layers : bool
        Whether a layer such as `Affine` runs as the nodes that it consists of.

    Attributes
    ----------
    values : list of Value
    operations : list of Operation
        In the order of forward; backward ran in reverse.
    inputs, outputs : list of int
        Numbers of values.
    seeds : list of ndarray
        dL/d(output) of each output.
    layers : dict
        Every layer of the copy, by path.
    opens_layers : bool

    Raises
    ------
    NetlibError
        If the model raises an error for these inputs or this `dout`.
    """

    def __init__(self, model: Layer, inputs: Sequence[Any], dout: Any = None, open_layers: bool = False) -> None:
        self.values: list[Value] = []
        self.operations: list[Operation] = []
        self._steps: list[Step] = []  # one for each operation
        self.opens_layers = open_layers
        self._parameters: dict[object, int] = {}
        with preserve_random_state(model):
            model = deep_copy(model, "a copy is what is drawn")
            self.layers = dict(model.walk())
            self._paths = {id(layer): path for path, layer in self.layers.items()}
            self._paths |= {id(parameter): path for path, parameter in model.parameters().items()}
            where = getattr(model, "short", model)
            steps, output_slots = _wire(model, len(inputs))
            arrays = [as_array(x, where) for x in inputs]
            names = _names_of_inputs(model, len(arrays))
            self.inputs = [self._add_value(name, "input", "", x) for name, x in zip(names, arrays, strict=True)]
            slots = self._forward(steps, dict(enumerate(self.inputs)))
            self.outputs = [slots[slot] for slot in output_slots]
            self.seeds = self._as_seeds(dout, where)
            self._backward()

    def _add_value(self, name: str, kind: str, path: str, array: Array) -> int:
        self.values.append(Value(name, kind, path, np.array(array)))
        return len(self.values) - 1

    def _forward(self, steps: Sequence[Step], slots: dict[int, int]) -> dict[int, int]:
        """Run `steps`; return the number of the value in each slot, `slots` among them."""
        for step in steps:
            inputs = [slots[slot] for slot in step.sources]
            arrays = [self.values[i].array for i in inputs]
            name = _name_given_to(step)
            inner = open_layer(step.layer, arrays, name) if self.opens_layers else None
            if inner is not None:
                slots[step.target] = self._run_opened(step, inner, inputs)
            elif type(step.layer) is Identity and id(step.layer) not in self._paths:
                slots[step.target] = inputs[0]  # a copy that the program makes of an output
            else:
                running = Step(step.layer, tuple(inputs), 0, step.outer, step.label)
                running.is_source_only, running.is_output = set(self.inputs).issuperset(inputs), step.is_output
                slots.update(zip(step.targets, self._run(running, arrays, name), strict=True))
        return slots

    def _run_opened(self, step: Step, inner: Graph, inputs: Sequence[int]) -> int:
        """Run the layer of `step` as the graph `inner`, and return the number of its output."""
        path, held = self._paths[id(step.layer)], step.layer.parameters()
        self._paths |= {id(layer): _join_paths(path, name) for name, layer in inner.walk()}
        for name, parameter in inner.parameters().items():
            self._paths[id(parameter)] = self._paths[id(held[name])]
            self._parameter(parameter)
        program = inner.program(len(inputs))
        return self._forward(program.steps, dict(enumerate(inputs)))[program.outputs[0]]

    def _run(self, step: Step, arrays: Sequence[Array], name: str) -> list[int]:
        """Run one layer, and return the numbers of its outputs."""
        layer = step.layer
        with _adding_location(step):
            y = layer.forward(*(array.copy() for array in arrays))
            y = outputs_of(step, y)
            outputs = [as_array(each, layer) for each in y]
        held = layer.parameters()
        if not arrays:
            source = next(iter(held.values()), None)
            if source is None:
                return [self._add_value(name, "constant", "", outputs[0])]
            if y[0] is source.value:
                return [self._parameter(source, name)]
        path = self._paths.get(id(layer), "")
        if type(layer) is Scalar and not step.is_output:  # a number, which reads its neighbour's type alone
            return [self._add_value(name or format_number(layer.value), "constant", path, outputs[0])]
        parameters = [self._parameter(parameter) for parameter in held.values()]
        targets = [self._add_value(name, "made", path, array) for array in outputs]
        self._steps.append(step)
        roles = [*input_names(layer, len(arrays)), *held]
        self.operations.append(Operation(layer, path, list(step.sources), parameters, targets, roles))
        return targets

    def _parameter(self, parameter: Parameter, name: str = "") -> int:
        path = self._paths.get(id(parameter), "")
        key = path or id(parameter), parameter.shape  # an opened layer has its bias as a row
        if key not in self._parameters:
            self._parameters[key] = self._add_value(name, "parameter", path, parameter.value)
        return self._parameters[key]

    @property
    def can_be_opened(self) -> bool:
        """Whether `open_layers` would run a layer as several nodes."""
        return any(open_layer(each.layer, [self.values[i].array for i in each.inputs]) is not None for each in self.operations)

    def agrees_with(self, other: Flow) -> bool:
        """Return whether another flow of the same model has about the same outputs and gradients.

        They differ if a layer runs as the nodes of a wrong rule.
        """
        ours, theirs = self._results(), other._results()
        largest = max(map(_largest, theirs.values()), default=0.0)
        return ours.keys() == theirs.keys() and all(_agree(ours[key], theirs[key], largest) for key in ours)

    def _results(self) -> dict[tuple[str, int], Array]:
        """Return the outputs, and the gradients of inputs and parameters."""
        results = {("output", i): self.values[n].array for i, n in enumerate(self.outputs)}
        gradients = [(("input", i), self.values[n].grad) for i, n in enumerate(self.inputs)]
        parameters = [value for value in self.values if value.kind == "parameter"]
        gradients += [((value.path, 0), value.grad) for value in parameters]
        for key, grad in gradients:
            if grad is not None:
                results[key] = results.get(key, 0) + grad.reshape(-1)
        return results

    def _as_seeds(self, dout: Any, where: object) -> list[Array]:
        outputs = [self.values[i].array for i in self.outputs]
        if dout is None:
            return [np.ones_like(as_floats(array)) for array in outputs]
        return [d.copy() for d in as_gradients(dout, [array.shape for array in outputs], where)]

    def _backward(self) -> None:
        for i, seed in zip(self.outputs, self.seeds, strict=True):
            self.values[i].add_grad(seed)
        for operation, step in zip(reversed(self.operations), reversed(self._steps), strict=True):
            operation.gradients = self._run_backward(operation, step)
            for i, gradient in zip(operation.sources, operation.gradients, strict=True):
                self.values[i].add_grad(gradient)

    def _run_backward(self, operation: Operation, step: Step) -> list[Array | None]:
        """Return the gradient of each input and parameter; None for all if no gradient arrives."""
        outputs = [self.values[i] for i in operation.targets]
        if all(y.grad is None for y in outputs):
            return [None] * len(operation.sources)
        douts = [np.zeros_like(y.array) if y.grad is None else y.grad.copy() for y in outputs]
        parameters = list(operation.layer.parameters().values())
        for parameter in parameters:
            parameter.zero_grad()
        dxs = self._input_gradients(operation, step, douts)
        return [*dxs, *(parameter.grad.copy() for parameter in parameters)]

    def _input_gradients(self, operation: Operation, step: Step, douts: list[Array]) -> list[Array | None]:
        layer, inputs = operation.layer, [self.values[i] for i in operation.inputs]
        with _adding_location(step):
            dx = layer.backward(tuple(douts) if step.n_outputs > 1 else douts[0])
            dxs = [None if d is None else np.array(as_array(d, layer)) for d in gradients_of(step, dx)]
            for d, x in zip(dxs, inputs, strict=False):
                if d is not None and d.shape != x.array.shape:
                    message = f"backward returned dL/dx of shape {d.shape}"
                    raise ShapeError(f"{message}, expected that of x, {x.array.shape}", where=layer)
        dxs += [None] * (len(inputs) - len(dxs))
        return [None if x.kind == "constant" else d for x, d in zip(inputs, dxs, strict=True)]


def input_names(layer: Layer, n: int) -> list[str]:
    """Return the names of the arguments of forward, ``x1, x2, …`` if it takes any number.

    >>> import netlib as nl
    >>> input_names(nl.MatMul(), 2), input_names(nl.Add(), 3)
    (['a', 'b'], ['x1', 'x2', 'x3'])
    """
    parameters = list(inspect.signature(layer.forward).parameters.values())
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [each.name for each in parameters if each.kind in positional]
    return (names + numbered_names(n)[len(names) :])[:n]


def _names_of_inputs(model: Layer, n: int) -> list[str]:
    """Return the names of the inputs in the model's graph or forward; empty strings if unnamed."""
    container = model.as_inlinable()
    if isinstance(container, Graph):
        return [node.name or "" for node in container.inputs]
    return [""] * n if n == 1 or container is not None else input_names(model, n)


def _wire(model: Layer, n_inputs: int) -> tuple[Sequence[Step], Sequence[int]]:
    """Return the steps of `model`, one if it is not a container, and the slots of its outputs."""
    container = model.as_inlinable()
    if container is not None:
        program = container.program(n_inputs)
        return program.steps, program.outputs
    step = Step(model, tuple(range(n_inputs)), n_inputs, None, "")
    step.is_output = True
    return [step], step.targets


@contextmanager
def _adding_location(step: Step) -> Iterator[None]:
    """Add the location of `step`, if it has one, to an error."""
    try:
        yield
    except Exception as error:
        if step.path:
            add_location(error, step)
        raise


def _name_given_to(step: Step) -> str:
    """Return the user's name of a node of a graph; empty for a generated name."""
    if not step.label.startswith("Graph["):
        return ""
    name = str(literal_eval(step.label[len("Graph[") : -1]))
    return "" if re.fullmatch(rf"{type(step.layer).__name__}_\d+", name) else name


def _join_paths(prefix: str, path: str) -> str:
    return f"{prefix}.{path}" if prefix and path else prefix or path


def _agree(a: Array, b: Array, largest: float) -> bool:
    """Return whether two arrays differ by at most 1 % of the largest number, or by rounding.

    `largest` is the largest number of all results, which determines rounding errors after
    cancellation.
    """
    rounding = 10 * float(np.finfo(as_floats(b).dtype).eps) * largest
    return np.allclose(a.reshape(b.shape), b, rtol=0, atol=0.01 * _largest(b) + rounding, equal_nan=True)


def _largest(x: Array) -> float:
    return float(np.nanmax(np.abs(x), initial=0.0))


def add_gradients(a: Array | None, b: Array | None) -> Array | None:
    """Return a + b, where None is a gradient that was not computed.

    >>> add_gradients(None, np.ones(2)), add_gradients(None, None)
    (array([1., 1.]), None)
    """
    if a is None or b is None:
        return b if a is None else a
    return np.asarray(a + b)
