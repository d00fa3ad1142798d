"""A convolution, alone or followed by a `ReLU`, over blocks of samples that fit into the cache."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ...arrays import Array, Shape
from ...errors import stale_cache
from ..convolution import (
    begin_block,
    begin_block_relu,
    finish_block,
    finish_block_relu,
    gather_patches,
    scatter_patches,
)
from .fusion import Fusion, Like, Memory, Operation
from .geometry import Geometry, has_windows

BLOCK = 1 << 19
"""The most bytes of patches in a block, unless a single sample has more."""


def _fits(layers: Sequence[Any], x: Like) -> bool:
    layer = layers[0]
    is_simple = layer.groups == 1 and x.dtype is layer.weight.dtype
    return is_simple and x.shape[1:2] == (layer.in_channels,) and has_windows(layer, x)


def _samples_in_block(geometry: Geometry, dtype: np.dtype[Any]) -> int:
    n_bytes = int(geometry.n_rows * geometry.n_positions * dtype.itemsize)
    return max(1, min(int(geometry.shape[0]), BLOCK // n_bytes))


def _output(layers: Sequence[Any], x: Like) -> tuple[Shape, np.dtype[Any]]:
    layer = layers[0]
    return (x.shape[0], layer.out_channels, *layer.windows(x.shape[2:]).positions), x.dtype


def _infer(layers: Sequence[Any], x: Array) -> Array:
    layer, has_relu = layers[0], len(layers) > 1
    geometry, dtype, channels = Geometry(layer, x.shape), x.dtype, layer.out_channels
    samples = _samples_in_block(geometry, dtype)
    x = np.ascontiguousarray(x).reshape(geometry.shape)
    y = np.empty((len(x), channels, geometry.n_positions), dtype)
    weight, bias = layer.weight.value.reshape(channels, -1), _bias_of(layer)
    for start in range(0, len(x), samples):
        block = x[start : start + samples]
        columns = np.empty((geometry.n_rows, len(block) * geometry.n_positions), dtype)
        gather_patches.of(dtype)(block, columns, geometry.table)
        finish_block.of(dtype)(weight @ columns, bias, y[start : start + len(block)])
    if has_relu:
        np.maximum(y, 0, out=y)
    return y.reshape(len(x), channels, *geometry.output)


def _bias_of(layer: Any) -> Array:
    """Return the bias, or zeros."""
    return np.zeros(layer.out_channels, layer.dtype) if layer.bias is None else layer.bias.value


def _prepare(layers: Sequence[Any], xs: Sequence[Like], memory: Memory) -> Operation:
    layer, (like,) = layers[0], xs
    relu = layers[1] if len(layers) > 1 else None
    weight, bias, attributes = layer.weight, layer.bias, layer.__dict__
    shape, dtype = _output(layers, like)
    geometry = Geometry(layer, like.shape)
    n, channels, p, samples = shape[0], shape[1], geometry.n_positions, _samples_in_block(geometry, dtype)
    columns, products, dproducts = (np.empty((rows, samples * p), dtype) for rows in (geometry.n_rows, channels, channels))
    dcolumns = np.empty_like(columns)
    positive = np.empty((n, channels, p), np.bool_) if relu is not None else None
    dbias, dweight = np.empty(channels, dtype), np.empty((channels, geometry.n_rows), dtype)
    starts = range(0, n, samples)
    zeros: Array = np.zeros(channels, dtype)
    finish, finish_relu = finish_block.of(dtype), finish_block_relu.of(dtype)
    begin, begin_relu = begin_block.of(dtype), begin_block_relu.of(dtype)
    gather, scatter = gather_patches.of(dtype), scatter_patches.of(dtype)
    token = object()
    relu_cache = shape, dtype, (None if positive is None else positive.reshape(shape),), token

    def part(array: Array, width: int) -> Array:
        """Return `array` for a block of `width` columns, which the last one may have fewer of."""
        return array if width == array.shape[1] else np.ndarray((array.shape[0], width), dtype, array)

    def forward(x: Array) -> Array:
        y = np.empty(shape, dtype) if memory.y is None else memory.y
        images, outputs = np.ascontiguousarray(x).reshape(geometry.shape), y.reshape(n, channels, p)
        kernels, added = weight.value.reshape(channels, -1), zeros if bias is None else bias.value
        for start in starts:
            block = images[start : start + samples]
            width = len(block) * p
            patches, products_ = part(columns, width), part(products, width)
            gather(block, patches, geometry.table)
            np.dot(kernels, patches, out=products_)
            if positive is None:
                finish(products_, added, outputs[start : start + samples])
            else:
                finish_relu(products_, added, outputs[start : start + samples], positive[start : start + samples])
        attributes["_cache"] = shape, dtype, (x,), token
        if relu is not None:
            relu.__dict__["_cache"] = relu_cache
        return y

    def run_backward(dout: Array, needs_dx: bool) -> Any:
        cache = attributes.get("_cache")
        if cache is None or cache[3] is not token:
            raise stale_cache(layer)
        if relu is not None and relu.__dict__.get("_cache") is not relu_cache:
            raise stale_cache(relu)
        images = np.ascontiguousarray(cache[2][0]).reshape(geometry.shape)
        douts = dout.reshape(n, channels, p)
        dx = None
        if needs_dx:
            dx = np.empty(like.shape, dtype) if memory.dx[0] is None else memory.dx[0]
            dimages = dx.reshape(geometry.shape)
        kernels = weight.value.reshape(channels, -1)
        dbias.fill(0)
        for start in starts:
            block = images[start : start + samples]
            width = len(block) * p
            patches, rows = part(columns, width), part(dproducts, width)
            gather(block, patches, geometry.table)
            if positive is None:
                begin(douts[start : start + samples], rows, dbias)
            else:
                begin_relu(douts[start : start + samples], positive[start : start + samples], rows, dbias)
            np.dot(rows, patches.T, out=dweight)
            weight.add_grad(dweight.reshape(weight.shape))
            if needs_dx:
                dpatches = part(dcolumns, width)
                np.dot(kernels.T, rows, out=dpatches)
                scatter(dpatches, dimages[start : start + samples], geometry.table)
        if bias is not None:
            bias.add_grad(dbias)
        return dx

    return Operation(forward, partial(run_backward, needs_dx=True), partial(run_backward, needs_dx=False))


FUSION = Fusion(_fits, _output, _infer, _prepare, keeps_inputs=True)
