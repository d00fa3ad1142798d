"""Descriptions of gradients that no other rule explains."""

from __future__ import annotations

import numpy as np

from ...arrays import Array
from ..context import CheckContext
from ..equality import fits_into
from .factors import written


def find_in_places(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report a gradient that is wrong by a single factor at some elements and right elsewhere."""
    target = context.numeric(name)
    values = (yours / target)[wrong]
    if wrong.all() or values.size < 2 or not np.isfinite(values).all() or np.ptp(values) > 1e-5 * max(1.0, float(np.abs(values).max())):
        return False
    factor, where = float(values[0]), _where(wrong)
    if abs(factor + 1) > 1e-5 and slab(wrong) is None and not _triangle(wrong):
        return False
    mistake = "wrong-sign" if factor < 0 else "missing-term" if abs(factor) < 1e-5 else "wrong-scale"
    context.find(mistake, name, f"it is {written(factor)} times the right one at {where}, and right elsewhere", context.line(name))
    return True


def pattern(context: CheckContext, name: str, yours: Array, wrong: Array) -> str:
    """Return a description of a gradient that is wrong in no known way."""
    target = context.numeric(name)
    usable = wrong & (np.abs(target) > 1e-6 * np.abs(target[~np.isnan(target)]).max(initial=0.0)) & np.isfinite(yours)
    if not usable.any():
        return "it is not zero where it should be"
    if np.allclose(np.sort(yours, axis=None), np.sort(target, axis=None), rtol=1e-5):
        return "its numbers are right but in another order"
    with np.errstate(all="ignore"):
        ratio = yours / target
    written, right = context.slope_text(yours), context.slope_text(target)
    if written:
        return f"it is {written}" + (f", where forward's derivative gives {right}" if right else ", which is not forward's derivative")
    for label, known in context.operands.items():
        for text, factor in (
            (label, known),
            (f"1/{label}", np.divide(1.0, known, out=np.full_like(known, np.nan), where=known != 0)),
            (f"(1 - {label}**2)", 1 - known**2),
            (f"{label} * (1 - {label})", known * (1 - known)),
            (f"(1 - {label})", 1 - known),
        ):
            if not fits_into(factor.shape, ratio.shape):
                continue
            fits = np.abs(ratio * factor - 1)[usable]
            if factor.size > 1 and fits.size > 1 and np.isfinite(fits).all() and fits.max() < 1e-5:
                return f"it lacks the factor {text}: yours times that is right"
    values = ratio[usable]
    where = _where(wrong)
    varies = [axis for axis in range(ratio.ndim) if ratio.shape[axis] > 1 and not _is_constant(ratio, axis)]
    only = f"; the ratio changes along axis {varies[0]} only" if len(varies) == 1 and ratio.ndim > 1 else ""
    span = f"from {values.min():.4g} to {values.max():.4g}"
    return f"yours / measured ranges {span} at {where}{only}: another formula than forward's derivative"


def _is_constant(ratio: Array, axis: int) -> bool:
    spread = np.ptp(ratio, axis=axis)
    known = np.isfinite(spread)
    return bool(known.any() and spread[known].max() < 1e-5 * np.abs(ratio[np.isfinite(ratio)]).max())


def _where(wrong: Array) -> str:
    """Return in words where the gradient is wrong."""
    if wrong.all():
        return "all elements"
    if _triangle(wrong):
        return _triangle(wrong)
    index, axis = slab(wrong) or (0, None)
    return f"{int(wrong.sum())} of {wrong.size} elements" if axis is None else f"index {index} of axis {axis}"


def _triangle(wrong: Array) -> str:
    """Return, in words, which part of a matrix is wrong, such as its diagonal; "" for others."""
    if wrong.ndim != 2 or wrong.shape[-1] != wrong.shape[-2] or wrong.shape[-1] < 2:
        return ""
    full = np.ones(wrong.shape, bool)
    diagonal = np.eye(wrong.shape[-1], dtype=bool)
    parts = {
        "the elements off the diagonal": ~diagonal,
        "the diagonal": diagonal,
        "the elements below the diagonal": np.tril(full, -1),
        "the elements above the diagonal": np.triu(full, 1),
    }
    return next((text for text, part in parts.items() if (wrong == part).all()), "")


def slab(wrong: Array) -> tuple[int, int] | None:
    """Return (index, axis) if everything wrong lies at one index of an axis, else None."""
    for axis in range(wrong.ndim if wrong.ndim > 1 else 0):
        hit = np.flatnonzero(wrong.any(axis=tuple(i for i in range(wrong.ndim) if i != axis)))
        if len(hit) == 1:
            return int(hit[0]), axis
    return None
