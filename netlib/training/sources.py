"""Where the batches of an epoch come from: arrays in memory or on disk, or batches as given."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from contextlib import closing
from itertools import islice
from typing import Any
from zlib import crc32

import numpy as np

from ..arrays import Array
from ..errors import InvalidTypeError, InvalidValueError, ShapeError
from .reading import is_on_disk, one_ahead, with_last
from .samples import Batch, as_samples, held_out_rows

Share = tuple[int, int]
WHOLE = 0, 1
"""The share of a process alone."""
HEAD = 256
"""How many rows of arrays on disk are looked at before training."""


class ArraySource:
    """Batches of the rows of arrays.

    Parameters
    ----------
    samples : Batch
        All samples.
    batch_size : int
    least : int
        A last batch of fewer rows is added to the batch before it.
    drop_last : bool
        Whether to leave out a last batch of fewer than `batch_size` rows.
    rows : ndarray, optional
        The rows to use. By default, all.
    share : (int, int)
        The rank of this process and the number of processes, which divide each batch.
    """

    def __init__(self, samples: Batch, batch_size: int, least: int = 1, drop_last: bool = False,
                 rows: Array | None = None, share: Share = WHOLE) -> None:  # fmt: skip
        self.samples, self.share = samples, share
        self.is_on_disk = any(map(is_on_disk, samples.arrays))
        if rows is not None and not self.is_on_disk:
            self.samples, rows = samples.take(rows), None
        self.rows = rows
        self.n = len(self.samples) if rows is None else len(rows)
        self.batch_size, self.least, self.drop_last = batch_size, least, drop_last
        ends = [*range(batch_size, self.n, batch_size), self.n]
        if len(ends) > 1 and self.n - ends[-2] < (batch_size if drop_last else least):
            del ends[-1 if drop_last else -2]
        self.ends = ends
        self.n_batches: int | None = len(ends)

    @property
    def description(self) -> str:
        """The shapes and types of the arrays."""
        return self.samples.description + ("" if self.rows is None else f", {self.n} rows of them")

    @property
    def batching(self) -> str:
        """How rows become batches."""
        return f"{self.batch_size}" + (", without a smaller last batch" if self.drop_last else "")

    @property
    def size_text(self) -> str:
        """How many samples there are."""
        return f"{self.n} samples"

    def identity(self, kind: str = "") -> dict[str, str]:
        """Return what distinguishes these samples from others of the same shape and type."""
        return {f"the checksum of the first {kind}samples": f"{fingerprint_of(self._take(slice(0, HEAD))):08x}"}

    def head(self) -> Batch:
        """Return the samples to check before training: all, or the first of those on disk."""
        return self._take(slice(0, HEAD)) if self.is_on_disk else self.samples

    def order(self, rng: np.random.Generator) -> Array:
        """Return a random order of the samples."""
        return rng.permutation(self.n)

    def batches(self, order: Array | None = None, first: int = 0) -> Generator[Batch]:
        """Yield the batches from number `first` on, in this `order` of the samples."""
        parts = self._parts(order, first)
        return one_ahead(parts) if self.is_on_disk else parts

    def batches_and_last(self, order: Array | None = None, first: int = 0, fingerprint: int | None = None) -> Generator[tuple[Batch, bool]]:
        """Yield the batches, and whether each is the last; none is read before its turn."""
        with closing(self.batches(order, first)) as batches:
            for number, batch in enumerate(batches, first + 1):
                yield batch, number == self.n_batches

    def _parts(self, order: Array | None, first: int) -> Generator[Batch]:
        for start, end in zip([0, *self.ends][first:], self.ends[first:], strict=False):
            part = self._shared(start, end)
            yield self._take(part if order is None else order[part])

    def _shared(self, start: int, end: int) -> slice:
        """Return the share of this process in the batch from `start` to `end`."""
        rank, size = self.share
        n = end - start
        return slice(start + rank * n // size, start + (rank + 1) * n // size)

    def _take(self, part: slice | Array) -> Batch:
        return self.samples.take(part if self.rows is None else self.rows[part])

    def rehearsal(self, n_run: int) -> Iterator[Batch]:
        """Yield a batch of each size that came among the first `n_run` batches."""
        parts = map(self._shared, [0, *self.ends][:n_run], self.ends)
        for size in dict.fromkeys(part.stop - part.start for part in parts):
            yield self._take(slice(0, size))


class BatchSource:
    """The batches of an iterable that can be iterated again, or of a function that returns one.

    Parameters
    ----------
    make : iterable or callable
    share : (int, int)
        The rank of this process and the number of processes. Each has its own batches, which are
        its shares; when it has no more, its shares are empty.
    """

    n_batches: int | None

    def __init__(self, make: Iterable[Any] | Callable[[], Iterable[Any]], where: str, share: Share = WHOLE) -> None:
        self.share = share
        if isinstance(make, Iterator):
            hint = "Pass the function that makes it, without calling it, or an object with __iter__, such as a list."
            message = f"got a {type(make).__name__}, which can be gone through only once, expected batches that can be gone through again"
            raise InvalidTypeError(message, where=where, hint=hint)
        if not (callable(make) or isinstance(make, Iterable)) or isinstance(make, np.ndarray):
            hint = "Pass the targets, too: fit(x, t)." if hasattr(make, "shape") else "Pass fit(x, t), or fit(batches)."
            raise InvalidTypeError(f"got {type(make).__name__} without t, expected batches (x, t)", where=where, hint=hint)
        self._make, self._where = make, where
        self.n_batches = len(make) if isinstance(make, Sized) else None
        first = next(self._all(), None)
        if first is None:
            raise InvalidValueError("got no batches, expected at least one", where=where)
        self._first = first

    @property
    def description(self) -> str:
        """The form of a batch: types, and shapes without the number of rows."""
        return "batches of " + ", ".join(f"(·, {', '.join(map(str, a.shape[1:]))}) {a.dtype}" for a in self._first.arrays)

    batching = "that of the batches"

    @property
    def size_text(self) -> str:
        """The form of a batch, since the number of samples is unknown."""
        return self.description

    def identity(self, kind: str = "") -> dict[str, str]:
        """Return nothing: each process may have its own batches."""
        return {}

    def head(self) -> Batch:
        """Return the first batch."""
        return self._first

    def order(self, rng: np.random.Generator) -> Array | None:
        """Return None: batches are used in the order given."""
        return None

    def batches_and_last(self, order: Array | None = None, first: int = 0, fingerprint: int | None = None) -> Generator[tuple[Batch, bool]]:
        """Yield the batches from number `first` on, and whether each is the last.

        Raises
        ------
        InvalidValueError
            If the last of the skipped batches has another `fingerprint`.
        """
        batches = self._all()
        passed = deque(islice(batches, first), maxlen=1)
        if first and fingerprint is not None and list(map(fingerprint_of, passed)) != [fingerprint]:
            hint = "Batches must be the same every time they are gone through. Otherwise resume at the end of an epoch."
            raise InvalidValueError(f"batch {first} is not the one that the checkpoint was written after", where=self._where, hint=hint)
        yield from with_last(batches)
        while self.share != WHOLE:
            yield self._first.take(slice(0, 0)), True

    def rehearsal(self, n_run: int) -> Iterator[Batch]:
        """Yield a batch of each shape that came among the first `n_run` batches."""
        seen = set()
        for batch in islice(self._all(), n_run):
            shapes = tuple(a.shape for a in batch.inputs)
            if shapes not in seen:
                seen.add(shapes)
                yield batch

    def _all(self) -> Generator[Batch]:
        given = self._make() if callable(self._make) else self._make
        n = 0
        for n, batch in enumerate(given, start=1):
            if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
                what = f"{len(batch)} elements" if isinstance(batch, tuple | list) else f"a {type(batch).__name__}"
                raise InvalidTypeError(f"batch {n} is {what}, expected (x, t) or (x, t, weight)", where=self._where)
            x, t, weight = (*batch, None)[:3]
            yield as_samples(x, t, weight, f"{self._where}, batch {n}")
        if not n and hasattr(self, "_first"):
            hint = "Pass a function that makes new batches, or an object with __iter__, such as a list."
            raise InvalidValueError("the batches could be gone through only once", where=self._where, hint=hint)


Source = ArraySource | BatchSource


def fingerprint_of(batch: Batch) -> int:
    """Return a number that distinguishes a batch from others."""
    number = 0
    for array in batch.arrays:
        number = crc32(array.tobytes(), number)
    return number


def as_source(x: Any, t: Any, weight: Any, batch_size: int, least: int, drop_last: bool, where: str, share: Share = WHOLE) -> Source:
    """Return the source of ``(x, t, weight)``, or of the batches `x` if there is no `t`."""
    if t is not None:
        return ArraySource(as_samples(x, t, weight, where), batch_size, least, drop_last, share=share)
    if weight is not None or drop_last:
        name = "drop_last" if weight is None else "sample_weight"
        hint = "Yield (x, t, weight)." if weight is not None else "Leave the last batch out of the batches."
        raise InvalidValueError(f"got {name} together with batches", where=where, hint=hint)
    return BatchSource(x, where, share)


def split(source: Source, share: Any, seed: int, shuffle: bool, stratify: bool, where: str) -> tuple[Source, Source]:
    """Return the rows that are kept and those that are held out."""
    if isinstance(source, BatchSource):
        hint = "Pass validation=(x, t), or batches of validation."
        raise InvalidValueError("a share of batches cannot be held out", where=where, hint=hint)
    kept, out = held_out_rows(source.samples, share, seed, shuffle, stratify, where)
    training = ArraySource(source.samples, source.batch_size, source.least, source.drop_last, kept, source.share)
    return training, ArraySource(source.samples, source.batch_size, rows=out, share=source.share)


def as_validation(given: Any, training: Source, batch_size: int, where: str) -> Source:
    """Return the source of separate samples: ``(x, t)``, ``(x, t, weight)``, or batches."""
    if isinstance(given, tuple) or (isinstance(given, list) and given and not isinstance(given[0], tuple)):
        if len(given) not in (2, 3):
            raise InvalidValueError(f"validation has {len(given)} elements, expected (x, t)", where=where)
        x, t, weight = (*given, None)[:3]
    else:
        x, t, weight = given, None, None
    source = as_source(x, t, weight, batch_size, 1, False, f"{where}, validation", training.share)
    like, other = training.head(), source.head()
    for what, n, expected in (
        ("inputs", len(other.inputs), len(like.inputs)),
        ("targets", len(other.targets), len(like.targets)),
    ):
        if n != expected:
            raise ShapeError(f"validation has {n} {what}, expected {expected} as in training", where=where)
    return source
