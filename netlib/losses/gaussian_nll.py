from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike
from ..errors import InvalidValueError
from ..layers.rules import Shape, Shapes, format_number
from .loss import Loss, as_same_shape


class GaussianNLL(Loss):
    """``(log v + (y - t)² / v) / 2`` for a mean y, a variance v and a target t, of equal shapes.

    The negative logarithm of the normal density without its constant (Nix and Weigend, 1994). With
    z = (y - t) / sqrt(v): ∂/∂y = z / sqrt(v) and ∂/∂v = (1 - z²) / (2 v). Variances must be
    positive, such as the output of `Softplus` or `Exp`.

    Parameters
    ----------
    full : bool
        Whether to add the constant log(2 π) / 2.
    reduction : {"mean", "sum", "none"}
        Over the elements.

    >>> loss = GaussianNLL()
    >>> loss.forward([1.0, 2.0], [1.0, 4.0], [0.0, 6.0])
    1.59657359...
    >>> loss.backward()
    (array([ 0.5, -0.5]), array([ 0.    , -0.1875]))
    """

    n_differentiable_inputs = 2

    def __init__(self, full: bool = False, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.full = full

    def forward(self, y: ArrayLike, variance: ArrayLike, t: ArrayLike, weight: ArrayLike | None = None) -> Any:  # type: ignore[override]
        """Return the loss of means, variances and targets."""
        return self.reduce(weight, y, variance, t)

    def terms(self, y: Array, variance: Array, t: ArrayLike) -> tuple[Array, ...]:
        """Return the losses, z, and the standard deviations."""
        variance, t = as_same_shape(y, variance, self, "variance"), as_same_shape(y, t, self)
        if not (variance > 0).all():
            hint = "Let the model end in Softplus or Exp for the variance."
            raise InvalidValueError("got a variance that is not positive", where=self, hint=hint)
        deviation = np.sqrt(variance)
        z = (y - t) / deviation
        constant = math.log(2 * math.pi) if self.full else 0.0
        return (np.log(variance) + z * z + constant) / 2, z, deviation

    def derivative(self, z: Array, deviation: Array) -> tuple[Array, Array]:
        """Return z / sqrt(v) and (1 - z²) / (2 v)."""
        return z / deviation, (1 - z * z) / 2 / deviation / deviation

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return (log v + (y − t)² / v) / 2, reduced."""
        constant = f" + {format_number(math.log(2 * math.pi))}" if self.full else ""
        term = f"(log(variance) + (y − t)² / variance{constant}) / 2"
        derivatives = {"y": "(y − t) / variance", "variance": "(1 − (y − t)² / variance) / (2 variance)"}
        return self.reduction_rule(term, derivatives, inputs, targets="variance > 0")
