"""`Add` for two arrays of equal shape, as at the end of a residual block."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arrays import Array
from ...errors import stale_cache
from ..threads import WORTH_A_THREAD, run_parts, split_for_cores
from .fusion import Fusion, Like, Memory, Operation


def _fits(layers: Sequence[Any], *xs: Like) -> bool:
    return len(xs) == 2 and xs[0].shape == xs[1].shape != () and xs[0].dtype is xs[1].dtype and xs[0].dtype.kind == "f"


def _infer(layers: Sequence[Any], a: Array, b: Array) -> Array:
    return np.add(a, b)


def _prepare(layers: Sequence[Any], xs: Sequence[Like], memory: Memory) -> Operation:
    (layer,), (like, _) = layers, xs
    attributes = layer.__dict__
    cache = like.shape, like.dtype, ([like.shape, like.shape],), object()
    y_memory, parts = memory.y, split_for_cores(like.shape[0], math.prod(like.shape) > WORTH_A_THREAD)

    def forward(a: Array, b: Array) -> Array:
        attributes["_cache"] = cache
        if y_memory is None or len(parts) == 1:
            return np.add(a, b, out=y_memory)
        run_parts(lambda part, _: np.add(a[part], b[part], out=y_memory[part]), parts)
        return y_memory

    def backward(dout: Array) -> tuple[Array, Array]:
        if attributes.get("_cache") is not cache:
            raise stale_cache(layer)
        return dout, dout

    return Operation(forward, backward, backward, uses_all_cores=len(parts) > 1)


FUSION = Fusion(_fits, _infer, _prepare, keeps_inputs=False, passes_dout_on=True, layout="any")
