"""How good a prediction is: plain functions of outputs y and targets t, as `Trainer` takes them."""

from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_array, as_count
from ..errors import InvalidTypeError, InvalidValueError, ShapeError


def accuracy(y: ArrayLike, t: ArrayLike) -> float:
    """Return the share of samples whose class is predicted rightly.

    Parameters
    ----------
    y : array_like (..., C), or (N,) or (N, 1)
        A score for each of C classes, of which the largest wins; or one logit, where above 0 means class 1.
    t : array_like (...), or of the shape of y
        Class numbers, without the last axis of y; or probabilities, such as one-hot rows; for logits, 0 or 1.

    Raises
    ------
    ShapeError
        For shapes that do not fit, and without samples.
    InvalidTypeError
        For class numbers that are not of an integer type.
    InvalidValueError
        For class numbers outside 0 … C-1.

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
    """Return how many samples of each class were taken for which: rows are true classes, columns predicted ones.

    Parameters
    ----------
    y, t : array_like
        As for `accuracy`; or class numbers both, of an integer type.
    classes : int, optional
        How many there are. Unless given: as many as y has scores, or as the class numbers show.

    Raises
    ------
    ShapeError, InvalidTypeError, InvalidValueError
        As `accuracy`.

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
    """Return the mean of ``|y - t|`` over all numbers of two arrays of one shape.

    Examples
    --------
    >>> mean_absolute_error([1.0, 2.0, 4.0], [1.0, 3.0, 2.0])
    1.0
    """
    y, t = _of_one_shape(y, t, "mean_absolute_error")
    return float(np.mean(np.abs(y - t)))


def r2_score(y: ArrayLike, t: ArrayLike) -> float:
    """Return R², the share of the targets' variance that is explained, averaged over the outputs: 1 is best, 0 is what their mean gets.

    ``1 - Σ(t - y)² / Σ(t - mean t)²``. As in scikit-learn, an output whose targets are all equal counts 1 if it is met exactly, else 0.

    Parameters
    ----------
    y, t : array_like (N,) or (N, outputs)
        Of one shape. With fewer than two samples R² is NaN.

    Examples
    --------
    >>> r2_score([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]), r2_score([2.0, 2.0, 2.0], [1.0, 2.0, 3.0])
    (1.0, 0.0)
    """
    y, t = _of_one_shape(y, t, "r2_score")
    if y.ndim == 0:
        raise ShapeError("got single numbers, wanted rows of samples", where="r2_score")
    if len(y) < 2:
        return float("nan")
    unexplained = ((t - y) ** 2).sum(axis=0)
    total = ((t - t.mean(axis=0)) ** 2).sum(axis=0)
    varying = total > 0
    r2 = np.where(varying, 1 - unexplained / np.where(varying, total, 1), unexplained == 0)
    return float(np.mean(r2))


def _classes(y: Array, t: Array, where: str) -> tuple[Array, Array, int]:
    """Return predicted and true class numbers, and how many classes there are. Dimensions tell what y and t are, never sizes of t."""
    if y.size == 0 or y.ndim == 0:
        raise ShapeError(f"got y of shape {y.shape}, wanted at least one sample", where=where)
    is_logit = y.ndim == 1 or y.shape[-1] == 1
    n_classes = 2 if is_logit else y.shape[-1]
    if is_logit and t.shape == y.shape:
        if not np.all((t == 0) | (t == 1)):
            raise InvalidValueError(
                "got targets that are neither 0 nor 1 for one logit per sample", where=where, hint="Hand over a score for each class."
            )
        return (y > 0).astype(np.intp), t.astype(np.intp), n_classes
    if not is_logit and t.shape == y.shape:
        return y.argmax(axis=-1), t.argmax(axis=-1), n_classes
    if not is_logit and t.shape == y.shape[:-1]:
        return y.argmax(axis=-1), _as_class_numbers(t, n_classes, where), n_classes
    wanted = f"{y.shape}" if is_logit else f"{y.shape[:-1]} for class numbers or {y.shape} for probabilities"
    raise ShapeError(f"got y of shape {y.shape} and t of shape {t.shape}, wanted t of shape {wanted}", where=where)


def _as_class_numbers(t: Array, n_classes: int | None, where: str) -> Array:
    if t.dtype.kind not in "iub":
        raise InvalidTypeError(f"got class numbers of {t.dtype}, wanted integers", where=where, hint="Convert them: t.astype(int).")
    if t.min() < 0 or (n_classes is not None and t.max() >= n_classes):
        wanted = "0 or more" if n_classes is None else f"0 to {n_classes - 1}"
        raise InvalidValueError(f"got class numbers from {t.min()} to {t.max()}, wanted {wanted}", where=where)
    return t.astype(np.intp)


def _of_one_shape(y: ArrayLike, t: ArrayLike, where: str) -> tuple[Array, Array]:
    y, t = as_array(y, where).astype(np.float64), as_array(t, where).astype(np.float64)
    if y.shape != t.shape:
        raise ShapeError(f"got y of shape {y.shape} and t of shape {t.shape}, wanted equal ones", where=where, hint="Reshape one of them.")
    if y.size == 0:
        raise ShapeError("got no samples", where=where)
    return y, t
