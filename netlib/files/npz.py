"""NumPy's format of several arrays, ``.npz``: a zip archive with a ``.npy`` file for each array.

Everything in the file is checked against its length before memory is allocated, and every byte of
an array against the archive's checksum. Arrays for which `numpy.load` would need pickle are
rejected.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from concurrent.futures import Executor, Future
from typing import IO, Any, BinaryIO, cast

import numpy as np

from ..arrays import Array, Shape
from ..errors import FormatError
from ..workers import one_worker
from .contents import DTYPES, OWN, Contents, problem_of_name
from .overlapping import CHUNK, OverlappingFile

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of every member, so that the same arrays give the same bytes."""
MAX_HEADER = 10_000
"""The most bytes in front of an array's numbers, as in `numpy.load`."""
FREE_EXPANSION, MAX_EXPANSION = 16 << 20, 20
"""Compressed members may expand to this many bytes, or to this many times the file's length."""
MAX_DESCRIPTOR = 24
"""The most bytes behind a member, where its sizes may stand once more."""
HEADER = re.compile(r"\{'descr': '([^']{1,20})', 'fortran_order': (True|False), 'shape': \(([\d, ]*)\), ?\} *\n?")
DAMAGED = "The file is damaged. Copy or download it again."
SIGNATURE = b"\x93NUMPY"
MALFORMED = (
    zipfile.BadZipFile, zlib.error, struct.error,
    EOFError, IndexError, KeyError, NotImplementedError, OSError, OverflowError, RuntimeError, ValueError,
)  # fmt: skip
"""What `zipfile` raises for damaged archives."""


def write_npz(file: BinaryIO, contents: Contents) -> None:
    """Write arrays, which are in C order, and the text into an open file."""
    arrays = dict(contents.arrays)
    if contents.text is not None:
        arrays = {OWN: np.frombuffer(contents.text.encode("utf-8"), np.uint8), **arrays}
    with one_worker("netlib-files") as executor:
        overlapping = OverlappingFile(file, executor)
        with zipfile.ZipFile(cast("IO[bytes]", overlapping), "w") as archive:
            for name, array in arrays.items():
                _write_member(archive, name, array)
        overlapping.flush()


def _write_member(archive: zipfile.ZipFile, name: str, array: Array) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    info = zipfile.ZipInfo(f"{name}.npy", EPOCH)
    info.external_attr = 0o600 << 16
    info.create_system = 3  # Unix, on every system
    info.file_size = header.tell() + array.nbytes
    with archive.open(info, "w", force_zip64=True) as member:
        member.write(header.getvalue())
        numbers = bytes_of(array)
        for start in range(0, len(numbers), 4 * CHUNK):
            member.write(numbers[start : start + 4 * CHUNK])


def bytes_of(array: Array) -> memoryview:
    """Return the memory of an array without gaps as bytes."""
    return memoryview(array.reshape(-1, order="A").view(np.uint8))  # type: ignore[arg-type]


def read_npz(file: BinaryIO, where: str) -> Contents:
    """Read all arrays of an open file, and the text of netlib's `save`.

    Raises
    ------
    FormatError
        If the file is damaged, or holds anything but plain arrays of numbers.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 22))
    if not re.fullmatch(rb"PK\x05\x06.{16}\0\0", file.read(22), re.DOTALL):
        message = f"the last 22 bytes, from byte {max(0, size - 22)}, are not the end of an archive"
        raise FormatError(message, where=where, hint="Is the download complete?")
    try:
        with zipfile.ZipFile(file) as archive:
            members = _checked_members(archive, file, size, where)
            arrays = {name: _read_member(archive, file, info, f"{where}, {name!r}") for name, info in members.items()}
    except MALFORMED as error:
        if isinstance(error, FormatError) or _is_of_system(error):
            raise
        raise FormatError(f"the archive is damaged: {error}", where=where) from None
    text = arrays.pop(OWN, None)
    if text is None:
        return Contents(arrays, None)
    try:
        return Contents(arrays, text.tobytes().decode("utf-8"))
    except UnicodeDecodeError as error:
        raise FormatError(f"byte {error.start} of the text is not UTF-8", where=f"{where}, {OWN!r}") from None


def _is_of_system(error: BaseException) -> bool:
    """Return whether the error concerns the disk, not the archive."""
    return isinstance(error, OSError) and error.errno is not None and error.errno != 22


def _checked_members(archive: zipfile.ZipFile, file: BinaryIO, size: int, where: str) -> dict[str, zipfile.ZipInfo]:
    """Return the members by name, or raise if they are not a row of arrays that fills the file."""
    members: dict[str, zipfile.ZipInfo] = {}
    end = compressed = 0
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        name = info.filename.removesuffix(".npy")
        problem = problem_of_name(name)
        if name == info.filename:
            problem = "is no .npy file, expected arrays only"
        elif name in members:
            problem = "occurs twice"
        elif info.flag_bits & 1:
            problem = "is encrypted"
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            problem = f"is compressed by method {info.compress_type}, expected 0 or 8"
        elif not 0 <= info.header_offset - end <= (MAX_DESCRIPTOR if members else 0):
            problem = f"begins at byte {info.header_offset}, expected byte {end}"
        elif info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
            problem = f"has {info.compress_size} bytes in the archive, expected {info.file_size}"
        if problem:
            raise FormatError(f"the member {info.filename!r} {problem}", where=where)
        end = _start_of(file, info) + info.compress_size
        compressed += info.file_size if info.compress_type == zipfile.ZIP_DEFLATED else 0
        members[name] = info
    limit = max(FREE_EXPANSION, MAX_EXPANSION * size)
    if compressed > limit:
        message = f"{size} bytes expand to {compressed}, expected at most {limit}"
        raise FormatError(message, where=where, hint="Save it without compression, with np.savez.")
    if not 0 <= archive.start_dir - end <= (MAX_DESCRIPTOR if members else 0):
        raise FormatError(f"the members end at byte {end}, and their list begins at byte {archive.start_dir}", where=where)
    return members


def _start_of(file: BinaryIO, info: zipfile.ZipInfo) -> int:
    """Return where the contents of a member start, after its header, name and extra fields."""
    file.seek(info.header_offset + 26)
    length_of_name, length_of_extra = struct.unpack("<HH", file.read(4))
    return int(info.header_offset + 30 + length_of_name + length_of_extra)


def _read_member(archive: zipfile.ZipFile, file: BinaryIO, info: zipfile.ZipInfo, where: str) -> Array:
    with archive.open(info) as member:  # checks that both headers of the member agree
        if info.compress_type != zipfile.ZIP_STORED or info.file_size < 4 * CHUNK:
            return _read_array(member, info.file_size, where)
        with one_worker("netlib-files") as executor:
            stored = _Stored(file, info, executor)
            array = _read_array(stored, info.file_size, where)
            if stored.checksum() != info.CRC:
                raise FormatError("the numbers do not match their checksum", where=where, hint=DAMAGED)
            return array


class _Stored:
    """A member without compression, whose checksum is computed while the next bytes are read."""

    def __init__(self, file: BinaryIO, info: zipfile.ZipInfo, executor: Executor) -> None:
        file.seek(_start_of(file, info))
        self._file, self._executor = file, executor
        self._checksums: list[Future[None]] = []
        self._sum = 0

    def read(self, n: int) -> bytes:
        content = self._file.read(n)
        self._checksums.append(self._executor.submit(self._add, content))
        return content

    def readinto(self, target: memoryview) -> int:
        n = self._file.readinto(target)  # type: ignore[attr-defined]
        self._checksums.append(self._executor.submit(self._add, target[:n]))
        return n  # type: ignore[no-any-return]

    def _add(self, content: bytes | memoryview) -> None:
        self._sum = zlib.crc32(content, self._sum)

    def checksum(self) -> int:
        for each in self._checksums:
            each.result()
        return self._sum


def _read_array(source: IO[bytes] | _Stored, size: int, where: str) -> Array:
    """Read a ``.npy`` file of `size` bytes."""
    dtype, in_fortran_order, shape, begin = _read_header(source, where)
    end = begin + math.prod(shape) * dtype.itemsize
    if end != size:
        message = f"the array has {size - begin} bytes, expected {end - begin} for {dtype} of shape {shape}"
        raise FormatError(message, where=where)
    try:
        array = np.empty(shape, dtype, order="F" if in_fortran_order else "C")
    except ValueError as error:
        raise FormatError(f"the shape is {shape}: {error}", where=where) from None
    numbers = bytes_of(array)
    done = 0
    while done < len(numbers):
        n = source.readinto(numbers[done : done + 4 * CHUNK])  # type: ignore[union-attr]
        if not n:
            raise FormatError(f"the array ends after {done} of {len(numbers)} bytes", where=where, hint=DAMAGED)
        done += n
    if not done:
        source.read(1)  # so that the checksum of a member without numbers is compared, too
    require_booleans(array, where)
    return as_native(array)


def as_native(array: Array) -> Array:
    """Return an array in the machine's byte order, changed in place."""
    return array if array.dtype.isnative else array.byteswap(inplace=True).view(array.dtype.newbyteorder("="))


def _read_header(source: IO[bytes] | _Stored, where: str) -> tuple[np.dtype[Any], bool, Shape, int]:
    """Return the type, whether it is in Fortran order, the shape, and the length of the header."""
    start = source.read(10)
    if start[:6] != SIGNATURE:
        raise FormatError(f"bytes 0 to 5 are {start[:6]!r}, expected {SIGNATURE!r}", where=where)
    if len(start) < 10 or start[6] not in (1, 2, 3) or start[7]:
        raise FormatError(f"bytes 6 and 7, the version, are {start[6:8].hex(' ')}, expected 01, 02 or 03, and 00", where=where)
    start += b"" if start[6] == 1 else source.read(2)
    length = int.from_bytes(start[8:], "little")
    if length > MAX_HEADER:
        raise FormatError(f"the header has {length} bytes, expected at most {MAX_HEADER}", where=where)
    header = source.read(length).decode("latin-1")
    match = HEADER.fullmatch(header)
    if match is None:
        message = f"the header is {header.strip()[:100]!r}, expected the type, order and shape of plain numbers"
        raise FormatError(message, where=where, hint="An array of records must be split into its fields.")
    code, order, lengths = match.groups()
    if "O" in code:
        hint = "Convert it to numbers before saving it."
        raise FormatError("holds Python objects in a pickle, which netlib never loads", where=where, hint=hint)
    dtype = next((dtype for dtype in DTYPES if code in (dtype.str, dtype.newbyteorder().str)), None)
    if dtype is None:
        known = ", ".join(sorted(dtype.str for dtype in DTYPES))
        raise FormatError(f"has the type {code!r}, expected one of {known}", where=where)
    try:
        shape = tuple(int(n) for n in lengths.removesuffix(",").split(",")) if lengths.strip() else ()
    except ValueError:
        raise FormatError(f"the shape is ({lengths}), expected whole numbers", where=where) from None
    return np.dtype(code), order == "True", shape, len(start) + length


def require_booleans(array: Array, where: str) -> None:
    """Raise if an array of booleans holds anything but 0 and 1."""
    if array.dtype == bool and array.size and array.view(np.uint8).max() > 1:
        raise FormatError(f"holds the boolean {array.view(np.uint8).max()}, expected 0 or 1", where=where)
