"""Terms of a gradient that are missing or counted too often."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...arrays import Array
from ..context import CheckContext
from .scale import additions_counted_twice


def find_term(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report a missing term that is a simple expression."""
    for text, value, gap, allowed in _simple(context, name, yours):
        if np.abs(gap - value).max() <= allowed:
            context.find("missing-term", name, f"exactly {text} is missing: one path from it to the output was forgotten", f"… + {text}")
            return True
    return False


def find_double_count(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report a term that is counted twice, or forgotten targets."""
    for text, value, gap, allowed in _simple(context, name, yours):
        if np.abs(gap + value).max() <= allowed:
            context.find("double-counted", name, f"{text} is counted once too often", f"add {text} once only")
            return True
    counted = additions_counted_twice(context, name)
    if counted:
        context.find("double-counted", name, counted, "each path once")
        return True
    return find_targets(context, name, yours, wrong)


def _simple(context: CheckContext, name: str, yours: Array) -> Iterator[tuple[str, Array, Array, float]]:
    """Yield the text and value of simple expressions, the gap to fill, and its tolerance."""
    target = context.numeric(name)
    gap = target - yours
    if np.isnan(gap).any():
        return
    noise = context.slopes[name].noise
    allowed = 1e-5 * max(float(np.abs(target).max()), float(np.abs(yours).max())) + 8 * float(noise.max())
    for text, _, value in context.expressions(gap.shape):
        if not text.startswith("-") and float(np.abs(value).max(initial=0.0)) > 10 * allowed:
            yield text, value, gap, allowed


def find_targets(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report a difference that is proportional to the targets of a loss."""
    target = context.numeric(name)
    gap = target - yours
    if np.isnan(gap).any() or not gap.size:
        return False
    for t in context.twin.inputs[context.twin.n_given :]:
        if not isinstance(t, np.ndarray):
            continue
        known = np.asarray(t, float)
        if t.dtype.kind in "iu" and t.shape == gap.shape[:-1] and t.size and t.min() >= 0 and t.max() < gap.shape[-1]:
            known = np.eye(gap.shape[-1])[t]
        if known.shape != gap.shape or not known.any():
            continue
        c = float((gap * known).sum() / (known * known).sum())
        if c and np.abs(gap - c * known).max() <= 1e-5 * np.abs(gap).max() + 8 * float(context.slopes[name].noise.max()):
            context.find("missing-term", name, f"what is missing is {c:.6g} times the target: the term with t was forgotten", "… - t")
            return True
    return False
