"""Gradients that are those of another input."""

from __future__ import annotations

from itertools import combinations

from ...arrays import Array
from ..analytic import as_numbers
from ..case import Case


def is_swap(case: Case, shapes: dict[str, tuple[int, ...]]) -> bool:
    """Report two gradients that are each other's, by their numbers."""
    names = [name for name in case.yours.returned if name in shapes and name in case.slopes]
    for a, b in combinations(names, 2):
        ga, gb = (as_numbers(case.yours.by_name[n]) for n in (a, b))
        if ga is None or gb is None:
            continue
        if case.is_gradient(ga, b) and case.is_gradient(gb, a) and not (case.is_gradient(ga, a) and case.is_gradient(gb, b)):
            cause = f"the gradient returned for {a} is that of {b}, and the other way round"
            for name in (a, b):
                case.find("swapped-inputs", name, cause, case.line(name) or "return them in the order of the inputs")
            return True
    return False


def swapped(case: Case) -> list[str]:
    """Return the names of the gradients that were found to be each other's."""
    return [f.where for f in case.report.findings if f.mistake == "swapped-inputs"]


def of_another_input(case: Case, name: str, yours: Array, wrong: Array) -> bool:
    """Look whether it is the gradient of another input."""
    for other in case.yours.returned:
        if other != name and name.startswith("input") and other in case.slopes and case.is_gradient(yours, other):
            case.find("swapped-inputs", name, f"it is the gradient of {other}", case.line(name))
            return True
    return False
