"""Numbers written to places given by other inputs, and parts selected by them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..layers.rows import Compress, ReverseSequence
from ..layers.scatter import Scatter, ScatterElements, ScatterND
from ..operator import Operator

REDUCTIONS = {"none": False, "add": True}


def scatter(make: Callable[[Operator, bool], Scatter]) -> Callable[[Operator], Any]:
    """Return the translation of an operator that replaces numbers or adds to them."""

    def translate(op: Operator) -> Any:
        reduction = op.get("reduction", "none")
        if reduction not in REDUCTIONS:
            op.refuse(f"has reduction={reduction!r}, expected 'none' or 'add'")
        return op.apply(make(op, REDUCTIONS[reduction]), op.node(0), op.node(2), op.node(1))

    return translate


def elements(op: Operator, add: bool) -> Scatter:
    """Return the layer for ScatterElements, which was called Scatter at first."""
    return ScatterElements(op.get("axis", 0), add)


def compress(op: Operator) -> Any:
    """Translate Compress."""
    return op.apply(Compress(op.get("axis")), op.node(0), op.node(1))


def reverse_sequence(op: Operator) -> Any:
    """Translate ReverseSequence."""
    return op.apply(ReverseSequence(op.get("time_axis", 0), op.get("batch_axis", 1)), op.node(0), op.node(1))


OPERATORS: dict[str, Callable[[Operator], Any]] = {
    "Scatter": scatter(elements),
    "ScatterElements": scatter(elements),
    "ScatterND": scatter(lambda op, add: ScatterND(add)),
    "Compress": compress,
    "ReverseSequence": reverse_sequence,
}
