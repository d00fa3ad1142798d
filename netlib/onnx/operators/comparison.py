"""Comparison, logic and bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...layers import Where
from ..layers.discrete import Discrete
from ..operator import Operator
from .arithmetic import require_broadcasting


def discrete(function: str) -> Callable[[Operator], Any]:
    """Return the translation of an operator that is one function without a derivative."""

    def translate(op: Operator) -> Any:
        require_broadcasting(op)
        return Discrete(function)(*op.nodes())

    return translate


def bit_shift(op: Operator) -> Any:
    """Translate BitShift."""
    return Discrete(f"{op.get('direction').lower()} shift")(*op.nodes())


def where(op: Operator) -> Any:
    """Translate Where: the condition comes first in ONNX."""
    condition, a, b = op.nodes()
    return Where()(a, b, condition) if op.is_float(1) else Discrete("where")(condition, a, b)


OPERATORS: dict[str, Callable[[Operator], Any]] = {
    "Equal": discrete("equal"),
    "Greater": discrete("greater"),
    "GreaterOrEqual": discrete("greater or equal"),
    "Less": discrete("less"),
    "LessOrEqual": discrete("less or equal"),
    "And": discrete("and"),
    "Or": discrete("or"),
    "Xor": discrete("xor"),
    "Not": discrete("not"),
    "BitwiseAnd": discrete("bitwise and"),
    "BitwiseOr": discrete("bitwise or"),
    "BitwiseXor": discrete("bitwise xor"),
    "BitwiseNot": discrete("bitwise not"),
    "BitShift": bit_shift,
    "Where": where,
}
