"""Normalization over batches, samples, groups and windows of channels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...arrays import Shape
from ...layer import Layer
from ...layers import (
    AvgPool3d,
    BatchNorm,
    BroadcastTo,
    Expand,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    Maximum,
    Mean,
    Norm,
    Power,
    PReLU,
    ReLU,
    Reshape,
    RMSNorm,
    Sqrt,
    Squeeze,
)
from ...node import Node
from ..operator import Operator
from .arithmetic import number
from .owning import Source, call, known


def batch_norm(op: Operator) -> Any:
    """Translate BatchNormalization, whose momentum is the weight of the old statistics."""
    if op.version < 9:
        op.only(spatial=1)
    if op.get("training_mode") or not (op.is_constant(3) and op.is_constant(4)):
        return _batch_norm_of_nodes(op)
    (channels,) = known(op, 1, 0)
    options = {"channels": channels, "eps": op.get("epsilon", 1e-5), "momentum": 1 - op.get("momentum", 0.9)}
    node = call(op, BatchNorm, {"weight": Source(1), "bias": Source(2)}, options)
    layer = node.call.layer
    if isinstance(layer, BatchNorm):
        layer.running_mean.value, layer.running_var.value = op.constant(3), op.constant(4)
        return node
    return _batch_norm_of_nodes(op)


def _batch_norm_of_nodes(op: Operator) -> Any:
    """Return y, and in training mode the new statistics, for computed weights."""
    rank, x, (mean, variance) = op.rank(0), op.node(0), (op.node(3), op.node(4))
    lift = (-1,) + (1,) * (rank - 2)
    scale, shift = (Reshape(lift)(op.node(i)) for i in (1, 2))
    if not op.get("training_mode"):
        centred = x - Reshape(lift)(mean)
        return scale * centred / Sqrt()(Reshape(lift)(variance) + number(op, op.get("epsilon", 1e-5))) + shift
    axes = (0, *range(2, rank))
    of_batch = Mean(axes, keepdims=True)(x)
    centred = x - of_batch
    spread = Mean(axes, keepdims=True)(Power(2)(centred))
    y = scale * centred / Sqrt()(spread + number(op, op.get("epsilon", 1e-5))) + shift
    old, new = number(op, op.get("momentum", 0.9)), number(op, 1 - op.get("momentum", 0.9))
    return y, *(old * before + new * Reshape((-1,))(now) for before, now in [(mean, of_batch), (variance, spread)])


def layer_norm(op: Operator) -> Any:
    """Translate LayerNormalization, over the last axes."""
    tail = _tail(op)
    sources = {"weight": Source(1)} | ({"bias": Source(2)} if op.has(2) else {})
    y = call(op, LayerNorm, sources, {"shape": tail, "eps": op.get("epsilon", 1e-5), "bias": op.has(2)})
    if not any(op.outputs[1:]):
        return y
    axes = tuple(range(-len(tail), 0))
    mean = Mean(axes, keepdims=True)(op.node(0))
    variance = Mean(axes, keepdims=True)(Power(2)(op.node(0) - mean))
    return y, mean, Power(-0.5)(variance + number(op, op.get("epsilon", 1e-5)))


def rms_norm(op: Operator) -> Any:
    """Translate RMSNormalization, over the last axes."""
    return call(op, RMSNorm, {"weight": Source(1)}, {"shape": _tail(op), "eps": op.get("epsilon", 1e-5)})


def _tail(op: Operator) -> Shape:
    """Return the lengths of the last axes, from `axis` on, which those of the scale must be."""
    axis = op.get("axis", -1)
    n = -axis if axis < 0 else op.rank(0) - axis
    tail = tuple(known(op, 1, *range(op.rank(1))))
    if len(tail) != n or any(length not in (None, given) for length, given in zip(op.shape(0)[-n:], tail, strict=True)):
        op.refuse(f"normalizes the last {n} axes of {op.shape(0)} with a scale of shape {tail}, which must be theirs")
    return tail


def group_norm(op: Operator) -> Any:
    """Translate GroupNormalization, whose scale had a number for each group up to version 20."""
    groups, eps = op.get("num_groups"), op.get("epsilon", 1e-5)
    if op.version >= 21:
        (channels,) = known(op, 1, 0)
        return call(op, GroupNorm, {"weight": Source(1), "bias": Source(2)}, {"groups": groups, "channels": channels, "eps": eps})
    (channels,) = known(op, 0, 1)

    def per_channel(node: Node) -> Any:
        spread = BroadcastTo((groups, channels // groups))(Reshape((groups, 1))(node))
        return Reshape((channels, *(1,) * (op.rank(0) - 2)))(spread)

    return GroupNorm(groups, channels, eps, affine=False)(op.node(0)) * per_channel(op.node(1)) + per_channel(op.node(2))


def instance_norm(op: Operator) -> Any:
    """Translate InstanceNormalization."""
    (channels,) = known(op, 1, 0)
    options = {"channels": channels, "eps": op.get("epsilon", 1e-5), "affine": True}
    return call(op, InstanceNorm, {"weight": Source(1), "bias": Source(2)}, options)


def local_response_norm(op: Operator) -> Any:
    """Translate LRN: x divided by a power of the mean of x² over neighbouring channels."""
    if op.rank(0) != 4:
        op.refuse(f"normalizes x of {op.rank(0)} axes, expected 4")
    x, size = op.node(0), op.get("size")
    border = ((size - 1) // 2, size // 2), (0, 0), (0, 0)
    mean = Squeeze(1)(AvgPool3d((size, 1, 1), 1, border)(Expand(1)(Power(2)(x))))
    return x * Power(-op.get("beta", 0.75))(number(op, op.get("bias", 1.0)) + number(op, op.get("alpha", 1e-4)) * mean)


def lp_norm(op: Operator) -> Any:
    """Translate LpNormalization: x divided by its norm along an axis."""
    norm = Norm(op.get("axis", -1), keepdims=True, ord=op.get("p", 2))(op.node(0))
    return op.node(0) / Maximum()(norm, number(op, np.finfo(op.dtype(0)).tiny))  # rows of zeros stay


def mean_variance_norm(op: Operator) -> Any:
    """Translate MeanVarianceNormalization: ``(x - μ) / (σ + 1e-9)``."""
    axes = tuple(op.get("axes", (0, 2, 3)))
    centred = op.node(0) - Mean(axes, keepdims=True)(op.node(0))
    return centred / (Sqrt()(Mean(axes, keepdims=True)(Power(2)(centred))) + number(op, 1e-9))


def prelu(op: Operator) -> Any:
    """Translate PRelu: with a slope for each channel as `PReLU`."""
    shape = op.shape(1)
    is_old = op.version < 7 and len(shape) == 1  # the slope has one number for each channel
    is_per_channel = is_old or (len(shape) == op.rank(0) - 1 and math.prod(n or 0 for n in shape[1:]) == 1)
    if op.is_trained(1) and is_per_channel and shape[0] and shape[0] > 1:
        layer: Layer = PReLU(shape[0], dtype=op.dtype(1))
        layer.weight = op.parameter(1, "flat", lambda slope: slope.reshape(-1))
        return layer(op.node(0))
    x, slope = op.node(0), op.node(1)
    if is_old and shape != (1,):
        slope = Reshape((-1,) + (1,) * (op.rank(0) - 2))(slope)
    return ReLU()(x) - slope * ReLU()(-x)


OPERATORS: dict[str, Callable[[Operator], Any]] = {
    "BatchNormalization": batch_norm,
    "LayerNormalization": layer_norm,
    "RMSNormalization": rms_norm,
    "GroupNormalization": group_norm,
    "InstanceNormalization": instance_norm,
    "LRN": local_response_norm,
    "LpNormalization": lp_norm,
    "MeanVarianceNormalization": mean_variance_norm,
    "PRelu": prelu,
}
