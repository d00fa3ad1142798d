"""Tables of numbers in CSV files."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import TextIO

import numpy as np

from ..arrays import Array, as_count
from ..errors import FormatError, InvalidTypeError, InvalidValueError, MissingError
from .path import Path, as_path

LARGEST = float(np.finfo(np.float32).max)


def read_csv(path: Path, target: int | str = -1, *, header: bool | None = None, delimiter: str = ",") -> tuple[Array, Array]:
    r"""Read features and targets from a CSV file of numbers.

    Parameters
    ----------
    path : str or path
        The file, in UTF-8. Empty lines are passed over.
    target : int or str
        The column to predict: its number, where negative ones count from the right, or its name in the header.
    header : bool, optional
        Whether the first line holds names. If not said, it does where none of its cells is a number.
    delimiter : str
        The character between cells: ``";"`` and ``"\t"`` are common too.

    Returns
    -------
    x : float32 array (N, features)
        All columns but the target.
    t : array (N,)
        The target: int64 where all its cells are written as whole numbers ("2"), as class labels are, else float32 ("2.0").
        For a network with one output, ``t[:, None]`` is the column it wants.

    Raises
    ------
    FormatError
        With line and column, where a cell is missing, no number, or not finite in float32; where lines differ in their number of
        cells; where the file is empty.
    MissingError
        Where there is no such target.
    OSError
        Where the file cannot be opened.

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
        raise InvalidValueError(f"delimiter is {delimiter!r}, wanted one character", where="read_csv")
    if not isinstance(target, str):
        target = as_count(target, "target", "read_csv", least=-(2**63))
    if header not in (None, True, False):
        raise InvalidTypeError(f"header is {header!r}, wanted True, False or None", where="read_csv")

    name = as_path(path, "read_csv")
    with open(name, encoding="utf-8-sig", newline="") as file:
        return _read(_rows(file, name, delimiter), name, target, header, delimiter)


def _read(rows: Iterator[tuple[int, list[str]]], name: str, target: int | str, header: bool | None, delimiter: str) -> tuple[Array, Array]:
    line, first = next(rows, (1, []))
    width = len(first)
    if not first:
        raise FormatError("the file is empty, wanted lines of numbers", where=name)
    if width < 2:
        hint = f"Is {delimiter!r} the delimiter?"
        raise FormatError(f"line {line}: 1 cell, wanted at least one feature and the target", where=name, hint=hint)
    if header is None:
        header = any(cell.strip() for cell in first) and all(_number(cell) is None for cell in first)
    column = _column(target, [cell.strip() for cell in first] if header else None, width, name)

    values, targets = array("f"), []
    if not header:
        _append(first, values, line, name, hint="If the line holds names, pass header=True.")
        targets.append(first[column])
    for line, row in rows:
        if len(row) != width:
            raise FormatError(f"line {line}: {len(row)} cells, wanted {width} as in the first line", where=name)
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
        raise FormatError(f"after line {reader.line_num}: no UTF-8 text: {error}", where=name) from None


def _column(target: int | str, names: list[str] | None, width: int, name: str) -> int:
    """Return the number of the target's column."""
    if isinstance(target, int):
        if not -width <= target < width:
            raise MissingError(f"there is no column {target}, the file has {width}", where=name)
        return target
    if names is None:
        raise MissingError(f"there is no column {target!r}, the first line holds numbers", where=name, hint="Pass the column's number.")
    if names.count(target) != 1:
        raise MissingError(f"{names.count(target)} columns are called {target!r}, wanted one; the names are {', '.join(names)}", where=name)
    return names.index(target)


def _append(row: list[str], values: array[float], line: int, name: str, hint: str = "") -> None:
    for column, cell in enumerate(row, start=1):
        number = _number(cell)
        if number is None or not abs(number) <= LARGEST:
            what = "missing" if not cell.strip() else f"{cell!r}, which is no finite number" + " in float32" * (number is not None)
            raise FormatError(f"line {line}, column {column}: the cell is {what}", where=name, hint=hint)
        values.append(number)


def _number(cell: str) -> float | None:
    """Return what `cell` says, or None where that is no number. Digits grouped as in Python, "1_000", are none."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _targets(cells: list[str], values: Array) -> Array:
    """Return the labels that `cells` spell if they are whole numbers, else a copy of `values`."""
    try:
        return np.array([int(cell) for cell in cells], np.int64)
    except (ValueError, OverflowError):
        return values.copy()
