from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..layer import Layer


class ReLU(Layer):
    """``y = max(x, 0)``.

    ∂y/∂x is 1 where x > 0 and 0 where x < 0. At the kink x = 0, any slope from 0 to 1 is a
    subgradient; like PyTorch, this layer takes 0.

    >>> relu = ReLU()
    >>> relu.forward([-1.0, 0.0, 2.0]), relu.backward([5.0, 5.0, 5.0])
    (array([0., 0., 2.]), array([0., 0., 5.]))
    """

    kernel_name = "relu"
    is_positionwise = True
    rule = "y = max(0, x); dx = dy ⊙ [x > 0]"

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        return self.remember(np.maximum(x, 0), x > 0)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, positive = self.recall(dout)
        return dout * positive  # type: ignore[no-any-return]
