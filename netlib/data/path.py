"""File names on their way in."""

from __future__ import annotations

import os
from typing import TypeAlias

from ..errors import InvalidTypeError, InvalidValueError

Path: TypeAlias = str | os.PathLike[str]


def as_path(path: Path, where: object = "") -> str:
    """Return `path` as a string, after refusing whatever names no file, such as the number of an open one.

    Examples
    --------
    >>> from pathlib import Path
    >>> as_path(Path("data") / "iris.csv").replace(os.sep, "/")
    'data/iris.csv'
    """
    try:
        name = os.fsdecode(path)
    except TypeError:
        raise InvalidTypeError(f"path is {path!r}, wanted a file name", where=where, hint="Pass a str or a pathlib.Path.") from None
    if "\0" in name:
        raise InvalidValueError(f"path is {name!r}, which no file can be called", where=where)
    return name
