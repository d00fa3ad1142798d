from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..layer import Layer


class Sqrt(Layer):
    """``y = √x``.

    ∂y/∂x = 1 / (2 √x) = 1 / (2 y). As in PyTorch, the slope at 0 is inf: no constant is added to x.
    As in NumPy, that warns of a division by zero, and y is NaN with a warning where x < 0.

    >>> sqrt = Sqrt()
    >>> sqrt.forward([4.0, 0.25]), sqrt.backward([1.0, 1.0])
    (array([2. , 0.5]), array([0.25, 1.  ]))
    """

    kernel_name = "sqrt"
    is_positionwise = True
    rule = "y = sqrt(x); dx = dy / (2 sqrt(x))"

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        y = np.sqrt(x)
        return self.remember(y, y)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, y = self.recall(dout)
        return dout / (2 * y)  # type: ignore[no-any-return]
