"""Samples: arrays of inputs and targets with equal numbers of rows, their batches and splits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Array, as_number, as_rng
from ..data.aligned import as_aligned
from ..errors import InvalidValueError, NetlibError, ShapeError


def as_inputs(x: Any, where: str) -> list[Array]:
    """Return `x`, or the arrays in the tuple `x`, as arrays with equal numbers of rows."""
    return as_aligned(x if isinstance(x, tuple) else (x,), where)


def as_samples(x: Any, t: Any, where: str) -> list[Array]:
    """Return inputs and targets as arrays with equal numbers of rows; the targets are the last.

    Examples
    --------
    >>> [a.shape for a in as_samples([[1.0], [2.0]], [0, 1], where="here")]
    [(2, 1), (2,)]
    """
    try:
        samples = as_aligned([*(x if isinstance(x, tuple) else (x,)), t], where)
    except NetlibError as error:
        if isinstance(x, list) and all(isinstance(each, np.ndarray) and each.ndim and len(each) == len(t) for each in x):
            error.hint = "Pass several inputs as a tuple: (x1, x2)."
        raise
    if not len(samples[-1]):
        raise ShapeError("got no samples, expected at least one", where=where)
    return samples


def with_validation(samples: list[Array], validation: Any, seed: int, where: str) -> tuple[list[Array], list[Array] | None]:
    """Return the samples for training and those for validation.

    `validation` is None, samples ``(x, t)``, or the share of `samples` to hold out at random.
    """
    if validation is None:
        return samples, None
    if not isinstance(validation, tuple | list):
        return _split(samples, validation, seed, where)
    if len(validation) != 2:
        message = f"validation has {len(validation)} elements, expected (x, t)"
        raise InvalidValueError(message, where=where)
    x, t = validation
    others = as_samples(x, t, f"{where}, validation")
    if len(others) != len(samples):
        got, expected = len(others) - 1, len(samples) - 1
        message = f"validation has {got} inputs, expected {expected} as in training"
        raise ShapeError(message, where=where)
    return samples, others


def _split(samples: list[Array], share: Any, seed: int, where: str) -> tuple[list[Array], list[Array]]:
    """Return the rows that are kept and those that are held out, each in the original order.

    The number of held-out rows is rounded up.
    """
    share = as_number(share, "validation", where)
    if not 0 < share < 1:
        message = f"validation is {share:g}, expected a share between 0 and 1, or (x, t)"
        raise InvalidValueError(message, where=where)
    n = len(samples[-1])
    n_out = math.ceil(share * n)
    if n_out == n:
        message = f"validation={share:g} holds out all of {n} samples, so none is left for training"
        raise InvalidValueError(message, where=where)
    order = as_rng(seed).permutation(n)
    kept, out = np.sort(order[n_out:]), np.sort(order[:n_out])
    return [a.take(kept, axis=0) for a in samples], [a.take(out, axis=0) for a in samples]


def concatenate(outputs: Sequence[Any]) -> Any:
    """Return the concatenated outputs of several batches; a tuple if the model has several outputs.

    Examples
    --------
    >>> concatenate([np.array([1.0, 2.0]), np.array([3.0])])
    array([1., 2., 3.])
    """
    if isinstance(outputs[0], tuple):
        return tuple(map(concatenate, zip(*outputs, strict=True)))
    return np.concatenate(outputs) if len(outputs) > 1 else outputs[0]
