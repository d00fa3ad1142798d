"""The sum of the terms of a loss."""

from __future__ import annotations

from math import fsum

import numpy as np

from ..arrays import Array
from .kernel import Kernel, loops


@Kernel
def total(terms: Array) -> float:
    """Return the sum of an array of any shape and layout, in double precision."""
    if terms.size < 100:
        values = terms.ravel().tolist()
        try:
            return fsum(values)
        except (OverflowError, ValueError):  # fsum raises where a sum is inf or NaN
            return float(sum(values))
    return float(np.add.reduce(terms, axis=None, dtype=np.float64))


@total.compiled()
def total_in_c_order(terms: Array) -> float:
    if not terms.flags.carray:
        return total.numpy(terms)
    return sum_of_vector.run(terms if terms.ndim == 1 else terms.reshape(-1))


@loops("float64(t[::1])")
def sum_of_vector(terms: Array) -> float:
    total = np.float64(0)
    for i in range(terms.size):
        total += terms[i]
    return total
