"""Attention of one head, or of several that are side by side among the features.

Only for compiled loops: NumPy could not be faster than the layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arrays import Array, Shape
from ...errors import stale_cache
from ...execution import execution
from .. import in_use
from ..attention import attend, attend_backward, row_length
from .fusion import Fusion, Like, Memory, Operation


def _fits(layers: Sequence[Any], *xs: Like) -> bool:
    layer = layers[0]
    if len(xs) != 3 + bool(layer.mask) or (layer.dropout and not execution.evaluates) or in_use(xs[0].dtype, "attention") != "numba":
        return False
    q, k, v = (x.shape for x in xs[:3])
    if min(len(q), len(k), len(v)) < 2 or 0 in (*q, *k, *v) or xs[1].dtype is not xs[0].dtype or xs[2].dtype is not xs[0].dtype:
        return False
    n_heads = _count_heads(layer)
    is_usual = q[:-2] == k[:-2] == v[:-2] and q[-1] == k[-1] and k[-2] == v[-2] and q[-1] % n_heads == v[-1] % n_heads == 0
    return is_usual and (not layer.mask or _is_mask(xs[3], _scores_shape(layer, q, k)))


def _is_mask(mask: Like, shape: Shape) -> bool:
    pairs = zip(mask.shape[::-1], shape[::-1], strict=False)
    return mask.dtype == bool and len(mask.shape) <= len(shape) and all(n in (1, length) for n, length in pairs)


def _has_heads(layer: Any) -> bool:
    return layer.kernel_name == "head_attention"  # type: ignore[no-any-return]


def _count_heads(layer: Any) -> int:
    return layer.heads if _has_heads(layer) else 1


def _scores_shape(layer: Any, q: Shape, k: Shape) -> Shape:
    """Return the shape to which a mask broadcasts."""
    heads = (layer.heads,) if _has_heads(layer) else ()
    return (*q[:-2], *heads, q[-2], k[-2])


def _separates_samples(layers: Sequence[Any], q: Like, k: Like, v: Like, *mask: Like) -> bool:
    n_axes = len(_scores_shape(layers[0], q.shape, k.shape))
    return len(q.shape) > 2 and all(len(each.shape) == n_axes for each in mask)


def _output(layers: Sequence[Any], *xs: Like) -> tuple[Shape, np.dtype[Any]]:
    q, _, v, *_ = xs
    return (*q.shape[:-1], v.shape[-1]), q.dtype


class _Sizes:
    """The sizes of the kernels' arguments, and the location of a mask."""

    def __init__(self, layer: Any, *xs: Like) -> None:
        q, k, v = (x.shape for x in xs[:3])
        n, self.heads = math.prod(q[:-2]), _count_heads(layer)
        self.q, self.k, self.v = (n, *q[-2:]), (n, *k[-2:]), (n, *v[-2:])
        self.y: Shape = (n, q[-2], v[-1])
        self.p: Shape = (n, self.heads, q[-2], row_length(k[-2]))
        self.scores = _scores_shape(layer, q, k)
        lead = self.scores[:-2]
        self.in_mask, self.mask_steps = np.zeros((n, self.heads), np.int64), np.zeros(2, np.int64)
        if layer.mask:
            of_mask = (*(1,) * (len(self.scores) - len(xs[3].shape)), *xs[3].shape)
            *mask_lead, n_queries, n_keys = of_mask
            starts = np.arange(math.prod(mask_lead)).reshape(mask_lead) * (n_queries * n_keys)
            self.in_mask[...] = np.broadcast_to(starts, lead).reshape(n, self.heads)
            self.mask_steps[...] = n_keys if n_queries > 1 else 0, n_keys == k[-2]

    def arrays(self, q: Array, k: Array, v: Array, *mask: Array) -> list[Array]:
        """Return the inputs as the kernels take them. Without a mask, its vector is empty."""
        shapes = zip((q, k, v), (self.q, self.k, self.v), strict=True)
        flat = mask[0] if mask else np.empty(0, np.bool_)
        return [*(_writable(x).reshape(shape) for x, shape in shapes), np.ascontiguousarray(flat).reshape(-1)]


def _writable(x: Array) -> Array:
    """Return `x` in C order and writable, as kernels need it although they only read it."""
    return x if x.flags.carray else x.copy()


def _infer(layers: Sequence[Any], *xs: Array) -> Array:
    (layer,), sizes = layers, _Sizes(layers[0], *xs)
    (shape, dtype), (q, k, v, mask) = _output(layers, *xs), sizes.arrays(*xs)
    y, p = np.empty(shape, dtype), np.zeros((1, 1, *sizes.p[2:]), dtype)
    attend.run(q, k, v, mask, sizes.in_mask, sizes.mask_steps, layer.causal, p, y.reshape(sizes.y))
    return y


def _prepare(layers: Sequence[Any], xs: Sequence[Like], memory: Memory) -> Operation:
    (layer,), sizes = layers, _Sizes(layers[0], *xs)
    attributes = layer.__dict__
    shape, dtype = _output(layers, *xs)
    shapes = [x.shape for x in xs[:3]]
    p = np.zeros(sizes.p, dtype)
    weights = p[..., : sizes.scores[-1]].reshape(sizes.scores)
    inputs: list[Array] = []
    causal, token = layer.causal, object()

    def forward(*xs: Array) -> Array:
        nonlocal causal
        if causal != layer.causal:
            causal = layer.causal
            p.fill(0)
        inputs[:] = q, k, v, mask = sizes.arrays(*xs)
        y = np.empty(shape, dtype) if memory.y is None else memory.y
        attend.run(q, k, v, mask, sizes.in_mask, sizes.mask_steps, causal, p, y.reshape(sizes.y))
        kept = [layer._cut(x) for x in xs[:3]] if _has_heads(layer) else xs[:3]
        attributes["_cache"] = shape, dtype, (*kept, weights, None), token
        return y

    def backward(dout: Array) -> tuple[Array, ...]:
        cache = attributes.get("_cache")
        if cache is None or cache[3] is not token:
            raise stale_cache(layer)
        q, k, v, _ = inputs
        gradients = [np.empty(each, dtype) if array is None else array for each, array in zip(shapes, memory.dx, strict=False)]
        dq, dk, dv = (array.reshape(x.shape) for array, x in zip(gradients, (q, k, v), strict=True))
        attend_backward.run(_writable(dout).reshape(sizes.y), q, k, v, p, causal, dq, dk, dv)
        return tuple(gradients)

    return Operation(forward, backward, lambda dout: None)


FUSION = Fusion(_fits, _infer, _prepare, keeps_inputs=True, separates_samples=_separates_samples)
