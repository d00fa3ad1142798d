"""Metrics: plain functions of outputs y and targets t, for `Trainer` and on their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..arrays import as_array, as_count
from ..errors import InvalidTypeError, InvalidValueError, ShapeError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..arrays import Array


def accuracy(y: ArrayLike, t: ArrayLike) -> float:
    """Return the share of samples whose class is predicted correctly.

    Parameters
    ----------
    y : array_like (..., C), or (N,) or (N, 1)
        A score for each of C classes, the largest of which is the prediction, or one logit, which
        predicts class 1 if it is above 0.
    t : array_like (...), or of the shape of y
        Class numbers, without the last axis of y, or probabilities, such as one-hot rows. For
        logits, 0 or 1.

    Raises
    ------
    ShapeError
        If the shapes do not match, or there are no samples.
    InvalidTypeError
        If class numbers do not have an integer type.
    InvalidValueError
        If class numbers are outside 0 … C-1.

    Examples
    --------
    >>> accuracy([[2.0, 1.0], [0.0, 3.0], [1.0, 5.0]], [0, 1, 0]) == 2 / 3
    True
    >>> accuracy([-1.5, 0.5], [0, 1])
    1.0
    """
    predicted, true, _ = _classes(as_array(y, "accuracy"), as_array(t, "accuracy"), "accuracy")
    return float(np.mean(predicted == true))


def confusion_matrix(y: ArrayLike, t: ArrayLike, classes: int | None = None) -> Array:
    """Return the number of samples by true class, in rows, and predicted class, in columns.

    Parameters
    ----------
    y, t : array_like
        As for `accuracy`, or class numbers of an integer type for both.
    classes : int, optional
        The number of classes. By default, the number of scores, or the largest class number + 1.

    Raises
    ------
    ShapeError, InvalidTypeError, InvalidValueError
        As for `accuracy`.

    Examples
    --------
    >>> confusion_matrix([[2.0, 1.0], [0.0, 3.0], [1.0, 5.0]], [0, 1, 0])
    array([[1, 1],
           [0, 1]])
    """
    where = "confusion_matrix"
    y, t = as_array(y, where), as_array(t, where)
    if y.ndim == 1 and y.dtype.kind in "iu" and y.shape == t.shape and y.size:
        predicted, true = _as_class_numbers(y, None, where), _as_class_numbers(t, None, where)
        shown = 1 + int(max(y.max(), t.max()))
    else:
        predicted, true, shown = _classes(y, t, where)
    k = shown if classes is None else as_count(classes, "classes", where, least=1)
    if k < shown:
        raise InvalidValueError(f"classes is {k}, but there are {shown}", where=where)
    counts: Array = np.bincount(true.ravel() * k + predicted.ravel(), minlength=k * k).reshape(k, k)
    return counts


def mean_absolute_error(y: ArrayLike, t: ArrayLike) -> float:
    """Return the mean of ``|y - t|`` over all elements of two arrays of equal shape.

    Examples
    --------
    >>> mean_absolute_error([1.0, 2.0, 4.0], [1.0, 3.0, 2.0])
    1.0
    """
    y, t = _as_equal_shapes(y, t, "mean_absolute_error")
    return float(np.mean(np.abs(y - t)))


def r2_score(y: ArrayLike, t: ArrayLike) -> float:
    """Return R², the share of the targets' variance that is explained, averaged over the outputs.

    ``1 - Σ(t - y)² / Σ(t - mean t)²``: 1 is best, and 0 is the score of the mean. As in
    scikit-learn, an output whose targets are all equal has R² 1 if the prediction is exact, else 0.

    Parameters
    ----------
    y, t : array_like (N,) or (N, outputs)
        Of equal shape. With fewer than two samples, R² is NaN.

    Examples
    --------
    >>> r2_score([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]), r2_score([2.0, 2.0, 2.0], [1.0, 2.0, 3.0])
    (1.0, 0.0)
    """
    y, t = _as_equal_shapes(y, t, "r2_score")
    if y.ndim == 0:
        raise ShapeError("got single numbers, expected rows of samples", where="r2_score")
    if len(y) < 2:
        return float("nan")
    unexplained = ((t - y) ** 2).sum(axis=0)
    total = ((t - t.mean(axis=0)) ** 2).sum(axis=0)
    varying = total > 0
    r2 = np.where(varying, 1 - unexplained / np.where(varying, total, 1), unexplained == 0)
    return float(np.mean(r2))


def _classes(y: Array, t: Array, where: str) -> tuple[Array, Array, int]:
    """Return predicted and true class numbers, and the number of classes.

    The number of axes decides what `t` is, never their lengths.
    """
    if y.size == 0 or y.ndim == 0:
        raise ShapeError(f"got y of shape {y.shape}, expected at least one sample", where=where)
    is_logit = y.ndim == 1 or y.shape[-1] == 1
    n_classes = 2 if is_logit else y.shape[-1]
    if is_logit and t.shape == y.shape:
        if not np.all((t == 0) | (t == 1)):
            message = "got targets that are neither 0 nor 1 for one logit per sample"
            raise InvalidValueError(message, where=where, hint="Pass a score for each class.")
        return (y > 0).astype(np.intp), t.astype(np.intp), n_classes
    if not is_logit and t.shape == y.shape:
        return y.argmax(axis=-1), t.argmax(axis=-1), n_classes
    if not is_logit and t.shape == y.shape[:-1]:
        return y.argmax(axis=-1), _as_class_numbers(t, n_classes, where), n_classes
    expected = f"{y.shape}"
    if not is_logit:
        expected = f"{y.shape[:-1]} for class numbers or {y.shape} for probabilities"
    message = f"got y of shape {y.shape} and t of shape {t.shape}, expected t of shape {expected}"
    raise ShapeError(message, where=where)


def _as_class_numbers(t: Array, n_classes: int | None, where: str) -> Array:
    if t.dtype.kind not in "iub":
        hint = "Convert them: t.astype(int)."
        message = f"got class numbers of {t.dtype}, expected integers"
        raise InvalidTypeError(message, where=where, hint=hint)
    if t.min() < 0 or (n_classes is not None and t.max() >= n_classes):
        expected = "0 or more" if n_classes is None else f"0 to {n_classes - 1}"
        message = f"got class numbers from {t.min()} to {t.max()}, expected {expected}"
        raise InvalidValueError(message, where=where)
    return t.astype(np.intp)


def _as_equal_shapes(y: ArrayLike, t: ArrayLike, where: str) -> tuple[Array, Array]:
    y, t = as_array(y, where).astype(np.float64), as_array(t, where).astype(np.float64)
    if y.shape != t.shape:
        message = f"got y of shape {y.shape} and t of shape {t.shape}, expected equal shapes"
        raise ShapeError(message, where=where, hint="Reshape one of them.")
    if y.size == 0:
        raise ShapeError("got no samples", where=where)
    return y, t
