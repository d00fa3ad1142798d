from __future__ import annotations

import numpy as np

from ...arrays import Array, ArrayLike, as_common_floats, unbroadcast
from ...layer import Layer


class Modulo(Layer):
    """The remainder ``y = a - b q``, with the sign of b as in `numpy.mod`.

    q is a / b rounded down, or towards 0 with ``truncate=True``, as in `numpy.fmod`. It is constant
    around almost every point, so ∂y/∂a = 1 and ∂y/∂b = -q.

    >>> modulo = Modulo()
    >>> modulo.forward([7.0, -7.0], 4.0), modulo.backward([1.0, 1.0])
    (array([3., 1.]), (array([1., 1.]), array(1.)))
    """

    is_positionwise = True

    def __init__(self, truncate: bool = False) -> None:
        self.truncate = truncate

    @np.errstate(all="ignore")
    def forward(self, a: ArrayLike, b: ArrayLike) -> Array:
        """Return y, of the inputs' broadcast shape."""
        a, b = as_common_floats((a, b), self)
        q = np.trunc(a / b) if self.truncate else np.floor(a / b)
        return self.remember(np.fmod(a, b) if self.truncate else np.mod(a, b), a.shape, b.shape, q)

    @np.errstate(all="ignore")
    def backward(self, dout: ArrayLike) -> tuple[Array, Array]:
        """Return ∂L/∂a and ∂L/∂b."""
        dout, a_shape, b_shape, q = self.recall(dout)
        return np.array(unbroadcast(dout, a_shape)), unbroadcast(-q * dout, b_shape)
