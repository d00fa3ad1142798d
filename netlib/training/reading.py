"""Arrays that stay on disk: recognizing them, and reading some of their rows."""

from __future__ import annotations

import mmap
import os
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from typing import Any, TypeVar
from weakref import finalize

import numpy as np

from ..arrays import Array
from ..data.aligned import as_aligned
from ..errors import InvalidTypeError, ShapeError
from ..workers import one_worker

Item = TypeVar("Item")


def is_on_disk(a: Any) -> bool:
    """Return whether `a` is an array to read row by row: np.memmap, h5py, zarr, or similar.

    It has shape, dtype and ``a[rows]``. Arrays of other libraries in memory have ``__array__`` and
    no chunks.

    Examples
    --------
    >>> is_on_disk(np.ones(3)), is_on_disk([1.0, 2.0])
    (False, False)
    """
    if isinstance(a, np.ndarray):
        return isinstance(a, np.memmap) and a._mmap is not None  # type: ignore[attr-defined]
    is_array = all(hasattr(a, name) for name in ("shape", "dtype", "__getitem__"))
    return is_array and (hasattr(a, "chunks") or not hasattr(a, "__array__"))


def as_rows(arrays: Sequence[Any], where: str) -> list[Any]:
    """Return `arrays` with those in memory as NumPy arrays, or raise if numbers of rows differ."""
    stand_ins = [np.broadcast_to(np.float32(0), a.shape) if is_on_disk(a) else a for a in arrays]
    for a in filter(is_on_disk, arrays):
        if np.dtype(a.dtype).kind not in "fiub":
            raise InvalidTypeError(f"got an array of {a.dtype}, expected real numbers", where=where)
    rows = as_aligned(stand_ins, where)
    return [_as_readable(a) if is_on_disk(a) else row for a, row in zip(arrays, rows, strict=True)]


def _as_readable(a: Any) -> Any:
    """Return `a` or, for a memory-mapped file, its rows in the file if that is possible.

    This is impossible for changes that are only in memory (mode "c"), and for deleted files.
    """
    if isinstance(a, np.memmap) and a.mode != "c" and a.filename is not None and hasattr(os, "preadv") and _has_whole_rows(a):
        with suppress(OSError):
            return FileRows(a)
    return a


def read(a: Any, rows: slice | Array) -> Array:
    """Return rows of an array: a view for a slice in memory, otherwise a copy.

    h5py takes row numbers in ascending order, without repeats.

    Examples
    --------
    >>> read(np.array([10, 20, 30]), np.array([2, 0]))
    array([30, 10])
    """
    if isinstance(a, np.ndarray) and not is_on_disk(a):
        return a[rows] if isinstance(rows, slice) else a.take(rows, axis=0)
    n = len(range(*rows.indices(a.shape[0]))) if isinstance(rows, slice) else len(rows)
    if isinstance(a, np.memmap):
        return np.array(a[rows])
    if isinstance(rows, slice) or isinstance(a, FileRows):
        some = np.asarray(a[rows])
    else:
        distinct, place = np.unique(rows, return_inverse=True)
        some = np.asarray(a[distinct])[place]
    if some.shape != (n, *a.shape[1:]):
        message = f"reading {n} rows of an array of shape {tuple(a.shape)} gave shape {some.shape}"
        raise ShapeError(message, where=type(a).__name__)
    return some


class FileRows:
    """The rows of a memory-mapped array, read from its file instead of the mapped memory.

    Every row that is read from mapped memory stays in memory, up to the size of the file, and
    freeing it slows down all threads. The file is open as long as this object lives.

    Parameters
    ----------
    mapped : numpy.memmap

    Raises
    ------
    OSError
        If the file cannot be opened, or is not the one that is mapped.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     x = np.memmap(file.name, np.int8, "w+", shape=(3, 2))
    ...     x[:] = [[1, 2], [3, 4], [5, 6]]
    ...     FileRows(x)[np.array([2, 0])]
    array([[5, 6],
           [1, 2]], dtype=int8)
    """

    chunks = None  # as h5py's, it is read in parts

    def __init__(self, mapped: np.memmap[Any, Any]) -> None:
        self.shape, self.dtype = mapped.shape, mapped.dtype
        self._start = mapped.offset - mapped.offset % mmap.ALLOCATIONGRANULARITY
        self._start += _address(mapped) - _address(np.frombuffer(mapped._mmap, np.uint8))  # type: ignore[attr-defined]
        self._step = mapped.strides[0]
        self._name, self._file = mapped.filename, os.open(mapped.filename, os.O_RDONLY)  # type: ignore[arg-type]
        finalize(self, os.close, self._file)
        ends = slice(None, None, max(len(mapped) - 1, 1))
        if self[ends].tobytes() != mapped[ends].tobytes():
            raise OSError(f"{mapped.filename} is not the file that is mapped")

    def __getitem__(self, rows: slice | Array) -> Array:
        numbers: Array = np.arange(*rows.indices(self.shape[0])) if isinstance(rows, slice) else rows
        some = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        if not some.size:
            return some
        into, size = some.reshape(-1).view(np.uint8).data, some[0].nbytes
        for i, place in enumerate((self._start + self._step * numbers).tolist()):
            if os.preadv(self._file, [into[i * size : (i + 1) * size]], place) != size:
                raise OSError(f"{self._name} ends before row {numbers[i]}")
        return some


def _address(a: Array) -> int:
    return int(a.__array_interface__["data"][0])


def _has_whole_rows(a: Array) -> bool:
    return a.ndim > 0 and a.size > 0 and a[0].flags.c_contiguous


def one_ahead(items: Generator[Item]) -> Generator[Item]:
    """Yield the items, while a thread prepares the next one.

    The thread ends with the iterator. Its errors are raised here, in turn.

    Examples
    --------
    >>> list(one_ahead(i for i in range(3)))
    [0, 1, 2]
    """
    with closing(items), one_worker("netlib-reader") as reader:
        end: Any = object()
        coming = reader.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = reader.submit(next, items, end)
            yield item


def with_last(items: Generator[Item]) -> Generator[tuple[Item, bool]]:
    """Yield each item, and whether it is the last.

    Examples
    --------
    >>> list(with_last(letter for letter in "ab"))
    [('a', False), ('b', True)]
    """
    with closing(items):
        end: Any = object()
        item = next(items, end)
        while item is not end:
            following = next(items, end)
            yield item, following is end
            item = following
