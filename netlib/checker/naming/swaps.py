"""Gradients of another input, parameter or output."""

from __future__ import annotations

from itertools import combinations

from ...arrays import Array
from ..analytic import as_numbers, gradients
from ..context import CheckContext


def find_swap(context: CheckContext, shapes: dict[str, tuple[int, ...]]) -> bool:
    """Report two gradients that are exchanged, of inputs or of parameters."""
    returned = [name for name in context.yours.returned if name in shapes and name in context.slopes]
    added = [name for name in context.yours.grads if name in shapes and name in context.slopes]
    for a, b in [*combinations(returned, 2), *combinations(added, 2)]:
        ga, gb = (as_numbers(context.yours.by_name[n]) for n in (a, b))
        if ga is None or gb is None:
            continue
        if context.is_gradient(ga, b) and context.is_gradient(gb, a) and not (context.is_gradient(ga, a) and context.is_gradient(gb, b)):
            what = "returned for" if a in returned else "added to"
            hint = (
                "return them in the order of the inputs" if a in returned else f"exchange what is added to self.{a}.grad and self.{b}.grad"
            )
            for name, other in ((a, b), (b, a)):
                context.find("swapped", name, f"the gradient {what} {name} is that of {other}, and vice versa", context.line(name) or hint)
            return True
    return False


def find_exchanged_outputs(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report a gradient that is right with the gradients of two outputs exchanged."""
    for i, j in combinations(range(len(context.douts)), 2):
        if context.douts[i].shape != context.douts[j].shape:
            continue
        douts = list(context.douts)
        douts[i], douts[j] = douts[j], douts[i]
        context.twin.forward()
        g = gradients(context.twin, douts).by_name.get(name)
        numbers = None if g is None else as_numbers(g)
        if numbers is not None and context.is_gradient(numbers, name):
            context.find("swapped", name, f"it takes dout[{i}] for dout[{j}], and vice versa", context.line(name))
            return True
    return False


def swapped_names(context: CheckContext) -> list[str]:
    """Return the names of the gradients that are exchanged."""
    return [f.where for f in context.report.findings if f.mistake == "swapped"]


def find_other_input(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report the gradient of another input."""
    for other in context.yours.returned:
        if other != name and name.startswith("input") and other in context.slopes and context.is_gradient(yours, other):
            context.find("swapped", name, f"it is the gradient of {other}", context.line(name))
            return True
    return False
