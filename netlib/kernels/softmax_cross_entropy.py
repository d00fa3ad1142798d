"""The logarithm of softmax, and cross-entropy with class numbers.

Matrices are C-contiguous and have at least one column.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from .constants import ones
from .kernel import Kernel, loops


@Kernel
def log_softmax(x: Array) -> Array:
    """Return ``x - log(sum(exp(x)))`` along the last axis, as a new array in C order.

    `x` may have any shape and layout. The largest x of each row is subtracted first, so that exp
    does not overflow.
    """
    x = np.subtract(x, np.maximum.reduce(x, axis=-1, keepdims=True), order="C")
    sums = np.exp(x).dot(ones(x.shape[-1], x.dtype))
    x -= np.log(sums)[..., np.newaxis]
    return x


@log_softmax.compiled()
def log_softmax_in_c_order(x: Array) -> Array:
    if x.ndim != 2 or not x.flags.carray:
        return log_softmax.numpy(x)
    y = subtract_row_maximum.run(x)
    subtract_log_row_sum.run(y, np.exp(y))  # NumPy's exp is vectorised, and numba's is not
    return y


@loops("t[:, ::1](t[:, ::1])")
def subtract_row_maximum(x: Array) -> Array:
    y = np.empty_like(x)
    for i in range(x.shape[0]):
        largest = x[i, 0]
        for j in range(1, x.shape[1]):
            if x[i, j] > largest or x[i, j] != x[i, j]:
                largest = x[i, j]
        for j in range(x.shape[1]):
            y[i, j] = x[i, j] - largest
    return y


@loops("void(t[:, ::1], t[:, ::1])")
def subtract_log_row_sum(y: Array, exp_y: Array) -> None:
    for i in range(y.shape[0]):
        total = exp_y[i, 0]
        for j in range(1, y.shape[1]):
            total += exp_y[i, j]
        log_total = np.log(total)
        for j in range(y.shape[1]):
            y[i, j] -= log_total


@Kernel
def negative_log_likelihood(log_p: Array, labels: Array, terms: Array) -> bool:
    """Do ``terms[i] = -log_p[i, labels[i]]``, and return whether all labels are valid columns.

    If not, `terms` is unfinished.
    """
    rows, columns = log_p.shape
    # viewed as unsigned, a negative label is a huge one
    if rows and np.maximum.reduce(labels.view(np.uint64)) >= columns:
        return False
    np.negative(log_p.take(labels + np.arange(0, rows * columns, columns)), out=terms)
    return True


@negative_log_likelihood.compiled("boolean(t[:, ::1], int64[::1], t[::1])")
def negative_log_likelihood_loops(log_p: Array, labels: Array, terms: Array) -> bool:
    for i in range(labels.shape[0]):
        if labels[i] < 0 or labels[i] >= log_p.shape[1]:
            return False
        terms[i] = -log_p[i, labels[i]]
    return True


@Kernel
def subtract_labels(p: Array, labels: Array, amount: float) -> None:
    """Do ``p[i, labels[i]] -= amount``."""
    rows, columns = p.shape
    p.reshape(-1)[labels + np.arange(0, rows * columns, columns)] -= amount


@subtract_labels.compiled("void(t[:, ::1], int64[::1], t)")
def subtract_labels_loops(p: Array, labels: Array, amount: float) -> None:
    for i in range(labels.shape[0]):
        p[i, labels[i]] -= amount
