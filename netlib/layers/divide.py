from __future__ import annotations

from ..arrays import Array, ArrayLike, as_common_floats, unbroadcast
from ..layer import Layer
from .broadcasting import require_broadcastable
from .rules import Shape, Shapes, elementwise_rule


class Divide(Layer):
    """``y = a / b`` element by element, with NumPy's broadcasting and division by zero.

    ∂y/∂a = 1 / b and ∂y/∂b = -a / b² = -y / b. The gradients of broadcast copies add up.

    >>> divide = Divide()
    >>> divide.forward([2.0, 6.0], 2.0), divide.backward([1.0, 1.0])
    (array([1., 3.]), (array([0.5, 0.5]), array(-2.)))
    """

    kernel_name = "divide"
    is_positionwise = True

    def forward(self, a: ArrayLike, b: ArrayLike) -> Array:
        """Return the quotient, of the inputs' broadcast shape and common floating type."""
        a, b = as_common_floats((a, b), self)
        require_broadcastable((a, b), self)
        return self.remember(a / b, a, b)

    def backward(self, dout: ArrayLike) -> tuple[Array, Array]:
        """Return dL/da and dL/db."""
        dout, a, b = self.recall(dout)
        da = dout / b
        return unbroadcast(da, a.shape), unbroadcast(-da * (a / b), b.shape)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return a / b, with the gradients of broadcast inputs summed."""
        return elementwise_rule("a / b", {"a": "dy / b", "b": "−dy ⊙ a / b²"}, inputs, output)
