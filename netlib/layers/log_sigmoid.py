from __future__ import annotations

from ..arrays import Array, ArrayLike, as_floats
from ..layer import Layer
from ..underflow import ignore_underflow
from .sigmoid import sigmoid
from .softplus import softplus


class LogSigmoid(Layer):
    """``y = log(sigmoid(x))``, computed as -softplus(-x), which is accurate at both ends.

    log(1 / (1 + exp(-x))) = -log(1 + exp(-x)), so ∂y/∂x = exp(-x) / (1 + exp(-x)) = sigmoid(-x).

    >>> layer = LogSigmoid()
    >>> layer.forward([-1e4, 1e4]), layer.backward([4.0, 4.0])
    (array([-10000.,     -0.]), array([4., 0.]))
    """

    kernel_name = "log_sigmoid"
    is_positionwise = True
    rule = "y = −log(1 + exp(−x)); dx = dy ⊙ σ(−x)"

    @ignore_underflow
    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        return self.remember(-softplus(-x), sigmoid(-x))

    @ignore_underflow
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, slope = self.recall(dout)
        return dout * slope  # type: ignore[no-any-return]
