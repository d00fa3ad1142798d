"""Tables of numbers in CSV files."""

from __future__ import annotations

import codecs
import os
import warnings
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TextIO, TypeAlias

import numpy as np

from ..arrays import Array, DTypeLike, as_count, as_dtype
from ..errors import FormatError, InvalidTypeError, InvalidValueError, MissingError
from .path import Path, as_path

Column: TypeAlias = int | str

MISSING = frozenset({"", "?", "-", "na", "n/a", "nan", "null", "none"})
"""What cells without a value hold, in lower case."""


class _Format(NamedTuple):
    """How cells are written."""

    delimiter: str
    decimal: str
    encoding: str
    missing: float | None

    def number(self, cell: str) -> float | None:
        """Return `cell` as a number, or None if it is not one (such as "1_000")."""
        cell = cell.strip()
        if self.missing is not None and cell.lower() in MISSING:
            return self.missing
        if self.decimal != ".":
            cell = "?" if "." in cell else cell.replace(self.decimal, ".")
        try:
            return None if "_" in cell else float(cell)
        except ValueError:
            return None


def read_csv(
    path: Path, target: Column | Sequence[Column] | None = -1, *, columns: Sequence[Column] | None = None,
    header: bool | None = None, delimiter: str = ",", decimal: str = ".", encoding: str = "utf-8",
    missing: float | None = None, dtype: DTypeLike = np.float32, verbose: bool = False,
) -> tuple[Array, Any]:  # fmt: skip
    r"""Read features and targets from a CSV file.

    For anything this reader does not support, such as dates or compressed files, read the file with
    pandas and pass arrays: ``table[["length", "width"]].to_numpy()``.

    Parameters
    ----------
    path : str or path
        The file. Empty lines are skipped.
    target : int or str, sequence of them, or None
        The columns to predict: their numbers, where negative ones count from the right, or their
        names in the header. None means no targets.
    columns : sequence of int or str, optional
        The columns of the features. By default, all except the targets and a first column without a
        name that counts the rows.
    header : bool, optional
        Whether the first line holds names. By default, it does if none of its cells is a number.
    delimiter : str
        The character between cells: ``";"`` and ``"\t"`` are common too.
    decimal : str
        The decimal mark: in many countries ``","``, with ``delimiter=";"``.
    encoding : str
        Such as "utf-8", with or without a mark at the start, "cp1252" or "latin-1".
    missing : float, optional
        The value of cells that are empty, or hold "NA", "n/a", "nan", "null", "none", "-" or "?".
        By default, such cells raise an error.
    dtype : dtype
        The floating type of the numbers.
    verbose : bool
        Whether to print which columns were read as what.

    Returns
    -------
    x : array (N, features)
        Of type `dtype`.
    t : array (N,), or (N, targets) for a sequence of targets, or None
        int64 if all cells are written as whole numbers ("2"), such as class labels; strings if none
        of them is a number; else of type `dtype` ("2.0"). ``np.unique(t, return_inverse=True)``
        converts strings to class numbers; ``t[:, None]`` is the column that a network with one
        output is trained on.

    Warns
    -----
    UserWarning
        If a column that counts the rows is left out, if a first line of numbers looks like a
        header, or if different numbers of a column are equal in `dtype`.

    Raises
    ------
    FormatError
        With line and column, if a cell is missing, not a number, or not finite in `dtype`; if lines
        differ in their number of cells; if the file is empty.
    MissingError
        If there is no such column.
    OSError
        If the file cannot be opened.

    Examples
    --------
    >>> import netlib as nl, os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "flowers.csv")
    ...     with open(path, "w") as file:
    ...         _ = file.write("length,width,kind\n5.1,3.5,setosa\n6.2,2.9,virginica\n")
    ...     x, t = nl.data.read_csv(path, target="kind", verbose=True)
    flowers.csv: 2 rows; features length, width (float32); target kind (strings)
    >>> x
    array([[5.1, 3.5],
           [6.2, 2.9]], dtype=float32)
    >>> np.unique(t, return_inverse=True)
    (array(['setosa', 'virginica'], dtype='<U9'), array([0, 1]))
    """
    where = "read_csv"
    name, dtype = as_path(path, where), as_dtype(dtype, where)
    form = _Format(_as_mark("delimiter", delimiter), _as_mark("decimal", decimal), encoding, missing)
    if decimal == delimiter:
        raise InvalidValueError(f"decimal is {decimal!r}, as is delimiter", where=where, hint="Such files have delimiter=';'.")
    if header not in (None, True, False):
        raise InvalidTypeError(f"header is {header!r}, expected True, False or None", where=where)
    is_single = isinstance(target, str) or not isinstance(target, Sequence)
    targets = [] if target is None else [_as_column("target", each) for each in ([target] if is_single else target)]  # type: ignore[union-attr]
    wanted = None if columns is None else [_as_column("columns", each) for each in columns]
    with open(name, encoding=_as_encoding(encoding), newline="") as file:
        table = _Table(_rows(file, name, form), name, header, form)
    x = table.features(wanted, targets, dtype)
    t: Any = [table.target(column, dtype) for column in targets]
    if is_single:
        t = t[0] if t else None
    else:
        t = np.stack(t, axis=1) if t else np.empty((len(x), 0), dtype)
    if verbose:
        print(table.description())
    return x, t


class _Table:
    """The cells of a file, still as text."""

    def __init__(self, rows: Iterator[tuple[int, list[str]]], name: str, header: bool | None, form: _Format) -> None:
        self.name, self.form = name, form
        line, first = next(rows, (1, []))
        if not first:
            raise FormatError("the file is empty, expected lines of numbers", where=name)
        self.width = len(first)
        if header is None:
            header = any(cell.strip() for cell in first) and all(form.number(cell) is None for cell in first)
            self._is_sure = header
        else:
            self._is_sure = True
        self.names = [cell.strip() for cell in first] if header else None
        self.lines: list[int] = [] if header else [line]
        self.cells: list[list[str]] = [[] if header else [cell] for cell in first]
        for line, row in rows:
            if len(row) != self.width:
                raise FormatError(f"line {line}: {len(row)} cells, expected {self.width} as in the first line", where=name)
            self.lines.append(line)
            for column, cell in zip(self.cells, row, strict=True):
                column.append(cell)
        if not self.lines:
            raise FormatError("the file has a header and no lines of numbers", where=name)
        self._shown: list[str] = []

    def features(self, columns: list[Column] | None, targets: list[Column], dtype: np.dtype[Any]) -> Array:
        """Return the features, one column each."""
        out = {self.number_of(column) for column in targets}
        if columns is None:
            chosen = [i for i in range(self.width) if i not in out]
            if self._counts_rows() and 0 in chosen and len(chosen) > 1:
                chosen.remove(0)
                _warn(
                    f"{self.name}: the first column has no name and counts the rows, so it is no feature. columns= reads it all the same."
                )
        else:
            chosen = [self.number_of(column) for column in columns]
        if not chosen:
            hint = f"Is {self.form.delimiter!r} the delimiter?" if self.width == 1 else ""
            message = f"line 1: {self.width} cell{'s' * (self.width > 1)}, expected at least one feature"
            raise FormatError(message + " and the target" * bool(targets), where=self.name, hint=hint)
        self._warn_of_header()
        self._shown.append(f"features {', '.join(map(self.label, chosen))} ({dtype})")
        return np.stack([self.numbers(i, dtype) for i in chosen], axis=1)

    def target(self, column: Column, dtype: np.dtype[Any]) -> Array:
        """Return a column as whole numbers if all cells are, else as numbers, else as strings."""
        i = self.number_of(column)
        cells = [cell.strip() for cell in self.cells[i]]
        try:
            t = np.array([int(cell) if "_" not in cell else None for cell in cells], np.int64)
        except (ValueError, OverflowError, TypeError):
            is_text = not any(self.form.number(cell) is not None or not cell for cell in cells)
            t = np.array(cells) if is_text and self.names is not None else self.numbers(i, dtype)
        self._shown.append(f"target {self.label(i)} ({'strings' if t.dtype.kind == 'U' else t.dtype})")
        return t

    def numbers(self, i: int, dtype: np.dtype[Any]) -> Array:
        """Return a column of numbers."""
        values, largest = array("d"), float(np.finfo(dtype).max)
        for line, cell in zip(self.lines, self.cells[i], strict=True):
            number = self.form.number(cell)
            is_filled = self.form.missing is not None and cell.strip().lower() in MISSING
            if number is None or not (is_filled or abs(number) <= largest):
                raise self._refusal(line, i, cell, number, dtype)
            values.append(number)
        exact = np.frombuffer(values, np.float64)
        rounded = exact.astype(dtype)
        if len(np.unique(rounded)) < len(np.unique(exact)) and np.ptp(exact) < 1000 * np.spacing(np.abs(rounded).max()):
            low, high = f"{exact.min():.17g}", f"{exact.max():.17g}"
            _warn(
                f"{self.name}, column {self.label(i)}: {dtype} can hardly tell numbers from {low} to {high} apart. "
                "Pass dtype=np.float64, and subtract the least of them."
            )
        return rounded

    def number_of(self, column: Column) -> int:
        """Return the index of a column."""
        if isinstance(column, int):
            if not -self.width <= column < self.width:
                raise MissingError(f"there is no column {column}, the file has {self.width}", where=self.name)
            return column % self.width
        if self.names is None:
            hint = "Pass the column's number."
            raise MissingError(f"there is no column {column!r}, the first line holds numbers", where=self.name, hint=hint)
        if self.names.count(column) != 1:
            message = f"{self.names.count(column)} columns are called {column!r}, expected one; the names are {', '.join(self.names)}"
            raise MissingError(message, where=self.name)
        return self.names.index(column)

    def label(self, i: int) -> str:
        """Return the name of a column, or its number."""
        return (self.names[i] if self.names is not None else "") or str(i)

    def description(self) -> str:
        """Return a one-line description of what was read."""
        return f"{os.path.basename(self.name)}: {len(self.lines)} rows; {'; '.join(self._shown)}"

    def _counts_rows(self) -> bool:
        if self.names is None or self.names[0]:
            return False
        numbers = [self.form.number(cell) for cell in self.cells[0]]
        return len(numbers) > 2 and numbers in ([*range(len(numbers))], [*range(1, len(numbers) + 1)])

    def _warn_of_header(self) -> None:
        """Warn if the first line counts 0, 1, 2, … or years, and no other line does."""
        if self._is_sure or self.width < 3 or len(self.lines) < 2:
            return
        rows = np.array([[self.form.number(cell) or 0.0 for cell in column[:100]] for column in self.cells]).T
        counts = (np.diff(rows, axis=1) == 1).all(axis=1)
        if counts[0] and not counts[1:].any():
            first = ", ".join(column[0].strip() for column in self.cells[:3])
            _warn(f"{self.name}: the first line, {first}, …, was read as a sample. Pass header=True if it holds names, else header=False.")

    def _refusal(self, line: int, i: int, cell: str, number: float | None, dtype: np.dtype[Any]) -> FormatError:
        what = f"{cell!r}, which is not a finite number" + f" in {dtype}" * (number is not None)
        hint = ""
        first = [column[0] for column in self.cells]
        if cell.strip().lower() in MISSING:
            hint = "missing=np.nan, for instance, fills such cells."
        elif self.form.decimal == "." and cell.count(",") == 1:
            hint = "Is it a decimal comma? Pass decimal=','."
        elif line == self.lines[0] and not self._is_sure and sum(self.form.number(each) is None for each in first) > len(first) / 2:
            hint = "If the line holds names, pass header=True."
        if not cell.strip():
            what = "missing"
        return FormatError(f"line {line}, column {i + 1}: the cell is {what}", where=self.name, hint=hint)


def _rows(file: TextIO, name: str, form: _Format) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of each line that is not empty."""
    import csv

    reader = csv.reader(file, delimiter=form.delimiter, strict=True)
    try:
        for row in reader:
            if len(row) > 1 or any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise FormatError(f"line {reader.line_num}: {error}", where=name) from None
    except UnicodeDecodeError as error:
        hint = "Pass its encoding, such as encoding='cp1252'."
        raise FormatError(f"after line {reader.line_num}: not {form.encoding.upper()}: {error}", where=name, hint=hint) from None


def _as_mark(argument: str, mark: str) -> str:
    if not (isinstance(mark, str) and len(mark) == 1 and mark not in '\r\n"'):
        raise InvalidValueError(f"{argument} is {mark!r}, expected one character", where="read_csv")
    return mark


def _as_encoding(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise InvalidValueError(f"encoding is {encoding!r}, which Python does not know", where="read_csv") from None
    return "utf-8-sig" if name == "utf-8" else name


def _as_column(argument: str, column: Any) -> Column:
    return column if isinstance(column, str) else as_count(column, argument, "read_csv", least=-(2**63))


def _warn(message: str) -> None:
    warnings.warn(f"read_csv: {message}", UserWarning, stacklevel=4)
