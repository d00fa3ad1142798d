"""`PositionalEmbedding` and `SinusoidalEncoding`, which add a row for each position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arrays import Array
from ...errors import stale_cache
from ..bias_relu import sum_rows
from .fusion import Fusion, Like, Memory, Operation


def _fits(layers: Sequence[Any], x: Like) -> bool:
    layer, shape = layers[0], x.shape
    if len(shape) < 2 or 0 in shape or shape[-1] != layer.features or x.dtype.kind != "f":
        return False
    return not _is_learned(layer) or (x.dtype is layer.weight.dtype and shape[-2] <= layer.length)


def _is_learned(layer: Any) -> bool:
    return layer.kernel_name == "positional_embedding"  # type: ignore[no-any-return]


def _infer(layers: Sequence[Any], x: Array) -> Array:
    y: Array = layers[0].forward_next(None, x)[0]
    return y


def _prepare(layers: Sequence[Any], xs: Sequence[Like], memory: Memory) -> Operation:
    (layer,), (like,) = layers, xs
    attributes, y_memory = layer.__dict__, memory.y
    shape, dtype, n, is_learned = like.shape, like.dtype, like.shape[-2], _is_learned(layer)
    encoding = None if is_learned else layer.forward_next(None, np.zeros((n, layer.features), dtype))[0]
    total, sums = sum_rows.of(dtype), np.empty((n, layer.features), dtype)
    cache = shape, dtype, (n,) if is_learned else (), object()

    def forward(x: Array) -> Array:
        attributes["_cache"] = cache
        return np.add(x, layer.weight.value[:n] if is_learned else encoding, out=y_memory, order="C")  # type: ignore[no-any-return, call-overload]

    def backward(dout: Array) -> Array:
        if attributes.get("_cache") is not cache:
            raise stale_cache(layer)
        if is_learned:
            total(dout.reshape(-1, sums.size), sums.reshape(-1))
            layer.weight.add_grad_rows(slice(n), sums)
        return dout

    return Operation(forward, backward, backward)


FUSION = Fusion(_fits, _infer, _prepare, keeps_inputs=False, passes_dout_on=True, separates_samples=lambda layers, x: len(x.shape) > 2)
