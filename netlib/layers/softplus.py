from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..layer import Layer
from ..underflow import ignore_underflow
from .sigmoid import sigmoid


def softplus(x: Array) -> Array:
    """Return log(1 + exp(x)), computed as max(x, 0) + log(1 + exp(-|x|)), which cannot overflow.

    >>> softplus(np.array([-1e4, 1e4]))
    array([    0., 10000.])
    """
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


class Softplus(Layer):
    """``y = log(1 + exp(x))``, a smooth version of max(x, 0).

    ∂y/∂x = exp(x) / (1 + exp(x)) = sigmoid(x).

    >>> softplus = Softplus()
    >>> softplus.forward([-1e4, 1e4]), softplus.backward([4.0, 4.0])
    (array([    0., 10000.]), array([0., 4.]))
    """

    kernel_name = "softplus"
    is_positionwise = True
    rule = "y = log(1 + exp(x)); dx = dy ⊙ σ(x)"

    @ignore_underflow
    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        return self.remember(softplus(x), sigmoid(x))

    @ignore_underflow
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, slope = self.recall(dout)
        return dout * slope  # type: ignore[no-any-return]
