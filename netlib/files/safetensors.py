"""The format of Hugging Face, ``.safetensors``: a JSON header, then the numbers of all arrays.

The safetensors library writes the file and checks its header. This module checks beforehand what
the library assumes, and reads the numbers directly into their arrays.
"""

from __future__ import annotations

import io
import math
import os
import stat
import warnings
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ..arrays import Array, Shape
from ..errors import FormatError, not_installed
from .contents import Contents
from .npz import as_native, bytes_of, require_booleans
from .strict_json import read_json
from .writing import temporary_folder

DTYPES = {
    "BOOL": "?", "I8": "i1", "I16": "<i2", "I32": "<i4", "I64": "<i8", "U8": "u1", "U16": "<u2", "U32": "<u4", "U64": "<u8",
    "F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
"""The types that can be read; BF16 as the upper half of float32."""
MAX_HEADER = 100_000_000
MAX_DIMENSIONS = 64
WHERE = "safetensors"


def write_safetensors(file: BinaryIO, contents: Contents) -> None:
    """Write arrays, which are in C order, and the text into an open file."""
    library = _library()
    specs = {
        name: library.TensorSpec(dtype=a.dtype.name, shape=a.shape, data_ptr=a.ctypes.data, data_len=a.nbytes)
        for name, a in contents.arrays.items()
    }
    metadata = None if contents.text is None else {"netlib": contents.text}
    mode = os.fstat(file.fileno()).st_mode
    if not stat.S_ISREG(mode):
        file.write(library.serialize(specs, metadata=metadata))
        return
    # The library writes to a temporary file beside the one it is given, which a kill would leave.
    # `open_replacement` removes this folder with what is in it.
    with temporary_folder(file.name) as folder:
        path = os.path.join(folder, "file")
        try:
            library.serialize_file(specs, path, metadata=metadata)
        except library.SafetensorError as error:
            raise OSError(f"the safetensors library cannot write the file: {error}") from error
        os.chmod(path, stat.S_IMODE(mode))
        os.replace(path, file.name)
    with open(file.name, "rb") as written:
        os.fsync(written.fileno())


def read_safetensors(file: BinaryIO, where: str) -> Contents:
    """Read all arrays of an open file, and the text of netlib's `save`.

    Arrays of bfloat16, which NumPy lacks, become float32, and a warning counts them.

    Raises
    ------
    FormatError
        If the file is damaged, or holds arrays with 8 bits or fewer per number.
    """
    tensors, text = _read_header(file, where)
    _library_check(file, where)
    arrays = {}
    for tensor in sorted(tensors, key=lambda tensor: tensor.name):
        arrays[tensor.name] = _read_tensor(file, tensor, where)
    if n_widened := sum(tensor.dtype == "BF16" for tensor in tensors):
        message = f"{where}: {n_widened} arrays of bfloat16 became float32, which holds the same numbers"
        warnings.warn(message, UserWarning, stacklevel=5)
    return Contents(arrays, text)


class _Tensor(NamedTuple):
    name: str
    dtype: str
    shape: Shape
    begin: int
    end: int


def _read_header(file: BinaryIO, where: str) -> tuple[list[_Tensor], str | None]:
    """Return the tensors and netlib's text, or raise if the header does not describe the file."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(MAX_HEADER, size - 8):
        message = f"bytes 0 to 7 announce a header of {length} bytes in a file of {size} bytes"
        raise FormatError(message, where=where, hint="Is the download complete?")
    try:
        text = file.read(length).decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"byte {8 + error.start}, in the header, is not UTF-8", where=where) from None
    if not text.startswith("{"):
        raise FormatError(f"byte 8, the start of the header, is {text[:1]!r}, expected '{{'", where=where)
    header = read_json(text, f"{where}, header")
    metadata = header.pop("__metadata__", None)
    if metadata is not None and not _is_text_to_text(metadata):
        raise FormatError("__metadata__ is not a dict of strings", where=where)
    tensors = [_as_tensor(name, entry, where) for name, entry in header.items()]
    end = 0
    for tensor in sorted(tensors, key=lambda tensor: (tensor.begin, tensor.end)):
        if tensor.begin != end:
            message = f"begins at byte {tensor.begin} of the data, expected byte {end}"
            raise FormatError(message, where=f"{where}, {tensor.name!r}")
        end = tensor.end
    if 8 + length + end != size:
        message = f"the header describes {8 + length + end} bytes, the file has {size}"
        raise FormatError(message, where=where, hint="Is the download complete?")
    start = 8 + length
    moved = [tensor._replace(begin=start + tensor.begin, end=start + tensor.end) for tensor in tensors]
    return moved, None if metadata is None else metadata.get("netlib")


def _is_text_to_text(thing: object) -> bool:
    return isinstance(thing, dict) and all(isinstance(value, str) for value in thing.values())


def _as_tensor(name: str, entry: Any, where: str) -> _Tensor:
    where = f"{where}, {name!r}"
    if not isinstance(entry, dict) or sorted(entry) != ["data_offsets", "dtype", "shape"]:
        raise FormatError(f"has the entry {str(entry)[:100]}, expected dtype, shape and data_offsets", where=where)
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        hint = "Convert it to F16, BF16 or F32 where it comes from." if str(dtype)[:2] in ("F8", "F4", "F6") else ""
        raise FormatError(f"has the type {dtype!r}, expected one of {', '.join(DTYPES)}", where=where, hint=hint)
    if not _are_counts(shape) or len(shape) > MAX_DIMENSIONS:
        raise FormatError(f"has the shape {str(shape)[:100]}, expected at most {MAX_DIMENSIONS} whole numbers", where=where)
    if not _are_counts(offsets) or len(offsets) != 2:
        raise FormatError(f"has the data_offsets {str(offsets)[:100]}, expected two whole numbers", where=where)
    n_bytes = math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize
    if offsets[1] - offsets[0] != n_bytes:
        message = f"has {offsets[1] - offsets[0]} bytes, expected {n_bytes} for {dtype} of shape {tuple(shape)}"
        raise FormatError(message, where=where)
    return _Tensor(name, dtype, tuple(shape), *offsets)


def _are_counts(thing: object) -> bool:
    return isinstance(thing, list) and all(type(n) is int and n >= 0 for n in thing)


def _read_tensor(file: BinaryIO, tensor: _Tensor, where: str) -> Array:
    where = f"{where}, {tensor.name!r}"
    dtype = np.dtype(DTYPES[tensor.dtype])
    try:
        array = np.empty(tensor.shape, dtype)
    except ValueError as error:
        raise FormatError(f"has the shape {tensor.shape}: {error}", where=where) from None
    file.seek(tensor.begin)
    if file.readinto(bytes_of(array)) != array.nbytes:  # type: ignore[attr-defined]
        raise FormatError("the file became shorter while it was read", where=where)
    require_booleans(array, where)
    if tensor.dtype == "BF16":
        return (as_native(array).astype(np.uint32) << 16).view(np.float32)
    return as_native(array)


def _library() -> Any:
    try:
        import safetensors
    except ImportError:
        raise not_installed("safetensors", "safetensors", WHERE) from None
    return safetensors


def _library_check(file: BinaryIO, where: str) -> None:
    """Raise if the library does not accept the file."""
    library = _library()
    try:
        with library.safe_open(file.name, framework="np"):
            pass
    except library.SafetensorError as error:
        raise FormatError(f"the safetensors library does not accept it: {error}", where=where) from None
