"""The base class of losses for labels, whose classes may have weights."""

from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_array, as_floats
from ..errors import InvalidTypeError, InvalidValueError, ShapeError
from ..layers.rules import Shapes, format_number
from .loss import Loss


class LabelLoss(Loss):
    """The base class of losses for scores (…, classes) and labels (…).

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Over the samples.
    class_weight : array_like (classes,), optional
        The weight of the labels of each class, in the loss and in the denominator of the mean.
    ignore_index : int, optional
        The label of samples that do not count, such as padding. It need not be a class.
    """

    def __init__(self, reduction: str = "mean", class_weight: ArrayLike | None = None, ignore_index: int | None = None) -> None:
        super().__init__(reduction)
        self.class_weight = None if class_weight is None else as_class_weight(class_weight, type(self).__name__)
        self.ignore_index = ignore_index

    def counts(self, y: Array, t: ArrayLike) -> Array | None:
        """Return the weight of each label, or None if all are 1."""
        if self.class_weight is None and self.ignore_index is None:
            return None
        return self.weigh(y, t)[1]

    def weigh(self, y: Array, t: ArrayLike) -> tuple[Array, Array]:
        """Return the labels, with -1 for those to be ignored, and their weights.

        >>> LabelLoss(class_weight=[1, 3], ignore_index=-100).weigh(np.zeros((3, 2)), [1, 0, -100])
        (array([ 1,  0, -1]), array([3., 1., 0.]))
        """
        t = as_array(t, self)
        if not y.ndim or not y.shape[-1]:
            raise ShapeError(f"got y of shape {y.shape}, expected (…, classes)", where=self)
        n_classes = y.shape[-1]
        if t.ndim == y.ndim:
            hint = "Multiply the probabilities by the weights yourself: t * class_weight."
            raise ShapeError("class_weight and ignore_index are for labels, got probabilities", where=self, hint=hint)
        if self.class_weight is not None and len(self.class_weight) != n_classes:
            message = f"class_weight has {len(self.class_weight)} numbers, expected one for each of {n_classes} classes"
            raise ShapeError(message, where=self)
        labels = as_labels(y, t, self).reshape(t.shape)
        counts = np.ones(t.shape, bool) if self.ignore_index is None else labels != self.ignore_index
        known = (labels >= 0) & (labels < n_classes)
        if (counts & ~known).any():
            raise unknown_label(t[counts], n_classes, self)
        labels = np.where(counts, labels, -1)
        return labels, counts * (1.0 if self.class_weight is None else self.class_weight[labels])

    def one_hot(self, y: Array, t: ArrayLike) -> tuple[Array, Array]:
        """Return the labels as one-hot rows, and their weights as a column, in the type of y.

        The row of a label to be ignored is 0.
        """
        labels, counts = self.weigh(y, t)
        return labels[..., None] == np.arange(y.shape[-1]), counts[..., None].astype(y.dtype)

    def count_rule(self, inputs: Shapes) -> str:
        """Return the weights of the labels as a formula, empty if all are 1."""
        ignored = self.ignore_rule(inputs)
        if self.class_weight is None:
            return ignored
        t = "column(t)" if inputs[1] else "t"
        weights = [f"{format_number(w)} [{t} = {k}]" for k, w in enumerate(self.class_weight)]
        return f"({' + '.join(weights)})" + (f" ⊙ {ignored}" if ignored else "")

    def ignore_rule(self, inputs: Shapes) -> str:
        """Return 1 for labels that count and 0 for others as a formula, empty if all count."""
        t = "column(t)" if inputs[1] else "t"
        return "" if self.ignore_index is None else f"[{t} ≠ {format_number(self.ignore_index)}]"


def as_class_weight(class_weight: ArrayLike, where: object) -> Array:
    """Return the weights of classes as an array, or raise."""
    weight = as_floats(class_weight, np.dtype(np.float64), where, copy=True)
    if weight.ndim != 1:
        raise ShapeError(f"class_weight has shape {weight.shape}, expected (classes,)", where=where)
    if not (np.isfinite(weight) & (weight >= 0)).all():
        raise InvalidValueError("class_weight has a number that is negative or not finite", where=where)
    return weight


def as_labels(y: Array, t: Array, where: object) -> Array:
    """Return labels as a vector of int64, or raise if they do not fit y (…, classes)."""
    if t.shape != y.shape[:-1]:
        expected = f"labels of shape {y.shape[:-1]} or probabilities of shape {y.shape}"
        message = f"got y of shape {y.shape} and t of shape {t.shape}, expected {expected}"
        raise ShapeError(message, where=where)
    return as_whole_numbers(t, where).reshape(-1)


def as_whole_numbers(t: Array, where: object) -> Array:
    """Return labels as int64, or raise if they are not integers."""
    if t.dtype.kind not in "iu":
        hint = "Convert them with t.astype(int)."
        raise InvalidTypeError(f"got labels of {t.dtype}, expected whole numbers", where=where, hint=hint)
    return t.astype(np.int64)


def unknown_label(t: Array, n_classes: int, where: object) -> InvalidValueError:
    """Return the error for labels that include an unknown class."""
    worst = int(t.max() if t.max() >= n_classes else t.min())
    message = f"got the label {worst}, expected 0 to {n_classes - 1}"
    hint = "Number the classes from 0, and give the model an output for each."
    return InvalidValueError(message, where=where, hint=hint)
