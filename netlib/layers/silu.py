from __future__ import annotations

from ..arrays import Array, ArrayLike, as_floats
from ..layer import Layer
from ..underflow import ignore_underflow
from .sigmoid import sigmoid


class SiLU(Layer):
    """``y = x * sigmoid(x)``, also called swish.

    Hendrycks and Gimpel, 2016; Ramachandran et al., 2017.

    With s = sigmoid(x) and s' = s (1 - s): ∂y/∂x = s + x s' = s (1 + x (1 - s)).

    >>> silu = SiLU()
    >>> silu.forward([-1e4, 0.0, 1e4]), silu.backward([4.0, 4.0, 4.0])
    (array([   -0.,     0., 10000.]), array([-0.,  2.,  4.]))
    """

    kernel_name = "silu"
    is_positionwise = True
    rule = "y = x ⊙ σ(x); dx = dy ⊙ (σ(x) + y ⊙ (1 − σ(x)))"

    @ignore_underflow
    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        s = sigmoid(x)
        return self.remember(x * s, s * (1 + x * (1 - s)))

    @ignore_underflow
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, slope = self.recall(dout)
        return dout * slope  # type: ignore[no-any-return]
