"""Arrays that stay on disk: which they are, and reading some of their rows."""

from __future__ import annotations

import mmap
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeVar

import numpy as np

from ..arrays import Array
from ..data.aligned import as_aligned
from ..errors import InvalidTypeError, ShapeError

Item = TypeVar("Item")

MAPPED_BYTES = 2**24
"""How much of a memory-mapped file may be mapped before its pages are given back."""
FAULT_BYTES = 2**21
"""How much of the file the system maps, at most, where one row is read: a huge page."""


def is_on_disk(a: Any) -> bool:
    """Return whether `a` is an array to read row by row: of np.memmap, h5py, zarr, or like them.

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
    return [a if is_on_disk(a) else row for a, row in zip(arrays, rows, strict=True)]


def read(a: Any, rows: slice | Array) -> Array:
    """Return rows of an array: a view of a slice in memory, and otherwise a copy.

    h5py takes row numbers in ascending order, without repeats.

    Examples
    --------
    >>> read(np.array([10, 20, 30]), np.array([2, 0]))
    array([30, 10])
    """
    if type(a) is np.ndarray or (isinstance(a, np.ndarray) and not is_on_disk(a)):
        return a[rows] if isinstance(rows, slice) else a.take(rows, axis=0)
    n = len(range(*rows.indices(a.shape[0]))) if isinstance(rows, slice) else len(rows)
    if isinstance(a, np.memmap):
        return _read_mapped(a, rows)
    if isinstance(rows, slice):
        some = np.asarray(a[rows])
    else:
        distinct, place = np.unique(rows, return_inverse=True)
        some = np.asarray(a[distinct])[place]
    if some.shape != (n, *a.shape[1:]):
        message = f"reading {n} rows of an array of shape {tuple(a.shape)} gave shape {some.shape}"
        raise ShapeError(message, where=type(a).__name__)
    return some


def _read_mapped(a: np.memmap[Any, Any], rows: slice | Array) -> Array:
    """Return a copy of rows of a memory-mapped file, and give its pages back part by part.

    They would add up to the size of the file. They stay in the cache of the system. If the file was
    opened for changes in memory alone (mode "c"), they are kept: the changes would be lost.
    """
    numbers: Array = np.arange(*rows.indices(a.shape[0])) if isinstance(rows, slice) else rows
    some = np.empty((len(numbers), *a.shape[1:]), a.dtype)
    mapped = np.asarray(a)
    row_bytes = some[:1].nbytes + (0 if isinstance(rows, slice) else FAULT_BYTES)
    size = max(MAPPED_BYTES // max(row_bytes, 1), 1)
    for start in range(0, len(numbers), size):
        part = slice(start, start + size)
        np.take(mapped, numbers[part], axis=0, out=some[part], mode="clip")
        if a.mode != "c" and hasattr(mmap, "MADV_DONTNEED"):
            a._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]
    return some


def one_ahead(items: Generator[Item]) -> Generator[Item]:
    """Yield the items, and prepare the next one in a thread meanwhile.

    The thread ends with the iterator. What it raises is raised here, in turn.

    Examples
    --------
    >>> list(one_ahead(i for i in range(3)))
    [0, 1, 2]
    """
    with closing(items), ThreadPoolExecutor(1, "netlib-reader") as reader:
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
