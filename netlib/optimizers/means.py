"""Running means with exponential decay, the state of many optimizers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, as_number
from ..errors import InvalidTypeError


def as_betas(betas: Any, where: str) -> tuple[float, float]:
    """Return a pair of decay rates, each in [0, 1).

    >>> as_betas([0, 0.999], "Adam")
    (0.0, 0.999)
    """
    try:
        b1, b2 = betas
    except (TypeError, ValueError):
        raise InvalidTypeError(f"betas is {betas!r}, expected a pair of numbers", where=where) from None
    return (
        as_number(b1, "betas[0]", where, least=0, below=1),
        as_number(b2, "betas[1]", where, least=0, below=1),
    )


def add(mean: Array, x: Array, decay: float, scratch: Array) -> None:
    """Do ``mean = decay * mean + (1 - decay) * x`` in place.

    >>> mean = np.array([4.0])
    >>> add(mean, np.array([8.0]), 0.75, np.empty(1))
    >>> mean
    array([5.])
    """
    mean *= decay
    np.multiply(x, 1 - decay, out=scratch)
    mean += scratch


def add_square(mean: Array, x: Array, decay: float, scratch: Array) -> None:
    """Do ``mean = decay * mean + (1 - decay) * x**2`` in place.

    >>> mean = np.array([4.0])
    >>> add_square(mean, np.array([4.0]), 0.75, np.empty(1))
    >>> mean
    array([7.])
    """
    mean *= decay
    np.multiply(x, x, out=scratch)
    scratch *= 1 - decay
    mean += scratch
