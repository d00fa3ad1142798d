"""Sums, means, extremes and norms in ONNX."""

from __future__ import annotations

import math
from typing import Any

from ... import layers
from ...layers.axes import as_axes
from ..writing import GraphBuilder, Value
from .translation import Translation


def reduction(operator: str) -> Translation:
    """Return the translation of a layer that is one reduction over its axes."""

    def translate(layer: Any, graph: GraphBuilder, x: Any) -> Any:
        axes = list(as_axes(x, layer.axis, layer))
        return graph.add(operator, x, axes, keepdims=int(layer.keepdims)) if axes else x

    return translate


def norm(layer: layers.Norm, graph: GraphBuilder, x: Value) -> Any:
    """Return (Σ |x|ᵖ)^(1/p), with the operators that ONNX has for 1, 2 and ∞."""
    size: Any = x
    if layer.ord not in (1, 2) or not as_axes(size, layer.axis, layer):
        size = graph.add("Abs", x)
        size.fill(x)
    if layer.ord in NORMS:
        return reduction(NORMS[layer.ord])(layer, graph, size)
    powers = graph.add("Pow", size, layer.ord)
    powers.fill(x)
    return graph.add("Pow", reduction("ReduceSum")(layer, graph, powers), 1 / layer.ord)


NORMS = {1: "ReduceL1", 2: "ReduceL2", math.inf: "ReduceMax"}


def cumulative_sum(layer: layers.CumulativeSum, graph: GraphBuilder, x: Value) -> Any:
    """Return the running sum along the axis."""
    return graph.add("CumSum", x, layer.axis)


REDUCTIONS: dict[type, Translation] = {
    layers.CumulativeSum: cumulative_sum,
    layers.LogSumExp: reduction("ReduceLogSumExp"),
    layers.Max: reduction("ReduceMax"),
    layers.Mean: reduction("ReduceMean"),
    layers.Min: reduction("ReduceMin"),
    layers.Norm: norm,
    layers.Sum: reduction("ReduceSum"),
}
