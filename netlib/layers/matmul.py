import math

import numpy as np

from ..arrays import Array, ArrayLike, Shape, as_common_floats, unbroadcast
from ..errors import ShapeError
from ..layer import Layer
from .rules import Shapes, sum_to_shape


class MatMul(Layer):
    """``y = a @ b``, the dot node, with the batches, broadcasting and vectors of `numpy.matmul`.

    Eqs. (1.20) and (1.30): ∂L/∂A = ∂L/∂Y Bᵀ and ∂L/∂B = Aᵀ ∂L/∂Y. A vector a counts as a row, a
    vector b as a column. If a batch axis was broadcast, the gradients of its copies add up.

    >>> dot = MatMul()
    >>> dot.forward([[1.0, 2.0]], [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    array([[ 9., 12., 15.]])
    >>> da, db = dot.backward([[1.0, 0.0, 0.0]])
    >>> da, db
    (array([[1., 4.]]), array([[1., 0., 0.],
           [2., 0., 0.]]))
    """

    kernel_name = "matmul"

    def forward(self, a: ArrayLike, b: ArrayLike) -> Array:
        """Return the matrix product, of a's and b's common floating type."""
        a, b = as_common_floats((a, b), self)
        try:
            y: Array = a @ b
        except ValueError:
            hint = "The last axis of a must be as long as the second to last axis of b. To multiply by a number, use Multiply."
            raise ShapeError(f"got shapes {a.shape} @ {b.shape}, which do not fit", where=self, hint=hint) from None
        return self.remember(y, a, b)

    def backward(self, dout: ArrayLike) -> tuple[Array, Array]:
        """Return ∂L/∂A and ∂L/∂B."""
        dout, a, b = self.recall(dout)
        row = a[np.newaxis] if a.ndim == 1 else a
        column = b[:, np.newaxis] if b.ndim == 1 else b
        batch = dout.shape[: max(a.ndim, b.ndim) - 2]
        dout = dout.reshape(*batch, row.shape[-2], column.shape[-1])
        da, db = dout @ column.swapaxes(-1, -2), row.swapaxes(-1, -2) @ dout
        return unbroadcast(da, row.shape).reshape(a.shape), unbroadcast(db, column.shape).reshape(b.shape)

    def multiply_adds(self, *shapes: Shape) -> int:
        """Return batch · rows · inner · columns."""
        a, b = shapes
        batch = np.broadcast_shapes(a[:-2], b[:-2])
        return math.prod(batch) * math.prod(a[-2:]) * (b[-1] if len(b) > 1 else 1)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return a·b, where a vector counts as a row on the left and as a column on the right."""
        a, b = inputs
        if len(a) == len(b) == 1:
            return "y = a·b\nda = dy ⊙ b\ndb = dy ⊙ a"
        left, right, dy = "a", "b", "dy"
        if len(a) == 1:
            left, dy, a, output = "row(a)", "row(dy)", (1, *a), (*output[:-1], 1, output[-1])
        elif len(b) == 1:
            right, dy, b, output = "column(b)", "column(dy)", (*b, 1), (*output, 1)
        da = sum_to_shape(f"{dy}·{right}ᵀ", a, (*output[:-1], a[-1]))
        db = sum_to_shape(f"{left}ᵀ·{dy}", b, (*output[:-2], *b[-2:]))
        return f"y = a·b\nda = {da}\ndb = {db}"


Dot = MatMul
