"""What losses have in common: targets of the very shape, and the reduction to a number."""

import math
from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, as_array, as_floats
from ..errors import InvalidValueError, ShapeError
from ..execution import execution
from ..kernels.total import total
from ..layer import Layer
from ..layers.rules import Shapes


class Loss(Layer):
    """A layer at the end: ``forward(y, t)`` is the loss, ``backward(dout=1.0)`` is dL/dy. Targets have no gradient.

    A subclass writes `terms` and `derivative`.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        What becomes of the terms: their mean or their sum, a float, or nothing: an array of terms.

    Raises
    ------
    InvalidValueError
        For an unknown reduction.
    ShapeError
        For targets that would have to be broadcast, and for the mean of no terms.
    """

    n_nondifferentiable_inputs = 1

    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in ("mean", "sum", "none"):
            where = type(self).__name__
            raise InvalidValueError(f"reduction is {reduction!r}, wanted 'mean', 'sum' or 'none'", where=where)
        self.reduction = reduction

    def terms(self, y: Array, t: ArrayLike) -> tuple[Array, ...]:
        """Return the loss of each term, followed by new arrays that `derivative` needs."""
        raise NotImplementedError

    def derivative(self, *kept: Any) -> Array:
        """Return, in y's shape, the derivative with respect to y of the term that it belongs to."""
        raise NotImplementedError

    @np.errstate(under="ignore")
    def forward(self, y: ArrayLike, t: ArrayLike) -> Any:
        """Return the loss: a float, or for ``reduction="none"`` an array with one number for each term."""
        y = as_floats(y, where=self)
        terms, *kept = self.terms(y, t)
        if self.reduction == "none":
            return self.remember(terms, 1, *kept)
        if self.reduction == "mean" and terms.size == 0:
            hint = "Leave empty batches out, or use reduction='sum'."
            raise ShapeError(f"got y of shape {y.shape}: there is no mean of no terms", where=self, hint=hint)
        n = terms.size if self.reduction == "mean" else 1
        if execution.keeps:
            self._keep((), y.dtype, (n, *kept))
        return total.of(terms.dtype)(terms) / n

    @np.errstate(under="ignore")
    def backward(self, dout: float | ArrayLike = 1.0) -> Array:
        """Return dL/dy, of y's shape, for a dL/d(loss) of `dout`: a number, or one for each term where none were added up."""
        if type(dout) is float and self._cache is not None:
            n, *kept = self._cache[2]
            dy = self.derivative(*kept)
            dy *= dout / n
            return dy
        dout = as_array(dout, self)
        if self.reduction == "none" and self._cache is not None and dout.ndim == 0:
            dout = np.full(self._cache[0], dout)
        dout, n, *kept = self.recall(dout)
        dy = self.derivative(*kept)
        if dout.ndim == 0:
            dy *= float(dout) / n
        else:
            dy *= dout.reshape(dout.shape + (1,) * (dy.ndim - dout.ndim))
        return dy

    def reduced(self, term: str, derivative: str, inputs: Shapes, targets: str = "") -> str:
        """Return the rule of a loss with this term for each element of y, and with its derivative; `targets` says which t it takes."""
        n = f" / {math.prod(inputs[0])}" if self.reduction == "mean" else ""
        loss = term if self.reduction == "none" else f"sum({term}){n}"
        return f"L = {loss}{targets and f', for {targets}'}; dy = dL ⊙ ({derivative}){n}"


def same_shape(y: Array, t: ArrayLike, where: object) -> Array:
    """Return `t` in y's type, after refusing any shape but y's: NumPy would broadcast it and train towards nonsense."""
    t = as_floats(t, y.dtype, where)
    if t.shape != y.shape:
        hint = f"Give t the shape {y.shape}, for instance with t.reshape({y.shape})." if t.size == y.size else ""
        raise ShapeError(f"got y of shape {y.shape} and t of shape {t.shape}, wanted equal shapes", where=where, hint=hint)
    return t


def product_or_zero(share: Array, x: Array) -> Array:
    """Return ``share * x``, and 0 where `share` is 0 even if x is infinite: what has no share in a loss adds nothing to it.

    >>> product_or_zero(np.array([0.0, 0.5]), np.array([np.inf, 4.0]))
    array([0., 2.])
    """
    return np.multiply(share, x, out=np.zeros_like(x), where=share != 0)
