import numpy as np

from ..arrays import Array, ArrayLike, Shape, as_floats
from ..errors import ShapeError
from ..layer import Layer


class Transpose(Layer):
    """The axes in the order `axes`, reversed for None, as `numpy.transpose` has it.

    Every element goes somewhere unchanged, so dL/dx is dL/dy with its axes put back.

    >>> transpose = Transpose()
    >>> transpose.forward([[1.0, 2.0, 3.0]]), transpose.backward([[1.0], [2.0], [3.0]])
    (array([[1.],
           [2.],
           [3.]]), array([[1., 2., 3.]]))
    """

    def __init__(self, axes: Shape | None = None) -> None:
        self.axes = axes

    def forward(self, x: ArrayLike) -> Array:
        """Return a copy of x, transposed."""
        x = as_floats(x, where=self)
        try:
            y = x.transpose(self.axes)
        except (ValueError, TypeError) as error:
            raise ShapeError(f"got x of shape {x.shape}, axes {self.axes!r}: {error}", where=self) from None
        return self._remember(np.array(y, order="C"))

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x, of x's shape."""
        (dout,) = self._recall(dout)
        return np.array(dout.transpose(None if self.axes is None else np.argsort([a % dout.ndim for a in self.axes])), order="C")
