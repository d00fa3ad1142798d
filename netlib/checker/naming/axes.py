"""Sums over the wrong axes."""

from __future__ import annotations

import numpy as np

from ...arrays import Array
from ..context import CheckContext


def find_wrong_axis(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report a sum over axes other than those of broadcasting."""
    line = context.line(name)
    for _, value in context.additions(name):
        if value.shape != yours.shape and value.size < yours.size:
            context.find("wrong-axis", name, f"what backward adds has shape {value.shape}, and is broadcast to {yours.shape}", line)
            return True
    written = context.explain(yours)
    right = context.explain(context.numeric(name), name)
    if written and right and written[0] != right[0] and written[1] == right[1] and ".sum" in written[1]:
        context.find("wrong-axis", name, f"it is {written[0]}, which should be {right[0]}", line)
        return True
    return False


def find_extra_sum(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report a sum or a mean over too many axes: a gradient that is constant along them."""
    target, line = context.numeric(name), context.line(name)
    is_added_whole = any(act == "+=" and value.shape == yours.shape for act, value in context.additions(name))
    if yours.size < 2 or is_added_whole or np.isnan(target).any():
        return False
    for axis in [*range(yours.ndim), None]:
        total = target.sum(axis=axis, keepdims=True)
        if np.ptp(yours, axis=axis).max() > 1e-9 * np.abs(yours).max():
            continue
        n = target.size // total.size
        if n == 1:
            continue
        for divided in (1,) if name.startswith("input") else (1, n):
            if np.allclose(yours, total / divided, rtol=1e-5, atol=1e-6 * np.abs(target).max()):
                which = "everything" if axis is None else f"axis {axis}"
                context.find(
                    "wrong-axis",
                    name,
                    f"it is constant along {which}: {'a mean' if divided > 1 else 'a sum'} was taken over that, too",
                    line,
                )
                return True
    return False
