"""A convolution, alone or followed by a `ReLU`, or by a `ReLU` and max pooling."""

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
from ..threads import run_parts, split_for_cores
from .fusion import Fusion, Like, Memory, Operation
from .geometry import Geometry, Results, channels_first, channels_last, has_windows

WORTH_A_THREAD = 500_000
"""With more multiplications, running parts at once gains more than handing them over costs."""
WORTH_A_THREAD_ALONE = 12_000_000
"""The same outside of plans, where those of the matrix library may compete with the threads."""


def _fits(layers: Sequence[Any], x: Like) -> bool:
    layer = layers[0]
    is_simple = layer.groups == 1 and x.dtype is layer.weight.dtype
    fits = is_simple and x.shape[1:2] == (layer.in_channels,) and has_windows(layer, x.shape)
    return fits and all(has_windows(pool, (*x.shape[:2], *layer.windows(x.shape[2:]).positions)) for pool in layers[2:])


def _split(layer: Any, geometry: Geometry, dtype: np.dtype[Any], enough: int) -> list[slice]:
    """Return the parts of a batch that run in parallel: one, up to `enough` multiplications."""
    is_worth_it = in_use(dtype, "convolution") == "numba" and layer.weight.size * math.prod(geometry.rows) > enough
    return split_for_cores(geometry.rows[0], is_worth_it)


class _Sizes:
    """The sizes of the kernels' arguments, for a convolution and optionally a ReLU and pooling."""

    def __init__(self, layers: Sequence[Any], x: Like) -> None:
        layer, n = layers[0], layers[0].out_channels
        self.dtype, self.geometry, self.pooling = x.dtype, Geometry(layer, x.shape), np.empty((0, 3), np.int64)
        self.shape = self.before_pooling = (x.shape[0], n, *self.geometry.positions)
        self.y: Shape = (*self.geometry.rows, n)
        self.positive = self.y if len(layers) > 1 else (0, 0, 0)
        self.winners: Shape = (0, 0, 0)
        if len(layers) > 2:
            pooling = Geometry(layers[2], self.before_pooling)
            self.shape = (x.shape[0], n, *pooling.positions)
            self.pooling, self.y = pooling.table, (*pooling.rows, n)
            self.winners = self.y
        self.weight = *layer.weight.shape[:2], math.prod(layer.weight.shape[2:])


def _infer(layers: Sequence[Any], x: Array) -> Array:
    layer, sizes = layers[0], _Sizes(layers, x)
    parts = _split(layer, sizes.geometry, x.dtype, WORTH_A_THREAD_ALONE)  # before the kernel is taken, which it may have to compile
    y = np.empty(sizes.y, x.dtype)
    weight = layer.weight.value.reshape(sizes.weight)
    bias = np.zeros(layer.out_channels, x.dtype) if layer.bias is None else layer.bias.value
    images, run = channels_last(x).reshape(sizes.geometry.images), convolve.of(x.dtype)
    no_positive, winners = np.empty((0, 0, 0), np.bool_), np.empty(sizes.winners, np.int32)

    def run_part(part: slice, i: int) -> None:
        run(images[part], weight, bias, y[part], no_positive, winners[part], sizes.geometry.table, sizes.pooling)
        if len(layers) > 1:
            np.maximum(y[part], 0, out=y[part])  # the same after pooling as before

    run_parts(run_part, parts, stay_awake=False)
    n, channels, *lengths = sizes.shape
    return channels_first(y.reshape(n, *lengths, channels))


def _prepare(layers: Sequence[Any], xs: Sequence[Like], memory: Memory) -> Operation:
    layer, (like,), others = layers[0], xs, layers[1:]
    weight, bias, attributes = layer.weight, layer.bias, layer.__dict__
    sizes = _Sizes(layers, like)
    dtype, geometry, pooling = sizes.dtype, sizes.geometry, sizes.pooling
    ys, dxs = Results(memory.y, sizes.shape, dtype), Results(memory.dx[0], like.shape, dtype)
    positive, winners = np.empty(sizes.positive, np.bool_), np.empty(sizes.winners, np.int32)
    no_bias: Array = np.zeros(layer.out_channels, dtype)
    parts = _split(layer, geometry, dtype, WORTH_A_THREAD)
    dweights, dbiases = np.empty((len(parts), *sizes.weight), dtype), np.empty((len(parts), layer.out_channels), dtype)
    run, run_backward = convolve.of(dtype), convolve_backward.of(dtype)
    token = object()

    def with_channels_first(array: Array, shape: Shape) -> Array:
        return channels_first(array.reshape(shape[0], *shape[2:], shape[1]))

    caches: list[Any] = []
    if others:
        caches.append((sizes.before_pooling, dtype, (with_channels_first(positive, sizes.before_pooling),), token))
    if len(others) > 1:
        caches.append((sizes.shape, dtype, (with_channels_first(winners, sizes.shape), sizes.before_pooling), token))

    def forward(x: Array) -> Array:
        y, images = ys.begin(), channels_last(x).reshape(geometry.images)
        added = no_bias if bias is None else bias.value
        kernels, outputs = weight.value.reshape(sizes.weight), y.reshape(sizes.y)

        def run_part(part: slice, i: int) -> None:
            run(images[part], kernels, added, outputs[part], positive[part], winners[part], geometry.table, pooling)

        run_parts(run_part, parts)
        attributes["_cache"] = sizes.before_pooling, dtype, (x,), token
        for other, cache in zip(others, caches, strict=True):
            other.__dict__["_cache"] = cache
        return ys.finish(y)

    def differentiate(dout: Array, needs_dx: bool) -> Array | None:
        cache = attributes.get("_cache")
        if cache is None or cache[3] is not token:
            raise stale_cache(layer)
        for other, its_cache in zip(others, caches, strict=True):
            if other.__dict__.get("_cache") is not its_cache:
                raise stale_cache(other)
        images, douts = channels_last(cache[2][0]).reshape(geometry.images), channels_last(dout).reshape(sizes.y)
        dx = dxs.begin() if needs_dx else None
        dimages = np.empty_like(images[:0]) if dx is None else dx.reshape(geometry.images)
        kernels = weight.value.reshape(sizes.weight)

        def run_part(part: slice, i: int) -> None:
            run_backward(
                douts[part], positive[part], winners[part], images[part], kernels,
                dweights[i], dbiases[i], dimages[part], geometry.table, pooling,
            )  # fmt: skip

        run_parts(run_part, parts)
        for dweight, dbias in zip(dweights, dbiases, strict=True):
            weight.add_grad(dweight.reshape(weight.shape))
            if bias is not None:
                bias.add_grad(dbias)
        return None if dx is None else dxs.finish(dx)

    backward, backward_parameters = (partial(differentiate, needs_dx=needs_dx) for needs_dx in (True, False))
    return Operation(forward, backward, backward_parameters, uses_all_cores=len(parts) > 1)


FUSION = Fusion(_fits, _infer, _prepare, keeps_inputs=True, layout="channels last")
