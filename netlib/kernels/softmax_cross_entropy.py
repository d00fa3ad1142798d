"""The logarithm of softmax, and cross-entropy with class numbers.

Matrices are C-contiguous and have at least one column.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array, as_rows
from .constants import ones
from .exponentials import exp
from .kernel import Kernel, loops
from .threads import run_parts, split_if_awake

WORTH_A_THREAD = 20_000
"""With more numbers, rows in parts gain more than handing the parts over costs."""


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
    if not x.flags.carray:
        return log_softmax.numpy(x)
    y = np.empty_like(x)
    run, xs, ys = log_softmax_of_rows.run, as_rows(x), as_rows(y)
    parts = split_if_awake(len(xs), x.size > WORTH_A_THREAD)
    if len(parts) == 1:
        run(xs, ys)
    else:
        run_parts(lambda part, _: run(xs[part], ys[part]), parts)
    return y


@loops("void(t[:, ::1], t[:, ::1])")
def log_softmax_of_rows(x: Array, y: Array) -> None:
    n, columns = x.shape
    in_fours = columns // 4 * 4
    for i in range(n):
        row, of_y = x[i], y[i]
        a = b = c = d = row[0]
        for j in range(0, in_fours, 4):  # a comparison need not wait for the one before it
            a = row[j] if row[j] > a else a
            b = row[j + 1] if row[j + 1] > b else b
            c = row[j + 2] if row[j + 2] > c else c
            d = row[j + 3] if row[j + 3] > d else d
        for j in range(in_fours, columns):
            a = row[j] if row[j] > a else a
        a = b if b > a else a
        c = d if d > c else c
        shift = c if c > a else a
        total = x.dtype.type(0)  # with NaN in a row, it is NaN, whatever was subtracted
        for j in range(columns):
            shifted = row[j] - shift
            of_y[j] = shifted
            total += exp(shifted)
        log_total = np.log(total)
        for j in range(columns):
            of_y[j] -= log_total


@Kernel
def negative_log_likelihood(log_p: Array, labels: Array, terms: Array) -> bool:
    """Do ``terms[i] = -log_p[i, labels[i]]``, and return whether all labels are valid columns.

    If not, `terms` is unfinished.
    """
    rows, columns = log_p.shape
    # viewed as unsigned, a negative label is a huge one
    if rows and np.maximum.reduce(labels.view(np.uint64)) >= columns:
        return False
    places = np.arange(0, rows * columns, columns) + labels.astype(np.intp, copy=False)  # take wants np.intp, of 32 bits in a browser
    np.negative(log_p.take(places), out=terms)
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
