"""The progress of training: a bar on a terminal, and a line for each epoch."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from time import perf_counter
from typing import Any, Self

SECONDS_BETWEEN_UPDATES = 0.25
UNSHOWN = ("epoch", "lr", "seconds")


class Progress:
    """A progress bar over all batches of a training, and a line per epoch, if `shown` is true.

    Examples
    --------
    >>> with Progress(shown=True, epochs=20, batches=100) as progress:
    ...     progress.epoch_done({"epoch": 3, "loss": 0.1234, "lr": 0.01, "seconds": 0.21})
    epoch  3/20  loss 0.1234  0.21 s
    """

    def __init__(self, shown: bool, epochs: int, batches: int | None) -> None:
        self._shown = shown
        self._epochs = epochs
        self._bar: Any = None
        self._done = 0
        self._due = 0.0
        if shown and batches != 0 and sys.stderr is not None and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=batches, unit="batch", leave=False, dynamic_ncols=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def resume(self, file: str, epoch: int, batch: int, batches: int | None) -> None:
        """Print where training resumes, and count the batches of earlier processes."""
        self.say(f"resumed from {file}: epoch {epoch}/{self._epochs}, batch {batch}" + (f"/{batches}" if batches else ""))
        if self._bar is not None:
            self._done = self._bar.n = self._bar.initial = (epoch - 1) * (batches or 0) + batch
            self._bar.refresh()

    def batch_done(self, loss: float) -> None:
        """Count a batch, and update the bar if the last update was long enough ago."""
        if self._bar is None:
            return
        self._done += 1
        now = perf_counter()
        if now >= self._due:
            self._due = now + SECONDS_BETWEEN_UPDATES
            self._bar.set_postfix_str(f"loss {number_text(loss)}", refresh=False)
            self._bar.update(self._done - self._bar.n)

    def epoch_done(self, row: dict[str, float]) -> None:
        """Show the row of an epoch."""
        number = f"{row['epoch']:>{len(str(self._epochs))}}/{self._epochs}"
        parts = [f"{name} {number_text(value)}" for name, value in row.items() if name not in UNSHOWN]
        self.say("  ".join(["epoch " + number, *parts, f"{row['seconds']:.2f} s"]))

    def say(self, line: str) -> None:
        """Print a line, above the bar if there is one."""
        if self._bar is not None:
            self._bar.write(as_printable(line))
        elif self._shown:
            self._print(as_printable(line))

    def _print(self, line: str) -> None:
        try:
            print(line, flush=True)
        except BrokenPipeError:  # the reader has gone, as after ``| head``
            self._shown = False
            with suppress(OSError, ValueError):  # else Python reports the pipe once more when it ends
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def as_printable(line: str) -> str:
    """Return `line` with escapes for the characters that the console's encoding lacks."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return line.encode(encoding, "backslashreplace").decode(encoding)


def number_text(number: float) -> str:
    """Return a number with four decimals, or in scientific notation if it is very small or large.

    Examples
    --------
    >>> number_text(0.97123), number_text(0.0000123)
    ('0.9712', '1.23e-05')
    """
    return f"{number:.4f}" if number == 0 or 1e-3 <= abs(number) < 1e6 else f"{number:.3g}"
