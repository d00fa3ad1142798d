from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike
from ..errors import InvalidValueError, ShapeError
from ..layers.rules import Shape, Shapes
from .loss import Loss, as_same_shape, product_or_zero


class KLDivergence(Loss):
    """``Σ t (log t - y)`` over the last axis, for log-probabilities y and probabilities t.

    Kullback and Leibler, 1951, with 0 log 0 = 0. ∂/∂y = -t. The mean is over the samples, which
    PyTorch calls ``"batchmean"``.

    >>> loss = KLDivergence()
    >>> loss.forward(np.log([[0.5, 0.5]]), [[0.0, 1.0]]), loss.backward()
    (0.6931471805599453, array([[-0., -1.]]))
    """

    def terms(self, y: Array, t: ArrayLike) -> tuple[Array, ...]:
        """Return the divergences and t."""
        if not y.ndim or not y.shape[-1]:
            raise ShapeError(f"got y of shape {y.shape}, expected (…, classes)", where=self)
        t = as_same_shape(y, t, self)
        if not (t >= 0).all():
            hint = "Targets are probabilities, not their logarithms."
            raise InvalidValueError("got negative targets", where=self, hint=hint)
        log_t = np.log(t, out=np.zeros_like(t), where=t > 0)
        return np.add.reduce(product_or_zero(t, log_t - y), axis=-1), t.copy()

    def derivative(self, t: Array) -> Array:
        """Return -t."""
        return -t

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return Σ t (log t − y), with log 1 instead of log 0, reduced over the samples."""
        term = "sum[axis=-1](t ⊙ (log(t + [t = 0]) − y))"
        return self.reduction_rule(term, "−t", inputs, targets="t ≥ 0", of_rows=True)
