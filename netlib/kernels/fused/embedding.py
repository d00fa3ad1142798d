"""`Embedding`. Only where loops are compiled, and for ids of NumPy's default type."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arrays import Array, Shape, as_rows
from ...errors import stale_cache
from .. import in_use
from ..gather import gather_rows, sum_by_id
from .fusion import Fusion, Like, Memory, Operation


def _fits(layers: Sequence[Any], ids: Like) -> bool:
    is_empty = 0 in (*ids.shape, *layers[0].weight.shape)
    return ids.dtype == np.int64 and not is_empty and in_use(layers[0].weight.dtype, "gather") == "numba"


def _output(layers: Sequence[Any], ids: Like) -> tuple[Shape, np.dtype[Any]]:
    weight = layers[0].weight
    return (*ids.shape, weight.shape[1]), weight.dtype


def _gather(layer: Any, ids: Array, y: Array) -> None:
    padding = -1 if layer.padding is None else layer.padding
    if gather_rows.run(np.ascontiguousarray(ids).reshape(-1), layer.weight.value, padding, as_rows(y)) >= 0:
        layer.forward(ids)  # raises the layer's own error


def _infer(layers: Sequence[Any], ids: Array) -> Array:
    y = np.empty(*_output(layers, ids))
    _gather(layers[0], ids, y)
    return y


def _prepare(layers: Sequence[Any], xs: Sequence[Like], memory: Memory) -> Operation:
    (layer,), (like,) = layers, xs
    weight, attributes, padding = layer.weight, layer.__dict__, -1 if layer.padding is None else layer.padding
    shape, dtype = _output(layers, like)
    entries, features = weight.shape
    most = min(entries, math.prod(like.shape))
    places, found = np.full(entries, -1), np.empty(most, np.int64)
    sums, token = np.empty((most, features), dtype), object()

    def forward(ids: Array) -> Array:
        y = np.empty(shape, dtype) if memory.y is None else memory.y
        _gather(layer, ids, y)
        attributes["_cache"] = shape, dtype, (ids,), token
        return y

    def backward(dout: Array) -> None:
        cache = attributes.get("_cache")
        if cache is None or cache[3] is not token:
            raise stale_cache(layer)
        ids = np.ascontiguousarray(cache[2][0]).reshape(-1)
        n = sum_by_id.run(as_rows(dout), ids, padding, places, found, sums)
        weight.add_grad_rows(found[:n].copy(), sums[:n])

    return Operation(forward, backward, backward)


FUSION = Fusion(_fits, _infer, _prepare, keeps_inputs=True)
