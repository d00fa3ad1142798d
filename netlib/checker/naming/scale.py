"""Gradients that are right up to a factor, and names of the factor."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from ...arrays import Array
from ..context import CheckContext
from .factors import factor_name, written


def find_zero(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report a gradient of zeros."""
    if yours.any():
        return False
    cause = "the gradient is zero everywhere, though the output depends on it"
    context.find("zero-gradient" if name.startswith("input") else "missing-gradient", name, cause, context.line(name))
    return True


def find_scale(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report a gradient that is proportional to the right one."""
    c = context.factor(yours, name)
    if c is None or abs(c - 1) < 1e-5:
        return False
    if yours.size == 1 and sum(y.size for y in context.ys) > 1 and not factor_name(context, name, c) and abs(c + 1) > 1e-5:
        return False  # one number is proportional to any other
    counted = additions_counted_twice(context, name)
    if counted:
        context.find("double-counted", name, counted, "each path once")
        return True
    name_factor(context, name, c, context.line(name))
    return True


def additions_counted_twice(context: CheckContext, name: str) -> str:
    """Return, in words, the additions that count twice: without them, the gradient is right."""
    added = [value for _, value in context.additions(name) if value.shape == context.twin.slots[name].shape]
    if 2 <= len(added) <= 6:
        for n in range(1, len(added)):
            for chosen in combinations(range(len(added)), n):
                part = [added[i] for i in chosen]
                total = np.asarray(sum(part))
                rest = np.asarray(sum(added)) - total
                if context.is_gradient(total, name) and any(np.allclose(rest, known, rtol=1e-6) for known in (total, *part)):
                    return f"backward adds to its grad {len(added)} times, and {n} of these are the gradient already"
    return ""


def find_if_right(context: CheckContext, mistake: str, name: str, corrected: Array, cause: str, hint: str) -> bool:
    """Report a mistake if the corrected gradient is right, perhaps up to a factor."""
    c = 1.0 if context.is_gradient(corrected, name) else context.factor(corrected, name)
    if c is None:
        return False
    context.find(mistake, name, cause, hint)
    if abs(c - 1) > 1e-5:
        name_factor(context, name, c, hint)
    return True


def name_factor(context: CheckContext, name: str, c: float, line: str) -> None:
    """Report a factor: its sign, its size, and its meaning."""
    if c < 0:
        context.find("wrong-sign", name, "the sign is wrong everywhere: minus your gradient is right" if abs(c + 1) < 1e-5
                  else f"the sign is wrong everywhere, and the size by a factor of {written(-c)}", line)  # fmt: skip
        c = -c
    if abs(c - 1) < 1e-5:
        return
    known_as = factor_name(context, name, c)
    is_what = f" = {known_as}" if known_as not in ("", written(c)) else ""
    much = f"{written(c)} times too large" if c > 1 else f"only {written(c)} of what it should be"
    hint = line
    if not hint and known_as.startswith("1/N"):
        hint = "a sum over the samples in place of a mean: the loss alone divides by N"
    elif not hint:
        hint = f"divide by {known_as.split(',')[0]}" if known_as else f"divide by {written(c)}"
    context.find("wrong-scale", name, f"the gradient is {much} everywhere, factor {written(c)}{is_what}", hint)
