"""Elements chosen by indices, and running sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...layer import Layer
from ...layers import CumulativeSum, Embedding, Pad, Slice, Take
from ..layers.cumulative_product import CumulativeProduct
from ..layers.discrete import Discrete
from ..layers.gather import GatherElements, GatherND
from ..layers.top_k import TopK
from ..operator import Operator
from ..values import constant_node


def gather(op: Operator) -> Any:
    """Translate Gather: for a weight of the file, as an `Embedding`."""
    axis = op.get("axis", 0)
    if op.is_constant(1) and op.constant(1).ndim == 0:
        key: list[Any] = [slice(None)] * op.rank(0)
        key[axis] = int(op.constant(1))
        return op.apply(Slice(tuple(key)), op.node(0))
    if op.is_trained(0) and not op.is_constant(1) and op.rank(0) == 2 and axis in (0, -2):
        return embedding(op)(op.node(1))
    return op.apply(Take(axis), op.node(0), op.node(1))


def embedding(op: Operator) -> Embedding:
    """Return a layer over the table that is input 0."""
    table = op.constant(0)
    layer = Embedding.from_arrays(table)
    layer.weight = op.parameter(0)
    return layer


def gather_elements(op: Operator) -> Any:
    """Translate GatherElements."""
    return op.apply(GatherElements(op.get("axis", 0)), op.node(0), op.node(1))


def gather_nd(op: Operator) -> Any:
    """Translate GatherND."""
    return op.apply(GatherND(op.get("batch_dims", 0)), op.node(0), op.node(1))


def cumulative(op: Operator, kind: type[Layer], without: float) -> Any:
    """Return a running sum or product from either end, including the element itself or not."""
    axis, rank = int(op.constant(1).reshape(())), op.rank(0)
    after = (slice(None),) * (rank - 1 - axis % rank)
    x = op.node(0)
    if op.get("reverse", 0):
        x = op.apply(Slice((..., slice(None, None, -1), *after)), x)
    if op.get("exclusive", 0):
        widths = [(0, 0)] * rank
        widths[axis] = (1, 0)
        x = op.apply(Slice((..., slice(None, -1), *after)), op.apply(Pad(tuple(widths), value=without), x))
    y = op.apply(kind(axis), x)  # type: ignore[call-arg]
    return op.apply(Slice((..., slice(None, None, -1), *after)), y) if op.get("reverse", 0) else y


def cumulative_sum(op: Operator) -> Any:
    """Translate CumSum."""
    return cumulative(op, CumulativeSum, 0)


def cumulative_product(op: Operator) -> Any:
    """Translate CumProd."""
    return cumulative(op, CumulativeProduct, 1)


def one_hot(op: Operator) -> Any:
    """Translate OneHot."""
    return Discrete("one hot", {"axis": op.get("axis", -1)})(*op.nodes())


def top_k(op: Operator) -> Any:
    """Translate TopK."""
    k = constant_node(np.array([op.get("k")])) if op.version < 10 else op.node(1)
    return op.apply(TopK(op.get("axis", -1), bool(op.get("largest", 1))), op.node(0), k)


OPERATORS: dict[str, Callable[[Operator], Any]] = {
    "Gather": gather,
    "GatherElements": gather_elements,
    "GatherND": gather_nd,
    "CumSum": cumulative_sum,
    "CumProd": cumulative_product,
    "OneHot": one_hot,
    "TopK": top_k,
}
