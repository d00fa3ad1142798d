"""A convolution, alone or followed by a `ReLU`, on images with the channels last in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ...arrays import Array, Shape
from ...errors import stale_cache
from .. import in_use
from ..convolution import convolve, convolve_backward
from ..threads import count_cores, run_parts, split
from .fusion import Fusion, Like, Memory, Operation
from .geometry import Geometry, Results, channels_first, channels_last, has_windows

WORTH_A_THREAD = 30_000_000
"""With as many multiplications, a part of the work for another thread outweighs waking it up."""


def _fits(layers: Sequence[Any], x: Like) -> bool:
    layer = layers[0]
    is_simple = layer.groups == 1 and x.dtype is layer.weight.dtype
    return is_simple and x.shape[1:2] == (layer.in_channels,) and has_windows(layer, x)


def _split(layer: Any, geometry: Geometry, dtype: np.dtype[Any]) -> list[slice]:
    """Return the parts of a batch that run at the same time: one, unless there is much to do.

    NumPy computes products on all cores by itself.
    """
    is_worth_it = in_use(dtype) == "numba" and layer.weight.size * math.prod(geometry.rows) > WORTH_A_THREAD
    return split(geometry.rows[0], count_cores() if is_worth_it else 1)


def _output(layers: Sequence[Any], x: Like) -> tuple[Shape, np.dtype[Any]]:
    layer = layers[0]
    return (x.shape[0], layer.out_channels, *layer.windows(x.shape[2:]).positions), x.dtype


def _infer(layers: Sequence[Any], x: Array) -> Array:
    layer, has_relu = layers[0], len(layers) > 1
    geometry = Geometry(layer, x.shape)
    y = np.empty((len(x), *layer.windows(x.shape[2:]).positions, layer.out_channels), x.dtype)
    weight = layer.weight.value.reshape(*layer.weight.shape[:2], -1)
    bias = np.zeros(layer.out_channels, x.dtype) if layer.bias is None else layer.bias.value
    images, rows, run = channels_last(x).reshape(geometry.images), y.reshape(*geometry.rows, -1), convolve.of(x.dtype)
    no_positive = np.empty((0, 0, 0), np.bool_)

    def run_part(part: slice, i: int) -> None:
        run(images[part], weight, bias, rows[part], no_positive, geometry.table)
        if has_relu:
            np.maximum(rows[part], 0, out=rows[part])

    run_parts(run_part, _split(layer, geometry, x.dtype))
    return channels_first(y)


def _prepare(layers: Sequence[Any], xs: Sequence[Like], memory: Memory) -> Operation:
    layer, (like,) = layers[0], xs
    relu = layers[1] if len(layers) > 1 else None
    weight, bias, attributes = layer.weight, layer.bias, layer.__dict__
    shape, dtype = _output(layers, like)
    geometry = Geometry(layer, like.shape)
    y_rows = *geometry.rows, layer.out_channels
    ys, dxs = Results(memory.y, shape, dtype), Results(memory.dx[0], like.shape, dtype)
    positive = np.empty(0 if relu is None else (shape[0], *shape[2:], shape[1]), np.bool_)
    positive_rows = positive.reshape((0, 0, 0) if relu is None else y_rows)
    no_dx: Array = np.empty((0,) * 5, dtype)
    no_bias: Array = np.zeros(layer.out_channels, dtype)
    flat = *weight.shape[:2], math.prod(weight.shape[2:])
    parts = _split(layer, geometry, dtype)
    dweights, dbiases = np.empty((len(parts), *flat), dtype), np.empty((len(parts), layer.out_channels), dtype)
    run, run_backward = convolve.of(dtype), convolve_backward.of(dtype)
    token = object()
    relu_cache = shape, dtype, (None if relu is None else channels_first(positive),), token

    def forward(x: Array) -> Array:
        y, images = ys.begin(), channels_last(x).reshape(geometry.images)
        added = no_bias if bias is None else bias.value
        kernels, outputs = weight.value.reshape(flat), y.reshape(y_rows)

        def run_part(part: slice, i: int) -> None:
            run(images[part], kernels, added, outputs[part], positive_rows[part], geometry.table)

        run_parts(run_part, parts)
        attributes["_cache"] = shape, dtype, (x,), token
        if relu is not None:
            relu.__dict__["_cache"] = relu_cache
        return ys.finish(y)

    def differentiate(dout: Array, needs_dx: bool) -> Array | None:
        cache = attributes.get("_cache")
        if cache is None or cache[3] is not token:
            raise stale_cache(layer)
        if relu is not None and relu.__dict__.get("_cache") is not relu_cache:
            raise stale_cache(relu)
        images, douts = channels_last(cache[2][0]).reshape(geometry.images), channels_last(dout).reshape(y_rows)
        dx = dxs.begin() if needs_dx else no_dx
        dimages = dx.reshape(geometry.images) if needs_dx else no_dx
        kernels = weight.value.reshape(flat)

        def run_part(part: slice, i: int) -> None:
            run_backward(douts[part], positive_rows[part], images[part], kernels, dweights[i], dbiases[i], dimages[part], geometry.table)

        run_parts(run_part, parts)
        for dweight, dbias in zip(dweights, dbiases, strict=True):
            weight.add_grad(dweight.reshape(weight.shape))
            if bias is not None:
                bias.add_grad(dbias)
        return dxs.finish(dx) if needs_dx else None

    return Operation(forward, partial(differentiate, needs_dx=True), partial(differentiate, needs_dx=False))


FUSION = Fusion(_fits, _output, _infer, _prepare, keeps_inputs=True, layout="channels last")
