"""Functions of one number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...layer import Layer
from ...layers import Exp, Log, Power, Sqrt
from ..layers.determinant import Determinant
from ..layers.discrete import Discrete
from ..layers.elementwise import Elementwise
from ..operator import Operator


def function(make: Callable[[], Layer]) -> Callable[[Operator], Any]:
    """Return the translation of an operator that is one layer of one input."""

    def translate(op: Operator) -> Any:
        return op.apply(make(), op.node(0))

    return translate


def elementwise(name: str) -> Callable[[Operator], Any]:
    """Return the translation of a function by its name in `Elementwise`."""
    return function(lambda: Elementwise(name))


def is_inf(op: Operator) -> Any:
    """Translate IsInf."""
    options = {"negative": bool(op.get("detect_negative", 1)), "positive": bool(op.get("detect_positive", 1))}
    return Discrete("isinf", options)(op.node(0))


OPERATORS: dict[str, Callable[[Operator], Any]] = {
    "Exp": function(Exp),
    "Det": function(Determinant),
    "Log": function(Log),
    "Sqrt": function(Sqrt),
    "Reciprocal": function(lambda: Power(-1)),
    "Sin": elementwise("sin"),
    "Cos": elementwise("cos"),
    "Tan": elementwise("tan"),
    "Asin": elementwise("asin"),
    "Acos": elementwise("acos"),
    "Atan": elementwise("atan"),
    "Sinh": elementwise("sinh"),
    "Cosh": elementwise("cosh"),
    "Asinh": elementwise("asinh"),
    "Acosh": elementwise("acosh"),
    "Atanh": elementwise("atanh"),
    "Erf": elementwise("erf"),
    "Floor": elementwise("floor"),
    "Ceil": elementwise("ceil"),
    "Round": elementwise("round"),
    "Sign": elementwise("sign"),
    "IsNaN": lambda op: Discrete("isnan")(op.node(0)),
    "IsInf": is_inf,
}
