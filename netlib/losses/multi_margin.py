from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_number
from ..layers.rules import Shape, Shapes, format_number
from .labels import LabelLoss
from .loss import product_or_zero


class MultiMargin(LabelLoss):
    """``Σ max(0, margin - y_t + y_k) / classes`` over the classes k ≠ t, for scores y and labels t.

    Crammer and Singer, 2001, in the form of Weston and Watkins, 1999. With h_k = 1 where the k-th
    summand is positive and 0 elsewhere, ∂/∂y_k = h_k / classes, and ∂/∂y_t = -Σ h_k / classes.

    >>> loss = MultiMargin()
    >>> loss.forward([[0.5, 1.0, -2.0]], [0]), loss.backward()
    (0.5, array([[-0.33333333,  0.33333333,  0.        ]]))
    """

    def __init__(
        self,
        margin: float = 1.0,
        reduction: str = "mean",
        class_weight: ArrayLike | None = None,
        ignore_index: int | None = None,
    ) -> None:
        super().__init__(reduction, class_weight, ignore_index)
        self.margin = as_number(margin, "margin", "MultiMargin")

    def terms(self, y: Array, t: ArrayLike) -> tuple[Array, ...]:
        """Return the losses and the derivatives."""
        one_hot, counts = self.one_hot(y, t)
        n = y.shape[-1]
        of_label = np.add.reduce(product_or_zero(one_hot, y), axis=-1, keepdims=True)
        excess = np.where(one_hot, 0, self.margin - of_label + y).astype(y.dtype)
        slope = (excess > 0).astype(y.dtype)
        slope -= one_hot * np.add.reduce(slope, axis=-1, keepdims=True)
        terms = np.add.reduce(np.maximum(excess, 0), axis=-1, keepdims=True) / n
        return product_or_zero(counts, terms)[..., 0], slope * counts / n

    def derivative(self, slope: Array) -> Array:
        """Return h / classes, and at the label -Σ h / classes."""
        return slope.copy()

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return Σ max(0, margin − y_t + y_k) / classes over the other classes, reduced."""
        n = inputs[0][-1]
        t = f"onehot(t, {n})"
        excess = f"(1 − {t}) ⊙ ({format_number(self.margin)} − sum[axis=-1]({t} ⊙ y) + y)"
        term = f"sum[axis=-1](max(0, {excess})) / {n}"
        derivative = f"([{excess} > 0] − {t} ⊙ sum[axis=-1]([{excess} > 0])) / {n}"
        return self.reduction_rule(term, derivative, inputs, of_rows=True, count=self.count_rule(inputs))
