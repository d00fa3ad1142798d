from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..layer import Layer
from ..underflow import ignore_underflow


class Hardswish(Layer):
    """``y = x h``, with h = (x + 3) / 6 clipped to [0, 1], as in `Hardsigmoid`.

    Howard et al., 2019 (MobileNetV3).

    Where -3 < x < 3, y = (x² + 3 x) / 6, so ∂y/∂x = x / 3 + 1 / 2. Below, y = 0 and ∂y/∂x = 0;
    above, y = x and ∂y/∂x = 1. At the kinks -3 and 3, the slopes are 0 and 1, as in PyTorch.

    >>> layer = Hardswish()
    >>> layer.forward([-3.0, 0.0, 3.0]), layer.backward([4.0, 4.0, 4.0])
    (array([-0.,  0.,  3.]), array([0., 2., 4.]))
    """

    kernel_name = "hardswish"
    is_positionwise = True
    rule = "y = x ⊙ clip(x + 3, 0, 6) / 6; dx = dy ⊙ ((x / 3 + 0.5) ⊙ [−3 < x < 3] + [x ≥ 3])"

    @ignore_underflow
    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        slope = np.where(np.abs(x) < 3, x / 3 + 0.5, x >= 3)
        return self.remember(x * (np.clip(x + 3, 0, 6) / 6), slope)

    @ignore_underflow
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, slope = self.recall(dout)
        return dout * slope  # type: ignore[no-any-return]
