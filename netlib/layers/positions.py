"""Positions in a sequence, axis −2 of arrays (…, T, features), and the waves that encode them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..errors import ShapeError


def as_sequence(x: ArrayLike, features: int, where: object, dtype: np.dtype[Any] | None = None) -> Array:
    """Return `x` (…, T, features) as a floating-point array, of `dtype` if given, or raise.

    Examples
    --------
    >>> as_sequence([[1, 2], [3, 4], [5, 6]], 2, "SinusoidalEncoding(2)").shape
    (3, 2)
    """
    x = as_floats(x, dtype, where)
    if x.ndim < 2 or x.shape[-1] != features:
        raise ShapeError(f"got x of shape {x.shape}, expected (…, T, {features})", where=where)
    return x


def angles(start: int, n: int, features: int, base: float) -> Array:
    """Return ``t / base ** (2i / features)`` for `n` positions t from `start` on, and each pair i.

    Two features form a pair, and a last one without a partner also counts as a pair.

    Examples
    --------
    >>> angles(1, 2, 4, 100.0)
    array([[1. , 0.1],
           [2. , 0.2]])
    """
    t, i = np.arange(start, start + n), np.arange((features + 1) // 2)
    return np.multiply.outer(t, float(base) ** (-2.0 * i / features))
