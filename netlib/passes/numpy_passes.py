"""The passes in NumPy: a few whole-array operations each, into arrays that are there already."""

from __future__ import annotations

from functools import lru_cache
from math import fsum
from typing import Any

import numpy as np

from ..arrays import Array

NAME = "numpy"


@lru_cache(maxsize=16)
def _zero(dtype: np.dtype[Any]) -> Array:
    """Return 0 as an array: a ufunc takes it twice as fast as a Python number."""
    return np.zeros((), dtype)


@lru_cache(maxsize=16)
def _ones(n: int, dtype: np.dtype[Any]) -> Array:
    """Return D of Eq. (1.31), as a vector: Dᵀ·dY is a product, which BLAS does faster than `numpy.sum` adds."""
    return np.ones(n, dtype)


def add_bias(y: Array, bias: Array) -> None:
    """``y += bias``, a row at a time."""
    np.add(y, bias, out=y)


def add_bias_relu(y: Array, bias: Array, positive: Array) -> None:
    """``y = max(y + bias, 0)``, and where that is positive."""
    zero = _zero(y.dtype)
    np.add(y, bias, out=y)
    np.greater(y, zero, out=positive)
    np.maximum(y, zero, out=y)


def relu_backward(dout: Array, positive: Array, dx: Array, dbias: Array) -> None:
    """``dx = dout * positive``, and its sum over the rows."""
    np.multiply(dout, positive, out=dx)
    sum_rows(dx, dbias)


def sum_rows(dout: Array, dbias: Array) -> None:
    """``dbias = dout.sum(axis=0)``."""
    _ones(len(dout), dout.dtype).dot(dout, dbias)


def log_softmax(x: Array) -> Array:
    """``x - log(sum(exp(x)))`` along the last axis, with the largest x taken out of the sum first."""
    x = np.subtract(x, np.maximum.reduce(x, axis=-1, keepdims=True), order="C")
    sums = np.exp(x).dot(_ones(x.shape[-1], x.dtype))
    x -= np.log(sums)[..., np.newaxis]
    return x


def negative_log_likelihood(log_p: Array, labels: Array, terms: Array) -> bool:
    """``terms = -log_p[row, label of row]``; False, with terms unfinished, where a label is no column."""
    rows, columns = log_p.shape
    if rows and np.maximum.reduce(labels.view(np.uint64)) >= columns:  # as unsigned, a negative label is a huge one
        return False
    np.negative(log_p.take(labels + np.arange(0, rows * columns, columns)), out=terms)
    return True


def subtract_labels(p: Array, labels: Array, amount: float) -> None:
    """``p[row, label of row] -= amount``."""
    rows, columns = p.shape
    p.reshape(-1)[labels + np.arange(0, rows * columns, columns)] -= amount


def total(terms: Array) -> float:
    """Return the sum, added up in double precision."""
    if terms.size < 100:
        return fsum(terms.ravel().tolist())
    return float(np.add.reduce(terms, axis=None, dtype=np.float64))


def adam(value: Array, grad: Array, scratch: Array, total: Array, squares: Array, b1: float, b2: float, eps: float, scale: float) -> None:
    """``total = b1 total + grad``, ``squares = b2 squares + grad²``, ``value -= scale total / (√squares + eps)``."""
    total *= b1
    total += grad
    squares *= b2
    np.multiply(grad, grad, out=scratch)
    squares += scratch
    np.sqrt(squares, out=scratch)
    scratch += eps
    np.divide(total, scratch, out=scratch)
    scratch *= scale
    value -= scratch
