"""The base class of losses, which checks targets and reduces the terms to a number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, as_array, as_floats, require_one_output
from ..errors import InvalidValueError, ShapeError
from ..execution import execution
from ..kernels.total import total
from ..layer import Layer
from ..layers.rules import Shapes
from ..underflow import ignore_underflow


class Loss(Layer):
    """The last layer: ``forward(y, t)`` returns the loss and ``backward(dout=1.0)`` dL/dy.

    Targets have no gradient. A subclass implements `terms` and `derivative`.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Whether the loss is the mean or the sum of the terms, or the array of terms itself.

    Raises
    ------
    InvalidValueError
        If the reduction is unknown.
    ShapeError
        If the targets would have to be broadcast, or for the mean of no terms.
    """

    n_nondifferentiable_inputs = 1

    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in ("mean", "sum", "none"):
            message = f"reduction is {reduction!r}, expected 'mean', 'sum' or 'none'"
            raise InvalidValueError(message, where=type(self).__name__)
        self.reduction = reduction

    def terms(self, y: Array, t: ArrayLike) -> tuple[Array, ...]:
        """Return the loss of each term, followed by new arrays that `derivative` needs."""
        raise NotImplementedError

    def derivative(self, *kept: Any) -> Array:
        """Return the derivative of the terms with respect to y, in the shape of y."""
        raise NotImplementedError

    @ignore_underflow
    def forward(self, y: ArrayLike, t: ArrayLike) -> Any:
        """Return the loss: a float, or the array of terms for ``reduction="none"``."""
        require_one_output(y, self, "Choose one, loss.forward(y[0], t), or make a Graph that ends in one output.")
        y = as_floats(y, where=self)
        terms, *kept = self.terms(y, t)
        if self.reduction == "none":
            return self.remember(terms, 1, *kept)
        if self.reduction == "mean" and terms.size == 0:
            hint = "Leave out empty batches, or use reduction='sum'."
            message = f"got y of shape {y.shape}: the mean of no terms is undefined"
            raise ShapeError(message, where=self, hint=hint)
        n = terms.size if self.reduction == "mean" else 1
        if execution.keeps:
            self._keep((), y.dtype, (n, *kept))
        return total.of(terms.dtype)(terms) / n

    @ignore_underflow
    def backward(self, dout: float | ArrayLike = 1.0) -> Array:
        """Return dL/dy, in the shape of y.

        Parameters
        ----------
        dout : float or array_like
            dL/d(loss): a number, or for ``reduction="none"`` also one number per term.
        """
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

    def reduction_rule(self, term: str, derivative: str, inputs: Shapes, targets: str = "") -> str:
        """Return the rule of a loss with this term and its derivative for each element of y.

        `targets` is the condition for valid targets.
        """
        n = f" / {math.prod(inputs[0])}" if self.reduction == "mean" else ""
        loss = term if self.reduction == "none" else f"sum({term}){n}"
        condition = f", for {targets}" if targets else ""
        return f"L = {loss}{condition}; dy = dL ⊙ ({derivative}){n}"


def as_same_shape(y: Array, t: ArrayLike, where: object) -> Array:
    """Return `t` in the type of `y`, or raise if the shapes differ.

    NumPy would broadcast them, and the loss would be a wrong number without an error.
    """
    t = as_floats(t, y.dtype, where)
    if t.shape != y.shape:
        hint = f"Give t the shape of y: t.reshape({y.shape})." if t.size == y.size else ""
        if hint and y.ndim == 0:
            hint = "The model squeezes a batch of one row to a number: have it squeeze one axis only."
        message = f"got y of shape {y.shape} and t of shape {t.shape}, expected equal shapes"
        raise ShapeError(message, where=where, hint=hint)
    return t


def product_or_zero(share: Array, x: Array) -> Array:
    """Return ``share * x``, and 0 where `share` is 0, even if x is infinite.

    >>> product_or_zero(np.array([0.0, 0.5]), np.array([np.inf, 4.0]))
    array([0., 2.])
    """
    return np.multiply(share, x, out=np.zeros_like(x), where=share != 0)
