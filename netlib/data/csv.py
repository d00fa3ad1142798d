"""Tables of numbers in CSV files."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

import numpy as np

from ..arrays import as_count
from ..errors import FormatError, InvalidTypeError, InvalidValueError, MissingError
from .path import Path, as_path

if TYPE_CHECKING:
    from ..arrays import Array

LARGEST = float(np.finfo(np.float32).max)


def read_csv(path: Path, target: int | str = -1, *, header: bool | None = None, delimiter: str = ",") -> tuple[Array, Array]:
    r"""Read features and targets from a CSV file of numbers.

    Parameters
    ----------
    path : str or path
        The file, in UTF-8. Empty lines are ignored.
    target : int or str
        The column to predict: its number, or its name in the header. Negative numbers count from
        the right.
    header : bool, optional
        Whether the first line holds names. By default, it does if none of its cells is a number.
    delimiter : str
        The character between cells, such as ``","``, ``";"`` or ``"\t"``.

    Returns
    -------
    x : float32 array (N, features)
        All columns but the target.
    t : array (N,)
        The target: int64 if all its cells are whole numbers ("2"), such as class labels, else
        float32 ("2.0"). For a network with one output, pass ``t[:, None]``.

    Raises
    ------
    FormatError
        If a cell is missing, is not a number, or is not finite in float32; if lines differ in their
        number of cells; or if the file is empty. The message gives line and column.
    MissingError
        If there is no such target.
    OSError
        If the file cannot be opened.

    Examples
    --------
    >>> import netlib as nl, os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "flowers.csv")
    ...     with open(path, "w") as file:
    ...         _ = file.write("length,width,kind\n5.1,3.5,0\n6.2,2.9,1\n")
    ...     x, t = nl.data.read_csv(path, target="kind")
    >>> x
    array([[5.1, 3.5],
           [6.2, 2.9]], dtype=float32)
    >>> t
    array([0, 1])
    """
    if not (isinstance(delimiter, str) and len(delimiter) == 1 and delimiter not in '\r\n"'):
        message = f"delimiter is {delimiter!r}, expected one character"
        raise InvalidValueError(message, where="read_csv")
    if not isinstance(target, str):
        target = as_count(target, "target", "read_csv", least=-(2**63))
    if header not in (None, True, False):
        message = f"header is {header!r}, expected True, False or None"
        raise InvalidTypeError(message, where="read_csv")

    name = as_path(path, "read_csv")
    with open(name, encoding="utf-8-sig", newline="") as file:
        return _read(_rows(file, name, delimiter), name, target, header, delimiter)


def _read(
    rows: Iterator[tuple[int, list[str]]],
    name: str,
    target: int | str,
    header: bool | None,
    delimiter: str,
) -> tuple[Array, Array]:
    line, first = next(rows, (1, []))
    width = len(first)
    if not first:
        raise FormatError("the file is empty, expected lines of numbers", where=name)
    if width < 2:
        hint = f"Is {delimiter!r} the delimiter?"
        message = f"line {line}: 1 cell, expected at least one feature and the target"
        raise FormatError(message, where=name, hint=hint)
    if header is None:
        has_text = any(cell.strip() for cell in first)
        header = has_text and all(_number(cell) is None for cell in first)
    column = _column(target, [cell.strip() for cell in first] if header else None, width, name)

    values, targets = array("f"), []
    if not header:
        _append(first, values, line, name, hint="If the line holds names, pass header=True.")
        targets.append(first[column])
    for line, row in rows:
        if len(row) != width:
            message = f"line {line}: {len(row)} cells, expected {width} as in the first line"
            raise FormatError(message, where=name)
        _append(row, values, line, name)
        targets.append(row[column])
    if not targets:
        raise FormatError("the file has a header and no lines of numbers", where=name)
    table = np.frombuffer(values, np.float32).reshape(-1, width)
    return np.delete(table, column, axis=1), _targets(targets, table[:, column])


def _rows(file: TextIO, name: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of each line that is not empty."""
    import csv

    reader = csv.reader(file, delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if len(row) > 1 or any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise FormatError(f"line {reader.line_num}: {error}", where=name) from None
    except UnicodeDecodeError as error:
        message = f"after line {reader.line_num}: not UTF-8: {error}"
        raise FormatError(message, where=name) from None


def _column(target: int | str, names: list[str] | None, width: int, name: str) -> int:
    """Return the number of the target's column."""
    if isinstance(target, int):
        if not -width <= target < width:
            raise MissingError(f"there is no column {target}, the file has {width}", where=name)
        return target
    if names is None:
        message = f"there is no column {target!r}, since the first line holds numbers"
        raise MissingError(message, where=name, hint="Pass the column's number.")
    if names.count(target) != 1:
        got, listed = names.count(target), ", ".join(names)
        message = f"{got} columns are called {target!r}, expected one; the names are {listed}"
        raise MissingError(message, where=name)
    return names.index(target)


def _append(row: list[str], values: array[float], line: int, name: str, hint: str = "") -> None:
    for column, cell in enumerate(row, start=1):
        number = _number(cell)
        if number is None or not abs(number) <= LARGEST:
            problem = "missing"
            if cell.strip():
                problem = f"{cell!r}, which is not a finite number"
                problem += " in float32" if number is not None else ""
            message = f"line {line}, column {column}: the cell is {problem}"
            raise FormatError(message, where=name, hint=hint)
        values.append(number)


def _number(cell: str) -> float | None:
    """Return the number in `cell`, or None if it is not a number, such as Python's "1_000"."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _targets(cells: list[str], values: Array) -> Array:
    """Return `cells` as int64 if all are whole numbers, else a copy of `values`."""
    try:
        return np.array([int(cell) for cell in cells], np.int64)
    except (ValueError, OverflowError):
        return values.copy()
