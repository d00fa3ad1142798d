"""Files of arrays: which format a name means, and what a file is that has another one."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import BinaryIO

from ..data.path import Path, as_path
from ..errors import FormatError, InvalidValueError
from .contents import Contents
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

PICKLE = "a Python pickle, which netlib never loads", "Save a dict of arrays where it comes from: nl.save_state, or safetensors."
HTML = "an HTML page", "The download was probably refused: look at the page in a browser."
FOREIGN = [
    (b"version https://git-lfs", ("a Git LFS pointer, not the file itself", "Get the file with: git lfs pull")),
    (b"<!doctype html", HTML),
    (b"<html", HTML),
    (b"\x89hdf\r\n\x1a\n", ("an HDF5 file, such as Keras writes", "Read its arrays with h5py, and pass them to nl.save_state.")),
    (b"\x93numpy", ("a single array of NumPy, .npy", "Read it with np.load.")),
    *((bytes([0x80, protocol]), PICKLE) for protocol in range(2, 6)),
]
"""First bytes in lower case; what they mean, and what to do."""


def format_of(path: Path, where: str) -> tuple[str, Reader, Writer]:
    """Return the file's name, and how to read and write it, or raise if its suffix is unknown."""
    name = as_path(path, where)
    suffix = os.path.splitext(name)[1]
    if suffix.lower() not in FORMATS:
        message = f"{name!r} has the suffix {suffix!r}, expected one of {', '.join(FORMATS)}"
        raise InvalidValueError(message, where=where)
    return name, *FORMATS[suffix.lower()]


def read_contents(path: Path, where: str) -> Contents:
    """Return the arrays and the text of a file."""
    name = as_path(path, where)
    with open(name, "rb") as file:
        start = file.read(64)
        for first_bytes, (what, hint) in FOREIGN:
            if start.lstrip().lower().startswith(first_bytes):
                raise FormatError(f"is {what}", where=name, hint=hint)
        _, read, _ = format_of(path, where)
        if not start:
            raise FormatError("the file is empty", where=name)
        return read(file, name)


def write_contents(path: Path, contents: Contents, where: str) -> None:
    """Write a file as a whole, or leave what was there before."""
    name, _, write = format_of(path, where)
    with open_replacement(name) as file:
        write(file, contents)
