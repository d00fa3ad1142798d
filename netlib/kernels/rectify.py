"""A `ReLU` on its own, forward and backward, for vectors."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from .constants import zero
from .kernel import Kernel, helper


@Kernel
def relu(x: Array, y: Array, positive: Array) -> None:
    """Write ``max(x, 0)`` and which are positive. NaN stays NaN."""
    np.greater(x, zero(x.dtype), out=positive)
    np.maximum(x, zero(x.dtype), out=y)


@relu.compiled("void(const t[::1], t[::1], boolean[::1])")
def relu_loops(x: Array, y: Array, positive: Array) -> None:
    rectify_row(x, y, positive)


@helper
def rectify_row(x: Array, y: Array, positive: Array) -> None:
    """Write ``max(x, 0)`` and which are positive, for as many numbers as y has."""
    zero = y.dtype.type(0)
    for i in range(y.size):
        v = x[i]
        positive[i] = v > zero
        y[i] = zero if v <= zero else v


@Kernel
def mask(dout: Array, positive: Array, dx: Array) -> None:
    """Write ``dout * positive``."""
    np.multiply(dout, positive, out=dx)


@mask.compiled("void(const t[::1], const boolean[::1], t[::1])")
def mask_loops(dout: Array, positive: Array, dx: Array) -> None:
    zero, one = dout.dtype.type(0), dout.dtype.type(1)
    for i in range(dout.size):
        dx[i] = dout[i] * (one if positive[i] else zero)
