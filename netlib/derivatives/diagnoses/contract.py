"""Gradients that are missing, or too few, or too many."""

from __future__ import annotations

import numpy as np

from ..analytic import as_numbers
from ..case import Case
from .raising import name_the_error
from .shapes import name_the_shape
from .swaps import is_swap, swapped


def read_contract(case: Case) -> list[str]:
    """Report gradients that are missing or have the wrong shape, and return the names of those that can be compared."""
    fit = []
    yours = case.yours.by_name
    if case.yours.error is not None:
        name_the_error(case, case.yours.error)
    elif case.yours.surplus:
        _name_the_count(case)
    shapes = {name: np.shape(g) for name, g in yours.items() if g is not None and as_numbers(g) is not None}
    if is_swap(case, shapes):
        return [
            name for name in case.slopes if name in shapes and shapes[name] == case.twin.slots[name].shape and name not in swapped(case)
        ]
    for name in case.slopes:
        if name not in yours:
            continue
        g, slot = yours[name], case.twin.slots[name]
        if g is None:
            _name_the_missing(case, name)
        elif name not in shapes or shapes[name] != slot.shape:
            name_the_shape(case, name, np.asarray(g) if as_numbers(g) is not None or hasattr(g, "dtype") else np.array(None))
        else:
            fit.append(name)
    return fit


def _is_nothing(case: Case, name: str) -> bool:
    """Return whether the measured gradient is zero wherever it is known."""
    slopes = case.slopes[name]
    known = ~np.isnan(slopes.slope) & ~slopes.is_kink
    return bool((np.abs(slopes.slope[known]) <= 4 * slopes.noise[known]).all())


def _name_the_missing(case: Case, name: str) -> None:
    if _is_nothing(case, name):
        case.report.errors[name] = 0.0
        known = ~np.isnan(case.slopes[name].slope)
        case.report.covered[name] = int(known.sum()), known.size
        return
    case.report.errors[name] = 1.0
    if name.startswith("input"):
        if not any(f.where == name for f in case.report.findings):
            case.find("missing-gradient", name, "backward returns None for it, though the output depends on it", _return(case, name))
    else:
        case.find("missing-gradient", name, "backward adds nothing to its grad, though the output depends on it", case.line(name))


def _return(case: Case, name: str) -> str:
    line = case.line(name)
    if not line:
        return "return the gradient of every input, a tuple where there are several"
    return f"return {line.split(' = ', 1)[1]}" if len(case.twin.float_inputs) == 1 else line


def _name_the_count(case: Case) -> None:
    surplus = case.yours.surplus
    missing = [name for name, g in case.yours.returned.items() if g is None and name in case.slopes]
    if "list" in surplus:
        case.find("wrong-shape", "backward", surplus, "return da, db")
    elif missing:
        for name in missing:
            case.find("missing-gradient", name, f"{surplus}; this one is not among them", _return(case, name))
    else:
        case.find("wrong-shape", "backward", surplus, "one gradient for each input, in their order")
