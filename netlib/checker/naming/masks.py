"""Zeros and slopes at the wrong elements."""

from __future__ import annotations

import numpy as np

from ...arrays import Array
from ..context import CheckContext
from .scale import name_factor
from .shapes import sum_to


def find_mask(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report a missing or an inverted mask."""
    slopes = context.slopes[name]
    target = context.numeric(name)
    known = ~np.isnan(target) & ~slopes.is_kink.reshape(target.shape)
    largest = max(float(np.abs(target[known]).max(initial=0.0)), float(np.abs(yours[known]).max(initial=0.0)))
    zero = np.abs(target) <= np.maximum(1e-9 * largest, 4 * slopes.noise.reshape(target.shape))
    silent = np.abs(yours) <= 1e-12 * largest
    extra, lost = known & zero & ~silent, known & ~zero & silent
    hint = "keep the mask in forward (self.mask = …), and multiply dout by it in backward"
    if extra.any() and lost.any() and not (known & (zero == silent)).any():
        context.find("inverted-mask", name, "it is zero exactly where it should not be, and not zero where it should be", hint)
        return True
    if extra.any() and not lost.any():
        c = context.factor(yours, name, where=~zero)
        if c is not None:
            context.find("missing-mask", name, f"{int(extra.sum())} elements that do not reach the output get a gradient", hint)
            if abs(c - 1) > 1e-5:
                name_factor(context, name, c, "")
            return True
    return _masked_sum(context, name, yours) or _two_slopes(context, name, yours, target, known & ~zero & ~silent, hint)


def _masked_sum(context: CheckContext, name: str, yours: Array) -> bool:
    """Report masks in a sum over samples, as in the gradient of a learned slope."""
    x, d = context.operands.get("x"), context.operands.get("dout")
    if x is None or d is None or x.shape != d.shape or name.startswith("input"):
        return False
    masks = {"1": np.ones(x.shape), "(x > 0)": x > 0, "(x < 0)": x < 0}
    for base in (d, d * x):
        sums = {label: sum_to(base * mask, yours.shape) for label, mask in masks.items()}
        right = [label for label, total in sums.items() if total is not None and context.is_gradient(total, name)]
        mine = [label for label, total in sums.items() if total is not None and np.allclose(total, yours, rtol=1e-6)]
        if right and mine and right != mine and right[0] != "1":
            cause = f"the factor {right[0]} of forward is missing" if mine == ["1"] else f"it counts {mine[0]} in place of {right[0]}"
            context.find("missing-mask" if mine == ["1"] else "inverted-mask", name, cause, f"dout * … * {right[0]}, then the sum")
            return True
    return False


def _two_slopes(context: CheckContext, name: str, yours: Array, target: Array, known: Array, hint: str) -> bool:
    """Report masks that choose between two slopes, as in a leaky ReLU."""
    if len(context.douts) != 1 or context.douts[0].shape != yours.shape or int(known.sum()) < 3:
        return False
    mine, right = (np.round(a[known] / np.asarray(context.douts[0], float)[known], 6) for a in (yours, target))
    values = np.unique(right)
    if len(values) != 2 or not np.isin(mine, values).all():
        return False
    if (mine != right).all():
        context.find("inverted-mask", name, f"the slopes {values[0]:g} and {values[1]:g} are exchanged", hint)
        return True
    if len(np.unique(mine)) == 1:
        if values[0] == -values[1]:
            context.find("wrong-sign", name, "the sign is wrong where the input has the other sign: the factor np.sign(x) is missing")
        else:
            context.find(
                "missing-mask", name, f"the slope is {mine[0]:g} everywhere, though it should be {values[0]:g} at some elements", hint
            )
        return True
    return False


def find_missing_choice(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report gradients from outputs that do not depend on the array; all others are right."""
    both = context.jacobians(name)
    if both is None:
        return False
    mine, right = both
    big = float(np.abs(right).max(initial=0.0))
    reaches = np.abs(right) > 1e-7 * big
    extra = ~reaches & (np.abs(mine) > 1e-6 * big)
    if not reaches.any() or not extra.any() or not np.allclose(mine[reaches], right[reaches], rtol=1e-5, atol=1e-6 * big):
        return False
    cause = f"{int(extra.sum())} pairs of an output and an element that do not depend on each other pass dout on; the others are right"
    hint = "keep in forward which of them were chosen (self.mask = …), and multiply dout by it in backward"
    context.find("missing-mask", name, cause, hint)
    return True
