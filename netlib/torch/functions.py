"""Layers without parameters as functions of tensors.

This module is imported on use, since it imports PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .. import layers as nl
from ..containers.residual import ResidualAdd
from ..layer import Layer
from ..layers.positions import angles
from .modules import attend, index_along

AVERAGE = nl.AvgPool1d, nl.AvgPool2d, nl.AvgPool3d


def _axes(layer: Any, x: Tensor) -> tuple[int, ...]:
    axis = layer.axis
    return tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)


def _sum(layer: Any, x: Tensor) -> Tensor:
    axes = _axes(layer, x)
    return x.sum(axes, layer.keepdims) if axes else x.clone()


def _mean(layer: Any, x: Tensor) -> Tensor:
    axes = _axes(layer, x)
    return x.mean(axes, layer.keepdims) if axes else x.clone()


def _norm(layer: Any, x: Tensor) -> Tensor:
    axes = _axes(layer, x)
    return torch.linalg.vector_norm(x, layer.ord, axes, layer.keepdims) if axes else x.abs()


def _dropout(layer: Any, x: Tensor) -> Tensor:
    axes = layer.axes if isinstance(layer.axes, tuple | list) else (layer.axes,)
    shape = [1 if axis in axes or axis - x.ndim in axes else n for axis, n in enumerate(x.shape)]
    return x * functional.dropout(x.new_ones(shape), layer.p, layer.training)


def _reshape(layer: Any, x: Tensor) -> Tensor:
    return x.reshape(layer.shape)


def _transpose(layer: Any, x: Tensor) -> Tensor:
    return x.permute(tuple(reversed(range(x.ndim))) if layer.axes is None else layer.axes)


def _scalar(layer: Any, x: Tensor) -> Tensor:
    return x.new_tensor(layer.value)


def _slice(layer: Any, x: Tensor) -> Tensor:
    """Return a part; a negative step, which tensors lack, by indexing."""
    key = layer.key if isinstance(layer.key, tuple) else (layer.key,)
    n_used = sum(part is not None and part is not Ellipsis for part in key)
    axis, plain = 0, []
    for part in key:
        if part is Ellipsis:
            axis += x.ndim - n_used
        elif isinstance(part, slice) and (part.step or 1) < 0:
            x = index_along(x, axis, range(x.shape[axis])[part])
            part = slice(None)  # noqa: PLW2901
        plain.append(part)
        axis += part is not None and part is not Ellipsis
    return x[tuple(plain)]


def _squeeze(layer: Any, x: Tensor) -> Tensor:
    return x.squeeze() if layer.axis is None else x.squeeze(layer.axis)


def _expand(layer: Any, x: Tensor) -> Tensor:
    axes = layer.axis if isinstance(layer.axis, tuple) else (layer.axis,)
    n = x.ndim + len(axes)
    for axis in sorted(axis % n for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _broadcast_to(layer: Any, x: Tensor) -> Tensor:
    return x.expand(layer.shape)


def _split(layer: Any, x: Tensor) -> Any:
    pieces = torch.tensor_split(x, layer._ends(tuple(x.shape))[1:-1], layer.axis)
    return pieces if len(pieces) > 1 else pieces[0]


def _take(layer: Any, x: Tensor, indices: Tensor) -> Tensor:
    axis = layer.axis % x.ndim
    y = x.index_select(axis, indices.reshape(-1) % x.shape[axis])
    return y.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def _clip(layer: Any, x: Tensor) -> Tensor:
    return x.clamp(layer.low, layer.high)


def _power(layer: Any, x: Tensor, *exponent: Tensor) -> Tensor:
    return x ** (exponent[0] if exponent else layer.exponent)


def _pad(layer: Any, x: Tensor) -> Tensor:
    pairs = layer.widths if isinstance(layer.widths, tuple | list) else ((layer.widths, layer.widths),) * (x.ndim - 2)
    if layer.mode == "constant":
        return functional.pad(x, [width for pair in reversed(pairs) for width in pair], value=layer.value)
    for axis, pair in enumerate(pairs, x.ndim - len(pairs)):
        x = index_along(x, axis, np.pad(np.arange(x.shape[axis]), pair, mode=layer.mode))
    return x


def _upsample(layer: Any, x: Tensor) -> Tensor:
    n = x.ndim - 2
    scales = tuple(map(float, layer.scale)) if isinstance(layer.scale, tuple | list) else (float(layer.scale),) * n
    if layer.mode == "nearest":
        return functional.interpolate(x, scale_factor=scales, mode="nearest")
    return functional.interpolate(x, scale_factor=scales, mode=("linear", "bilinear", "trilinear")[n - 1], align_corners=False)


def _pool(layer: Any, x: Tensor) -> Tensor:
    """Return the image pooled window by window where PyTorch does not support the padding."""
    windows, n = layer.windows(tuple(x.shape[2:])), len(layer._kernel)
    places = windows.gather(np.arange(math.prod(x.shape[2:])).reshape(1, 1, *x.shape[2:]), border=-1)
    places = places.reshape(-1, *places.shape[n + 2 :])  # -1 is the border
    border = 0.0 if isinstance(layer, AVERAGE) else -math.inf
    pixels = torch.cat([x.flatten(2), x.new_full((*x.shape[:2], 1), border)], 2)
    patches = pixels[:, :, torch.as_tensor(places, device=x.device)]
    if border:
        return patches.max(2).values
    counts = np.array(windows.counts(layer.count_include_pad))
    return patches.sum(2) / torch.as_tensor(counts.reshape(patches.shape[3:]), dtype=x.dtype, device=x.device)


def _swiglu(layer: Any, x: Tensor) -> Tensor:
    a, b = x.chunk(2, layer.axis)
    return functional.silu(a) * b


def _sinusoidal(layer: Any, x: Tensor) -> Tensor:
    n, features = x.shape[-2], layer.features
    a = angles(0, n, features, 10000)
    waves = np.empty((n, features))
    waves[:, 0::2], waves[:, 1::2] = np.sin(a), np.cos(a[:, : features // 2])
    return x + torch.as_tensor(waves, dtype=x.dtype, device=x.device)


def _rotary(layer: Any, x: Tensor) -> Tensor:
    a = angles(0, x.shape[-2], layer.features, layer.base)
    cos, sin = (torch.as_tensor(wave, dtype=x.dtype, device=x.device) for wave in (np.cos(a), np.sin(a)))
    half = layer.features // 2
    x1, x2 = (x[..., 0::2], x[..., 1::2]) if layer.interleaved else (x[..., :half], x[..., half:])
    pair = x1 * cos - x2 * sin, x2 * cos + x1 * sin
    return torch.stack(pair, -1).flatten(-2) if layer.interleaved else torch.cat(pair, -1)


def _attention(layer: Any, q: Tensor, k: Tensor, v: Tensor, *mask: Tensor) -> Tensor:
    return attend(q, k, v, mask[0] if mask else None, layer.causal, layer.dropout if layer.training else 0.0)


def _add(layer: Any, *inputs: Tensor) -> Tensor:
    return sum(inputs[1:], start=inputs[0])


FUNCTIONS: dict[type[Layer], Callable[..., Any]] = {
    nl.Add: _add,
    ResidualAdd: _add,
    nl.Subtract: lambda layer, a, b: a - b,
    nl.Multiply: lambda layer, a, b: a * b,
    nl.Divide: lambda layer, a, b: a / b,
    nl.MatMul: lambda layer, a, b: a @ b,
    nl.Negative: lambda layer, x: -x,
    nl.Power: _power,
    nl.Exp: lambda layer, x: x.exp(),
    nl.Log: lambda layer, x: x.log(),
    nl.Sqrt: lambda layer, x: x.sqrt(),
    nl.Abs: lambda layer, x: x.abs(),
    nl.Maximum: lambda layer, a, b: torch.maximum(a, b),
    nl.Minimum: lambda layer, a, b: torch.minimum(a, b),
    nl.Where: lambda layer, a, b, condition: torch.where(condition, a, b),
    nl.Clip: _clip,
    nl.Sum: _sum,
    nl.Mean: _mean,
    nl.Max: lambda layer, x: x.amax(_axes(layer, x), layer.keepdims),
    nl.Min: lambda layer, x: x.amin(_axes(layer, x), layer.keepdims),
    nl.Norm: _norm,
    nl.LogSumExp: lambda layer, x: x.logsumexp(_axes(layer, x), layer.keepdims),
    nl.CumulativeSum: lambda layer, x: x.cumsum(layer.axis),
    nl.Einsum: lambda layer, *xs: torch.einsum(layer.equation, *xs),
    nl.Reshape: _reshape,
    nl.Transpose: _transpose,
    nl.Scalar: _scalar,
    nl.Slice: _slice,
    nl.Squeeze: _squeeze,
    nl.Expand: _expand,
    nl.BroadcastTo: _broadcast_to,
    nl.Split: _split,
    nl.Stack: lambda layer, *xs: torch.stack(xs, layer.axis),
    nl.Concatenate: lambda layer, *xs: torch.cat(xs, layer.axis),
    nl.Take: _take,
    nl.Pad: _pad,
    nl.Upsample: _upsample,
    nl.GlobalAvgPool: lambda layer, x: x.flatten(2).mean(2),
    nl.GlobalMaxPool: lambda layer, x: x.flatten(2).max(2).values,
    **dict.fromkeys((nl.MaxPool1d, nl.MaxPool2d, nl.MaxPool3d, *AVERAGE), _pool),
    nl.Dropout: _dropout,
    nl.SwiGLU: _swiglu,
    nl.SinusoidalEncoding: _sinusoidal,
    nl.RotaryEncoding: _rotary,
    nl.ScaledDotProductAttention: _attention,
}
