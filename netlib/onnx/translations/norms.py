"""Normalization in ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import layers
from ..writing import GraphBuilder, Value
from .translation import Translation, is_exact


def batch_norm(layer: layers.BatchNorm, graph: GraphBuilder, x: Value) -> Any:
    """Normalize with the running statistics, as in evaluation mode."""
    shape = layer.running_mean.shape
    mean, variance = (_in_type(graph, each, 0.0) for each in (layer.running_mean, layer.running_var))
    eps = layer.eps
    if not is_exact(graph, eps):  # ONNX keeps eps in float32, so the variance takes the rest of it
        eps = float(np.float32(eps))
        variance = _in_type(graph, layer.running_var, layer.eps - eps)
    weight = np.ones(shape, graph.dtype) if layer.weight is None else layer.weight
    bias = np.zeros(shape, graph.dtype) if layer.bias is None else layer.bias
    momentum = None if abs(layer.momentum - 0.1) < 1e-6 else 1 - layer.momentum  # ONNX's is the weight of the old, 0.9
    return graph.add("BatchNormalization", x, weight, bias, mean, variance, epsilon=eps, momentum=momentum)


def _in_type(graph: GraphBuilder, buffer: Any, more: float) -> Any:
    """Return a buffer in the type in which the layer computes, plus a number."""
    if buffer.dtype == graph.dtype and not more:
        return buffer
    return (buffer.value + more).astype(graph.dtype)


def layer_norm(layer: layers.LayerNorm, graph: GraphBuilder, x: Value) -> Any:
    """Normalize over the last axes."""
    n = len(layer.shape)
    if is_exact(graph, layer.eps):
        weight = np.ones(layer.shape, graph.dtype) if layer.weight is None else layer.weight
        return graph.add("LayerNormalization", x, weight, layer.bias, axis=-n, epsilon=layer.eps)
    return scale(layer, graph, standardize(graph, x, range(-n, 0), layer.eps))


def rms_norm(layer: layers.RMSNorm, graph: GraphBuilder, x: Value) -> Any:
    """Divide by the root of the mean square over the last axes."""
    square = graph.add("ReduceMean", graph.add("Mul", x, x), list(range(-len(layer.shape), 0)), keepdims=1)
    return scale(layer, graph, graph.add("Div", x, graph.add("Sqrt", graph.add("Add", square, layer.eps))))


def group_norm(layer: layers.GroupNorm, graph: GraphBuilder, x: Value) -> Any:
    """Normalize each group of channels of each image."""
    apart = graph.add("Reshape", x, [0, layer.groups, -1])
    if is_exact(graph, layer.eps):
        ones, zeros = np.ones(layer.groups, graph.dtype), np.zeros(layer.groups, graph.dtype)
        z = graph.add("InstanceNormalization", apart, ones, zeros, epsilon=layer.eps)
    else:
        z = standardize(graph, apart, [2], layer.eps)
    z = graph.add("Reshape", z, [0, *x.lengths(1)])
    return scale(layer, graph, z, list(range(1, x.ndim - 1)))


def instance_norm(layer: layers.InstanceNorm, graph: GraphBuilder, x: Value) -> Any:
    """Normalize each channel of each image, by ONNX's own operator if it has weights."""
    if layer.weight is None or layer.bias is None or x.ndim < 3 or not is_exact(graph, layer.eps):
        return group_norm(layer, graph, x)
    return graph.add("InstanceNormalization", x, layer.weight, layer.bias, epsilon=layer.eps)


def standardize(graph: GraphBuilder, x: Value, axes: Sequence[int], eps: float) -> Any:
    """Return x with mean 0 and variance 1 over some axes, with eps in float64."""
    centered = graph.add("Sub", x, graph.add("ReduceMean", x, list(axes), keepdims=1))
    variance = graph.add("ReduceMean", graph.add("Mul", centered, centered), list(axes), keepdims=1)
    return graph.add("Div", centered, graph.add("Sqrt", graph.add("Add", variance, eps)))


def scale(layer: Any, graph: GraphBuilder, z: Value, new_axes: Sequence[int] = ()) -> Any:
    """Return z · weight + bias, if the layer has them, each with new axes at the end."""

    def spread(parameter: Any) -> Any:
        return graph.add("Unsqueeze", parameter, list(new_axes)) if new_axes else parameter

    if layer.weight is not None:
        z = graph.add("Mul", z, spread(layer.weight))
    return z if layer.bias is None else graph.add("Add", z, spread(layer.bias))


NORMS: dict[type, Translation] = {
    layers.BatchNorm: batch_norm,
    layers.GroupNorm: group_norm,
    layers.InstanceNorm: instance_norm,
    layers.LayerNorm: layer_norm,
    layers.RMSNorm: rms_norm,
}
