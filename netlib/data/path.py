"""The check of file names."""

from __future__ import annotations

import os
from typing import TypeAlias

from ..errors import InvalidTypeError, InvalidValueError

Path: TypeAlias = str | os.PathLike[str]


def as_path(path: Path, where: object = "") -> str:
    """Return `path` as a string, or raise if it is not a file name but, say, a file descriptor.

    Examples
    --------
    >>> from pathlib import Path
    >>> as_path(Path("data") / "iris.csv").replace(os.sep, "/")
    'data/iris.csv'
    """
    try:
        name = os.fsdecode(path)
    except TypeError:
        message, hint = f"path is {path!r}, expected a file name", "Pass a str or a pathlib.Path."
        raise InvalidTypeError(message, where=where, hint=hint) from None
    if "\0" in name:
        raise InvalidValueError(f"path is {name!r}, which is not a valid file name", where=where)
    return name


def as_folder_of(path: str, where: object) -> str:
    """Return the folder of a file to be written, or raise if it is missing."""
    folder = os.path.dirname(path) or os.curdir
    if not os.path.isdir(folder):
        hint = f"Make it: os.makedirs({folder!r})."
        raise InvalidValueError(f"there is no folder {folder!r}", where=where, hint=hint)
    return folder
