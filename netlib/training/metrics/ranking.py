"""Metrics of the scores themselves: how high the true class ranks, and how probable it is."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ...arrays import Array, ArrayLike, as_count
from ...errors import InvalidValueError
from .classes import as_labels_of_columns, as_scores, as_true_classes, is_one_column


def top_k_accuracy(y: ArrayLike, t: ArrayLike, k: int = 5) -> float:
    """Return the share of samples whose class is among the `k` classes with the largest scores.

    The first of equal scores ranks highest, so that ``k=1`` is `accuracy`. A sample with a NaN is
    never correct.

    Parameters
    ----------
    y : array_like (..., C)
        A score for each of C classes.
    t : array_like (...), or of the shape of y
        As for `accuracy`.
    k : int

    Examples
    --------
    >>> top_k_accuracy([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]], [1, 2], k=2)
    0.5
    """
    where = "top_k_accuracy"
    y, k = as_scores(y, where), as_count(k, "k", where, least=1)
    if is_one_column(y):
        raise InvalidValueError(f"got y of shape {y.shape}, expected a score for each class", where=where, hint="Use nl.accuracy.")
    true, n_classes = as_true_classes(y, t, where), y.shape[-1]
    scores = np.ascontiguousarray(y.reshape(-1, n_classes).T)  # sums over few classes are slow
    score = scores[true, np.arange(len(true))]
    is_ahead = scores > score
    is_ahead |= (scores == score) & (np.arange(n_classes)[:, np.newaxis] < true)
    is_hit = is_ahead.sum(axis=0) < k
    if np.isnan(y.max()):
        is_hit &= ~np.isnan(scores).any(axis=0)
    return float(is_hit.mean())


def roc_auc(y: ArrayLike, t: ArrayLike, average: Literal["macro", "weighted"] = "macro", multilabel: bool = False) -> float:
    """Return the area under the ROC curve.

    It is the share of pairs, one sample of the class and one of another, in which the former has
    the higher score. Equal scores count half.

    Several classes are each compared with the rest, by their own column of scores, and averaged.

    Parameters
    ----------
    y : array_like (..., C), or (N,) or (N, 1)
        Scores, of which only the order counts.
    t : array_like
        As for `accuracy`; with ``multilabel=True`` zeros and ones of y's shape.
    average : {"macro", "weighted"}
        The mean over classes, or the mean weighted by their numbers of samples.
    multilabel : bool
        Whether each column is a separate label, of which a sample may have any number.

    Returns
    -------
    float
        NaN if a class has no samples or all of them, or if a score is NaN.

    Examples
    --------
    >>> roc_auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.75
    """
    where = "roc_auc"
    y = as_scores(y, where)
    if average not in ("macro", "weighted"):
        raise InvalidValueError(f"average is {average!r}, expected 'macro' or 'weighted'", where=where)
    true: Array
    if multilabel:
        _, true, _ = as_labels_of_columns(y, t, 0, where)
    elif is_one_column(y):
        true = as_true_classes(y, t, where).reshape(-1, 1) == 1
    else:
        true = as_true_classes(y, t, where)[:, np.newaxis] == np.arange(y.shape[-1])
    scores = y.reshape(true.shape)
    if np.isnan(scores).any():
        return float("nan")
    areas = [_area(column, is_true) for column, is_true in zip(scores.T, true.T, strict=True)]
    return float(np.average(areas, weights=true.sum(axis=0) if average == "weighted" else None))


def _area(scores: Array, is_true: Array) -> float:
    """Return the share of pairs in the right order (Mann and Whitney, 1947).

    It is ``(Σ ranks of the true - n (n + 1) / 2) / (n m)``.
    """
    n, m = int(is_true.sum()), int((~is_true).sum())
    if not n or not m:
        return float("nan")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return float((ranks[place][is_true].sum() - n * (n + 1) / 2) / (n * m))


def log_loss(y: ArrayLike, t: ArrayLike, from_logits: bool = False) -> float:
    """Return the mean of -log p, where p is the predicted probability of the true class.

    Parameters
    ----------
    y : array_like (..., C), or (N,) or (N, 1)
        Probabilities: rows that add up to 1, or that of class 1. With `from_logits`, logits: the
        inputs of softmax or sigmoid.
    t : array_like
        As for `accuracy`.
    from_logits : bool

    Returns
    -------
    float
        Infinite if a true class has probability 0.

    Raises
    ------
    InvalidValueError
        For probabilities outside [0, 1], and for rows that do not add up to 1.

    Examples
    --------
    >>> round(log_loss([[0.5, 0.5], [0.25, 0.75]], [0, 1]), 4)
    0.4904
    >>> round(log_loss([0.0, np.log(3)], [0, 1], from_logits=True), 4)
    0.4904
    """
    where = "log_loss"
    y = as_scores(y, where).astype(np.float64)
    true, rows = as_true_classes(y, t, where), y.reshape(-1, 1 if y.ndim == 1 else y.shape[-1])
    if from_logits:
        rows = np.hstack([np.zeros_like(rows), rows]) if is_one_column(y) else rows
        top = rows - rows.max(axis=-1, keepdims=True)
        log_p = top - np.log(np.exp(top).sum(axis=-1, keepdims=True))
    else:
        rows = np.hstack([1 - rows, rows]) if is_one_column(y) else rows
        _require_probabilities(rows, where)
        with np.errstate(divide="ignore"):
            log_p = np.log(rows)
    return float(-log_p[np.arange(len(rows)), true].mean()) + 0.0


def _require_probabilities(rows: Array, where: str) -> None:
    hint = "Pass from_logits=True for logits."
    if ((rows < 0) | (rows > 1)).any():
        raise InvalidValueError("got probabilities outside [0, 1]", where=where, hint=hint)
    if (np.abs(rows.sum(axis=-1) - 1) > 1e-3).any():
        raise InvalidValueError("got rows of probabilities that do not add up to 1", where=where, hint=hint)
