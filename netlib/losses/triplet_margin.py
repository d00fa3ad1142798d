from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, as_number
from ..errors import ShapeError
from ..layers.rules import Shape, Shapes, format_number
from .cosine_embedding import unit_and_length
from .loss import Loss, as_same_shape


class TripletMargin(Loss):
    """``max(0, |a - p| - |a - n| + margin)`` with distances over the last axis.

    It pulls the anchor a to the positive p, of the same class, and away from the negative n
    (Schroff, Kalenichenko and Philbin, 2015). With the unit vectors u = (a - p) / |a - p| and
    v = (a - n) / |a - n|, which are 0 at distance 0: ∂/∂a = u - v, ∂/∂p = -u, ∂/∂n = v where the
    loss is positive, and 0 elsewhere. There are no targets.

    >>> loss = TripletMargin()
    >>> loss.forward([[0.0, 0.0]], [[3.0, 4.0]], [[0.0, 2.0]])
    4.0
    >>> loss.backward()
    (array([[-0.6,  0.2]]), array([[0.6, 0.8]]), array([[ 0., -1.]]))
    """

    n_differentiable_inputs = 3
    n_nondifferentiable_inputs = 0

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = as_number(margin, "margin", "TripletMargin")

    def forward(self, anchor: ArrayLike, positive: ArrayLike, negative: ArrayLike, weight: ArrayLike | None = None) -> Any:  # type: ignore[override]
        """Return the loss of three arrays (…, features)."""
        return self.reduce(weight, anchor, positive, negative)

    def terms(self, anchor: Array, positive: Array, negative: Array) -> tuple[Array, ...]:
        """Return the losses and the two unit vectors, 0 where the loss is 0."""
        if not anchor.ndim:
            raise ShapeError("got an anchor of shape (), expected (…, features)", where=self)
        u, near = unit_and_length(anchor - as_same_shape(anchor, positive, self, "positive", "the anchor"))
        v, far = unit_and_length(anchor - as_same_shape(anchor, negative, self, "negative", "the anchor"))
        excess = near - far + self.margin
        return np.maximum(excess, 0)[..., 0], u * (excess > 0), v * (excess > 0)

    def derivative(self, u: Array, v: Array) -> tuple[Array, Array, Array]:
        """Return u - v, -u, and v."""
        return u - v, -u, v.copy()

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return max(0, |a − p| − |a − n| + margin), reduced."""
        near, far = (f"sqrt(sum[axis=-1]((anchor − {x})²))" for x in ("positive", "negative"))
        excess = f"{near} − {far} + {format_number(self.margin)}"
        u, v = f"(anchor − positive) / {near}", f"(anchor − negative) / {far}"
        derivatives = {
            "anchor": f"({u} − {v}) ⊙ [{excess} > 0]",
            "positive": f"−{u} ⊙ [{excess} > 0]",
            "negative": f"{v} ⊙ [{excess} > 0]",
        }
        return self.reduction_rule(f"max(0, {excess})", derivatives, inputs, of_rows=True)
