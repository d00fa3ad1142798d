"""A `ReLU` on its own, such as the one after the sum of a residual block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arrays import Array
from ...errors import stale_cache
from ..rectify import mask, relu
from ..threads import WORTH_A_THREAD, run_parts, split_for_cores
from .fusion import Fusion, Like, Memory, Operation
from .geometry import Results


def _fits(layers: Sequence[Any], x: Like) -> bool:
    return x.dtype.kind == "f" and len(x.shape) > 1


def _infer(layers: Sequence[Any], x: Array) -> Array:
    y: Array = np.maximum(x, 0)
    return y


def _prepare(layers: Sequence[Any], xs: Sequence[Like], memory: Memory) -> Operation:
    (layer,), (like,) = layers, xs
    attributes = layer.__dict__
    shape, dtype = like.shape, like.dtype
    known = [array for array in (memory.x[0], memory.y, memory.dx[0]) if array is not None]
    has_channels_last = any(not array.flags.c_contiguous for array in known)
    ys, dxs = (Results(array, shape, dtype, has_channels_last) for array in (memory.y, memory.dx[0]))
    masks = Results(None, shape, np.dtype(np.bool_), has_channels_last)
    positive = masks.begin()
    flat = positive.reshape(-1)
    parts = split_for_cores(flat.size, flat.size > WORTH_A_THREAD)
    run, run_backward = relu.of(dtype), mask.of(dtype)
    cache = shape, dtype, (masks.finish(positive),), object()

    def forward(x: Array) -> Array:
        y = ys.begin()
        xs, written = ys.order(x).reshape(-1), y.reshape(-1)
        run_parts(lambda part, _: run(xs[part], written[part], flat[part]), parts)
        attributes["_cache"] = cache
        return ys.finish(y)

    def backward(dout: Array) -> Array:
        if attributes.get("_cache") is not cache:
            raise stale_cache(layer)
        dx = dxs.begin()
        douts, written = dxs.order(dout).reshape(-1), dx.reshape(-1)
        run_parts(lambda part, _: run_backward(douts[part], flat[part], written[part]), parts)
        return dxs.finish(dx)

    return Operation(forward, backward, lambda dout: None, uses_all_cores=len(parts) > 1)


FUSION = Fusion(_fits, _infer, _prepare, keeps_inputs=False, layout="any")
