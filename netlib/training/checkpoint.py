"""Writing the state of a training to a file, so that it can be resumed after a crash."""

from __future__ import annotations

import math
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from ..arrays import as_count
from ..data.path import Path
from ..errors import InvalidTypeError, InvalidValueError, MissingError
from ..files.formats import format_of, write_contents
from ..representation import call_text
from .callbacks import Callback
from .resuming import checkpoint_contents

if TYPE_CHECKING:
    from .trainer import Trainer


class Checkpoint(Callback):
    """Write the model and the whole state of the training to a file, again and again.

    ``trainer.fit(…, resume=path)`` goes on from the file, bit for bit as if training had never
    stopped. `netlib.load` reads the model in it. A write is whole or absent: whenever the process
    is killed, the file is the last complete one.

    The file holds the model, the optimizer's state, the position in the epoch, the random
    generators, the history, and the state of the other callbacks, such as `EarlyStopping`. A
    checkpoint is written after all other callbacks have run, and after the last epoch in any case.

    Parameters
    ----------
    path : str or path
        The file, ``.npz`` or ``.safetensors``.
    every : int or str
        The number of epochs from one write to the next, or a number of batches: ``"100 batches"``.
        With gradient accumulation, a write waits for the next optimizer step.
    keep : int
        How many checkpoints to keep. The last is always `path`. Earlier ones have the epoch in
        their names, such as ``run-epoch-3.npz`` for ``run.npz``.
    best : str, optional
        A column of the history, such as ``"val_loss"``. The checkpoint of its best epoch is kept,
        too: ``run-best.npz`` for ``run.npz``.
    mode : "min" or "max"
        Whether lower or higher values of that column are better.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        At the start of training, if the model cannot be saved, or the folder does not exist.
    MissingError
        At the start of training, if there is no column `best`.
    OSError
        If the file cannot be written. The earlier one is as it was.

    Examples
    --------
    >>> import netlib as nl, os, tempfile
    >>> x, t = nl.data.xor(64, rng=0)
    >>> def train(epochs, path):
    ...     model = nl.Sequential(nl.Affine(2, 8, rng=0), nl.Tanh(), nl.Affine(8, 2, rng=1))
    ...     loss, optimizer = nl.SoftmaxCrossEntropy(), nl.Adam(model)
    ...     trainer = nl.Trainer(model, loss, optimizer, callbacks=[nl.Checkpoint(path)], seed=0)
    ...     return trainer.fit(x, t, epochs=epochs, progress=False, resume=path)["loss"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "run.npz")
    ...     first, resumed = train(2, path), train(5, path)
    ...     first == resumed[:2], resumed == train(5, os.path.join(folder, "other.npz"))
    (True, True)
    """

    needed_to_resume = False

    def __init__(
        self,
        path: Path,
        every: int | str = 1,
        keep: int = 1,
        best: str | None = None,
        mode: Literal["min", "max"] = "min",
    ) -> None:
        where = "Checkpoint"
        self.path, _, _ = format_of(path, where)
        self.every = every
        self._n, self._unit = _as_interval(every, where)
        self.keep = as_count(keep, "keep", where, least=1)
        if mode not in ("min", "max"):
            raise InvalidValueError(f"mode is {mode!r}, expected 'min' or 'max'", where=where)
        self.best, self.mode = best, mode
        self._begin()

    def _begin(self) -> None:
        self._batches = 0
        self._best_value: float | None = None
        self._label = ""
        self._earlier: list[str] = []

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Raise now if a checkpoint could not be written later."""
        self._begin()
        if self.best is not None and self.best not in trainer.history:
            hint = "Pass validation to fit." if self.best.startswith("val_") else ""
            columns = ", ".join(trainer.history.columns)
            raise MissingError(f"there is no column {self.best!r}, only: {columns}", where=self, hint=hint)
        folder = os.path.dirname(self.path)
        if folder and not os.path.isdir(folder):
            message, hint = f"there is no folder {folder!r}", f"Make it: os.makedirs({folder!r})."
            raise InvalidValueError(message, where=self, hint=hint)
        checkpoint_contents(trainer)

    def on_batch_end(self, trainer: Trainer) -> None:
        """Write a checkpoint if enough batches have passed."""
        self._batches += 1
        progress = trainer.epoch_progress
        if self._unit == "batches" and self._batches >= self._n and progress is not None and progress.is_between_steps:
            self._batches = 0
            self._write(trainer, f"epoch-{trainer.epoch}-batch-{trainer.batch}")

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Write a checkpoint if enough epochs have passed or this is the last, or the best."""
        if self.best is not None and self._is_best(trainer.history[self.best][-1]):
            write_contents(_with_ending(self.path, "best"), checkpoint_contents(trainer), "Checkpoint")
        is_last = trainer.stop or trainer.epoch >= trainer.epochs
        if is_last or (self._unit == "epochs" and trainer.epoch % self._n == 0):
            self._write(trainer, f"epoch-{trainer.epoch}")

    def _is_best(self, value: float) -> bool:
        """Return whether `value` is better than all before, and remember it."""
        before = self._best_value
        if math.isnan(value) or (before is not None and (value >= before if self.mode == "min" else value <= before)):
            return False
        self._best_value = value
        return True

    def _write(self, trainer: Trainer, label: str) -> None:
        """Give the last checkpoint its own name if it is kept, and write the next one."""
        if self.keep > 1 and self._label:
            name = _with_ending(self.path, self._label)
            _link(self.path, name)
            self._earlier.append(name)
        self._label = label
        write_contents(self.path, checkpoint_contents(trainer), "Checkpoint")
        while len(self._earlier) > self.keep - 1:
            with suppress(FileNotFoundError):
                os.unlink(self._earlier.pop(0))

    def state_dict(self) -> dict[str, Any]:
        """Return the best value so far, and the names of the checkpoints that are kept."""
        names = ("best", "_batches", "_best_value", "_label", "_earlier")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned, the best value only if it is of the same column."""
        self._batches, self._label, self._earlier = state["_batches"], state["_label"], list(state["_earlier"])
        if state["best"] == self.best:
            self._best_value = state["_best_value"]

    def __repr__(self) -> str:
        return call_text(self)


def _as_interval(every: object, where: str) -> tuple[int, str]:
    """Return the number and its unit, "epochs" or "batches"."""
    if not isinstance(every, str):
        return as_count(every, "every", where, least=1), "epochs"
    match every.split():
        case [number, "epoch" | "epochs"] if number.isdecimal():
            return as_count(int(number), "every", where, least=1), "epochs"
        case [number, "batch" | "batches"] if number.isdecimal():
            return as_count(int(number), "every", where, least=1), "batches"
    raise InvalidTypeError(f"every is {every!r}, expected a number of epochs or a text like '100 batches'", where=where)


def _with_ending(path: str, ending: str) -> str:
    """Return the name of another file beside `path`.

    >>> _with_ending("run.npz", "best")
    'run-best.npz'
    """
    stem, suffix = os.path.splitext(path)
    return f"{stem}-{ending}{suffix}"


def _link(path: str, name: str) -> None:
    """Give the file at `path` the further name `name`, or copy it where links are not possible."""
    with suppress(FileNotFoundError):
        os.unlink(name)
    try:
        os.link(path, name)
    except FileNotFoundError:  # the last checkpoint was deleted or moved
        return
    except OSError:
        shutil.copy2(path, name)
