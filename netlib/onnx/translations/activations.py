"""Activations in ONNX.

ONNX stores the numbers in a node's attributes as float32. Where that would round those of a layer
in float64, other operators take them as constants.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import layers
from ...layers.gelu import CUBIC
from ...layers.gelu import SCALE as SLOPE
from ...layers.selu import ALPHA, SCALE
from ..writing import GraphBuilder, Value
from .translation import Translation, as_operator, is_exact


def unchanged(layer: Any, graph: GraphBuilder, x: Value) -> Value:
    """Return x, as Dropout does in evaluation mode."""
    return x


def leaky_relu(layer: layers.LeakyReLU, graph: GraphBuilder, x: Value) -> Any:
    """Return x where it is positive, and slope · x elsewhere."""
    if is_exact(graph, layer.negative_slope):
        return graph.add("LeakyRelu", x, alpha=layer.negative_slope)
    return graph.add("PRelu", x, layer.negative_slope)


def elu(layer: layers.ELU, graph: GraphBuilder, x: Value) -> Any:
    """Return x where it is positive, and α (exp(x) − 1) elsewhere."""
    if is_exact(graph, layer.alpha):
        return graph.add("Elu", x, alpha=layer.alpha)
    return graph.add("Add", graph.add("Max", x, 0.0), graph.add("Mul", _below(graph, x), layer.alpha))


def celu(layer: layers.CELU, graph: GraphBuilder, x: Value) -> Any:
    """Return x where it is positive, and α (exp(x / α) − 1) elsewhere."""
    below = _below(graph, graph.add("Div", x, layer.alpha))
    return graph.add("Add", graph.add("Max", x, 0.0), graph.add("Mul", below, layer.alpha))


def selu(layer: layers.SELU, graph: GraphBuilder, x: Value) -> Any:
    """Return λ x where it is positive, and λ α (exp(x) − 1) elsewhere."""
    if is_exact(graph, SCALE, ALPHA):
        return graph.add("Selu", x)
    below = graph.add("Mul", _below(graph, x), ALPHA)
    return graph.add("Mul", graph.add("Add", graph.add("Max", x, 0.0), below), SCALE)


def _below(graph: GraphBuilder, x: Value) -> Any:
    """Return exp(min(x, 0)) − 1."""
    return graph.add("Elu", graph.add("Min", x, 0.0), alpha=1.0)


def prelu(layer: layers.PReLU, graph: GraphBuilder, x: Value) -> Any:
    """Return x where it is positive, and weight · x elsewhere."""
    if layer.channels > 1 and x.ndim > 2:
        return graph.add("PRelu", x, graph.add("Unsqueeze", layer.weight, list(range(1, x.ndim - 1))))
    if x.ndim:
        return graph.add("PRelu", x, layer.weight)
    return graph.add("Squeeze", graph.add("PRelu", graph.add("Unsqueeze", x, [0]), layer.weight), [0])


def silu(layer: layers.SiLU, graph: GraphBuilder, x: Value) -> Any:
    """Return x σ(x)."""
    return graph.add("Mul", x, graph.add("Sigmoid", x))


def log_sigmoid(layer: layers.LogSigmoid, graph: GraphBuilder, x: Value) -> Any:
    """Return −softplus(−x)."""
    return graph.add("Neg", graph.add("Softplus", graph.add("Neg", x)))


def hardtanh(layer: layers.Hardtanh, graph: GraphBuilder, x: Value) -> Any:
    """Return x between the bounds."""
    return graph.add("Clip", x, float(layer.low), float(layer.high))


def hardsigmoid(layer: layers.Hardsigmoid, graph: GraphBuilder, x: Value) -> Any:
    """Return clip(x + 3, 0, 6) / 6."""
    if is_exact(graph, 1 / 6):
        return graph.add("HardSigmoid", x, alpha=1 / 6, beta=0.5)
    return graph.add("Div", graph.add("Clip", graph.add("Add", x, 3.0), 0.0, 6.0), 6.0)


def hardswish(layer: layers.Hardswish, graph: GraphBuilder, x: Value) -> Any:
    """Return x clip(x + 3, 0, 6) / 6."""
    if is_exact(graph, 1 / 6):
        return graph.add("HardSwish", x)
    return graph.add("Mul", x, hardsigmoid(layers.Hardsigmoid(), graph, x))


def threshold(layer: layers.Threshold, graph: GraphBuilder, x: Value) -> Any:
    """Return x where it exceeds the threshold, and the value elsewhere."""
    return graph.add("Where", graph.add("LessOrEqual", x, layer.threshold), layer.value, x)


def gelu(layer: layers.GELU, graph: GraphBuilder, x: Value) -> Any:
    """Return x Φ(x), or its approximation. ONNX's Gelu rounds its numbers to float32."""
    if graph.dtype == np.float32:
        return graph.add("Gelu", x, approximate=layer.approximate)
    if layer.approximate == "tanh":
        cubic = graph.add("Add", graph.add("Mul", graph.add("Mul", x, x), CUBIC), 1.0)
        return graph.add("Mul", x, graph.add("Sigmoid", graph.add("Mul", graph.add("Mul", x, SLOPE), cubic)))
    below = graph.add("Add", graph.add("Erf", graph.add("Div", x, math.sqrt(2))), 1.0)
    return graph.add("Mul", x, graph.add("Mul", below, 0.5))


def glu(layer: layers.GLU, graph: GraphBuilder, x: Value) -> Any:
    """Return a σ(b) of the halves a and b of x."""
    a, b = graph.add("Split", x, n_outputs=2, axis=layer.axis, num_outputs=2)
    return graph.add("Mul", a, graph.add("Sigmoid", b))


def swiglu(layer: layers.SwiGLU, graph: GraphBuilder, x: Value) -> Any:
    """Return a σ(a) b of the halves a and b of x."""
    a, b = graph.add("Split", x, n_outputs=2, axis=layer.axis, num_outputs=2)
    return graph.add("Mul", graph.add("Mul", a, graph.add("Sigmoid", a)), b)


def along_axis(operator: str) -> Translation:
    """Return the translation of a layer that is one operator along its axis."""

    def translate(layer: Any, graph: GraphBuilder, x: Value) -> Any:
        return graph.add(operator, x, axis=layer.axis)

    return translate


def softmin(layer: layers.Softmin, graph: GraphBuilder, x: Value) -> Any:
    """Return the softmax of −x."""
    return graph.add("Softmax", graph.add("Neg", x), axis=layer.axis)


ACTIVATIONS: dict[type, Translation] = {
    layers.CELU: celu,
    layers.Dropout: unchanged,
    layers.ELU: elu,
    layers.GELU: gelu,
    layers.GLU: glu,
    layers.Hardsigmoid: hardsigmoid,
    layers.Hardswish: hardswish,
    layers.Hardtanh: hardtanh,
    layers.Identity: unchanged,
    layers.LeakyReLU: leaky_relu,
    layers.LogSigmoid: log_sigmoid,
    layers.LogSoftmax: along_axis("LogSoftmax"),
    layers.Mish: as_operator("Mish"),
    layers.PReLU: prelu,
    layers.ReLU6: hardtanh,
    layers.ReLU: as_operator("Relu"),
    layers.SELU: selu,
    layers.SiLU: silu,
    layers.Sigmoid: as_operator("Sigmoid"),
    layers.Softmax: along_axis("Softmax"),
    layers.Softmin: softmin,
    layers.Softplus: as_operator("Softplus"),
    layers.Softsign: as_operator("Softsign"),
    layers.SwiGLU: swiglu,
    layers.Tanh: as_operator("Tanh"),
    layers.Threshold: threshold,
}
