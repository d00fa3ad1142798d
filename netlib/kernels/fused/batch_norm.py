"""Batch normalization, alone or followed by a `ReLU`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arrays import Array
from ...errors import stale_cache
from ...execution import execution
from ..normalization import (
    gradient_sums,
    gradient_sums_relu,
    moments,
    normalize,
    normalize_backward,
    normalize_relu,
)
from ..threads import run_parts, split_for_cores
from .fusion import Fusion, Like, Memory, Operation
from .geometry import Results, channels_first, channels_last

COLUMNS = 128
"""Enough for vector registers in loops over columns."""
WORTH_A_THREAD = 20_000
"""With more numbers, running parts at once gains more than handing them over costs."""


def _fits(layers: Sequence[Any], x: Like) -> bool:
    norm, shape = layers[0], x.shape
    if len(shape) < 2 or shape[1] != norm.channels or 0 in shape or x.dtype is not norm.dtype or norm.weight is None:
        return False
    return not norm.training or math.prod(shape) > norm.channels


def _infer(layers: Sequence[Any], x: Array) -> Array:
    norm, dtype = layers[0], x.dtype
    if norm.training:  # without caching, as in `Recompute`
        in_training: Array = norm.for_inference().forward(x)
        return np.maximum(in_training, 0, out=in_training) if len(layers) > 1 else in_training
    columns = _count_columns(x.size, norm.channels)
    repeats = columns // norm.channels
    scale = norm.weight.value / np.sqrt(norm.running_var.value + dtype.type(norm.eps))
    mean, scale, shift = (np.tile(each, repeats) for each in (norm.running_mean.value, scale, norm.bias.value))
    in_memory = channels_last(x)
    y = np.empty(in_memory.shape, dtype)
    normalize.of(dtype)(in_memory.reshape(-1, columns), mean, scale, shift, y.reshape(-1, columns))
    if len(layers) > 1:
        np.maximum(y, 0, out=y)
    return channels_first(y)


def _prepare(layers: Sequence[Any], xs: Sequence[Like], memory: Memory) -> Operation:
    norm, (like,) = layers[0], xs
    relu = layers[1] if len(layers) > 1 else None
    weight, bias, attributes = norm.weight, norm.bias, norm.__dict__
    shape, dtype = like.shape, like.dtype
    size, channels = math.prod(shape), shape[1]
    n, columns = size // channels, _count_columns(size, channels)
    repeats, rows = columns // channels, (size // columns, columns)
    mean, scale, shift, offset, slope = vectors = np.empty((5, columns), dtype)
    of_mean, of_scale, of_shift, of_offset, of_slope = vectors.reshape(5, repeats, channels)
    inverse = np.empty(channels, dtype)
    kept = [array.reshape(-1, *(1,) * (len(shape) - 2)) for array in (of_mean[0], inverse)]
    parts = split_for_cores(rows[0], size > WORTH_A_THREAD, of_equal_size=True)
    means, variances = of_parts = np.empty((2, len(parts), columns), dtype)
    of_parts = of_parts.reshape(2, -1, channels)  # equally many rows are in each part, and in each column of a channel
    totals, products = sums_of_parts = np.empty((2, len(parts), columns), dtype)
    sums_of_parts, sums = sums_of_parts.reshape(2, -1, channels), np.empty((2, channels), dtype)
    ys, dxs = Results(memory.y, shape, dtype), Results(memory.dx[0], shape, dtype)
    positive = np.empty((shape[0], *shape[2:], channels) if relu else (0,) * len(shape), np.bool_)
    positive_rows = positive.reshape(-1, columns)
    relu_cache = shape, dtype, (channels_first(positive),), object()
    find_moments = moments.of(dtype)
    run, run_relu, run_backward = normalize.of(dtype), normalize_relu.of(dtype), normalize_backward.of(dtype)
    find_sums, find_sums_relu = gradient_sums.of(dtype), gradient_sums_relu.of(dtype)
    eps, token = dtype.type(norm.eps), object()

    def forward(x: Array) -> Array:
        n_of_batch = n if norm.training else 0
        y, x_rows = ys.begin(), channels_last(x).reshape(rows)
        y_rows = y.reshape(rows)
        if n_of_batch:
            run_parts(lambda part, i: find_moments(x_rows[part], means[i], variances[i]), parts)
            n_groups = len(parts) * repeats
            average = np.add.reduce(of_parts[0]) / n_groups
            squares = np.square(of_parts[0] - average)
            variance_of_channels = np.add.reduce(of_parts[1] + squares) / n_groups
            of_mean[...], variance_of_channels, n_of_batch = norm.of_whole_batch(average, variance_of_channels, n)
            norm.update(of_mean[0], variance_of_channels, n_of_batch)
        else:
            of_mean[...], variance_of_channels = norm.running_mean.value, norm.running_var.value
        np.sqrt(variance_of_channels + eps, out=inverse)
        np.divide(1, inverse, out=inverse)
        of_scale[...] = inverse * weight.value
        of_shift[...] = bias.value
        if relu is None:
            run_parts(lambda part, _: run(x_rows[part], mean, scale, shift, y_rows[part]), parts)
        else:
            run_parts(lambda part, _: run_relu(x_rows[part], mean, scale, shift, y_rows[part], positive_rows[part]), parts)
            relu.__dict__["_cache"] = relu_cache
        attributes["_cache"] = shape, dtype, (x, *kept, n_of_batch), token
        return ys.finish(y)

    def backward_parameters(dout: Array) -> tuple[Array, Array, int]:
        cache = attributes.get("_cache")
        if cache is None or cache[3] is not token:
            raise stale_cache(norm)
        x, _, _, n_of_batch = cache[2]
        x_rows = channels_last(x).reshape(rows)
        d: Array = channels_last(dout).reshape(rows)
        if relu is None:
            run_parts(lambda part, i: find_sums(d[part], x_rows[part], mean, totals[i], products[i]), parts)
        else:
            if relu.__dict__.get("_cache") is not relu_cache:
                raise stale_cache(relu)
            dout_rows, masked = d, np.ndarray(rows, dtype, memory.scratch)

            def find(part: slice, i: int) -> None:
                find_sums_relu(dout_rows[part], positive_rows[part], x_rows[part], mean, masked[part], totals[i], products[i])

            run_parts(find, parts)
            d = masked
        np.add.reduce(sums_of_parts, axis=1, out=sums)
        np.multiply(sums[1], inverse, out=sums[1])
        bias.add_grad(sums[0])
        weight.add_grad(sums[1])
        return d, x_rows, n_of_batch

    def backward(dout: Array) -> Array:
        d, x_rows, n_of_batch = backward_parameters(dout)
        dx = dxs.begin()
        if n_of_batch:
            share, of_batch = of_scale[0] / n_of_batch, sums if execution.total is None else execution.total(sums)
            of_offset[...] = share * of_batch[0]
            of_slope[...] = share * inverse * of_batch[1]
        else:
            offset.fill(0)
            slope.fill(0)
        dx_rows = dx.reshape(rows)
        run_parts(lambda part, _: run_backward(d[part], x_rows[part], mean, scale, offset, slope, dx_rows[part]), parts)
        return dxs.finish(dx)

    return Operation(forward, backward, backward_parameters, uses_all_cores=len(parts) > 1)


def _count_columns(size: int, channels: int) -> int:
    """Return how long rows of one or more pixels must be for fast loops over columns."""
    columns = channels
    while columns < COLUMNS and size % (2 * columns) == 0:
        columns *= 2
    return columns


FUSION = Fusion(
    _fits, _infer, _prepare, keeps_inputs=True, needs_scratch=True, layout="channels last",
    separates_samples=lambda layers, x: execution.evaluates,  # not merely in evaluation mode, which a plan outlives
)  # fmt: skip
