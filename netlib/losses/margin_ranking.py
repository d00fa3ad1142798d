from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, as_number
from ..layers.rules import Shape, Shapes, format_number
from .loss import Loss, as_same_shape, require_signs


class MarginRanking(Loss):
    """``max(0, margin - t (x1 - x2))`` for scores x1, x2: t = 1 ranks x1 higher, and t = -1 x2.

    Herbrich, Graepel and Obermayer, 2000. ∂/∂x1 = -t and ∂/∂x2 = t where the loss is positive, and
    0 elsewhere, including the kink.

    >>> loss = MarginRanking(margin=1.0)
    >>> loss.forward([2.0, 0.5], [0.0, 1.0], [1, 1]), loss.backward()
    (0.75, (array([-0. , -0.5]), array([0. , 0.5])))
    """

    n_differentiable_inputs = 2

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = as_number(margin, "margin", "MarginRanking")

    def forward(self, x1: ArrayLike, x2: ArrayLike, t: ArrayLike, weight: ArrayLike | None = None) -> Any:  # type: ignore[override]
        """Return the loss of two scores and targets of -1 or +1."""
        return self.reduce(weight, x1, x2, t)

    def terms(self, x1: Array, x2: Array, t: ArrayLike) -> tuple[Array, ...]:
        """Return the losses and the derivatives with respect to x2."""
        x2, t = as_same_shape(x1, x2, self, "x2", "x1"), require_signs(as_same_shape(x1, t, self, y_name="x1"), self)
        excess = self.margin - t * (x1 - x2)
        return np.maximum(excess, 0), np.where(excess > 0, t, 0)

    def derivative(self, slope: Array) -> tuple[Array, Array]:
        """Return -t and t where the loss is positive, and 0 elsewhere."""
        return -slope, slope.copy()

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return max(0, margin − t (x1 − x2)), reduced."""
        excess = f"{format_number(self.margin)} − t ⊙ (x1 − x2)"
        derivatives = {"x1": f"−t ⊙ [{excess} > 0]", "x2": f"t ⊙ [{excess} > 0]"}
        return self.reduction_rule(f"max(0, {excess})", derivatives, inputs, targets="|t| = 1")
