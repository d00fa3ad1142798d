from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..layer import Layer
from ..underflow import ignore_underflow


class Exp(Layer):
    """``y = exp(x)``, the exponential function.

    ∂y/∂x = exp(x) = y. As in NumPy, y is 0 for very negative x, and inf, with a warning, where it
    exceeds the largest number of its dtype.

    >>> exp = Exp()
    >>> exp.forward([0.0, -1e4]), exp.backward([3.0, 3.0])
    (array([1., 0.]), array([3., 0.]))
    """

    kernel_name = "exp"
    is_positionwise = True
    rule = "y = exp(x); dx = dy ⊙ exp(x)"

    @ignore_underflow
    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        y = np.exp(x)
        return self.remember(y, y)

    @ignore_underflow
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, y = self.recall(dout)
        return dout * y  # type: ignore[no-any-return]
