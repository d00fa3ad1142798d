from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..layer import Layer
from ..underflow import ignore_underflow


class Hardsigmoid(Layer):
    """``y = (x + 3) / 6``, clipped to [0, 1]: a line through the middle of the sigmoid.

    ∂y/∂x is 1/6 where -3 < x < 3 and 0 elsewhere, including both kinks. This is the definition of
    PyTorch and of Howard et al., 2019; Courbariaux et al., 2015, use another slope.

    >>> layer = Hardsigmoid()
    >>> layer.forward([-3.0, 0.0, 1e4]), layer.backward([6.0, 6.0, 6.0])
    (array([0. , 0.5, 1. ]), array([0., 1., 0.]))
    """

    kernel_name = "hardsigmoid"
    is_positionwise = True
    rule = "y = clip(x + 3, 0, 6) / 6; dx = dy ⊙ [−3 < x < 3] / 6"

    @ignore_underflow
    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        return self.remember(np.clip(x + 3, 0, 6) / 6, np.abs(x) < 3)

    @ignore_underflow
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, is_between = self.recall(dout)
        return dout * is_between / 6  # type: ignore[no-any-return]
