"""The training history: loss and metrics of each epoch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..data.path import as_path
from ..errors import MissingError
from ..files import write_file
from .curves import draw_curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = dict[str, float]

HEAD = TAIL = 5


class History:
    """A table with one row for each completed epoch.

    Each `fit` returns its own. ``first + second`` is the history of both: epoch numbers continue,
    and a column that one of them lacks is NaN there.

    Parameters
    ----------
    columns : iterable of str
        The names of the columns, in order.

    Attributes
    ----------
    interrupted : bool
        Whether Ctrl-C ended the training.

    Examples
    --------
    >>> history = History(["epoch", "loss"])
    >>> history.append({"epoch": 1, "loss": 0.5})
    >>> history.append({"epoch": 2, "loss": 0.25})
    >>> history["loss"], len(history), history.row(-1)
    ([0.5, 0.25], 2, {'epoch': 2, 'loss': 0.25})
    >>> history
    epoch  loss
        1   0.5
        2  0.25
    >>> (history + history)["epoch"]
    [1, 2, 3, 4]
    """

    def __init__(self, columns: Iterable[str]) -> None:
        self.interrupted = False
        self._columns: dict[str, list[float]] = {name: [] for name in columns}

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self._columns)

    def append(self, row: Row) -> None:
        """Append the row of an epoch: a number for each column."""
        numbers = [row[name] for name in self._columns]
        for column, number in zip(self._columns.values(), numbers, strict=True):
            column.append(number)

    def row(self, i: int) -> Row:
        """Return the row of one epoch. Negative numbers count from the end."""
        if not -len(self) <= i < len(self):
            raise MissingError(f"has no row {i}, only {len(self)} rows", where="History")
        return {name: column[i] for name, column in self._columns.items()}

    def to_dict(self) -> dict[str, list[float]]:
        """Return a copy of the table: a list of numbers for each column name."""
        return {name: list(column) for name, column in self._columns.items()}

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table to a CSV file, with a header line and all digits of each number."""
        import csv
        import io

        name = as_path(path, "History.to_csv")
        table = io.StringIO(newline="")
        rows = zip(*self._columns.values(), strict=True)
        csv.writer(table, lineterminator="\n").writerows([self.columns, *rows])
        write_file(name, table.getvalue().encode("utf-8"))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw loss and metrics over the epochs, for training and validation.

        Parameters
        ----------
        ax : matplotlib axes, optional
            The axes to draw on. By default, those of a new figure.

        Returns
        -------
        matplotlib axes
            The axes of the loss. Metrics have their own scale on the right, on twin axes.

        Raises
        ------
        MissingError
            If matplotlib is not installed (extra ``plot``).

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> history = History(["epoch", "loss"])
        >>> history.append({"epoch": 1, "loss": 0.5})
        >>> history.append({"epoch": 2, "loss": 0.25})
        >>> (line,) = history.plot(ax=Figure().subplots()).get_lines()
        >>> line.get_ydata().tolist()
        [0.5, 0.25]
        """
        return draw_curves(self, ax)

    def __add__(self, later: History) -> History:
        both = History(dict.fromkeys([*self.columns, *later.columns]))
        done = int(self["epoch"][-1]) if len(self) else 0
        missing = dict.fromkeys(both.columns, float("nan"))
        for row in self:
            both.append(missing | row)
        for row in later:
            both.append(missing | row | {"epoch": done + int(row["epoch"])})
        both.interrupted = later.interrupted
        return both

    def __getitem__(self, column: str) -> list[float]:
        if column not in self._columns:
            columns = ", ".join(self._columns)
            raise MissingError(f"has no column {column!r}, only: {columns}", where="History")
        return list(self._columns[column])

    def __contains__(self, column: object) -> bool:
        return column in self._columns

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()), []))

    def __iter__(self) -> Iterator[Row]:
        return map(self.row, range(len(self)))

    def __repr__(self) -> str:
        lines = [list(self.columns), *([f"{number:.5g}" for number in row.values()] for row in self)]
        if len(self) > HEAD + TAIL:
            lines[1 + HEAD : -TAIL] = [["..."] * len(self.columns)]
        widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
        padded = ([c.rjust(w) for c, w in zip(line, widths, strict=True)] for line in lines)
        return "\n".join(map("  ".join, padded))
