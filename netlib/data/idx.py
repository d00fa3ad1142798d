"""The IDX format, in which MNIST comes."""

from __future__ import annotations

import math
import sys
from io import BufferedIOBase

import numpy as np

from ..arrays import Array
from ..errors import FormatError
from .path import Path, as_path

DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_DIMENSIONS = 64  # of a NumPy array
CHUNK = 1 << 20


def read_idx(path: Path) -> Array:
    """Read an array from an IDX file, such as those of MNIST, as it is or compressed by gzip.

    Parameters
    ----------
    path : str or path
        The file. That it is compressed shows in its first bytes, whatever its name.

    Returns
    -------
    ndarray
        With the file's shape and its numbers: uint8, int8, int16, int32, float32 or float64, in this machine's byte order.

    Raises
    ------
    FormatError
        Where the file is no IDX file or a damaged one. Memory is taken as the bytes come in, never on the word of the header
        alone, and unpacking stops at the size that the header announces.
    OSError
        Where the file cannot be opened.

    Notes
    -----
    Two zero bytes; one for the type; one for the number of dimensions; four a dimension, most significant byte first; then the numbers,
    the last index fastest. See Y. LeCun, C. Cortes and C. Burges, The MNIST database of handwritten digits, 1998.

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
        raise FormatError("the file is empty, wanted an IDX file", where=name)
    if len(magic) < 4:
        raise FormatError(f"the file ends after {len(magic)} bytes, in the 4 bytes of the magic number", where=name)
    if magic[:2] != b"\0\0":
        raise FormatError(f"bytes 0 and 1 are {magic[:2].hex(' ')}, wanted the 00 00 of an IDX file", where=name)
    if magic[2] not in DTYPES:
        known = ", ".join(f"{code:02x}" for code in DTYPES)
        raise FormatError(f"byte 2, the type, is {magic[2]:02x}, wanted one of {known}", where=name)
    dtype, ndim = np.dtype(DTYPES[magic[2]]), magic[3]
    if ndim > MOST_DIMENSIONS:
        raise FormatError(f"byte 3, the number of dimensions, is {ndim}, wanted at most {MOST_DIMENSIONS}", where=name)

    sizes = _read_bytes(file, 4 * ndim)
    begin = 4 + 4 * ndim
    if len(sizes) < 4 * ndim:
        raise FormatError(f"the file ends after {4 + len(sizes)} bytes, in the {begin} bytes of a header of {ndim} dimensions", where=name)
    shape = tuple(np.frombuffer(sizes, ">u4").tolist())
    if math.prod(size or 1 for size in shape) * dtype.itemsize > sys.maxsize:
        raise FormatError(f"bytes 4 to {begin - 1}, the dimensions, are {shape}, which no memory can hold", where=name)

    announced = math.prod(shape) * dtype.itemsize
    data = _read_bytes(file, announced)
    if len(data) < announced:
        raise FormatError(f"the file ends after {begin + len(data)} bytes, its header {shape} announces {begin + announced}", where=name)
    if file.read(1):
        raise FormatError(f"the file goes on at byte {begin + announced}, where its header {shape} announces the end", where=name)
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _read_bytes(file: BufferedIOBase, count: int) -> bytearray:
    """Read `count` bytes, fewer where the file ends, without setting memory aside for what may not be there."""
    data = bytearray()
    while chunk := file.read(min(CHUNK, count - len(data))):
        data += chunk
    return data
