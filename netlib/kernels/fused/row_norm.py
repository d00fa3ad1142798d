"""`LayerNorm` and `RMSNorm`. Only for compiled loops: NumPy could not be faster."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arrays import Array, Shape
from ...errors import stale_cache
from .. import in_use
from ..row_norm import normalize_rows, normalize_rows_backward
from .fusion import Fusion, Like, Memory, Operation


def _fits(layers: Sequence[Any], x: Like) -> bool:
    norm, shape = layers[0], x.shape
    if norm.weight is None or x.dtype is not norm.weight.dtype or 0 in shape or shape[-len(norm.shape) :] != norm.shape:
        return False
    return in_use(x.dtype, "row_norm") == "numba"


class _Rows:
    """A layer and its input in the form of the loops: one row for each sample."""

    def __init__(self, norm: Any, x: Like) -> None:
        self.norm, self.dtype = norm, x.dtype
        self.columns = math.prod(norm.shape)
        self.n = math.prod(x.shape) // self.columns
        self.of_inverse: Shape = (*x.shape[: -len(norm.shape)], *(1,) * len(norm.shape))
        self.is_centered = norm.kernel_name == "layer_norm"
        self._no_bias = np.zeros(self.columns, x.dtype)

    def matrix(self, x: Array) -> Array:
        return x.reshape(self.n, self.columns)

    def normalize(self, x: Array, z: Array, inverse: Array, y: Array) -> None:
        norm = self.norm
        bias = self._no_bias if norm.bias is None else norm.bias.value.reshape(-1)
        eps, x = self.dtype.type(norm.eps), np.ascontiguousarray(x)
        arrays = (self.matrix(x), norm.weight.value.reshape(-1), bias)
        normalize_rows.run(*arrays, eps, self.is_centered, self.matrix(z), inverse.reshape(-1), self.matrix(y))


def _infer(layers: Sequence[Any], x: Array) -> Array:
    rows, y = _Rows(layers[0], x), np.empty(x.shape, x.dtype)
    rows.normalize(x, np.empty_like(y), np.empty(rows.n, x.dtype), y)
    return y


def _prepare(layers: Sequence[Any], xs: Sequence[Like], memory: Memory) -> Operation:
    (norm,), (like,) = layers, xs
    weight, bias, attributes = norm.weight, norm.bias, norm.__dict__
    shape, dtype, rows = like.shape, like.dtype, _Rows(norm, like)
    z, inverse = np.empty(shape, dtype), np.empty(rows.of_inverse, dtype)
    dweight, dbias = np.empty((2, *norm.shape), dtype)
    cache = shape, dtype, (z, inverse), object()

    def forward(x: Array) -> Array:
        y = np.empty(shape, dtype) if memory.y is None else memory.y
        rows.normalize(x, z, inverse, y)
        attributes["_cache"] = cache
        return y

    def backward(dout: Array) -> Array:
        if attributes.get("_cache") is not cache:
            raise stale_cache(norm)
        dx = np.empty(shape, dtype) if memory.dx[0] is None else memory.dx[0]
        given = (rows.matrix(dout), rows.matrix(z), inverse.reshape(-1), weight.value.reshape(-1))
        normalize_rows_backward.run(*given, rows.is_centered, rows.matrix(dx), dweight.reshape(-1), dbias.reshape(-1))
        weight.add_grad(dweight)
        if bias is not None:
            bias.add_grad(dbias)
        return dx

    return Operation(forward, backward, backward)


FUSION = Fusion(_fits, _infer, _prepare, keeps_inputs=False, separates_samples=lambda layers, x: len(x.shape) > len(layers[0].shape))
