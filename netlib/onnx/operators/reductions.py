"""Reductions over axes, which are an attribute or an input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...layer import Layer
from ...layers import Abs, Log, LogSumExp, Max, Mean, Min, Power, Sqrt, Sum
from ...node import Node
from ..layers.discrete import Discrete
from ..layers.product import Product
from ..operator import Operator

Axes = tuple[int, ...] | None


def axes_of(op: Operator) -> Axes:
    """Return the axes to reduce, or None for all."""
    axes = op.get("axes") if "axes" in op.attributes else op.numbers(1)
    if not axes and op.get("noop_with_empty_axes", 0):
        return ()
    return tuple(axes) if axes else None


def reduction(kind: Any, before: Callable[[], Layer] | None = None, after: Callable[[], Layer] | None = None) -> Callable[[Operator], Any]:
    """Return the translation of a reduction, with layers for each element before and after it."""

    def translate(op: Operator) -> Any:
        axes = axes_of(op)
        x: Node = op.node(0) if before is None else op.apply(before(), op.node(0))
        if axes != ():
            x = op.apply(kind(axes, bool(op.get("keepdims", 1))), x)
        return x if after is None else op.apply(after(), x)

    return translate


def position(function: str) -> Callable[[Operator], Any]:
    """Return the translation of ArgMax or ArgMin."""

    def translate(op: Operator) -> Any:
        options = {"axis": op.get("axis", 0), "keepdims": bool(op.get("keepdims", 1)), "last": bool(op.get("select_last_index", 0))}
        return Discrete(function, options)(op.node(0))

    return translate


OPERATORS: dict[str, Callable[[Operator], Any]] = {
    "ReduceSum": reduction(Sum),
    "ReduceMean": reduction(Mean),
    "ReduceMax": reduction(Max),
    "ReduceMin": reduction(Min),
    "ReduceProd": reduction(Product),
    "ReduceL1": reduction(Sum, before=Abs),
    "ReduceL2": reduction(Sum, before=lambda: Power(2), after=Sqrt),
    "ReduceLogSum": reduction(Sum, after=Log),
    "ReduceLogSumExp": reduction(LogSumExp),
    "ReduceSumSquare": reduction(Sum, before=lambda: Power(2)),
    "ArgMax": position("argmax"),
    "ArgMin": position("argmin"),
}
