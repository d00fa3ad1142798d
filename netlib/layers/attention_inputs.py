"""Checks of the inputs of attention: queries, keys, values, and boolean masks."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, Shape, as_array
from ..errors import InvalidTypeError, ShapeError


def as_flag(mask: object, where: object) -> bool:
    """Return whether a layer takes a mask, or raise if it got the mask itself.

    >>> as_flag(True, "Attention")
    True
    """
    if isinstance(mask, bool | np.bool_):
        return bool(mask)
    kind = "an array" if isinstance(mask, np.ndarray) else repr(mask)
    raise InvalidTypeError(f"mask is {kind}, expected True or False", where=where, hint="Pass the mask to forward.")


def scores_shape(q: Array, k: Array, v: Array, where: object, heads: int = 1) -> Shape:
    """Return the shape of the scores of each query with each key, or raise if they do not fit.

    >>> scores_shape(np.zeros((2, 1, 4)), np.zeros((2, 3, 4)), np.zeros((2, 3, 5)), "Attention")
    (2, 1, 3)
    """
    given = f"got q of shape {q.shape}, k of shape {k.shape} and v of shape {v.shape}"
    if min(q.ndim, k.ndim, v.ndim) < 2:
        raise ShapeError(f"{given}, expected (…, positions, features) each", where=where)
    if q.shape[-1] != k.shape[-1]:
        raise ShapeError(f"{given}: q and k differ in their number of features", where=where)
    if k.shape[-2] != v.shape[-2]:
        raise ShapeError(f"{given}: k and v differ in their number of positions", where=where)
    if any(x.shape[-1] % heads for x in (q, k, v)):
        raise ShapeError(f"{given}, expected a multiple of {heads} features, one part for each head", where=where)
    try:
        lead = np.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    except ValueError:
        raise ShapeError(f"{given}, whose leading axes do not fit", where=where) from None
    return (*lead, q.shape[-2], k.shape[-2])


def as_mask(mask: ArrayLike | None, expected: bool, shape: Shape, where: object) -> Array | None:
    """Return the mask, if one is expected, as booleans that broadcast to `shape`, or raise.

    >>> as_mask([[True, False]], True, (3, 2), "Attention")
    array([[ True, False]])
    """
    if mask is None:
        if expected:
            raise ShapeError("got q, k and v, expected a mask, too", where=where)
        return None
    if not expected:
        hint = "Make the layer with mask=True."
        raise ShapeError("got a mask, expected q, k and v alone", where=where, hint=hint)
    mask = as_array(mask, where)
    if mask.dtype != bool:
        message = f"got a mask of {mask.dtype}, expected booleans, True where a query may look"
        raise InvalidTypeError(message, where=where, hint=_conversion_of(mask))
    missing = len(shape) - mask.ndim
    if missing < 0 or any(n not in (1, length) for n, length in zip(mask.shape, shape[missing:], strict=True)):
        message = f"got a mask of shape {mask.shape}, expected one that broadcasts to {shape}"
        raise ShapeError(message, where=where, hint=_insertion_into(mask.shape, shape))
    return mask


def _conversion_of(mask: Array) -> str:
    """Return how to convert a mask of numbers to booleans."""
    values: Any = mask.ravel()
    if np.all((values == 0) | (values == 1)):
        return "Write mask > 0 if 1 is where it may look, mask == 0 if 1 is where it may not."
    return "For a mask to be added to the scores, 0 where it may look and -inf where not, write mask == 0."


def _insertion_into(given: Shape, shape: Shape) -> str:
    """Return which axes a mask of one of the usual shapes lacks."""
    if given == (shape[0], shape[-1]):
        return f"If it says which keys of each sample count, write mask[:, {'None, ' * (len(shape) - 2)}:]."
    if given == (shape[0], *shape[2:]):
        return "If it is the same along axis 1, such as that of heads, write mask[:, None]."
    return ""
