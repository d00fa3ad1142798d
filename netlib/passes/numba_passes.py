"""The passes compiled by numba: each reads and writes every number once.

They are compiled for float32 and float64 when this module is first imported on a machine, and read from numba's cache on disk from
then on. One thread: numba's pool and the matrix library's fight for the same cores (docs/benchmarks.md). NaN and infinity are
kept, and so is division by zero; what is relaxed is the order of sums, which a vectorised sum needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import boolean, float32, float64, int64, njit, void

from ..arrays import Array
from . import numpy_passes

NAME = "numba"


def _compiled(signature: Callable[[Any], Any]) -> Callable[[Callable[..., Any]], Any]:
    """Compile for float32 and float64; the `signature` is written for a type."""
    types = [signature(float32), signature(float64)]
    compiled: Callable[[Callable[..., Any]], Any] = njit(
        types, fastmath={"contract", "reassoc", "arcp", "nsz"}, error_model="numpy", cache=True, nogil=True
    )
    return compiled


@_compiled(lambda t: void(t[:, ::1], t[::1]))
def add_bias(y, bias):  # type: ignore[no-untyped-def]
    """``y += bias``, a row at a time."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] += bias[j]


@_compiled(lambda t: void(t[:, ::1], t[::1], boolean[:, ::1]))
def add_bias_relu(y, bias, positive):  # type: ignore[no-untyped-def]
    """``y = max(y + bias, 0)``, and where that is positive; a NaN stays one."""
    zero = y.dtype.type(0)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            v = y[i, j] + bias[j]
            positive[i, j] = v > zero
            y[i, j] = zero if v <= zero else v


@_compiled(lambda t: void(t[:, ::1], boolean[:, ::1], t[:, ::1], t[::1]))
def relu_backward(dout, positive, dx, dbias):  # type: ignore[no-untyped-def]
    """``dx = dout * positive``, and its sum over the rows."""
    zero, one = dout.dtype.type(0), dout.dtype.type(1)
    for j in range(dbias.shape[0]):
        dbias[j] = zero
    for i in range(dout.shape[0]):
        for j in range(dout.shape[1]):
            d = dout[i, j] * (one if positive[i, j] else zero)
            dx[i, j] = d
            dbias[j] += d


@_compiled(lambda t: void(t[:, ::1], t[::1]))
def sum_rows(dout, dbias):  # type: ignore[no-untyped-def]
    """``dbias = dout.sum(axis=0)``."""
    for j in range(dbias.shape[0]):
        dbias[j] = 0
    for i in range(dout.shape[0]):
        for j in range(dout.shape[1]):
            dbias[j] += dout[i, j]


@_compiled(lambda t: t[:, ::1](t[:, ::1]))
def _less_row_maximum(x):  # type: ignore[no-untyped-def]
    y = np.empty_like(x)
    for i in range(x.shape[0]):
        largest = x[i, 0]
        for j in range(1, x.shape[1]):
            if x[i, j] > largest or x[i, j] != x[i, j]:
                largest = x[i, j]
        for j in range(x.shape[1]):
            y[i, j] = x[i, j] - largest
    return y


@_compiled(lambda t: void(t[:, ::1], t[:, ::1]))
def _less_log_row_sum(x, exp_x):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        total = exp_x[i, 0]
        for j in range(1, x.shape[1]):
            total += exp_x[i, j]
        log_total = np.log(total)
        for j in range(x.shape[1]):
            x[i, j] -= log_total


def log_softmax(x: Array) -> Array:
    """``x - log(sum(exp(x)))`` along the last axis, with the largest x taken out of the sum first."""
    if x.ndim != 2 or not x.flags.carray:
        return numpy_passes.log_softmax(x)
    x = _less_row_maximum(x)
    _less_log_row_sum(x, np.exp(x))  # NumPy's exp is vectorised, numba's is not
    return x


@_compiled(lambda t: boolean(t[:, ::1], int64[::1], t[::1]))
def negative_log_likelihood(log_p, labels, terms):  # type: ignore[no-untyped-def]
    """``terms = -log_p[row, label of row]``; False, with terms unfinished, where a label is no column."""
    for i in range(labels.shape[0]):
        if labels[i] < 0 or labels[i] >= log_p.shape[1]:
            return False
        terms[i] = -log_p[i, labels[i]]
    return True


@_compiled(lambda t: void(t[:, ::1], int64[::1], t))
def subtract_labels(p, labels, amount):  # type: ignore[no-untyped-def]
    """``p[row, label of row] -= amount``."""
    for i in range(labels.shape[0]):
        p[i, labels[i]] -= amount


@_compiled(lambda t: float64(t[::1]))
def _total(terms):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(terms.size):
        total += terms[i]
    return total


def total(terms: Array) -> float:
    """Return the sum, added up in double precision."""
    return float(_total(terms)) if terms.ndim == 1 and terms.flags.carray else numpy_passes.total(terms)


@_compiled(lambda t: void(t[::1], t[::1], t[::1], t[::1], t[::1], t, t, t, t))
def _adam(value, grad, scratch, total, squares, b1, b2, eps, scale):  # type: ignore[no-untyped-def]
    for i in range(value.size):
        g = grad[i]
        m = b1 * total[i] + g
        v = b2 * squares[i] + g * g
        total[i] = m
        squares[i] = v
        value[i] -= scale * m / (np.sqrt(v) + eps)


def adam(value: Array, grad: Array, scratch: Array, total: Array, squares: Array, b1: float, b2: float, eps: float, scale: float) -> None:
    """``total = b1 total + grad``, ``squares = b2 squares + grad²``, ``value -= scale total / (√squares + eps)``."""
    _adam(value, grad, scratch, total, squares, b1, b2, eps, scale)
