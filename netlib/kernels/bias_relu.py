"""The bias of `Affine` and a following `ReLU`, forward and backward, for C-contiguous matrices."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from .constants import ones, zero
from .kernel import Kernel


@Kernel
def add_bias(y: Array, bias: Array) -> None:
    """Do ``y += bias`` for each row."""
    np.add(y, bias, out=y)


@add_bias.compiled("void(t[:, ::1], const t[::1])")
def add_bias_loops(y: Array, bias: Array) -> None:
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] += bias[j]


@Kernel
def add_bias_relu(y: Array, bias: Array, positive: Array) -> None:
    """Do ``y = max(y + bias, 0)`` and ``positive = y > 0``. NaN stays NaN."""
    np.add(y, bias, out=y)
    np.greater(y, zero(y.dtype), out=positive)
    np.maximum(y, zero(y.dtype), out=y)


@add_bias_relu.compiled("void(t[:, ::1], const t[::1], boolean[:, ::1])")
def add_bias_relu_loops(y: Array, bias: Array, positive: Array) -> None:
    zero = y.dtype.type(0)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            v = y[i, j] + bias[j]
            positive[i, j] = v > zero
            y[i, j] = zero if v <= zero else v


@Kernel
def rectify(y: Array, bias: Array) -> None:
    """Do ``y = max(y + bias, 0)``. NaN stays NaN."""
    np.add(y, bias, out=y)
    np.maximum(y, zero(y.dtype), out=y)


@rectify.compiled("void(t[:, ::1], const t[::1])")
def rectify_loops(y: Array, bias: Array) -> None:
    zero = y.dtype.type(0)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            v = y[i, j] + bias[j]
            y[i, j] = zero if v <= zero else v


@Kernel
def relu_backward(dout: Array, positive: Array, dx: Array, dbias: Array) -> None:
    """Do ``dx = dout * positive`` and ``dbias = dx.sum(axis=0)``. `dx` may be `dout` itself."""
    np.multiply(dout, positive, out=dx)
    ones(len(dx), dx.dtype).dot(dx, dbias)


@relu_backward.compiled("void(t[:, ::1], boolean[:, ::1], t[:, ::1], t[::1])")
def relu_backward_loops(dout: Array, positive: Array, dx: Array, dbias: Array) -> None:
    zero, one = dout.dtype.type(0), dout.dtype.type(1)
    for j in range(dbias.shape[0]):
        dbias[j] = zero
    for i in range(dout.shape[0]):
        for j in range(dout.shape[1]):
            # a product, so that a masked NaN stays NaN, as in NumPy
            d = dout[i, j] * (one if positive[i, j] else zero)
            dx[i, j] = d
            dbias[j] += d


@Kernel
def sum_rows(dout: Array, dbias: Array) -> None:
    """Do ``dbias = dout.sum(axis=0)``."""
    ones(len(dout), dout.dtype).dot(dout, dbias)


@sum_rows.compiled("void(t[:, ::1], t[::1])")
def sum_rows_loops(dout: Array, dbias: Array) -> None:
    for j in range(dbias.shape[0]):
        dbias[j] = 0
    for i in range(dout.shape[0]):
        for j in range(dout.shape[1]):
            dbias[j] += dout[i, j]
