"""What a file of arrays contains: arrays by name, and a text about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..arrays import Array
from ..errors import InvalidTypeError, InvalidValueError

OWN = "__netlib__"
"""Names that begin with this are netlib's own: the text, and arrays that belong to no state."""
DTYPES = {np.dtype(code) for code in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")}
"""The types of arrays that files hold, all of them portable."""


class Contents(NamedTuple):
    """The contents of a file."""

    arrays: dict[str, Array]
    text: str | None
    """What netlib's ``save`` writes besides arrays, as JSON. None in files of other programs."""


def as_storable(arrays: object, where: str) -> dict[str, Array]:
    """Return the arrays in C order and little-endian, or raise if a name or a type is not storable.

    Examples
    --------
    >>> as_storable({"weight": np.ones((2, 2), ">f4").T}, "save_state")["weight"].dtype.str
    '<f4'
    """
    if not isinstance(arrays, Mapping):
        hint = "Use nl.save for a model." if hasattr(arrays, "state_dict") else ""
        raise InvalidTypeError(f"got {type(arrays).__name__}, expected a dict of arrays", where=where, hint=hint)
    result = {}
    for name, given in arrays.items():
        _require_name(name, where)
        if not isinstance(given, np.ndarray | np.generic):
            hint = "Convert it with np.asarray(…)."
            raise InvalidTypeError(f"{name!r} is {type(given).__name__}, expected an array", where=where, hint=hint)
        if isinstance(given, np.ma.MaskedArray):
            raise InvalidTypeError(f"{name!r} is a masked array, whose mask would be lost", where=where, hint="Use x.filled(0).")
        result[name] = as_portable(np.asarray(given), repr(name), where)
    return result


def as_portable(array: Array, name: str, where: str) -> Array:
    """Return an array in C order and little-endian, or raise if its type is not portable.

    Examples
    --------
    >>> as_portable(np.ones(2, ">f8"), "weight", "save").dtype.str
    '<f8'
    """
    if array.dtype.newbyteorder("=") not in DTYPES:
        message = f"{name} has the type {array.dtype}, which is not portable"
        known = ", ".join(sorted(str(dtype) for dtype in DTYPES))
        raise InvalidTypeError(message, where=where, hint=f"Convert it to one of: {known}.")
    return np.asarray(array, array.dtype.newbyteorder("<"), order="C")


def _require_name(name: object, where: str) -> None:
    if not isinstance(name, str):
        raise InvalidTypeError(f"got the name {name!r}, expected a str", where=where)
    problem = problem_of_name(name) or ("is reserved" if name.startswith(OWN) or name == "__metadata__" else "")
    if problem:
        raise InvalidValueError(f"{name!r} cannot name an array: it {problem}", where=where)


def problem_of_name(name: str) -> str:
    """Return why `name` cannot be stored, or an empty string.

    >>> problem_of_name("0.weight"), problem_of_name("../weight")
    ('', 'is a path')
    """
    if not name:
        return "is empty"
    if "\0" in name:
        return "has a NUL"
    if "\\" in name or name.startswith("/") or ".." in name.split("/"):
        return "is a path"
    if not is_unicode(name):
        return "has half a surrogate pair"
    return "has more than 65,000 bytes" if len(name.encode("utf-8")) > 65_000 else ""


def is_unicode(text: str) -> bool:
    """Return whether a text can be encoded, because it has no half of a surrogate pair."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
