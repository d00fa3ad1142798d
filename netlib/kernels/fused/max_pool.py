"""Max pooling, with the winners recorded in forward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arrays import Array, Shape
from ...errors import stale_cache
from ..max_pooling import pool_max, pool_max_backward
from .fusion import Fusion, Like, Memory, Operation
from .geometry import Geometry, Results, channels_first, channels_last, has_windows


def _fits(layers: Sequence[Any], x: Like) -> bool:
    return x.dtype.kind == "f" and has_windows(layers[0], x.shape)


def _output(layers: Sequence[Any], x: Like) -> tuple[Shape, np.dtype[Any]]:
    return (*x.shape[:2], *layers[0].windows(x.shape[2:]).positions), x.dtype


def _infer(layers: Sequence[Any], x: Array) -> Array:
    geometry = Geometry(layers[0], x.shape)
    y = np.empty((len(x), *geometry.positions, x.shape[1]), x.dtype)
    places = len(x), *geometry.table[4].tolist(), x.shape[1]
    images = channels_last(x).reshape(geometry.images)
    pool_max.of(x.dtype)(images, y.reshape(places), np.empty(places, np.int32), geometry.table)
    return channels_first(y)


def _prepare(layers: Sequence[Any], xs: Sequence[Like], memory: Memory) -> Operation:
    (layer,), (like,) = layers, xs
    attributes = layer.__dict__
    shape, dtype = _output(layers, like)
    geometry = Geometry(layer, like.shape)
    ys, dxs = Results(memory.y, shape, dtype), Results(memory.dx[0], like.shape, dtype)
    places = shape[0], *geometry.table[4].tolist(), shape[1]
    winners = np.empty((shape[0], *shape[2:], shape[1]), np.int32)
    placed_winners = winners.reshape(places)
    pool, pool_backward = pool_max.of(dtype), pool_max_backward.of(dtype)
    cache = shape, dtype, (channels_first(winners), like.shape), object()

    def forward(x: Array) -> Array:
        y = ys.begin()
        pool(channels_last(x).reshape(geometry.images), y.reshape(places), placed_winners, geometry.table)
        attributes["_cache"] = cache
        return ys.finish(y)

    def backward(dout: Array) -> Array:
        if attributes.get("_cache") is not cache:
            raise stale_cache(layer)
        dx = dxs.begin()
        pool_backward(channels_last(dout).reshape(places), placed_winners, dx.reshape(geometry.images), geometry.table)
        return dxs.finish(dx)

    return Operation(forward, backward, lambda dout: None)


FUSION = Fusion(_fits, _infer, _prepare, keeps_inputs=False, layout="channels last")
