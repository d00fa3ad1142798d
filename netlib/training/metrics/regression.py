"""Metrics of predicted numbers."""

from __future__ import annotations

import numpy as np

from ...arrays import Array, ArrayLike, as_array
from ...errors import ShapeError


def mean_absolute_error(y: ArrayLike, t: ArrayLike) -> float:
    """Return the mean of ``|y - t|`` over all elements of two arrays of the same shape.

    Examples
    --------
    >>> mean_absolute_error([1.0, 2.0, 4.0], [1.0, 3.0, 2.0])
    1.0
    """
    y, t = _of_one_shape(y, t, "mean_absolute_error")
    return float(np.mean(np.abs(y - t)))


def r2_score(y: ArrayLike, t: ArrayLike) -> float:
    """Return R², the share of the variance of the targets that is explained.

    1 is best, and always predicting the mean gives 0. Several outputs are averaged.

    ``1 - Σ(t - y)² / Σ(t - mean t)²``. As in scikit-learn, an output whose targets are all equal
    counts 1 if it is predicted exactly, else 0.

    Parameters
    ----------
    y, t : array_like (N,) or (N, outputs)
        Of the same shape. With fewer than two samples, R² is NaN.

    Examples
    --------
    >>> r2_score([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]), r2_score([2.0, 2.0, 2.0], [1.0, 2.0, 3.0])
    (1.0, 0.0)
    """
    y, t = rows_of_one_shape(y, t, "r2_score")
    return r2_of(len(y), ((t - t.mean(axis=0)) ** 2).sum(axis=0), ((t - y) ** 2).sum(axis=0))


def r2_of(n: int, total: Array, unexplained: Array) -> float:
    """Return R² of `n` samples, with these sums of squares for each output."""
    if n < 2:
        return float("nan")
    varying = total > 0
    r2 = np.where(varying, 1 - unexplained / np.where(varying, total, 1), unexplained == 0)
    return float(np.mean(r2))


def rows_of_one_shape(y: ArrayLike, t: ArrayLike, where: str) -> tuple[Array, Array]:
    """Return y and t in float64, or raise if their shapes differ or are those of single numbers."""
    y, t = _of_one_shape(y, t, where)
    if y.ndim == 0:
        raise ShapeError("got single numbers, expected rows of samples", where=where)
    return y, t


def _of_one_shape(y: ArrayLike, t: ArrayLike, where: str) -> tuple[Array, Array]:
    y, t = as_array(y, where).astype(np.float64), as_array(t, where).astype(np.float64)
    if y.shape != t.shape:
        text = f"got y of shape {y.shape} and t of shape {t.shape}, expected equal shapes"
        raise ShapeError(text, where=where, hint="Reshape one of them.")
    if y.size == 0:
        raise ShapeError("got no samples", where=where)
    return y, t
