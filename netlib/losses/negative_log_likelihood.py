from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike
from ..layers.rules import Shape, Shapes
from .labels import LabelLoss
from .loss import product_or_zero


class NegativeLogLikelihood(LabelLoss):
    """``-y_t`` for log-probabilities y (…, classes) of a `LogSoftmax` and labels t (…).

    Bishop, 2006, section 4.3.4. ∂/∂y_k = -1 for the label k = t, and 0 elsewhere.

    >>> loss = NegativeLogLikelihood()
    >>> loss.forward(np.log([[0.5, 0.5], [0.25, 0.75]]), [0, 0]), loss.backward()
    (1.0397207708399179, array([[-0.5, -0. ],
           [-0.5, -0. ]]))
    """

    def terms(self, y: Array, t: ArrayLike) -> tuple[Array, ...]:
        """Return the losses, and one-hot rows times the weights of the labels."""
        one_hot, counts = self.one_hot(y, t)
        p = one_hot * counts
        return -np.add.reduce(product_or_zero(p, y), axis=-1), p

    def derivative(self, p: Array) -> Array:
        """Return -1 at the label, times its weight."""
        return -p

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return −sum of y at the labels, reduced."""
        t = f"onehot(t, {inputs[0][-1]})"
        return self.reduction_rule(f"−sum[axis=-1]({t} ⊙ y)", f"−{t}", inputs, of_rows=True, count=self.count_rule(inputs))
