from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, as_number
from ..errors import ShapeError
from ..layers.rules import Shape, Shapes, format_number
from .loss import Loss, as_same_shape, require_signs


class CosineEmbedding(Loss):
    """``1 - c`` for pairs with t = 1, and ``max(0, c - margin)`` for t = -1; c is the cosine.

    c = u · v with the unit vectors u = x1 / |x1| and v = x2 / |x2| along the last axis, so that
    ∂c/∂x1 = (v - c u) / |x1| and ∂c/∂x2 = (u - c v) / |x2|. A vector of zeros has no direction: its
    cosine is 0, and so is the gradient.

    >>> loss = CosineEmbedding()
    >>> loss.forward([[3.0, 4.0]], [[2.0, 0.0]], [1]), loss.backward()
    (0.4, (array([[-0.128,  0.096]]), array([[-0. , -0.4]])))
    """

    n_differentiable_inputs = 2

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = as_number(margin, "margin", "CosineEmbedding")

    def forward(self, x1: ArrayLike, x2: ArrayLike, t: ArrayLike, weight: ArrayLike | None = None) -> Any:  # type: ignore[override]
        """Return the loss of pairs x1, x2 (…, features) and targets (…) of -1 or +1."""
        return self.reduce(weight, x1, x2, t)

    def terms(self, x1: Array, x2: Array, t: ArrayLike) -> tuple[Array, ...]:
        """Return the losses, their slopes with respect to c, c, unit vectors and lengths."""
        if not x1.ndim:
            raise ShapeError("got x1 of shape (), expected (…, features)", where=self)
        x2 = as_same_shape(x1, x2, self, "x2", "x1")
        u, length1 = unit_and_length(x1)
        v, length2 = unit_and_length(x2)
        c = np.add.reduce(u * v, axis=-1, keepdims=True)
        t = require_signs(as_same_shape(c[..., 0], t, self, y_name="the pairs"), self)[..., None]
        excess = np.where(t > 0, 1 - c, c - self.margin)
        slope = np.where(excess > 0, -t, 0)
        return np.where(t > 0, excess, np.maximum(excess, 0))[..., 0], slope, c, u, length1, v, length2

    def derivative(self, slope: Array, c: Array, u: Array, length1: Array, v: Array, length2: Array) -> tuple[Array, Array]:
        """Return the slope times (v - c u) / |x1| and (u - c v) / |x2|."""
        known = (length1 > 0) & (length2 > 0)
        slope = slope * known
        return slope * (v - c * u) / np.where(known, length1, 1), slope * (u - c * v) / np.where(known, length2, 1)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return 1 − c or max(0, c − margin), reduced."""
        length1, length2 = "sqrt(sum[axis=-1](x1²))", "sqrt(sum[axis=-1](x2²))"
        t = "column(t)" if inputs[0][:-1] else "t"
        u, v = f"x1 / {length1}", f"x2 / {length2}"
        c = f"(sum[axis=-1](x1 ⊙ x2) / {length1} / {length2})"
        margin = format_number(self.margin)
        slope = f"([{t} < 0] ⊙ [{c} > {margin}] − [{t} > 0])"
        term = f"[{t} > 0] ⊙ (1 − {c}) + [{t} < 0] ⊙ max(0, {c} − {margin})"
        derivatives = {
            "x1": f"{slope} ⊙ ({v} − {c} ⊙ {u}) / {length1}",
            "x2": f"{slope} ⊙ ({u} − {c} ⊙ {v}) / {length2}",
        }
        return self.reduction_rule(term, derivatives, inputs, targets="|t| = 1", of_rows=True)


def unit_and_length(x: Array) -> tuple[Array, Array]:
    """Return x / |x| along the last axis, 0 where x is 0, and |x| with an axis of length 1.

    The squares neither overflow nor underflow, since x is divided by its largest number first.

    >>> unit_and_length(np.array([[3e200, 4e200], [0.0, 0.0]]))
    (array([[0.6, 0.8],
           [0. , 0. ]]), array([[5.e+200],
           [0.e+000]]))
    """
    largest = np.abs(x).max(axis=-1, keepdims=True, initial=0)
    scaled = x / np.where(largest > 0, largest, 1)
    length = np.sqrt(np.add.reduce(scaled * scaled, axis=-1, keepdims=True))
    return scaled / np.where(length > 0, length, 1), length * largest
