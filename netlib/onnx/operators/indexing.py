"""Elements chosen by indices, and running sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...layers import CumulativeSum, Embedding, Slice, Take
from ..layers.discrete import Discrete
from ..layers.gather import GatherElements, GatherND
from ..layers.top_k import TopK
from ..operator import Operator


def gather(op: Operator) -> Any:
    """Translate Gather: a table of the file's own is an `Embedding`."""
    axis = op.get("axis", 0)
    if not op.is_float(0):
        return Discrete("take", {"axis": axis})(op.node(0), op.node(1))
    if op.is_constant(1) and op.constant(1).ndim == 0:
        key: list[Any] = [slice(None)] * op.rank(0)
        key[axis] = int(op.constant(1))
        return Slice(tuple(key))(op.node(0))
    if op.is_trained(0) and not op.is_constant(1) and op.rank(0) == 2 and axis in (0, -2):
        return embedding(op)(op.node(1))
    return Take(axis)(op.node(0), op.node(1))


def embedding(op: Operator) -> Embedding:
    """Return a layer over the table that is input 0."""
    table = op.constant(0)
    layer = Embedding.from_arrays(table)
    layer.weight = op.parameter(0)
    return layer


def gather_elements(op: Operator) -> Any:
    """Translate GatherElements."""
    axis = op.get("axis", 0)
    layer = GatherElements(axis) if op.is_float(0) else Discrete("take along axis", {"axis": axis})
    return layer(op.node(0), op.node(1))


def gather_nd(op: Operator) -> Any:
    """Translate GatherND."""
    if not op.is_float(0):
        op.refuse("gathers whole numbers")
    return GatherND(op.get("batch_dims", 0))(op.node(0), op.node(1))


def cumulative_sum(op: Operator) -> Any:
    """Translate CumSum, from either end, with or without the element itself."""
    axis = int(op.constant(1).reshape(()))
    x = op.node(0)
    turned = Slice((..., slice(None, None, -1)) + (slice(None),) * (-1 - axis if axis < 0 else op.rank(0) - 1 - axis))
    if op.get("reverse", 0):
        x = op.apply(turned, x)
    y = op.apply(CumulativeSum(axis), x)
    if op.get("exclusive", 0):
        y = y - x
    return op.apply(turned.tied_copy(), y) if op.get("reverse", 0) else y


def one_hot(op: Operator) -> Any:
    """Translate OneHot."""
    return Discrete("one hot", {"axis": op.get("axis", -1)})(*op.nodes())


def top_k(op: Operator) -> Any:
    """Translate TopK."""
    if op.version < 10:
        k = np.array([op.get("k")])
        op.refuse(f"has k={k[0]} as an attribute, as ONNX did up to version 9")
    if not op.is_float(0):
        op.refuse("sorts whole numbers")
    return TopK(op.get("axis", -1), bool(op.get("largest", 1)))(op.node(0), op.node(1))


OPERATORS: dict[str, Callable[[Operator], Any]] = {
    "Gather": gather,
    "GatherElements": gather_elements,
    "GatherND": gather_nd,
    "CumSum": cumulative_sum,
    "OneHot": one_hot,
    "TopK": top_k,
}
