"""Checkpoints: the state of training in a file, from which it can be resumed after a crash."""

from __future__ import annotations

import math
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..arrays import as_count
from ..data.path import Path, as_folder_of
from ..errors import InvalidTypeError, InvalidValueError
from ..files.formats import format_of, write_contents
from ..files.writing import open_replacement
from .callbacks import Callback
from .monitoring import Mode, as_mode, require_column
from .resuming import checkpoint_contents

if TYPE_CHECKING:
    from .trainer import Trainer


Label = tuple[int, int]
"""The epoch of a checkpoint, and the batch, or 0 at the end of the epoch."""


class Checkpoint(Callback):
    """A callback that writes the model and the whole state of training to a file at intervals.

    ``trainer.fit(…, resume=path)`` continues from the file, bit for bit as if training had never
    stopped. `netlib.load` reads the model in it. Writing is atomic: whenever the process is killed,
    the file is the last complete one.

    The file holds the model, the optimizer's state, the position in the epoch, the random
    generators, the history, and the state of the other callbacks, such as `EarlyStopping`. A
    checkpoint is written after all other callbacks have run, and after the last epoch in any case.
    Ctrl-C writes none: `resume` then repeats the steps after the last one.

    Parameters
    ----------
    path : str or path
        The file, ``.npz`` or ``.safetensors``.
    every : int or str
        The number of epochs between writes, or a number of batches: ``"100 batches"``. With
        gradient accumulation, a write waits for the next optimizer step.
    keep : int
        How many checkpoints to keep. The last is always `path`. If there are several, each also has
        its own name, such as ``run-epoch-3.npz`` for ``run.npz``.
    best : str, optional
        A column of the history, such as ``"val_loss"``. The checkpoint of its best epoch is kept
        too: ``run-best.npz`` for ``run.npz``.
    mode : "min" or "max"
        Whether lower or higher values of that column are better.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        At the start of training, if the model cannot be saved, or no file can be created in the
        folder.
    MissingError
        At the start of training, if there is no column `best`.
    OSError
        If the file cannot be written. The earlier file is unchanged.

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
        mode: Mode = "min",
    ) -> None:
        where = "Checkpoint"
        self.path, _, _ = format_of(path, where)
        self.every = every
        self._n, self._unit = _as_interval(every, where)
        self.keep = as_count(keep, "keep", where, least=1)
        self.best, self.mode = best, as_mode(mode, where)
        self._begin()

    def _begin(self) -> None:
        self._batches = 0
        self._best_value: float | None = None
        self._kept: list[Label] = []

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Raise now if a checkpoint could not be written later."""
        self._begin()
        if self.best is not None:
            require_column(self.best, trainer.history, self)
        self._writes = trainer.rank == 0
        if self._writes:
            folder = as_folder_of(self.path, self)
            if not os.access(folder, os.W_OK):
                raise InvalidValueError(f"the folder {folder!r} is read-only", where=self)
        checkpoint_contents(trainer)

    def on_batch_end(self, trainer: Trainer) -> None:
        """Write a checkpoint if enough batches have passed."""
        self._batches += 1
        progress = trainer.epoch_progress
        if self._unit == "batches" and self._batches >= self._n and progress is not None and progress.is_between_steps:
            self._batches = 0
            self._write(trainer, (trainer.epoch, trainer.batch))

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Write a checkpoint if enough epochs have passed or this is the last, or the best."""
        if self.best is not None and self._is_best(trainer.history[self.best][-1]):
            self._write_contents(trainer, _with_ending(self.path, "best"))
        is_last = trainer.stop or trainer.epoch >= trainer.epochs
        if is_last or (self._unit == "epochs" and trainer.epoch % self._n == 0):
            self._write(trainer, (trainer.epoch, 0))

    def _is_best(self, value: float) -> bool:
        """Return whether `value` is better than all before, and remember it."""
        before = self._best_value
        if math.isnan(value) or (before is not None and (value >= before if self.mode == "min" else value <= before)):
            return False
        self._best_value = value
        return True

    def _write(self, trainer: Trainer, label: Label) -> None:
        """Write the checkpoint, and keep it under its own name too, as `keep` requires."""
        if self.keep > 1:
            self._kept.append(label)
        self._write_contents(trainer, self.path)
        if self.keep > 1 and self._writes:
            _link(self.path, self._name_of(label))
        self._remove_oldest()

    def _write_contents(self, trainer: Trainer, path: str) -> None:
        """Write the contents, which all ranks contribute to, on rank 0."""
        contents = checkpoint_contents(trainer)
        if self._writes:
            write_contents(path, contents, "Checkpoint")

    def _remove_oldest(self) -> None:
        while len(self._kept) > self.keep:
            oldest = self._name_of(self._kept.pop(0))
            if self._writes:
                with suppress(FileNotFoundError):
                    os.unlink(oldest)

    def _name_of(self, label: Label) -> str:
        epoch, batch = label
        return _with_ending(self.path, f"epoch-{epoch}-batch-{batch}" if batch else f"epoch-{epoch}")

    def state_dict(self) -> dict[str, Any]:
        """Return the best value so far, and which checkpoints are kept."""
        names = ("best", "mode", "_best_value", "_batches", "_kept")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state from `state_dict`, the best value only if it is of the same column."""
        self._batches = int(state["_batches"])
        self._kept = [(int(epoch), int(batch)) for epoch, batch in state["_kept"]]
        if (state["best"], state["mode"]) == (self.best, self.mode):
            self._best_value = state["_best_value"]
        self._remove_oldest()


def _as_interval(every: object, where: str) -> tuple[int, str]:
    """Return the number and its unit, "epochs" or "batches"."""
    if not isinstance(every, str):
        return as_count(every, "every", where, least=1), "epochs"
    match every.split():
        case [number, "epoch" | "epochs" | "batch" | "batches" as unit] if number.isdecimal():
            return as_count(int(number), "every", where, least=1), "epochs" if unit.startswith("epoch") else "batches"
    raise InvalidTypeError(f"every is {every!r}, expected a number of epochs or a text like '100 batches'", where=where)


def _with_ending(path: str, ending: str) -> str:
    """Return the name of another file beside `path`.

    >>> _with_ending("run.npz", "best")
    'run-best.npz'
    """
    stem, suffix = os.path.splitext(path)
    return f"{stem}-{ending}{suffix}"


def _link(path: str, name: str) -> None:
    """Give the file at `path` the additional name `name`, or copy it where links are impossible."""
    with suppress(FileNotFoundError):
        os.unlink(name)
    try:
        os.link(path, name)
    except OSError:
        with open(path, "rb") as source, open_replacement(name) as copy:
            shutil.copyfileobj(source, copy)
