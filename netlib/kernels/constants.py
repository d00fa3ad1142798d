"""Constant arrays that the NumPy versions use again and again."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..arrays import Array


@lru_cache(maxsize=16)
def zero(dtype: np.dtype[Any]) -> Array:
    """Return 0 as an array: a ufunc takes it twice as fast as a Python number."""
    return np.zeros((), dtype)


@lru_cache(maxsize=16)
def ones(n: int, dtype: np.dtype[Any]) -> Array:
    """Return D of Eq. (1.31), as a vector: Dᵀ·dY is a product, which BLAS does faster than `numpy.sum` adds."""
    return np.ones(n, dtype)
