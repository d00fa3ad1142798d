from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..layer import Layer


class Abs(Layer):
    """``y = |x|``.

    ∂y/∂x = sign(x), which is 1 or -1. At the kink x = 0, any slope from -1 to 1 is a subgradient;
    like PyTorch, this layer takes 0.

    >>> size = Abs()
    >>> size.forward([-2.0, 0.0, 3.0]), size.backward([5.0, 5.0, 5.0])
    (array([2., 0., 3.]), array([-5.,  0.,  5.]))
    """

    kernel_name = "abs"
    is_positionwise = True
    rule = "y = |x|; dx = dy ⊙ sign(x)"

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        return self.remember(np.abs(x), np.sign(x))

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, sign = self.recall(dout)
        return dout * sign  # type: ignore[no-any-return]
