"""Ids: the numbers of rows in a table."""

from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_array, as_count
from ..errors import InvalidTypeError, InvalidValueError


def as_ids(ids: ArrayLike, entries: int, where: object = "") -> Array:
    """Return `ids` as an array of integers that are valid indices of `entries` rows, or raise.

    Examples
    --------
    >>> as_ids(np.array([[0, 2]], np.uint8), 3)
    array([[0, 2]])
    """
    ids = as_array(ids, where)
    if ids.dtype.kind not in "iu":
        hint = "Convert them with ids.astype(int)."
        raise InvalidTypeError(f"got ids of {ids.dtype}, expected whole numbers", where=where, hint=hint)
    if ids.size and not (ids.min() >= 0 and ids.max() < entries):
        index = tuple(np.argwhere((ids < 0) | (ids >= entries))[0].tolist())
        message = f"got the id {ids[index]} at index {index}, expected 0 to {entries - 1} for {entries} entries"
        hint = "Ids count from 0" + (f": for these, make the layer with entries={int(ids.max()) + 1}." if ids.max() >= entries else ".")
        raise InvalidValueError(message, where=where, hint=hint)
    return np.asarray(ids, np.intp)


def as_padding(padding: object, entries: int, where: object) -> int | None:
    """Return `padding`, the id that stands for no entry, or raise if it is not below `entries`.

    Examples
    --------
    >>> as_padding(0, 3, "Embedding"), as_padding(None, 3, "Embedding")
    (0, None)
    """
    if padding is None:
        return None
    id = as_count(padding, "padding", where)
    if id >= entries:
        raise InvalidValueError(f"padding is {id}, expected 0 to {entries - 1} for {entries} entries", where=where)
    return id


def sum_by_id(ids: Array, d: Array) -> tuple[Array, Array]:
    """Return the distinct `ids` (n,) in order, and the sum of the rows of `d` (n, …) for each.

    The rows of an id are added in order, so that the sum is reproducible.

    Examples
    --------
    >>> ids, sums = sum_by_id(np.array([2, 0, 2]), np.array([[1.0], [2.0], [4.0]]))
    >>> ids, sums.tolist()
    (array([0, 2]), [[2.0], [5.0]])
    """
    order = np.argsort(ids, kind="stable")
    in_order = ids[order]
    starts = np.flatnonzero(np.diff(in_order, prepend=-1))
    return in_order[starts], np.add.reduceat(d.take(order, axis=0), starts, axis=0)
