"""Attention in ONNX."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import layers
from ...layers.head_attention import HeadAttention
from ..writing import GraphBuilder, Value
from .translation import Translation


def attention(layer: layers.ScaledDotProductAttention, graph: GraphBuilder, q: Value, k: Value, v: Value, *mask: Value) -> Any:
    """Return softmax(q · kᵀ / √features) · v."""
    allowed = _allowed(layer, graph, q, k, mask)
    n = k.ndim
    k_transposed = graph.add("Transpose", k, perm=[*range(n - 2), n - 1, n - 2])
    return _attend(graph, q, k_transposed, v, q.length(-1), allowed, bool(mask))


def head_attention(layer: HeadAttention, graph: GraphBuilder, q: Value, k: Value, v: Value, *mask: Value) -> Any:
    """Return the attention of each head on its part of the features, side by side."""
    allowed = _allowed(layer, graph, q, k, mask)

    def cut(x: Value, *order: int) -> Any:
        """Return x (…, T, features) split into heads, with its last three axes in this order."""
        size = x.length(-1) // layer.heads
        parts = graph.add("Reshape", x, [0] * (x.ndim - 1) + [layer.heads, size])
        return graph.add("Transpose", parts, perm=_order(x.ndim, order))

    y = _attend(graph, cut(q, 1, 0, 2), cut(k, 1, 2, 0), cut(v, 1, 0, 2), q.length(-1) // layer.heads, allowed, bool(mask))
    ndim = graph.outputs[0].ndim
    y = graph.add("Transpose", y, perm=_order(ndim, (1, 0, 2)))
    return graph.add("Reshape", y, [0] * (ndim - 1) + [v.length(-1)])


def _order(ndim: int, last: tuple[int, ...]) -> list[int]:
    return [*range(ndim - 2), *[ndim - 2 + axis for axis in last]]


def _allowed(layer: layers.ScaledDotProductAttention, graph: GraphBuilder, q: Value, k: Value, mask: tuple[Value, ...]) -> Any:
    """Return where a query may attend, or None if it may attend anywhere."""
    up_to_now = np.tri(q.length(-2), k.length(-2), dtype=bool) if layer.causal else None
    if not mask:
        return up_to_now
    return mask[0] if up_to_now is None else graph.add("And", mask[0], up_to_now)


def _attend(graph: GraphBuilder, q: Value, k_transposed: Value, v: Value, features: int, allowed: Any, may_be_empty: bool) -> Any:
    """Return the attention, which is 0 for a query that may attend nowhere."""
    scores = graph.add("MatMul", graph.add("Div", q, math.sqrt(features)), k_transposed)
    if allowed is not None:
        scores = graph.add("Where", allowed, scores, float(np.finfo(graph.dtype).min))
    p = graph.add("Softmax", scores, axis=-1)
    if may_be_empty:
        p = graph.add("Where", allowed, p, 0.0)
    return graph.add("MatMul", p, v)


ATTENTION: dict[type, Translation] = {HeadAttention: head_attention, layers.ScaledDotProductAttention: attention}
