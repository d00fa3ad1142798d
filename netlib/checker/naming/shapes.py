"""Gradients with the wrong shape."""

from __future__ import annotations

import numpy as np

from ...arrays import Array, unbroadcast
from ..context import CheckContext
from ..equality import fits_into
from .expressions import sums
from .scale import find_if_right


def name_shape(context: CheckContext, name: str, g: Array) -> None:
    """Report a gradient with the wrong shape."""
    context.report.errors[name] = np.inf
    slot = context.twin.slots[name]
    came = f"the gradient has shape {g.shape}, expected {slot.shape}"
    line = context.line(name)
    if g.dtype.kind not in "fiub":
        mistake = "dtype-changed" if g.dtype.kind == "c" else "wrong-shape"
        context.find(mistake, name, f"the gradient is an array of {g.dtype}, expected real numbers", line)
        return
    g = np.asarray(g, float)
    if (
        g.ndim >= 2
        and g.shape == slot.shape[::-1]
        and find_if_right(context, "missing-transpose", name, g.T, f"{came}: it is transposed", line)
    ):
        return
    summed = sum_to(g, slot.shape)
    if summed is not None and g.size != slot.size:
        cause = f"{came}: the copies that broadcasting made must be summed"
        if find_if_right(context, "missing-batch-sum", name, summed, cause, line or "dout.sum(axis=0)"):
            return
        context.find("missing-batch-sum", name, cause, line or "dout.sum(axis=0)")
        return
    if g.size == slot.size and find_if_right(
        context, "wrong-shape", name, g.reshape(slot.shape), f"{came}; the numbers are right", line or f"….reshape({slot.shape})"
    ):
        return
    explained = context.explain(g)
    is_sum = explained is not None and ".sum" in explained[0]
    known = context.numeric(name)
    is_parameter = not name.startswith("input")
    if not (is_parameter and is_sum):
        for text, _, total in sums("g", g, slot.shape):
            hint = line or text.replace("g", "(…)", 1)
            if find_if_right(context, "missing-batch-sum", name, total, f"{came}: with g for it, {text} is right", hint):
                return
        for other in context.yours.returned:
            if other != name and other in context.slopes and context.is_gradient(g, other):
                context.find("swapped", name, f"{came}: it is the gradient of {other}", line)
                return
    if is_sum or (g.size == 1 and slot.size > 1) or (not np.isnan(known).any() and _is_sum_of(g, known)):
        cause = f"it is {explained[0]}" if is_sum and explained else "too much is summed"
        context.find("wrong-axis" if is_parameter else "wrong-shape", name, f"{came}: {cause}", line)
        return
    if g.ndim >= 2 and g.shape == slot.shape[::-1]:
        context.find("missing-transpose", name, f"{came}, the other way round", line)
        return
    context.find("wrong-shape", name, came, line)


def sum_to(g: Array, shape: tuple[int, ...]) -> Array | None:
    """Return `g` summed over the axes of broadcasting from `shape`; None if it does not fit."""
    return unbroadcast(g, shape) if fits_into(shape, g.shape) else None


def _is_sum_of(g: Array, known: Array) -> bool:
    for axis in range(known.ndim):
        total = known.sum(axis=axis)
        if total.shape == g.shape and np.allclose(total, g, rtol=1e-5):
            return True
    return False
