from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..layer import Layer


class Log(Layer):
    """``y = log(x)``, the natural logarithm.

    ∂y/∂x = 1 / x. As in NumPy, y is -inf at 0 and NaN below 0, with a warning; the slope at 0 is
    inf. No constant is added to x.

    >>> log = Log()
    >>> log.forward([1.0, 4.0]).round(3), log.backward([1.0, 1.0])
    (array([0.   , 1.386]), array([1.  , 0.25]))
    """

    kernel_name = "log"
    is_positionwise = True
    rule = "y = log(x); dx = dy / x"

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        return self.remember(np.log(x), x)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, x = self.recall(dout)
        return dout / x  # type: ignore[no-any-return]
