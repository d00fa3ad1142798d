"""Gradients that are missing, too few or too many."""

from __future__ import annotations

import numpy as np

from ..analytic import as_numbers
from ..context import CheckContext
from .raising import name_error
from .shapes import name_shape
from .swaps import find_swap, swapped_names


def read_contract(context: CheckContext) -> list[str]:
    """Report missing gradients and wrong shapes; return the names of the comparable gradients."""
    fit = []
    yours = context.yours.by_name
    if context.yours.error is not None:
        name_error(context, context.yours.error)
    elif context.yours.surplus:
        _name_count(context)
    shapes = {name: np.shape(g) for name, g in yours.items() if g is not None and as_numbers(g) is not None}
    if find_swap(context, shapes):
        fitting = [name for name in context.slopes if shapes.get(name) == context.twin.slots[name].shape]
        return [name for name in fitting if name not in swapped_names(context)]
    for name in context.slopes:
        if name not in yours:
            continue
        g, slot = yours[name], context.twin.slots[name]
        if g is None and context.yours.error is not None:
            continue  # backward did not get that far
        if g is None:
            _name_missing(context, name)
        elif name not in shapes or shapes[name] != slot.shape:
            name_shape(context, name, np.asarray(g) if as_numbers(g) is not None or hasattr(g, "dtype") else np.array(None))
        else:
            fit.append(name)
    return fit


def _is_nothing(context: CheckContext, name: str) -> bool:
    """Return whether the measured gradient is zero wherever it is known."""
    slopes = context.slopes[name]
    known = ~np.isnan(slopes.slope) & ~slopes.is_kink
    return bool((np.abs(slopes.slope[known]) <= 4 * slopes.noise[known]).all())


def _name_missing(context: CheckContext, name: str) -> None:
    if _is_nothing(context, name):
        context.report.errors[name] = 0.0
        known = ~np.isnan(context.slopes[name].slope)
        context.report.covered[name] = int(known.sum()), known.size
        return
    context.report.errors[name] = 1.0
    if name.startswith("input"):
        if not any(f.where == name for f in context.report.findings):
            context.find("missing-gradient", name, "backward returns None for it, though the output depends on it", _return(context, name))
    else:
        context.find("missing-gradient", name, "backward adds nothing to its grad, though the output depends on it", context.line(name))


def _return(context: CheckContext, name: str) -> str:
    line = context.line(name)
    if not line:
        return "return the gradient of every input, a tuple where there are several"
    return f"return {line.split(' = ', 1)[1]}" if len(context.twin.float_inputs) == 1 else line


def _name_count(context: CheckContext) -> None:
    surplus = context.yours.surplus
    missing = [name for name, g in context.yours.returned.items() if g is None and name in context.slopes]
    if "list" in surplus:
        context.find("wrong-shape", "backward", surplus, "return da, db")
    elif missing:
        for name in missing:
            context.find("missing-gradient", name, f"{surplus}; this one is not among them", _return(context, name))
    else:
        context.find("wrong-shape", "backward", surplus, "return dx" if context.twin.n_given == 1 else "return da, db")
