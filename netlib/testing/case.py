"""A layer under test: copies of it and of its inputs, one pass through it, and the comparison of two passes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..arrays import Array, ArrayLike
from ..layer import Layer

Results: TypeAlias = dict[str, Array]


class DoesNotApply(Exception):  # noqa: N818 - it is no error
    """The rule has nothing to say about this layer, and why."""


class Case:
    """A layer and its inputs. Every rule asks for copies of its own, so that what was handed over stays as it is."""

    def __init__(self, layer: Layer, inputs: Sequence[ArrayLike]) -> None:
        self.original = layer
        self._inputs = [np.array(x) for x in inputs]
        self.broken: set[str] = set()

    def layer(self) -> Layer:
        """Return a deep copy of the layer, with gradients of zero."""
        layer = copy.deepcopy(self.original)
        layer.zero_grad()
        return layer

    def inputs(self) -> list[Array]:
        """Return copies of the inputs."""
        return [x.copy() for x in self._inputs]

    def unless(self, *rules: str) -> None:
        """Leave the rule out where one of these is broken already, which would only be told twice."""
        for rule in rules:
            if rule in self.broken:
                raise DoesNotApply(f"it needs {rule!r}, which is broken")


class Rule(NamedTuple):
    """What is wanted, how to fix a layer that does otherwise, and a function that returns what is wrong, or nothing."""

    wanted: str
    hint: str
    find_fault: Callable[[Case], str]
    is_decisive: bool = False  # without it, the rules behind it mean nothing


def forward(layer: Layer, inputs: Sequence[Array]) -> tuple[Any, ...]:
    """Return the outputs, also a single one as a tuple."""
    y = layer.forward(*inputs)
    return tuple(y) if layer.n_outputs > 1 else (y,)


def backward(layer: Layer, douts: Sequence[Array]) -> tuple[Any, ...]:
    """Return dL/d(input), also a single one as a tuple."""
    dx = layer.backward(tuple(douts) if layer.n_outputs > 1 else douts[0])
    return dx if isinstance(dx, tuple) else (dx,)


def other_inputs(inputs: Sequence[Array]) -> list[Array]:
    """Return other inputs of the same shapes: the same numbers from their end."""
    return [np.array(np.flip(x)) for x in inputs]


def douts_for(ys: Sequence[Any]) -> list[Array]:
    """Return the same random dL/dy every time, in the shapes and floating types of the outputs."""
    rng = np.random.default_rng(8)
    arrays = [np.asarray(y) for y in ys]
    return [np.array(rng.normal(size=y.shape)).astype(y.dtype if y.dtype.kind == "f" else np.float64) for y in arrays]


def parameter_gradients(layer: Layer) -> Results:
    """Return copies of the gradients of all parameters."""
    return {f"{path}.grad": parameter.grad.copy() for path, parameter in layer.parameters().items()}


def labelled(what: str, arrays: Sequence[Any]) -> list[tuple[str, Any]]:
    """Return the arrays themselves, each behind the name that messages use."""
    return [(what, arrays[0])] if len(arrays) == 1 else [(f"{what}[{i}]", a) for i, a in enumerate(arrays)]


def named(what: str, arrays: Sequence[Any]) -> Results:
    """Return copies of the arrays by name."""
    return {name: np.array(a) for name, a in labelled(what, arrays)}


def run(layer: Layer, inputs: Sequence[Array]) -> Results:
    """Return copies of all that one forward and one backward bring."""
    ys = forward(layer, inputs)
    return {**named("y", ys), **named("dx", backward(layer, douts_for(ys))), **parameter_gradients(layer)}


def difference(got: Results, wanted: Results) -> str:
    """Return where two results differ by more than rounding, in words; nothing where they do not."""
    for name, b in wanted.items():
        a = got[name]
        if a.shape != b.shape:
            return f"{name} of shape {a.shape} in place of {b.shape}"
        floats = [x.dtype for x in (a, b) if x.dtype.kind == "f"]
        tolerance = max((float(np.finfo(dtype).eps) for dtype in floats), default=0.0) ** 0.75
        scale = np.abs(b[np.isfinite(b)]).max(initial=0).astype(float)
        same = np.isclose(a, b, rtol=tolerance, atol=tolerance * scale, equal_nan=True)
        if not same.all():
            index = tuple(int(i) for i in np.argwhere(~same)[0])
            return f"{name}{list(index) if index else ''} is {a[index]:.6g} in place of {b[index]:.6g}"
    return ""
