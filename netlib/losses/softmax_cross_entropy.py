from __future__ import annotations

import math

import numpy as np

from ..arrays import Array, ArrayLike, as_array, as_number, as_rows
from ..errors import ShapeError
from ..kernels.softmax_cross_entropy import log_softmax, negative_log_likelihood, subtract_labels
from ..layers.rules import Shape, Shapes, format_number
from .labels import LabelLoss, as_labels, unknown_label
from .loss import as_same_shape, product_or_zero


class SoftmaxCrossEntropy(LabelLoss):
    """``-Σ t log softmax(y)`` over the last axis, for logits y (…, classes).

    With log p = log_softmax(y): ∂/∂y = p Σt - t. Here p = exp(log p), from the same logarithms as
    the loss, so that loss and gradient agree for logits of any size. Section 1.2.2 with L a scalar:
    ∂L/∂y_k = Σ_i ∂L/∂p_i ∂p_i/∂y_k.

    Parameters
    ----------
    label_smoothing : float
        The share e of each target that is spread evenly over the classes:
        (1 - e) t + e / classes (Szegedy et al., 2016).
    reduction : {"mean", "sum", "none"}
        Over the samples.
    class_weight : array_like (classes,), optional
        The weight of the targets of each class, in the loss and in the denominator of the mean.
    ignore_index : int, optional
        The label of samples that do not count, such as padding. It need not be a class.

    Notes
    -----
    Targets are class numbers, an integer array of shape (…), or probabilities such as one-hot rows,
    of the shape of y. The number of axes determines which, never their lengths.

    Weights of classes turn labels into weighted probabilities: t_k = class_weight_k onehot_k, or 0
    where the label is to be ignored. The mean divides by the weights of the labels.

    >>> loss = SoftmaxCrossEntropy()
    >>> loss.forward([[0.0, 1000.0]], [0]), loss.backward()
    (1000.0, array([[-1.,  1.]]))
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
        class_weight: ArrayLike | None = None,
        ignore_index: int | None = None,
    ) -> None:
        super().__init__(reduction, class_weight, ignore_index)
        where = "SoftmaxCrossEntropy"
        self.label_smoothing = as_number(label_smoothing, "label_smoothing", where, least=0, below=1)

    def terms(self, y: Array, t: ArrayLike) -> tuple[Array, ...]:
        """Return the losses, log p, and the targets."""
        if not y.ndim or not y.shape[-1]:
            raise ShapeError(f"got y of shape {y.shape}, expected (…, classes)", where=self)
        if y.shape[-1] == 1:
            hint = "Use SigmoidCrossEntropy for one output, or one output for each class."
            message = f"got y of shape {y.shape}: over one class the loss is always 0"
            raise ShapeError(message, where=self, hint=hint)
        t = as_array(t, self)
        if self.class_weight is not None or self.ignore_index is not None:
            return self._weighted_terms(y, self.weigh(y, t)[0])
        log_p = log_softmax.of(y.dtype)(y)
        if t.ndim == y.ndim:
            t = as_same_shape(y, t, self)
            p: Array = (1 - self.label_smoothing) * t + self.label_smoothing / y.shape[-1]
            return -np.add.reduce(product_or_zero(p, log_p), axis=-1), log_p, p
        labels = as_labels(y, t, self)
        terms = np.empty(labels.size, y.dtype)
        if not negative_log_likelihood.of(y.dtype)(as_rows(log_p), labels, terms):
            raise unknown_label(t, y.shape[-1], self)
        if self.label_smoothing:
            mean = as_rows(log_p).mean(axis=-1)
            terms = (1 - self.label_smoothing) * terms - self.label_smoothing * mean
        return terms.reshape(t.shape), log_p, labels

    def derivative(self, log_p: Array, t: Array) -> Array:
        """Return p Σt - t."""
        p: Array = np.exp(log_p)
        if t.shape == p.shape:
            p = product_or_zero(t.sum(axis=-1, keepdims=True), p)
            p -= t
            return p
        if self.label_smoothing:
            p -= self.label_smoothing / p.shape[-1]
        subtract_labels.of(p.dtype)(as_rows(p), t, 1 - self.label_smoothing)
        return p

    def _weighted_terms(self, y: Array, labels: Array) -> tuple[Array, ...]:
        """Return the losses, log p, and t: smoothed one-hot rows, times the weights of classes."""
        n, share = y.shape[-1], self.label_smoothing
        log_p = log_softmax.of(y.dtype)(y)
        p = (1 - share) * (labels[..., None] == np.arange(n)) + share / n
        p *= 1 if self.class_weight is None else self.class_weight
        p = product_or_zero((labels >= 0)[..., None], p).astype(y.dtype)
        return -np.add.reduce(product_or_zero(p, log_p), axis=-1), log_p, p

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return −Σ t log softmax(y), reduced over the samples."""
        shape, share = inputs[0], self.label_smoothing
        if len(inputs) > 2 or self.class_weight is not None or self.ignore_index is not None:
            return self._weighted_rule(inputs)
        has_labels = len(inputs[1]) < len(shape)
        t = smoothed = f"onehot(t, {shape[-1]})" if has_labels else "t"
        if share:
            smoothed = f"{format_number(1 - share)} {t} + {format_number(share)} / {shape[-1]}"
            t = f"({smoothed})"
        total = "" if has_labels else f" ⊙ sum[axis=-1]({smoothed})"
        along, dL = "", "dL"
        if self.reduction == "none":
            along, dL = "[axis=-1]", "column(dL)" if len(shape) > 1 else "dL"
        mean = f" / {math.prod(shape[:-1])}" if self.reduction == "mean" else ""
        loss = f"−sum{along}({t} ⊙ logsoftmax(y)){mean}"
        return f"L = {loss}; dy = {dL} ⊙ (softmax(y){total} − {t}){mean}"

    def _weighted_rule(self, inputs: Shapes) -> str:
        """Return the rule with weights of samples or classes."""
        n, share = inputs[0][-1], self.label_smoothing
        has_labels = len(inputs[1]) < len(inputs[0])
        t = f"onehot(t, {n})" if has_labels else "t"
        if share:
            t = f"({format_number(1 - share)} {t} + {format_number(share / n)})"
        factor = self.count_rule(inputs)
        if share and self.class_weight is not None:
            classes = [f"{format_number(w)} onehot({k}, {n})" for k, w in enumerate(self.class_weight)]
            t, factor = f"({t} ⊙ ({' + '.join(classes)}))", self.ignore_rule(inputs)
        return self.reduction_rule(
            f"−sum[axis=-1]({t} ⊙ logsoftmax(y))",
            f"softmax(y) ⊙ sum[axis=-1]({t}) − {t}",
            inputs,
            of_rows=True,
            count=self.count_rule(inputs),
            factor=factor,
        )
