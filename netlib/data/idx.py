"""The IDX file format, which MNIST uses."""

from __future__ import annotations

import math
import sys
from io import BufferedIOBase

import numpy as np

from ..arrays import Array
from ..errors import FormatError
from .path import Path, as_path

DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_DIMENSIONS = 64  # of a NumPy array
CHUNK = 1 << 20


def read_idx(path: Path) -> Array:
    """Read an array from an IDX file, such as those of MNIST, optionally compressed with gzip.

    Parameters
    ----------
    path : str or path
        The file. Compression is recognized by the first bytes, not by the name.

    Returns
    -------
    ndarray
        An array of the file's shape and type: uint8, int8, int16, int32, float32 or float64, in the
        byte order of this machine.

    Raises
    ------
    FormatError
        If the file is not an IDX file, or is damaged. A wrong header cannot exhaust the memory,
        since memory is allocated as the bytes are read, up to the size in the header.
    OSError
        If the file cannot be opened.

    Notes
    -----
    An IDX file has two zero bytes, one byte for the type, one for the number of dimensions, four
    bytes for each dimension, most significant byte first, and then the numbers in C order. See
    Y. LeCun, C. Cortes and C. Burges, The MNIST database of handwritten digits, 1998.

    Examples
    --------
    >>> import netlib as nl, os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "labels-idx1-ubyte")
    ...     with open(path, "wb") as file:
    ...         _ = file.write(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]))
    ...     nl.data.read_idx(path)
    array([5, 0, 4], dtype=uint8)
    """
    import gzip
    import zlib

    name = as_path(path, "read_idx")
    with open(name, "rb") as file:
        if file.peek(2)[:2] != b"\x1f\x8b":
            return _read(file, name)
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _read(unpacked, name)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FormatError(f"its gzip compression is broken: {error}", where=name) from None


def _read(file: BufferedIOBase, name: str) -> Array:
    magic = _read_bytes(file, 4)
    if not magic:
        raise FormatError("the file is empty, expected an IDX file", where=name)
    if len(magic) < 4:
        message = f"the file ends after {len(magic)} bytes, in the 4 bytes of the magic number"
        raise FormatError(message, where=name)
    if magic[:2] != b"\0\0":
        message = f"bytes 0 and 1 are {magic[:2].hex(' ')}, expected the 00 00 of an IDX file"
        raise FormatError(message, where=name)
    if magic[2] not in DTYPES:
        known = ", ".join(f"{code:02x}" for code in DTYPES)
        message = f"byte 2, the type, is {magic[2]:02x}, expected one of {known}"
        raise FormatError(message, where=name)
    dtype, ndim = np.dtype(DTYPES[magic[2]]), magic[3]
    if ndim > MAX_DIMENSIONS:
        message = f"byte 3, the number of dimensions, is {ndim}, expected at most {MAX_DIMENSIONS}"
        raise FormatError(message, where=name)

    sizes = _read_bytes(file, 4 * ndim)
    begin = 4 + 4 * ndim
    if len(sizes) < 4 * ndim:
        header = f"the {begin} bytes of a header of {ndim} dimensions"
        raise FormatError(f"the file ends after {4 + len(sizes)} bytes, in {header}", where=name)
    shape = tuple(np.frombuffer(sizes, ">u4").tolist())
    if math.prod(size or 1 for size in shape) * dtype.itemsize > sys.maxsize:
        message = f"bytes 4 to {begin - 1}, the dimensions, are {shape}, which exceeds any memory"
        raise FormatError(message, where=name)

    n_bytes = math.prod(shape) * dtype.itemsize
    data, end = _read_bytes(file, n_bytes), begin + n_bytes
    if len(data) < n_bytes:
        got = begin + len(data)
        message = f"the file ends after {got} bytes, expected {end} for its header {shape}"
        raise FormatError(message, where=name)
    if file.read(1):
        message = f"the file continues after byte {end}, expected its end for its header {shape}"
        raise FormatError(message, where=name)
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _read_bytes(file: BufferedIOBase, count: int) -> bytearray:
    """Read at most `count` bytes, and allocate memory only as they are read."""
    data = bytearray()
    while chunk := file.read(min(CHUNK, count - len(data))):
        data += chunk
    return data
