"""Samples, the rows of some inputs and of the target behind them, and the ways to go through them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Array, as_number, as_rng
from ..data.aligned import as_aligned
from ..errors import InvalidValueError, NetlibError, ShapeError


def as_inputs(x: Any, where: str) -> list[Array]:
    """Return the inputs of a model as arrays of equally many rows: those in the tuple `x`, or the one that it is."""
    return as_aligned(x if isinstance(x, tuple) else (x,), where)


def as_samples(x: Any, t: Any, where: str) -> list[Array]:
    """Return inputs and target as arrays of equally many rows, at least one; the target is the last.

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
        raise ShapeError("got no samples, wanted at least one", where=where)
    return samples


def with_validation(samples: list[Array], validation: Any, seed: int, where: str) -> tuple[list[Array], list[Array] | None]:
    """Return the samples to learn from and those to measure by: none, others ``(x, t)``, or a share held out by chance."""
    if validation is None:
        return samples, None
    if not isinstance(validation, tuple | list):
        return _split(samples, validation, seed, where)
    if len(validation) != 2:
        raise InvalidValueError(f"validation holds {len(validation)} things, wanted (x, t)", where=where)
    x, t = validation
    others = as_samples(x, t, f"{where}, validation")
    if len(others) != len(samples):
        raise ShapeError(f"validation has {len(others) - 1} inputs, wanted {len(samples) - 1} as in training", where=where)
    return samples, others


def _split(samples: list[Array], share: Any, seed: int, where: str) -> tuple[list[Array], list[Array]]:
    """Return what is kept and what is held out, each in the old order; a fraction of a row is rounded up."""
    share = as_number(share, "validation", where)
    if not 0 < share < 1:
        raise InvalidValueError(f"validation is {share:g}, wanted a share between 0 and 1, or (x, t)", where=where)
    n = len(samples[-1])
    n_out = math.ceil(share * n)
    if n_out == n:
        raise InvalidValueError(f"validation={share:g} holds out all of {n} samples, so none is left to learn from", where=where)
    order = as_rng(seed).permutation(n)
    kept, out = np.sort(order[n_out:]), np.sort(order[:n_out])
    return [a.take(kept, axis=0) for a in samples], [a.take(out, axis=0) for a in samples]


def joined(outputs: Sequence[Any]) -> Any:
    """Return the outputs of several batches as one; each is a tuple where the model has several.

    Examples
    --------
    >>> joined([np.array([1.0, 2.0]), np.array([3.0])])
    array([1., 2., 3.])
    """
    if isinstance(outputs[0], tuple):
        return tuple(map(joined, zip(*outputs, strict=True)))
    return np.concatenate(outputs) if len(outputs) > 1 else outputs[0]
