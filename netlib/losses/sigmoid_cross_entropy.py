from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..errors import InvalidValueError, ShapeError
from ..layers.rules import Shape, Shapes, format_number
from ..layers.sigmoid import sigmoid
from .loss import Loss, as_same_shape, product_or_zero


class SigmoidCrossEntropy(Loss):
    """``-t log p - (1 - t) log(1 - p)`` with ``p = sigmoid(y)``, for logits y and targets t.

    The targets are in [0, 1] and have the shape of y.

    With log p = y - s and log(1 - p) = -s, where s = log(1 + exp(y)), the loss is
    s - t y = a |y| + log(1 + exp(-|y|)), where a is 1 - t for y ≥ 0 and t for y < 0. It is accurate
    where p rounds to 0 or 1, and even at y = ±∞. ∂/∂y = sigmoid(y) - t.

    With a weight q of positives: ``-q t log p - (1 - t) log(1 - p)``, that is t' (-log p) + (1 - t)
    (-log(1 - p)) with t' = q t. ∂/∂y = (1 - t) p - t' (1 - p).

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Over the elements.
    pos_weight : float or array_like, optional
        The weight of positive targets: one number, or one for each element along the last axes.

    >>> loss = SigmoidCrossEntropy(reduction="sum")
    >>> loss.forward([-1000.0, 1000.0], [1, 1]), loss.backward()
    (1000.0, array([-1.,  0.]))
    """

    def __init__(self, reduction: str = "mean", pos_weight: ArrayLike | None = None) -> None:
        super().__init__(reduction)
        self.pos_weight = None if pos_weight is None else as_floats(pos_weight, np.dtype(np.float64), "SigmoidCrossEntropy", copy=True)
        if self.pos_weight is not None and not (np.isfinite(self.pos_weight) & (self.pos_weight >= 0)).all():
            message = "pos_weight has a number that is negative or not finite"
            raise InvalidValueError(message, where="SigmoidCrossEntropy")

    def terms(self, y: Array, t: ArrayLike) -> tuple[Array, ...]:
        """Return the losses, y and t."""
        t = as_same_shape(y, t, self)
        if not ((t >= 0) & (t <= 1)).all():
            hint = "Targets are probabilities, or zeros and ones."
            raise InvalidValueError("got targets outside [0, 1]", where=self, hint=hint)
        size = np.abs(y)
        if self.pos_weight is None:
            terms = product_or_zero(np.where(y < 0, t, 1 - t), size) + np.log1p(np.exp(-size))
            return terms, y.copy(), t.copy()
        if self.pos_weight.ndim and self.pos_weight.shape != y.shape[-self.pos_weight.ndim :]:
            message = f"pos_weight has shape {self.pos_weight.shape}, expected that of the last axes of y, {y.shape}"
            raise ShapeError(message, where=self)
        positive, negative = (self.pos_weight * t).astype(y.dtype), 1 - t
        terms = product_or_zero(np.where(y < 0, positive, negative), size) + (positive + negative) * np.log1p(np.exp(-size))
        return terms, y.copy(), negative, positive

    def derivative(self, y: Array, t: Array, positive: Array | None = None) -> Array:
        """Return sigmoid(y) - t; with weights of positives, `t` is 1 - t, and `positive` is t'."""
        p: Array = sigmoid(y)
        return p - t if positive is None else t * p - positive * sigmoid(-y)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return s − t y, reduced."""
        if self.pos_weight is not None:
            q = "pos_weight ⊙" if self.pos_weight.ndim else format_number(float(self.pos_weight))
            term = f"{q} t ⊙ log(1 + exp(−y)) + (1 − t) ⊙ log(1 + exp(y))"
            derivative = f"(1 − t) ⊙ σ(y) − {q} t ⊙ σ(−y)"
            return self.reduction_rule(term, derivative, inputs, targets="0 ≤ t ≤ 1")
        term = "log(1 + exp(y)) − t ⊙ y"
        return self.reduction_rule(term, "σ(y) − t", inputs, targets="0 ≤ t ≤ 1")
