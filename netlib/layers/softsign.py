from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..layer import Layer
from ..underflow import ignore_underflow


class Softsign(Layer):
    """``y = x / (1 + |x|)``, which approaches ±1 more slowly than tanh (Glorot and Bengio, 2010).

    ∂|x|/∂x = sign(x), so ∂y/∂x = (1 + |x| - x sign(x)) / (1 + |x|)² = 1 / (1 + |x|)².

    >>> layer = Softsign()
    >>> layer.forward([-3.0, 0.0, 1.0]), layer.backward([16.0, 16.0, 16.0])
    (array([-0.75,  0.  ,  0.5 ]), array([ 1., 16.,  4.]))
    """

    kernel_name = "softsign"
    is_positionwise = True
    rule = "y = x / (1 + |x|); dx = dy / (1 + |x|)²"

    @ignore_underflow
    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        share = 1 / (1 + np.abs(x))
        return self.remember(x * share, share * share)

    @ignore_underflow
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, slope = self.recall(dout)
        return dout * slope  # type: ignore[no-any-return]
