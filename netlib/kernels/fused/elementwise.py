"""`GELU`, `SiLU`, `Mish`, `Hardswish` and `Sigmoid`. Only where loops are compiled.

Not `Tanh`: in forward, NumPy's is as fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arrays import Array
from ...errors import stale_cache
from .. import in_use
from ..activations import gelu, hardswish, mish, sigmoid_backward, silu, write_sigmoid
from ..kernel import Loops
from .fusion import Fusion, Like, Memory, Operation


def _fits(layers: Sequence[Any], x: Like) -> bool:
    return len(x.shape) > 1 and getattr(layers[0], "approximate", "none") == "none" and in_use(x.dtype, "activations") == "numba"


def fusion(run: Loops[..., None], run_backward: Loops[..., None] | None = None) -> Fusion:
    """Return the row for an activation.

    Backward reads y, by `run_backward`, or else the derivative that forward writes beside y.
    """

    def infer(layers: Sequence[Any], x: Array) -> Array:
        y = np.empty(x.shape, x.dtype)
        slope = [] if run_backward else [np.empty(x.size, x.dtype)]
        run.run(np.ascontiguousarray(x).reshape(-1), y.reshape(-1), *slope)
        return y

    def prepare(layers: Sequence[Any], xs: Sequence[Like], memory: Memory) -> Operation:
        (layer,), (like,) = layers, xs
        attributes, shape, dtype = layer.__dict__, like.shape, like.dtype
        kept = np.empty(shape, dtype)
        cache = shape, dtype, (kept,), object()

        def forward(x: Array) -> Array:
            y = np.empty(shape, dtype) if memory.y is None else memory.y
            flat = np.ascontiguousarray(x).reshape(-1)
            if run_backward is None:
                run.run(flat, y.reshape(-1), kept.reshape(-1))
            else:
                run.run(flat, kept.reshape(-1))
                y[...] = kept
            attributes["_cache"] = cache
            return y

        def backward(dout: Array) -> Array:
            if attributes.get("_cache") is not cache:
                raise stale_cache(layer)
            dx = np.empty(shape, dtype) if memory.dx[0] is None else memory.dx[0]
            if run_backward is None:
                return np.multiply(dout, kept, out=dx)
            run_backward.run(dout.reshape(-1), kept.reshape(-1), dx.reshape(-1))
            return dx

        return Operation(forward, backward, lambda dout: None)

    return Fusion(_fits, infer, prepare, keeps_inputs=False)


GELU, SILU, MISH, HARDSWISH = map(fusion, (gelu, silu, mish, hardswish))
SIGMOID = fusion(write_sigmoid, sigmoid_backward)
