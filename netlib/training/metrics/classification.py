"""Metrics of predicted classes."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

from ...arrays import Array, ArrayLike, as_array, as_count
from ...errors import InvalidValueError
from .classes import NONE, Classes, as_classes, as_labels, as_labels_of_columns, as_scores, is_one_column

Average: TypeAlias = Literal["binary", "macro", "micro", "weighted", "none"]


def accuracy(y: ArrayLike, t: ArrayLike, threshold: float | None = None) -> float:
    """Return the share of samples whose class is predicted correctly.

    Parameters
    ----------
    y : array_like (..., C), or (N,) or (N, 1)
        A score for each of C classes, of which the largest wins; or one score, for class 1. A
        sample with a NaN is never correct.
    t : array_like (...), or of the shape of y
        Class numbers, without the last axis of y; or rows that add up to 1, such as one-hot; for
        one score, 0 or 1.
    threshold : float, optional
        Class 1 is predicted where one score is above it. By default, the scores are logits, and the
        threshold is 0; scores that may also be probabilities raise an error. A `Trainer` passes 0.5
        if the model ends in `Sigmoid`, else 0.

    Raises
    ------
    ShapeError
        For shapes that do not fit, and if there are no samples.
    InvalidTypeError
        For class numbers that are not of an integer type, and for a tuple of outputs.
    InvalidValueError
        For class numbers outside 0 … C-1, for targets with several labels, and for scores that may
        be logits or probabilities.

    Examples
    --------
    >>> accuracy([[2.0, 1.0], [0.0, 3.0], [1.0, 5.0]], [0, 1, 0]) == 2 / 3
    True
    >>> accuracy([-1.5, 0.5], [0, 1]), accuracy([0.1, 0.9], [0, 1], threshold=0.5)
    (1.0, 1.0)
    """
    predicted, true, _ = as_classes(as_scores(y, "accuracy"), t, threshold, "accuracy")
    return float(np.mean(predicted == true))


def multilabel_accuracy(y: ArrayLike, t: ArrayLike, threshold: float | None = None) -> float:
    """Return the share of labels that are predicted correctly, where a sample may have several.

    Parameters
    ----------
    y : array_like (..., L)
        A score for each of L labels. A NaN is never correct.
    t : array_like of y's shape
        1 where a label applies, else 0.
    threshold : float, optional
        As for `accuracy`.

    Examples
    --------
    >>> multilabel_accuracy([[2.0, -1.0, 3.0]], [[1, 0, 0]]) == 2 / 3
    True
    """
    predicted, true, is_nan = as_labels_of_columns(as_scores(y, "multilabel_accuracy"), t, threshold, "multilabel_accuracy")
    return float(np.mean((predicted == true) & ~is_nan))


def confusion_matrix(y: ArrayLike, t: ArrayLike, classes: int | None = None, threshold: float | None = None) -> Array:
    """Return how many samples of each true class (rows) were predicted as each class (columns).

    Parameters
    ----------
    y, t : array_like
        As for `accuracy`; or both class numbers, of an integer type.
    classes : int, optional
        The number of classes. By default, the number of scores in y, or one more than the largest
        class number.
    threshold : float, optional
        As for `accuracy`.

    Raises
    ------
    ShapeError, InvalidTypeError, InvalidValueError
        As for `accuracy`, and for scores that are NaN, which predict no class.

    Examples
    --------
    >>> confusion_matrix([[2.0, 1.0], [0.0, 3.0], [1.0, 5.0]], [0, 1, 0])
    array([[1, 1],
           [0, 1]])
    """
    where = "confusion_matrix"
    y = as_scores(y, where)
    if y.ndim == 1 and y.dtype.kind in "iu" and y.shape == (labels := as_array(t, where)).shape:
        predicted, true = as_labels(y, y.shape, None, where), as_labels(labels, y.shape, None, where)
        shown = 1 + int(max(y.max(), labels.max()))
    else:
        predicted, true, shown = as_classes(y, t, threshold, where)
    if n_nan := int(np.sum(predicted == NONE)):
        raise InvalidValueError(f"got NaN scores for {n_nan} samples, which predict no class", where=where)
    k = shown if classes is None else as_count(classes, "classes", where, least=1)
    if k < shown:
        raise InvalidValueError(f"classes is {k}, but there are {shown}", where=where)
    counts: Array = np.bincount(true * k + predicted, minlength=k * k).reshape(k, k)
    return counts


def precision(y: ArrayLike, t: ArrayLike, average: Average | None = None, threshold: float | None = None, multilabel: bool = False) -> Any:
    """Return the share of correct predictions among the predictions of a class: ``tp / (tp + fp)``.

    Parameters
    ----------
    y, t, threshold
        As for `accuracy`.
    average : {"binary", "macro", "micro", "weighted", "none"}, optional
        "binary" is class 1 only; "macro" the mean over the classes that occur; "weighted" the same
        weighted by their numbers of samples; "micro" counts over all classes together; "none"
        returns an array with one number per class. By default, "binary" for one score per sample,
        else "macro".
    multilabel : bool
        Whether each column is a separate label, of which a sample may have any number.

    Returns
    -------
    float, or ndarray for ``average="none"``
        0 where 0 would be divided by 0, as in scikit-learn.

    Examples
    --------
    >>> precision([-1.0, 2.0, 3.0], [0, 0, 1])
    0.5
    """
    return _metric("precision", y, t, average, threshold, multilabel)


def recall(y: ArrayLike, t: ArrayLike, average: Average | None = None, threshold: float | None = None, multilabel: bool = False) -> Any:
    """Return the share of the samples of a class that are predicted as such: ``tp / (tp + fn)``.

    Parameters are those of `precision`.

    Examples
    --------
    >>> recall([-1.0, 2.0, 3.0], [0, 0, 1])
    1.0
    """
    return _metric("recall", y, t, average, threshold, multilabel)


def f1_score(y: ArrayLike, t: ArrayLike, average: Average | None = None, threshold: float | None = None, multilabel: bool = False) -> Any:
    """Return the harmonic mean of precision and recall: ``2 tp / (2 tp + fp + fn)``.

    Parameters are those of `precision`.

    Examples
    --------
    >>> f1_score([-1.0, 2.0, 3.0], [0, 0, 1]) == 2 / 3
    True
    """
    return _metric("f1_score", y, t, average, threshold, multilabel)


def _metric(name: str, y: ArrayLike, t: ArrayLike, average: Average | None, threshold: float | None, multilabel: bool) -> Any:
    return averaged(name, *counts_of(name, y, t, threshold, multilabel), average, multilabel)


def counts_of(
    name: str, y: ArrayLike, t: ArrayLike, threshold: float | None = None, multilabel: bool = False
) -> tuple[bool, Array, Array, Array]:
    """Return whether the classes are binary, and for each class tp, tp + fp and tp + fn."""
    scores = as_scores(y, name)
    if multilabel:
        return False, *_counts_of_labels(*as_labels_of_columns(scores, t, threshold, name)[:2])
    return is_one_column(scores), *_counts_of_classes(as_classes(scores, t, threshold, name))


def averaged(name: str, is_binary: bool, hits: Array, n_predicted: Array, n_true: Array, average: Average | None, multilabel: bool) -> Any:
    """Return the precision, recall or F1 of these counts."""
    if average is None:
        average = "binary" if is_binary else "macro"
    if average == "micro":
        hits, n_predicted, n_true = (each.sum(keepdims=True) for each in (hits, n_predicted, n_true))
    above = 2 * hits if name == "f1_score" else hits
    below = {"precision": n_predicted, "recall": n_true, "f1_score": n_predicted + n_true}[name]
    values = np.divide(above, below, out=np.zeros(len(above)), where=below > 0)
    match average:
        case "none":
            return values
        case "micro":
            return float(values[0])
        case "binary" if is_binary:
            return float(values[1])
        case "macro":
            occurs = np.ones(len(values), bool) if multilabel else n_predicted + n_true > 0
            return float(values[occurs].mean())
        case "weighted":
            return float(np.average(values, weights=n_true)) if n_true.any() else 0.0
    hint = "'binary' needs one score per sample." if average == "binary" else "Choose 'binary', 'macro', 'micro', 'weighted' or 'none'."
    raise InvalidValueError(f"average is {average!r}", where=name, hint=hint)


def _counts_of_classes(classes: Classes) -> tuple[Array, Array, Array]:
    predicted, true, n = classes
    hits = np.bincount(true[predicted == true], minlength=n)
    return hits, np.bincount(predicted[predicted != NONE], minlength=n), np.bincount(true, minlength=n)


def _counts_of_labels(predicted: Array, true: Array) -> tuple[Array, Array, Array]:
    return (predicted & true).sum(axis=0), predicted.sum(axis=0), true.sum(axis=0)
