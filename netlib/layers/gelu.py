from __future__ import annotations

import math

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..erf import erfc
from ..layer import Layer
from ..underflow import ignore_underflow


class GELU(Layer):
    """``y = x Φ(x)`` with the normal distribution function Φ (Hendrycks and Gimpel, 2016).

    It is exact, not the tanh approximation. With the density φ = Φ': ∂y/∂x = Φ(x) + x φ(x), where
    Φ(x) = erfc(-x / √2) / 2 and φ(x) = exp(-x² / 2) / √(2π).

    >>> gelu = GELU()
    >>> gelu.forward([-1e4, 0.0, 1e4]), gelu.backward([4.0, 4.0, 4.0])
    (array([   -0.,     0., 10000.]), array([0., 2., 4.]))
    """

    kernel_name = "gelu"
    is_positionwise = True
    rule = "y = x ⊙ Φ(x); dx = dy ⊙ (Φ(x) + x ⊙ φ(x))"

    @ignore_underflow
    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        near = np.clip(x, -40, 40)  # beyond, φ is 0 and Φ is 0 or 1 in every floating-point type
        below = erfc(near * -math.sqrt(0.5)) / 2
        density = np.exp(near * near * -0.5) / math.sqrt(2 * math.pi)
        return self.remember(x * below, below + near * density)

    @ignore_underflow
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, slope = self.recall(dout)
        return dout * slope  # type: ignore[no-any-return]
