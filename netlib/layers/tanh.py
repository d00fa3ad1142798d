from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..layer import Layer
from ..underflow import ignore_underflow


class Tanh(Layer):
    """``y = tanh(x)``.

    ∂y/∂x = 1 - tanh(x)² = 1 - y².

    >>> layer = Tanh()
    >>> layer.forward([-1e4, 0.0, 1e4]), layer.backward([4.0, 4.0, 4.0])
    (array([-1.,  0.,  1.]), array([0., 4., 0.]))
    """

    kernel_name = "tanh"
    is_positionwise = True
    rule = "y = tanh(x); dx = dy ⊙ (1 − y²)"

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        y = np.tanh(as_floats(x, where=self))
        return self.remember(y, y)

    @ignore_underflow
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, y = self.recall(dout)
        return dout * (1 - y * y)  # type: ignore[no-any-return]
