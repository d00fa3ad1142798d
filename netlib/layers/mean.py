import math

from ..arrays import Array, ArrayLike, Shape, as_floats
from ..errors import ShapeError
from .axes import kept
from .sum import Sum


class Mean(Sum):
    """The mean over `axis`: an axis, several, or all (None), as `numpy.mean` has it. Of nothing there is none: refused.

    ∂y/∂x = 1 / n for each of the n x that y averages.

    >>> mean = Mean(axis=0)
    >>> mean.forward([[1.0, 2.0], [3.0, 4.0]])
    array([2., 3.])
    >>> mean.backward([5.0, 7.0])
    array([[2.5, 3.5],
           [2.5, 3.5]])
    """

    def forward(self, x: ArrayLike) -> Array:
        """Return the mean."""
        x = as_floats(x, where=self)
        total = super().forward(x)
        if self._count(x.shape) == 0:
            raise ShapeError(f"got x of shape {x.shape}, of which a mean would be of nothing", where=self)
        return total / self._count(x.shape)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dx = super().backward(dout)
        return dx / max(self._count(dx.shape), 1)

    def _count(self, shape: Shape) -> int:
        return math.prod(n for n, left in zip(shape, kept(shape, self.axis), strict=True) if left == 1)
