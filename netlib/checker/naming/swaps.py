"""Gradients of another input."""

from __future__ import annotations

from itertools import combinations

from ...arrays import Array
from ..analytic import as_numbers
from ..context import CheckContext


def find_swap(context: CheckContext, shapes: dict[str, tuple[int, ...]]) -> bool:
    """Report two gradients that are exchanged."""
    names = [name for name in context.yours.returned if name in shapes and name in context.slopes]
    for a, b in combinations(names, 2):
        ga, gb = (as_numbers(context.yours.by_name[n]) for n in (a, b))
        if ga is None or gb is None:
            continue
        if context.is_gradient(ga, b) and context.is_gradient(gb, a) and not (context.is_gradient(ga, a) and context.is_gradient(gb, b)):
            cause = f"the gradient returned for {a} is that of {b}, and vice versa"
            for name in (a, b):
                context.find("swapped-inputs", name, cause, context.line(name) or "return them in the order of the inputs")
            return True
    return False


def swapped_names(context: CheckContext) -> list[str]:
    """Return the names of the gradients that are exchanged."""
    return [f.where for f in context.report.findings if f.mistake == "swapped-inputs"]


def find_other_input(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report the gradient of another input."""
    for other in context.yours.returned:
        if other != name and name.startswith("input") and other in context.slopes and context.is_gradient(yours, other):
            context.find("swapped-inputs", name, f"it is the gradient of {other}", context.line(name))
            return True
    return False
