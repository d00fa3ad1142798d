from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_array, as_common_floats, unbroadcast
from ..errors import InvalidTypeError
from ..layer import Layer
from .broadcasting import require_broadcastable
from .rules import Shape, Shapes, elementwise_rule


class Where(Layer):
    """``y = a`` where `condition` holds and ``y = b`` elsewhere, with NumPy's broadcasting.

    Unlike in `numpy.where`, the condition comes last: a layer's inputs without a gradient follow
    those that have one.

    ∂y/∂a is 1 where the condition holds and 0 elsewhere, and ∂y/∂b is the reverse. The gradients of
    broadcast copies add up.

    >>> where = Where()
    >>> where.forward([1.0, 2.0], [3.0, 4.0], [True, False]), where.backward([5.0, 6.0])
    (array([1., 4.]), (array([5., 0.]), array([0., 6.])))
    """

    kernel_name = "where"
    n_nondifferentiable_inputs = 1
    is_positionwise = True

    def forward(self, a: ArrayLike, b: ArrayLike, condition: ArrayLike) -> Array:
        """Return y, of the inputs' broadcast shape and the common floating type of a and b."""
        a, b = as_common_floats((a, b), self)
        condition = as_array(condition, self)
        if condition.dtype != bool:
            hint = "Compare the numbers: condition > 0."
            raise InvalidTypeError(f"got a condition of {condition.dtype}, expected booleans", where=self, hint=hint)
        require_broadcastable((a, b, condition), self)
        return self.remember(np.where(condition, a, b), a.shape, b.shape, condition)

    def backward(self, dout: ArrayLike) -> tuple[Array, Array]:
        """Return ∂L/∂a and ∂L/∂b."""
        dout, a_shape, b_shape, condition = self.recall(dout)
        return unbroadcast(np.where(condition, dout, 0), a_shape), unbroadcast(np.where(condition, 0, dout), b_shape)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return a sum of two products, with the gradients of broadcast inputs summed."""
        yes, no = "[condition ≠ 0]", "[condition = 0]"
        return elementwise_rule(f"a ⊙ {yes} + b ⊙ {no}", {"a": f"dy ⊙ {yes}", "b": f"dy ⊙ {no}"}, inputs[:2], output)
