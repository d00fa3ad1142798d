"""Batch normalization in training mode, alone or followed by a `ReLU`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arrays import Array, Shape
from ...errors import stale_cache
from ..normalization import gradient_sums, mask, moments, normalize, normalize_backward, normalize_relu
from .fusion import Fusion, Like, Memory, Operation


def _fits(layers: Sequence[Any], x: Like) -> bool:
    norm, shape = layers[0], x.shape
    if len(shape) < 2 or shape[1] != norm.channels or 0 in shape or x.dtype is not norm.dtype or norm.weight is None:
        return False
    return not norm.training or shape[0] * int(np.prod(shape[2:])) > 1


def _output(layers: Sequence[Any], x: Like) -> tuple[Shape, np.dtype[Any]]:
    return x.shape, x.dtype


def _as_channels(x: Array) -> Array:
    return np.ascontiguousarray(x).reshape(*x.shape[:2], -1)


def _infer(layers: Sequence[Any], x: Array) -> Array:
    norm = layers[0]
    y: Array = norm.for_inference().forward(x)
    return np.maximum(y, 0, out=y) if len(layers) > 1 else y


def _prepare(layers: Sequence[Any], xs: Sequence[Like], memory: Memory) -> Operation:
    norm, (like,) = layers[0], xs
    relu = layers[1] if len(layers) > 1 else None
    weight, bias, attributes = norm.weight, norm.bias, norm.__dict__
    shape, dtype = like.shape, like.dtype
    flat = (*shape[:2], int(np.prod(shape[2:])))
    n = flat[0] * flat[2]
    per_channel = (norm.channels,) + (1,) * (len(shape) - 2)
    mean, variance, total, product = (np.empty(norm.channels, dtype) for _ in range(4))
    positive = None if relu is None else np.empty(flat, np.bool_)
    relu_cache = shape, dtype, (None if positive is None else positive.reshape(shape),), object()
    masked = None if memory.scratch is None else memory.scratch.reshape(flat)
    token = object()

    def forward(x: Array) -> Array:
        of_batch = norm.training
        y = np.empty(shape, dtype) if memory.y is None else memory.y
        channels, y_channels = _as_channels(x), y.reshape(flat)
        if of_batch:
            moments.of(dtype)(channels, mean, variance)
            norm.update(mean, variance, n)
        else:
            mean[...], variance[...] = norm.running_mean.value, norm.running_var.value
        inverse = 1 / np.sqrt(variance + dtype.type(norm.eps))
        scale = inverse * weight.value
        if positive is None:
            normalize.of(dtype)(channels, mean, scale, bias.value, y_channels)
        else:
            normalize_relu.of(dtype)(channels, mean, scale, bias.value, y_channels, positive)
            relu.__dict__["_cache"] = relu_cache
        kept = x, mean.copy().reshape(per_channel), inverse.reshape(per_channel), of_batch
        attributes["_cache"] = shape, dtype, kept, token
        return y

    def backward_parameters(dout: Array) -> tuple[Array, Array, Array, Array, bool]:
        cache = attributes.get("_cache")
        if cache is None or cache[3] is not token:
            raise stale_cache(norm)
        x, middle, inverse, of_batch = cache[2]
        channels, d = _as_channels(x), dout.reshape(flat)
        middle, inverse = middle.reshape(-1), inverse.reshape(-1)
        if positive is not None and masked is not None:
            if relu.__dict__.get("_cache") is not relu_cache:
                raise stale_cache(relu)
            mask.of(dtype)(d, positive, masked)
            d = masked
        gradient_sums.of(dtype)(d, channels, middle, total, product)
        np.multiply(product, inverse, out=product)
        weight.add_grad(product)
        bias.add_grad(total)
        return d, channels, middle, inverse, of_batch

    def backward(dout: Array) -> Array:
        d, channels, middle, inverse, of_batch = backward_parameters(dout)
        dx = np.empty(shape, dtype) if memory.dx[0] is None else memory.dx[0]
        scale = weight.value * inverse
        share = scale / n if of_batch else np.zeros_like(scale)
        normalize_backward.of(dtype)(d, channels, middle, scale, share * total, share * product * inverse, dx.reshape(flat))
        return dx

    return Operation(forward, backward, backward_parameters)


FUSION = Fusion(_fits, _output, _infer, _prepare, keeps_inputs=True, needs_scratch=True)
