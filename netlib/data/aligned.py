"""Arrays whose rows belong together: the one check that splitting and batching share."""

from __future__ import annotations

from collections.abc import Sequence

from ..arrays import Array, ArrayLike, as_array
from ..errors import InvalidValueError, ShapeError


def as_aligned(arrays: Sequence[ArrayLike], where: object = "") -> list[Array]:
    """Return `arrays` as arrays, or raise if their numbers of rows differ or one has no rows.

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
        raise ShapeError(f"array {shapes.index(())} is a single number, expected rows along axis 0", where=where)
    if len({shape[0] for shape in shapes}) > 1:
        message = f"got arrays of shapes {', '.join(map(str, shapes))}, expected equally many rows"
        raise ShapeError(message, where=where, hint="Each needs one row for each sample.")
    return rows
