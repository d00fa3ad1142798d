"""Files of arrays, and the format that a file name implies."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import BinaryIO

from ..data.path import Path, as_path
from ..errors import FormatError, InvalidValueError
from .contents import Contents
from .foreign import require_not_foreign
from .npz import read_npz, write_npz
from .safetensors import read_safetensors, write_safetensors
from .writing import open_replacement

Reader = Callable[[BinaryIO, str], Contents]
Writer = Callable[[BinaryIO, Contents], None]

FORMATS: dict[str, tuple[Reader, Writer]] = {
    ".npz": (read_npz, write_npz),
    ".safetensors": (read_safetensors, write_safetensors),
}
"""How to read and write a file, by the suffix of its name."""

SIGNATURES = {".npz": rb"PK\x03\x04", ".safetensors": rb".{8}\{"}
"""How a file of each format begins."""


def format_of(path: Path, where: str) -> tuple[str, Reader, Writer]:
    """Return the file's name, and how to read and write it, or raise if its suffix is unknown."""
    name = as_path(path, where)
    stem, suffix = os.path.splitext(name)
    if suffix.lower() not in FORMATS:
        message = f"{name!r} has the suffix {suffix!r}, expected one of {', '.join(FORMATS)}"
        raise InvalidValueError(message, where=where, hint=f"Name it {stem + '.npz'!r}, for example.")
    return name, *FORMATS[suffix.lower()]


def read_contents(path: Path, where: str) -> Contents:
    """Return the arrays and the text of a file."""
    name = as_path(path, where)
    with open(name, "rb") as file:
        start = file.read(256)
        require_not_foreign(start, name)
        _, read, _ = format_of(path, where)
        if not start:
            raise FormatError("the file is empty", where=name, hint="Is the download complete?")
        for suffix, signature in SIGNATURES.items():
            if FORMATS[suffix][0] is not read and re.match(signature, start, re.DOTALL):
                raise FormatError(f"has the format of {suffix}", where=name, hint=f"Rename it to end in {suffix}.")
        return read(file, name)


def write_contents(path: Path, contents: Contents, where: str) -> None:
    """Write a file completely, or leave the previous one unchanged."""
    name, _, write = format_of(path, where)
    with open_replacement(name) as file:
        write(file, contents)
