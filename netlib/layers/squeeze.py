from __future__ import annotations

from ..arrays import Array, ArrayLike, Shape, as_floats
from ..errors import ShapeError
from ..layer import Layer
from .axes import as_axes
from .rules import Shapes, format_shape


class Squeeze(Layer):
    """x without the axes `axis`, which have length 1, as in `numpy.squeeze`.

    `axis` may be one or several. None removes every axis of length 1, which includes the batch axis
    of a batch with one sample; so give the axis if there is a batch.

    Every element is copied unchanged, so ∂L/∂x is ∂L/∂y in x's shape.

    >>> squeeze = Squeeze(axis=1)
    >>> squeeze.forward([[1.0], [2.0]]), squeeze.backward([3.0, 4.0])
    (array([1., 2.]), array([[3.],
           [4.]]))
    """

    kernel_name = "squeeze"

    def __init__(self, axis: int | Shape | None = None) -> None:
        self.axis = axis

    def forward(self, x: ArrayLike) -> Array:
        """Return a copy of x without the axes."""
        x = as_floats(x, where=self, copy=True)
        axes = tuple(i for i, n in enumerate(x.shape) if n == 1) if self.axis is None else as_axes(x, self.axis, self)
        if any(x.shape[i] != 1 for i in axes):
            raise ShapeError(f"got x of shape {x.shape}, expected length 1 for axis {self.axis!r}", where=self)
        return self.remember(x.squeeze(axes), x.shape)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x, of x's shape."""
        dout, shape = self.recall(dout)
        return dout.copy().reshape(shape)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return both shapes."""
        return f"y = x, reshaped to {format_shape(output)}; dx = dy, reshaped to {format_shape(inputs[0])}"
