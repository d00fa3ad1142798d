"""Attention as the nodes that it consists of: two dot nodes and a softmax."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from ..arrays import Array
from ..containers import Constant, Graph, Input
from ..layers import Add, Divide, MatMul, Reshape, Softmax, Transpose
from ..node import Node

RULE = re.compile(
    r"y = .*, where p = softmax\(.·.ᵀ / sqrt\((?P<d>\d+)\)(?P<causal>, tri\([\d, ]+\))?\)"
    r"(?:, Q = heads\(q, (?P<heads>\d+)\), K = .*)?"
)
"""The first line of the rule of attention, with or without heads, without a mask or dropout."""


def open_attention(rule: str, inputs: Sequence[Array], output: str) -> Graph | None:
    """Return attention as a graph, or None if `rule` belongs to another layer.

    The scores S = QKᵀ / √d are a dot node, P = softmax(S) holds the weights, and Y = PV is another
    dot node. In causal attention, the scores of later keys are -∞.

    Examples
    --------
    >>> import netlib as nl
    >>> attention = nl.ScaledDotProductAttention(causal=True)
    >>> inputs = [np.ones((3, 2))] * 3
    >>> open_attention(attention.rule([(3, 2)] * 3, (3, 2)), inputs, "Y")
    Graph(inputs=[Input('Q'), Input('K'), Input('V')], outputs=[Node('Y')])
    """
    match = RULE.fullmatch(rule.partition("\n")[0])
    if match is None or len(inputs) != 3:
        return None
    heads = int(match["heads"] or 0)
    q, k, v = nodes = [Input(name) for name in "QKV"]
    shapes = [x.shape for x in inputs]
    if heads:
        q, k, v = (_cut(node, shape, heads) for node, shape in zip(nodes, shapes, strict=True))  # type: ignore[assignment]
    dtype = inputs[0].dtype
    n_axes = len(shapes[1]) + (heads > 0)
    scores = MatMul()(q, Transpose(_swapped(n_axes, n_axes - 2))(k), name="QKᵀ")
    scores = Divide()(scores, Constant("√d", np.array(math.sqrt(int(match["d"])), dtype)), name="S")
    if match["causal"]:
        up_to_now = np.tri(shapes[0][-2], shapes[1][-2], dtype=bool)
        scores = Add()(scores, Constant("mask", np.where(up_to_now, 0, -np.inf).astype(dtype)), name="M")
    p = Softmax()(scores, name="P")
    y = MatMul()(p, v, name=None if heads else output or None)
    if heads:
        lead = np.broadcast_shapes(*(shape[:-2] for shape in shapes))
        joined = Transpose(_swapped(len(lead) + 3, len(lead)))(y)
        y = Reshape((*lead, shapes[0][-2], shapes[2][-1]))(joined, name=output or None)
    return Graph(inputs=nodes, outputs=[y])


def _cut(x: Node, shape: tuple[int, ...], heads: int) -> Node:
    """Return x (…, T, features) as (…, heads, T, features of a head)."""
    *lead, t, features = shape
    cut = Reshape((*lead, t, heads, features // heads))(x)
    node: Node = Transpose(_swapped(len(lead) + 3, len(lead)))(cut)
    return node


def _swapped(n_axes: int, axis: int) -> tuple[int, ...]:
    """Return the order of axes with `axis` and the next one exchanged.

    >>> _swapped(4, 1)
    (0, 2, 1, 3)
    """
    return (*range(axis), axis + 1, axis, *range(axis + 2, n_axes))
