"""A layer under test with its inputs, and how rules run it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike
from ..layer import Layer
from .differences import Results, copies_by_name


class LayerUnderTest:
    """A layer and its inputs. Each rule works on new copies, so that the originals never change."""

    def __init__(self, layer: Layer, inputs: Sequence[ArrayLike]) -> None:
        self.original = layer
        self._inputs = [np.array(x) for x in inputs]
        self.violated: set[str] = set()
        """The names of the rules that are known to be violated."""

    def layer(self) -> Layer:
        """Return a deep copy of the layer, with gradients of zero."""
        layer = copy.deepcopy(self.original)
        layer.zero_grad()
        return layer

    def inputs(self) -> list[Array]:
        """Return copies of the inputs."""
        return [x.copy() for x in self._inputs]


def forward(layer: Layer, inputs: Sequence[Array]) -> tuple[Any, ...]:
    """Return the outputs as a tuple, a single one too."""
    y = layer.forward(*inputs)
    return tuple(y) if layer.n_outputs > 1 else (y,)


def backward(layer: Layer, douts: Sequence[Array]) -> tuple[Any, ...]:
    """Return dL/d(input) as a tuple, a single one too; None for an input without a gradient."""
    dx = layer.backward(tuple(douts) if layer.n_outputs > 1 else douts[0])
    return dx if isinstance(dx, tuple) else (dx,)


def other_inputs(inputs: Sequence[Array]) -> list[Array]:
    """Return other inputs of the same shapes: the same numbers in reverse."""
    return [np.array(np.flip(x)) for x in inputs]


def douts_for(ys: Sequence[Any]) -> list[Array]:
    """Return dL/dy in the shapes and floating types of the outputs: random, the same every time."""
    rng = np.random.default_rng(8)
    douts = []
    for y in map(np.asarray, ys):
        dtype = y.dtype if y.dtype.kind == "f" else np.dtype(np.float64)
        douts.append(np.array(rng.normal(size=y.shape)).astype(dtype))
    return douts


def parameter_gradients(layer: Layer) -> Results:
    """Return copies of the gradients of all parameters, by name."""
    return {f"{path}.grad": each.grad.copy() for path, each in layer.parameters().items()}


def run(layer: Layer, inputs: Sequence[Array]) -> Results:
    """Return copies of all results of one forward and one backward, by name."""
    ys = forward(layer, inputs)
    dxs = backward(layer, douts_for(ys))
    return {**copies_by_name("y", ys), **copies_by_name("dx", dxs), **parameter_gradients(layer)}
