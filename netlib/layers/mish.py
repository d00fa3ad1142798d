from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..layer import Layer
from ..underflow import ignore_underflow
from .sigmoid import sigmoid
from .softplus import softplus


class Mish(Layer):
    """``y = x * tanh(softplus(x))`` (Misra, 2019).

    With u = softplus(x) and t = tanh(u), ∂u/∂x = sigmoid(x) and ∂t/∂u = 1 - t², so
    ∂y/∂x = t + x (1 - t²) sigmoid(x).

    >>> mish = Mish()
    >>> mish.forward([-1e4, 0.0, 1e4]), mish.backward([5.0, 5.0, 5.0])
    (array([   -0.,     0., 10000.]), array([0., 3., 5.]))
    """

    kernel_name = "mish"
    is_positionwise = True
    rule = "y = x ⊙ t, where t = tanh(log(1 + exp(x)))\ndx = dy ⊙ (t + x ⊙ (1 − t²) ⊙ σ(x)), where t = tanh(log(1 + exp(x)))"

    @ignore_underflow
    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        t = np.tanh(softplus(x))
        return self.remember(x * t, t + x * (1 - t * t) * sigmoid(x))

    @ignore_underflow
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, slope = self.recall(dout)
        return dout * slope  # type: ignore[no-any-return]
