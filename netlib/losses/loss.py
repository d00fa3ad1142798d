"""The base class of losses, which checks the targets and reduces the terms to a number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, as_array, as_floats, require_one_output
from ..errors import InvalidValueError, ShapeError
from ..execution import execution
from ..kernels.total import total
from ..layer import Layer
from ..layers.rules import Shapes, lift
from ..underflow import ignore_underflow


class Loss(Layer):
    """The last layer: ``forward(y, t)`` returns the loss and ``backward(dout=1.0)`` dL/dy.

    Targets and weights have no gradient. A subclass implements `terms` and `derivative`. If it
    takes several outputs of a model, `n_differentiable_inputs` is their number, and `derivative`
    returns a tuple; if it takes no targets, `n_nondifferentiable_inputs` is 0.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Whether the loss is the mean or the sum of the terms, or the array of terms itself.

    Raises
    ------
    InvalidValueError
        If the reduction is unknown, or for the mean of terms whose weights are all 0.
    ShapeError
        If the targets would have to be broadcast, or for the mean of no terms.

    Notes
    -----
    The last argument of forward may be a `weight`, one number for each sample or for each term l.
    The sum is then Σ w l and the mean Σ w l / Σ w. Terms of weight 0 may even be NaN. A mean in
    which all weights are 0 is an error, except for a batch in training, which then adds nothing.

    >>> from netlib.losses.mean_squared_error import MeanSquaredError
    >>> loss = MeanSquaredError()
    >>> loss.forward([1.0, 2.0, np.nan], [0.0, 0.0, 0.0], weight=[3, 1, 0]), loss.total_weight
    (1.75, 4.0)
    >>> loss.backward()
    array([1.5, 1. , 0. ])
    """

    n_differentiable_inputs: int = 1
    """The number of outputs of a model that the loss takes."""
    n_nondifferentiable_inputs = 1

    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in ("mean", "sum", "none"):
            message = f"reduction is {reduction!r}, expected 'mean', 'sum' or 'none'"
            raise InvalidValueError(message, where=type(self).__name__)
        self.reduction = reduction

    def count_differentiable(self, n_inputs: int) -> int:
        """Return how many of `n_inputs` inputs have a gradient: all before targets and weight."""
        has_weight = n_inputs > self.n_differentiable_inputs + self.n_nondifferentiable_inputs
        return n_inputs - self.n_nondifferentiable_inputs - has_weight

    def terms(self, *inputs: Any) -> tuple[Any, ...]:
        """Return the loss of each term, followed by new arrays that `derivative` needs."""
        raise NotImplementedError

    def derivative(self, *kept: Any) -> Any:
        """Return the derivative of the terms with respect to y, in the shape of y."""
        raise NotImplementedError

    def counts(self, *inputs: Any) -> Array | None:
        """Return the weight of each term in the denominator of the mean, or None if all are 1."""
        return None

    def forward(self, y: ArrayLike, t: ArrayLike, weight: ArrayLike | None = None) -> Any:
        """Return the loss: a float, or the array of terms for ``reduction="none"``.

        Parameters
        ----------
        y : array_like
            The output of the model.
        t : array_like
            The targets.
        weight : array_like, optional
            At least 0, in the shape of the terms or of their first axes, such as (N,) for one
            weight per sample.
        """
        return self.reduce(weight, y, t)

    @ignore_underflow
    def reduce(self, weight: ArrayLike | None, *inputs: Any) -> Any:
        """Return the weighted terms of these inputs, reduced."""
        n_outputs = self.n_differentiable_inputs
        for y in inputs[:n_outputs]:
            require_one_output(y, self, "Choose one, loss.forward(y[0], t), or make a Graph that ends in one output.")
        inputs = (*[as_floats(y, where=self) for y in inputs[:n_outputs]], *inputs[n_outputs:])
        terms, *kept = self.terms(*inputs)
        w = None if weight is None else self._as_weights(weight, terms)
        counts = self.counts(*inputs)
        total_weight = terms.size if w is None and counts is None else _total_weight(terms, counts, w)
        self.__dict__["_total_weight"] = total_weight
        if w is not None:
            w = w.astype(terms.dtype)
            terms = product_or_zero(w, terms)
        if self.reduction == "none":
            return self.remember(terms, 1, w, *kept)
        if self.reduction == "mean" and terms.size == 0:
            hint = "Leave out empty batches, or use reduction='sum'."
            message = f"got y of shape {inputs[0].shape}: the mean of no terms is undefined"
            raise ShapeError(message, where=self, hint=hint)
        value = self.__dict__["_total"] = total.of(terms.dtype)(terms)
        if execution.total is not None:
            sums = execution.total(np.array([value, total_weight], np.float64))
            value, total_weight = terms.dtype.type(sums[0]), sums[1]
        n = total_weight if self.reduction == "mean" else 1
        if n == 0 and execution.has_empty_means:
            n = 1  # all terms are 0
        if n == 0:
            hint = "Leave out batches in which nothing counts, or use reduction='sum'."
            raise InvalidValueError("all weights are 0: the mean is undefined", where=self, hint=hint)
        if execution.keeps:
            self._keep((), terms.dtype, (n, w, *kept))
        return value / n

    @property
    def total(self) -> float:
        """The sum of the weighted terms of the last forward, for a mean or sum."""
        return float(self.__dict__.get("_total", math.nan))

    @property
    def total_weight(self) -> float:
        """The denominator of the mean in the last forward: the number of terms, or Σ w."""
        return float(self.__dict__.get("_total_weight", 0.0))

    def _as_weights(self, weight: ArrayLike, terms: Array) -> Array:
        """Return a weight for each term."""
        w = as_floats(weight, np.dtype(np.float64), self)
        if w.shape != terms.shape[: w.ndim]:
            message = f"got a weight of shape {w.shape}, expected {terms.shape} as the terms, or the first of these axes"
            raise ShapeError(message, where=self)
        if not (np.isfinite(w) & (w >= 0)).all():
            raise InvalidValueError("got a weight that is negative or not finite", where=self)
        return np.broadcast_to(w.reshape(w.shape + (1,) * (terms.ndim - w.ndim)), terms.shape)

    @ignore_underflow
    def backward(self, dout: float | ArrayLike = 1.0) -> Any:
        """Return dL/dy, in the shape of y; a tuple of such arrays if there are several outputs.

        Parameters
        ----------
        dout : float or array_like
            dL/d(loss): a number, or for ``reduction="none"`` also one number per term.
        """
        if type(dout) is float and self._cache is not None:
            n, w, *kept = self._cache[2]
            scale: Any = dout / n
        else:
            dout = as_array(dout, self)
            if self.reduction == "none" and self._cache is not None and dout.ndim == 0:
                dout = np.full(self._cache[0], dout)
            dout, n, w, *kept = self.recall(dout)
            scale = float(dout) / n if dout.ndim == 0 else dout
        dy = self.derivative(*kept)
        if type(dy) is tuple:
            return tuple([_scaled(each, w, scale) for each in dy])
        return _scaled(dy, w, scale)

    def reduction_rule(
        self,
        term: str,
        derivative: str | Mapping[str, str],
        inputs: Shapes,
        targets: str = "",
        of_rows: bool = False,
        count: str = "",
        factor: str | None = None,
    ) -> str:
        """Return the rule of a loss with this term and its derivative for each element of y.

        Parameters
        ----------
        term, derivative : str
            If the loss takes several outputs, a dict from their names to the derivatives.
        inputs : sequence of tuple of int
            The shapes of all arguments.
        targets : str
            The condition for valid targets.
        of_rows : bool
            Whether there is a term for each row of the first output, not for each element.
        count : str
            The weight of each term in the mean, if that depends on the targets.
        factor : str, optional
            The factor of each term. By default, `count`.
        """
        of_y = isinstance(derivative, str)
        derivatives = {"y": derivative} if isinstance(derivative, str) else derivative
        shape = inputs[0][:-1] if of_rows else inputs[0]
        lifted = "column({})" if of_rows and shape else "{}"
        w = count if factor is None else factor
        n = f"sum({count})" if count else str(math.prod(shape))
        if len(inputs) > self.n_differentiable_inputs + self.n_nondifferentiable_inputs:
            missing = len(shape) - len(inputs[-1])
            spread = "weight" if not inputs[-1] else lift("weight", missing + bool(of_rows and shape))
            w = f"{w} ⊙ {spread}" if w else spread
            n = f"sum({count} ⊙ {spread})" if count else f"({math.prod(shape[len(inputs[-1]) :])} sum(weight))"
        divided = f" / {n}" if self.reduction == "mean" else ""
        weighted = f"{w} ⊙ ({term})" if w else term
        loss = weighted if self.reduction == "none" else f"sum({weighted}){divided}"
        condition = f", for {targets}" if targets else ""
        out = "L" if of_y or "y" in derivatives else "y"
        dout = lifted.format(f"d{out}") if self.reduction == "none" else f"d{out}"
        dout = f"{dout} ⊙ {w}" if w else dout
        lines = [f"d{name} = {dout} ⊙ ({formula}){divided}" for name, formula in derivatives.items()]
        return "; ".join([f"{out} = {loss}{condition}", *lines])


def _total_weight(terms: Array, counts: Array | None, w: Array | None) -> float:
    """Return the denominator of the mean of weighted terms."""
    counted = np.ones(terms.shape) if counts is None else counts
    return math.fsum((counted if w is None else counted * w).ravel().tolist())


def _scaled(dy: Array, w: Array | None, scale: Any) -> Array:
    """Return `dy` times a weight for each term, if there are any, and times `scale`."""
    if w is not None:
        dy = product_or_zero(_lift(w, dy), dy)
    dy *= _lift(scale, dy) if isinstance(scale, np.ndarray) else scale
    return dy


def _lift(x: Array, dy: Array) -> Array:
    """Return `x`, an array with a number for each term, with the further axes of `dy`."""
    return x.reshape(x.shape + (1,) * (dy.ndim - x.ndim))


def as_same_shape(y: Array, t: ArrayLike, where: object, name: str = "t", y_name: str = "y") -> Array:
    """Return `t` in the type of `y`, or raise if the shapes differ.

    NumPy would broadcast them, and the loss would be wrong without an error.
    """
    t = as_floats(t, y.dtype, where)
    if t.shape != y.shape:
        hint = f"Give {name} the shape of {y_name}: {name}.reshape({y.shape})." if t.size == y.size else ""
        if hint and y.ndim == 0:
            hint = "The model squeezes a batch of one row to a number: have it squeeze one axis only."
        message = f"got {y_name} of shape {y.shape} and {name} of shape {t.shape}, expected equal shapes"
        raise ShapeError(message, where=where, hint=hint)
    return t


def require_signs(t: Array, where: object) -> Array:
    """Return `t`, or raise if it holds anything but -1 and +1."""
    if not (np.abs(t) == 1).all():
        hint = "Convert zeros and ones with 2 * t - 1."
        raise InvalidValueError("got targets other than -1 and +1", where=where, hint=hint)
    return t


def product_or_zero(share: Array, x: Array) -> Array:
    """Return ``share * x``, and 0 where `share` is 0, even if x is infinite.

    >>> product_or_zero(np.array([0.0, 0.5]), np.array([np.inf, 4.0]))
    array([0., 2.])
    """
    return np.multiply(share, x, out=np.zeros_like(x), where=share != 0)
