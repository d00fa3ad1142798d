"""Batch normalization in training mode, alone or followed by a `ReLU`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arrays import Array, Shape
from ...errors import stale_cache
from ..normalization import gradient_sums, gradient_sums_relu, moments, normalize, normalize_backward, normalize_relu
from .fusion import Fusion, Like, Memory, Operation
from .geometry import ChannelsLast, channels_first, channels_last


def _fits(layers: Sequence[Any], x: Like) -> bool:
    norm, shape = layers[0], x.shape
    if len(shape) < 2 or shape[1] != norm.channels or 0 in shape or x.dtype is not norm.dtype or norm.weight is None:
        return False
    return not norm.training or shape[0] * int(np.prod(shape[2:])) > 1


def _output(layers: Sequence[Any], x: Like) -> tuple[Shape, np.dtype[Any]]:
    return x.shape, x.dtype


def _infer(layers: Sequence[Any], x: Array) -> Array:
    norm = layers[0]
    y: Array = norm.for_inference().forward(x)
    return np.maximum(y, 0, out=y) if len(layers) > 1 else y


def _prepare(layers: Sequence[Any], xs: Sequence[Like], memory: Memory) -> Operation:
    norm, (like,) = layers[0], xs
    relu = layers[1] if len(layers) > 1 else None
    weight, bias, attributes = norm.weight, norm.bias, norm.__dict__
    shape, dtype = like.shape, like.dtype
    n, channels = math.prod(shape) // shape[1], shape[1]
    rows, last = (n, channels), (shape[0], *shape[2:], channels)
    per_channel = (channels,) + (1,) * (len(shape) - 2)
    mean, variance, inverse, scale, total, product, offset, slope = np.empty((8, channels), dtype)
    zeros: Array = np.zeros(channels, dtype)
    ys, dxs = ChannelsLast(memory.y, shape, dtype), ChannelsLast(memory.dx[0], shape, dtype)
    positive = None if relu is None else np.empty(last, np.bool_)
    positive_rows = None if positive is None else positive.reshape(rows)
    masked = None if memory.scratch is None else np.ndarray(rows, dtype, memory.scratch)
    relu_cache = shape, dtype, (None if positive is None else channels_first(positive),), object()
    find_moments, find_sums, find_sums_relu = moments.of(dtype), gradient_sums.of(dtype), gradient_sums_relu.of(dtype)
    run, run_relu, run_backward = normalize.of(dtype), normalize_relu.of(dtype), normalize_backward.of(dtype)
    eps, token = dtype.type(norm.eps), object()

    def forward(x: Array) -> Array:
        of_batch = norm.training
        y, x_rows = ys.begin(), channels_last(x).reshape(rows)
        y_rows = y.reshape(rows)
        if of_batch:
            find_moments(x_rows, mean, variance)
            norm.update(mean, variance, n)
        else:
            mean[...], variance[...] = norm.running_mean.value, norm.running_var.value
        np.divide(1, np.sqrt(variance + eps), out=inverse)
        np.multiply(inverse, weight.value, out=scale)
        if relu is None:
            run(x_rows, mean, scale, bias.value, y_rows)
        else:
            run_relu(x_rows, mean, scale, bias.value, y_rows, positive_rows)
            relu.__dict__["_cache"] = relu_cache
        kept = x, mean.copy().reshape(per_channel), inverse.copy().reshape(per_channel), of_batch
        attributes["_cache"] = shape, dtype, kept, token
        return ys.finish(y)

    def backward_parameters(dout: Array) -> tuple[Array, Array, bool]:
        cache = attributes.get("_cache")
        if cache is None or cache[3] is not token:
            raise stale_cache(norm)
        x, _, _, of_batch = cache[2]
        x_rows, d = channels_last(x).reshape(rows), channels_last(dout).reshape(rows)
        if relu is None:
            find_sums(d, x_rows, mean, total, product)
        else:
            if relu.__dict__.get("_cache") is not relu_cache:
                raise stale_cache(relu)
            find_sums_relu(d, positive_rows, x_rows, mean, masked, total, product)
            d = masked
        np.multiply(product, inverse, out=product)
        weight.add_grad(product)
        bias.add_grad(total)
        return d, x_rows, of_batch

    def backward(dout: Array) -> Array:
        d, x_rows, of_batch = backward_parameters(dout)
        dx = dxs.begin()
        if of_batch:
            np.multiply(scale, total, out=offset)
            np.divide(offset, n, out=offset)
            np.multiply(product, inverse, out=slope)
            np.multiply(slope, scale, out=slope)
            np.divide(slope, n, out=slope)
            run_backward(d, x_rows, mean, scale, offset, slope, dx.reshape(rows))
        else:
            run_backward(d, x_rows, mean, scale, zeros, zeros, dx.reshape(rows))
        return dxs.finish(dx)

    return Operation(forward, backward, backward_parameters)


FUSION = Fusion(_fits, _output, _infer, _prepare, keeps_inputs=True, needs_scratch=True, takes_any_layout=True)
