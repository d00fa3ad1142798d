"""Max pooling, whose winners are noted in forward."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arrays import Array, Shape
from ...errors import stale_cache
from ..max_pooling import pool_max, pool_max_backward
from .fusion import Fusion, Like, Memory, Operation
from .geometry import Geometry, has_windows


def _fits(layers: Sequence[Any], x: Like) -> bool:
    return x.dtype.kind == "f" and has_windows(layers[0], x)


def _output(layers: Sequence[Any], x: Like) -> tuple[Shape, np.dtype[Any]]:
    return (*x.shape[:2], *layers[0].windows(x.shape[2:]).positions), x.dtype


def _infer(layers: Sequence[Any], x: Array) -> Array:
    geometry = Geometry(layers[0], x.shape)
    y = np.empty((*x.shape[:2], *geometry.positions), x.dtype)
    pool_max.of(x.dtype)(np.ascontiguousarray(x).reshape(geometry.shape), y, np.empty(y.shape, np.int32), geometry.table)
    return y.reshape(*x.shape[:2], *geometry.output)


def _prepare(layers: Sequence[Any], xs: Sequence[Like], memory: Memory) -> Operation:
    (layer,), (like,) = layers, xs
    attributes = layer.__dict__
    shape, dtype = _output(layers, like)
    geometry = Geometry(layer, like.shape)
    winners = np.empty((*shape[:2], *geometry.positions), np.int32)
    flat_winners = winners.reshape(*shape[:2], -1)
    pool, pool_backward = pool_max.of(dtype), pool_max_backward.of(dtype)
    cache = shape, dtype, (winners.reshape(shape), like.shape), object()

    def forward(x: Array) -> Array:
        y = np.empty(shape, dtype) if memory.y is None else memory.y
        pool(np.ascontiguousarray(x).reshape(geometry.shape), y.reshape(winners.shape), winners, geometry.table)
        attributes["_cache"] = cache
        return y

    def backward(dout: Array) -> Array:
        if attributes.get("_cache") is not cache:
            raise stale_cache(layer)
        dx = np.empty(like.shape, dtype) if memory.dx[0] is None else memory.dx[0]
        pool_backward(dout.reshape(flat_winners.shape), flat_winners, dx.reshape(*like.shape[:2], math.prod(like.shape[2:])))
        return dx

    return Operation(forward, backward, lambda dout: None)


FUSION = Fusion(_fits, _output, _infer, _prepare, keeps_inputs=False)
