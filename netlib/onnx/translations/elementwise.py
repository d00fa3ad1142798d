"""Arithmetic and other formulas, element by element, in ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import layers
from ...containers.residual import ResidualAdd
from ..writing import GraphBuilder, Value
from .translation import Translation, as_operator


def add(layer: Any, graph: GraphBuilder, *xs: Value) -> Any:
    """Return the sum of any number of arrays."""
    if len(xs) == 1:
        return xs[0]
    return graph.add("Add" if len(xs) == 2 else "Sum", *xs)


def power(layer: layers.Power, graph: GraphBuilder, *xs: Value) -> Any:
    """Return x to the power of a number or of another array."""
    return graph.add("Pow", *xs, *([] if layer.exponent is None else [layer.exponent]))


def clip(layer: layers.Clip, graph: GraphBuilder, x: Value) -> Any:
    """Return x clipped to the given bounds."""
    low, high = (None if np.isinf(bound) else bound for bound in (layer.low, layer.high))
    return x if low is None and high is None else graph.add("Clip", x, low, high)


def where(layer: layers.Where, graph: GraphBuilder, a: Value, b: Value, condition: Value) -> Any:
    """Return a where the condition is true, and b elsewhere."""
    return graph.add("Where", condition, a, b)


def scalar(layer: layers.Scalar, graph: GraphBuilder, x: Value) -> Any:
    """Return the number as a constant in the dtype of x."""
    return graph.value(float(layer.value))


ELEMENTWISE: dict[type, Translation] = {
    ResidualAdd: add,
    layers.Abs: as_operator("Abs"),
    layers.Add: add,
    layers.Clip: clip,
    layers.Divide: as_operator("Div"),
    layers.Exp: as_operator("Exp"),
    layers.Log: as_operator("Log"),
    layers.Maximum: as_operator("Max"),
    layers.Minimum: as_operator("Min"),
    layers.Multiply: as_operator("Mul"),
    layers.Negative: as_operator("Neg"),
    layers.Power: power,
    layers.Scalar: scalar,
    layers.Sqrt: as_operator("Sqrt"),
    layers.Subtract: as_operator("Sub"),
    layers.Where: where,
}
