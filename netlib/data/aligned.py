"""The check that arrays have equal numbers of rows, which splitting and batching share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..arrays import as_array
from ..errors import InvalidValueError, ShapeError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..arrays import Array


def as_aligned(arrays: Sequence[ArrayLike], where: object = "") -> list[Array]:
    """Return `arrays` as arrays, or raise if they have no rows or different numbers of rows.

    Examples
    --------
    >>> [a.shape for a in as_aligned([[[1, 2], [3, 4]], [0, 1]])]
    [(2, 2), (2,)]
    """
    if not arrays:
        raise InvalidValueError("got no arrays, expected at least one", where=where)
    rows = [as_array(a, where) for a in arrays]
    shapes = [a.shape for a in rows]
    if () in shapes:
        message = f"array {shapes.index(())} is a single number, expected rows along axis 0"
        raise ShapeError(message, where=where)
    if len({shape[0] for shape in shapes}) > 1:
        listed = ", ".join(map(str, shapes))
        message = f"got arrays of shapes {listed}, expected equal numbers of rows"
        raise ShapeError(message, where=where)
    return rows
