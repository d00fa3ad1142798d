"""Clipping of gradients by their norm."""

from __future__ import annotations

from math import inf, isfinite, sqrt

import numpy as np

from ..arrays import Array, as_number
from ..errors import NonFiniteError
from ..parameter import Parameter
from .optimizer import Optimizer
from .parameters import Parameters, as_parameters

_LEAST = 1e-30
"""Below this sum of squares, squares may have underflowed in float32."""


def clip_grad_norm(parameters: Parameters | Optimizer, max_norm: float) -> float:
    """Scale all gradients down by one factor, so that their total norm is at most `max_norm`.

    Call it between ``backward`` and ``step``. Pascanu, Mikolov and Bengio, "On the difficulty of
    training recurrent neural networks", 2013.

    Parameters
    ----------
    parameters : Layer, dict of str to Parameter, iterable of Parameter, Parameter, or Optimizer
        Parameters that are not trainable are ignored. Passing the optimizer is fastest.
    max_norm : float
        At least 0.

    Returns
    -------
    float
        The norm before clipping.

    Raises
    ------
    NonFiniteError
        If a gradient is NaN or infinite. No gradient is scaled then.

    Examples
    --------
    >>> from netlib import Parameter
    >>> weight = Parameter([0.0, 0.0])
    >>> weight.grad += [3, 4]
    >>> clip_grad_norm(weight, 1.0), weight.grad
    (5.0, array([0.6, 0.8]))
    """
    max_norm = as_number(max_norm, "max_norm", "clip_grad_norm", least=0)
    grads = _gradients(parameters, "clip_grad_norm")
    with np.errstate(over="ignore"):
        norm = norm_of(grads)
    if not isfinite(norm):
        message = f"the norm of the gradients is {norm}{_describe_nonfinite(parameters)}"
        raise NonFiniteError(message, where="clip_grad_norm")
    if norm > max_norm:
        for grad in grads:
            scale = np.asarray(max_norm / norm, np.result_type(grad.dtype, np.float32))
            np.multiply(grad, scale, out=grad, casting="same_kind")
    return norm


def grad_norm(parameters: Parameters | Optimizer) -> float:
    """Return the total norm of all gradients, √Σg², over the trainable parameters.

    Examples
    --------
    >>> from netlib import Parameter
    >>> weight = Parameter([0.0, 0.0])
    >>> weight.grad += [3, 4]
    >>> grad_norm(weight)
    5.0
    """
    with np.errstate(over="ignore"):
        return norm_of(_gradients(parameters, "grad_norm"))


def _gradients(parameters: Parameters | Optimizer, where: str) -> list[Array]:
    if isinstance(parameters, Optimizer):
        return parameters.gradients()
    return [p.current_grad() for p in as_parameters(parameters, where).values() if p.trainable]


def norm_of(grads: list[Array]) -> float:
    """Return the total norm of these arrays, in an error state that ignores overflow.

    >>> norm_of([np.array([3.0]), np.array([[4.0, 12.0]])])
    13.0
    """
    total = 0.0
    for grad in grads:
        flat = grad.ravel() if grad.itemsize > 2 else grad.ravel().astype(np.float32)
        total += float(np.dot(flat, flat))
    return sqrt(total) if _LEAST < total < inf else _norm_of_extremes(grads)


def _norm_of_extremes(grads: list[Array]) -> float:
    """Return the norm of numbers whose squares overflow or underflow in their type."""
    peak = float(np.max([np.abs(grad).max() for grad in grads if grad.size] or 0.0))
    if peak == 0 or not isfinite(peak):
        return peak
    scaled = (grad.astype(np.float64) / peak for grad in grads)
    return peak * sqrt(sum(float(np.square(grad).sum()) for grad in scaled))


def _describe_nonfinite(parameters: Parameters | Optimizer) -> str:
    named: dict[str, Parameter]
    if isinstance(parameters, Optimizer):
        named = parameters.parameters()
    else:
        named = as_parameters(parameters, "clip_grad_norm")
    for path, parameter in named.items():
        if parameter.trainable and not np.isfinite(parameter.current_grad()).all():
            return f", and that of {path!r} is the first that is not finite"
    return ""
