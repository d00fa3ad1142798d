"""Constant arrays, cached for the NumPy versions of kernels."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..arrays import Array


@lru_cache(maxsize=16)
def zero(dtype: np.dtype[Any]) -> Array:
    """Return 0 as an array, which a ufunc handles twice as fast as a Python number."""
    return np.zeros((), dtype)


@lru_cache(maxsize=16)
def ones(n: int, dtype: np.dtype[Any]) -> Array:
    """Return D of Eq. (1.31) as a vector. The product Dᵀ·dY by BLAS is faster than `numpy.sum`."""
    return np.ones(n, dtype)
