"""Which classes the outputs predict, and which are true.

The numbers of axes determine what y and t are, never their sizes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...arrays import Array, ArrayLike, as_array, as_number, require_one_output
from ...errors import InvalidTypeError, InvalidValueError, ShapeError

NONE = -1
"""The predicted class of a sample with a NaN among its scores."""


class Classes(NamedTuple):
    """Class numbers, one for each sample."""

    predicted: Array
    true: Array
    n_classes: int


def as_scores(y: ArrayLike, where: str) -> Array:
    """Return the outputs of a model as an array.

    Raises
    ------
    InvalidTypeError
        For a tuple of several outputs: NumPy would stack them.
    ShapeError
        For no samples.
    """
    require_one_output(y, where, f"Choose one: lambda y, t: nl.{where}(y[0], t).")
    y = as_array(y, where)
    if y.size == 0 or y.ndim == 0:
        raise ShapeError(f"got y of shape {y.shape}, expected at least one sample", where=where)
    return y


def is_one_column(y: Array) -> bool:
    """Return whether there is one score for each sample, the score of class 1."""
    return y.ndim == 1 or y.shape[-1] == 1


def as_threshold(y: Array, threshold: float | None, where: str) -> float:
    """Return the score above which a label is predicted: by default, 0 for logits.

    Raises
    ------
    InvalidValueError
        If the scores may be logits or probabilities, and the result depends on which.
    """
    if threshold is not None:
        return as_number(threshold, "threshold", where)
    looks_like_probability = np.all((y >= 0) & (y <= 1) | np.isnan(y))
    if looks_like_probability and np.any((y > 0) & (y <= 0.5)):
        hint = "Pass threshold=0.5 for probabilities, or threshold=0 for logits."
        raise InvalidValueError("got scores in [0, 1], which may be probabilities or logits", where=where, hint=hint)
    return 0.0


def as_classes(y: Array, t: ArrayLike, threshold: float | None, where: str) -> Classes:
    """Return predicted and true class numbers, flat."""
    if threshold is not None and not is_one_column(y):
        hint = "Leave threshold out: the largest score of a row decides."
        raise InvalidValueError(f"got threshold={threshold!r} for {y.shape[-1]} scores per sample", where=where, hint=hint)
    true = as_true_classes(y, t, where)
    if is_one_column(y):
        predicted = np.where(np.isnan(y), NONE, y > as_threshold(y, threshold, where))
        return Classes(predicted.ravel(), true, 2)
    predicted = y.argmax(axis=-1)
    if np.isnan(y.max()):
        predicted[np.isnan(y).any(axis=-1)] = NONE
    return Classes(predicted.ravel(), true, y.shape[-1])


def as_true_classes(y: Array, t: ArrayLike, where: str) -> Array:
    """Return the class numbers of the targets, flat."""
    t = as_array(t, where)
    if is_one_column(y):
        return _as_bits(t, y, where).astype(np.intp).ravel()
    classes = as_one_class(t, y, where) if t.shape == y.shape else as_labels(t, y.shape[:-1], y.shape[-1], where)
    return classes.ravel()


def as_one_class(t: Array, y: Array, where: str) -> Array:
    """Return the class numbers of one-hot or probability rows.

    Raises
    ------
    InvalidValueError
        For rows with several ones or none, which are several labels per sample.
    """
    if not np.allclose(t.sum(axis=-1), 1, rtol=0, atol=1e-3):
        hint = "For several labels per sample use nl.multilabel_accuracy, or precision, recall and f1_score with multilabel=True."
        raise InvalidValueError("got rows of targets that do not add up to 1", where=where, hint=hint)
    classes: Array = t.argmax(axis=-1)
    return classes


def as_labels(t: Array, shape: tuple[int, ...], n_classes: int | None, where: str) -> Array:
    """Return class numbers, checked."""
    if t.shape != shape:
        expected = f"{shape} for class numbers" + (f" or {(*shape, n_classes)} for probabilities" if n_classes else "")
        raise ShapeError(f"got t of shape {t.shape}, expected {expected}", where=where)
    if t.dtype.kind not in "iub":
        hint = "Convert them: t.astype(int)."
        raise InvalidTypeError(f"got class numbers of {t.dtype}, expected integers", where=where, hint=hint)
    if t.min() < 0 or (n_classes is not None and t.max() >= n_classes):
        expected = "0 or more" if n_classes is None else f"0 to {n_classes - 1}"
        raise InvalidValueError(f"got class numbers from {t.min()} to {t.max()}, expected {expected}", where=where)
    return t.astype(np.intp)


def as_labels_of_columns(y: Array, t: ArrayLike, threshold: float | None, where: str) -> tuple[Array, Array, Array]:
    """Return which labels are predicted, which are true, and which scores are NaN.

    All three are matrices with a column for each label. A NaN predicts no label.
    """
    true = _as_bits(as_array(t, where), y, where)
    predicted = y > as_threshold(y, threshold, where)
    columns = y.shape[-1]
    return predicted.reshape(-1, columns), true.reshape(-1, columns), np.isnan(y).reshape(-1, columns)


def _as_bits(t: Array, y: Array, where: str) -> Array:
    if t.shape != y.shape:
        raise ShapeError(f"got y of shape {y.shape} and t of shape {t.shape}, expected equal shapes", where=where)
    if not np.all((t == 0) | (t == 1)):
        hint = "Give a score for each class." if is_one_column(y) else "Targets are ones where a label applies, and zeros."
        raise InvalidValueError("got targets that are neither 0 nor 1", where=where, hint=hint)
    bits: Array = t == 1
    return bits
