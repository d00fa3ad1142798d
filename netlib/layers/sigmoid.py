from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..layer import Layer
from ..underflow import ignore_underflow


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), computed from exp(-|x|), which cannot overflow.

    >>> sigmoid(np.array([-1e4, 0.0, 1e4]))
    array([0. , 0.5, 1. ])
    """
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)  # type: ignore[no-any-return]


class Sigmoid(Layer):
    """``y = 1 / (1 + exp(-x))``.

    ∂y/∂x = exp(-x) / (1 + exp(-x))² = y (1 - y).

    >>> layer = Sigmoid()
    >>> layer.forward([-1e4, 0.0, 1e4]), layer.backward([4.0, 4.0, 4.0])
    (array([0. , 0.5, 1. ]), array([0., 1., 0.]))
    """

    kernel_name = "sigmoid"
    is_positionwise = True
    rule = "y = σ(x); dx = dy ⊙ y ⊙ (1 − y)"

    @ignore_underflow
    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        y = sigmoid(as_floats(x, where=self))
        return self.remember(y, y)

    @ignore_underflow
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, y = self.recall(dout)
        return dout * y * (1 - y)  # type: ignore[no-any-return]
