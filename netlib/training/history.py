"""What training was like, epoch by epoch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
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
    """A table with a row for each epoch that was completed.

    Parameters
    ----------
    columns : sequence of str
        Their names, in order.

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
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.interrupted = False
        self._columns: dict[str, list[float]] = {name: [] for name in columns}

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self._columns)

    def append(self, row: Row) -> None:
        """Add the row of one more epoch: a number for each column."""
        numbers = [row[name] for name in self._columns]
        for column, number in zip(self._columns.values(), numbers, strict=True):
            column.append(number)

    def row(self, i: int) -> Row:
        """Return what was measured in one epoch; negative numbers count from the last."""
        if not -len(self) <= i < len(self):
            raise MissingError(f"has no row {i}, only {len(self)} rows", where="History")
        return {name: column[i] for name, column in self._columns.items()}

    def to_dict(self) -> dict[str, list[float]]:
        """Return a copy: the numbers of each column by its name."""
        return {name: list(column) for name, column in self._columns.items()}

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table to a CSV file, names in the first line, each number with all its digits."""
        import csv
        import io

        name = as_path(path, "History.to_csv")
        table = io.StringIO(newline="")
        csv.writer(table, lineterminator="\n").writerows([self.columns, *zip(*self._columns.values(), strict=True)])
        write_file(name, table.getvalue().encode("utf-8"))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw loss and metrics over the epochs, training and validation; needs matplotlib (extra ``plot``).

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where to draw; without them, on a new figure.

        Returns
        -------
        matplotlib axes
            Those of the loss. Metrics have a scale of their own at the right: other axes at the same place.

        Raises
        ------
        MissingError
            Without matplotlib.

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

    def __getitem__(self, column: str) -> list[float]:
        if column not in self._columns:
            raise MissingError(f"has no column {column!r}, only: {', '.join(self._columns)}", where="History")
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
        return "\n".join("  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True)) for line in lines)
