"""When two arrays count as equal, and when one can be broadcast to another."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array
from .analytic import as_numbers
from .blocks import blocks, largest, max_apart


def is_same(a: Any, b: Any) -> bool:
    """Return whether two outputs or gradients are equal; NaN equals NaN."""
    if a is None or b is None or a is b:
        return a is b
    a, b = np.asarray(a), np.asarray(b)
    has_nan = a.dtype.kind in "fc" and b.dtype.kind in "fc"
    return a.shape == b.shape and all(np.array_equal(x, y, equal_nan=has_nan) for x, y in blocks(a, b))


def is_close(a: Any, b: Any, tolerance: float) -> bool:
    """Return whether two arrays agree, relative to the largest element."""
    a, b = (None if g is None else as_numbers(g) for g in (a, b))
    if a is None or b is None:
        return a is b
    if a.shape != b.shape:
        return False
    sizes = largest(a), largest(b)
    if not np.isfinite(sizes).all():
        return bool(np.array_equal(np.isfinite(a), np.isfinite(b)))
    return max_apart(a, b) <= tolerance * max(sizes)


def equal(a: Array, b: Array) -> bool:
    """Return whether two arrays are equal up to rounding."""
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-7, atol=1e-9 * float(np.abs(b).max(initial=0.0))))


def fits_into(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Return whether an array of `shape` can be broadcast to `whole`."""
    try:
        return np.broadcast_shapes(shape, whole) == whole
    except ValueError:
        return False
