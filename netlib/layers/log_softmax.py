import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..layer import Layer
from .axes import refuse_axis


def log_softmax(x: Array, axis: int) -> Array:
    """Return x - log(sum(exp(x))) along `axis`, with the largest x taken out of the sum first.

    >>> log_softmax(np.array([1e4, 0.0]), axis=0)
    array([     0., -10000.])
    """
    x = x - np.maximum.reduce(x, axis=axis, keepdims=True)
    x -= np.log(np.add.reduce(np.exp(x), axis=axis, keepdims=True))
    return x


class LogSoftmax(Layer):
    """``y = x - log(sum(exp(x)))`` along `axis`.

    ∂y_i/∂x_j = δ_ij - softmax(x)_j, so ∂L/∂x = ∂L/∂y - exp(y) Σ_i ∂L/∂y_i.

    >>> layer = LogSoftmax()
    >>> layer.forward([-1e4, 1e4]), layer.backward([1.0, 0.0])
    (array([-20000.,      0.]), array([ 1., -1.]))
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        refuse_axis(x, self.axis, self)
        y = log_softmax(x, self.axis)
        return self._remember(y, y.copy())

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, y = self._recall(dout)
        return dout - np.exp(y) * dout.sum(axis=self.axis, keepdims=True)  # type: ignore[no-any-return]
