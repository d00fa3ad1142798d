"""What a checkpoint keeps of a training, and going on from there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..arrays import Array
from ..data.path import Path, as_path
from ..errors import FormatError, InvalidValueError
from ..files.contents import OWN, Contents
from ..files.formats import read_contents
from ..files.model import Record, apply, describe, read_record
from ..files.packing import pack, unpack
from ..files.strict_json import write_json
from ..optimizers import Optimizer
from ..optimizers.schedules import Schedule
from ..random_state import class_generators, set_state, state
from .callbacks import Callback
from .epoch import EpochProgress
from .history import History

if TYPE_CHECKING:
    from .trainer import Trainer

NAME = f"{OWN}.training"
"""The beginning of the names of arrays that belong to no model."""
SHOWN = 300
"""The most characters that a message shows of each of two models that differ."""


def facts_of(
    trainer: Trainer, samples: Sequence[Array], held_out: Sequence[Array] | None, batch_size: int, shuffle: bool
) -> dict[str, str]:
    """Return as texts what must be the same when a training is resumed."""
    optimizer = trainer.optimizer
    settings = ", ".join(f"{name}={value!r}" for name, value in optimizer.settings().items())
    return {
        "model": repr(trainer.model),
        "loss": repr(trainer.loss),
        "optimizer": f"{type(optimizer).__name__}({settings})",
        "lr": _rate_text(optimizer),
        "metrics": ", ".join(trainer.metrics) or "none",
        "clip_norm": str(trainer.clip_norm),
        "accumulate": str(trainer.accumulate),
        "samples": " and ".join(f"{a.shape} of {a.dtype}" for a in samples),
        "validation": "none" if held_out is None else f"{len(held_out[-1])} samples",
        "batch_size": str(batch_size),
        "shuffle": str(shuffle),
        "callbacks": ", ".join(type(each).__name__ for each in _needed(trainer)) or "none with a state",
    }


def _rate_text(optimizer: Optimizer) -> str:
    schedule = optimizer.schedule
    if schedule is None:
        return repr(optimizer.lr)
    is_described = isinstance(schedule, Schedule)
    return repr(schedule) if is_described else str(getattr(schedule, "__qualname__", type(schedule).__name__))


def _needed(trainer: Trainer) -> list[Callback]:
    """Return the callbacks that have a state which the results depend on."""
    return [each for each in trainer.callbacks if each.needed_to_resume and each.state_dict()]


def checkpoint_contents(trainer: Trainer) -> Contents:
    """Return the contents of a checkpoint: the model, as `save` has it, and all else."""
    arrays, record = describe(trainer.model, "Checkpoint")
    progress = trainer.epoch_progress
    training = {
        "facts": trainer.facts,
        "epoch": trainer.epoch,
        "batch": trainer.batch,
        "batch_loss": trainer.batch_loss,
        "stop": trainer.stop,
        "split_seed": trainer.split_seed,
        "rng": trainer.rng.bit_generator.state if progress is None else progress.rng_state,
        "progress": None if progress is None else progress.state_dict(),
        "class_generators": [state(each) for each in class_generators(trainer.model)],
        "optimizer": trainer.optimizer.state_dict(),
        "history": trainer.history.to_dict(),
        "callbacks": [(type(each).__name__, each.state_dict()) for each in trainer.callbacks],
    }
    record["training"], more = pack(training, NAME)
    return Contents({**arrays, **more}, write_json(record))


class SavedTraining:
    """A checkpoint that was read."""

    def __init__(self, record: Record, arrays: dict[str, Array], name: str) -> None:
        if "training" not in record:
            hint = "Files of nl.Checkpoint can be resumed. Load this one with nl.load."
            raise FormatError("is a saved model, not a checkpoint", where=name, hint=hint)
        self._record, self._arrays, self._name = record, arrays, name
        self._training: dict[str, Any] = unpack(record["training"], arrays, name)
        try:
            self.split_seed = int(self._training["split_seed"])
        except (KeyError, TypeError, ValueError):
            raise FormatError("the record of the training is incomplete", where=name) from None

    def require_same(self, trainer: Trainer) -> None:
        """Raise if the trainer, its samples or its settings differ from those of the checkpoint."""
        saved, current = self._training["facts"], trainer.facts
        now = self._training["optimizer"].get("lr")
        differences = []
        for name, text in current.items():
            if saved.get(name) != text and not (name == "lr" and text == repr(now)):
                differences.append(f"{name} is {_shortened(text)}, and was {_shortened(str(saved.get(name)))}")
        _, record = describe(trainer.model, "Trainer.fit")
        if not differences and record["objects"] != self._record["objects"]:
            differences.append("the model has other arguments than it had")
        if differences:
            hint = "Pass what the training began with, or train without resume."
            message = f"{self._name} belongs to another training: {'; '.join(differences)}"
            raise InvalidValueError(message, where="Trainer.fit, resume", hint=hint)

    def restore(self, trainer: Trainer) -> None:
        """Bring the trainer to where the checkpoint was written."""
        training = self._training
        try:
            progress, rows = training["progress"], training["history"]
            history = History(list(rows))
            for numbers in zip(*rows.values(), strict=True):
                history.append(dict(zip(rows, numbers, strict=True)))
            if progress is not None:
                progress = EpochProgress.from_state_dict(progress)
            trainer.optimizer.load_state_dict(training["optimizer"])
            apply(self._record, self._arrays, trainer.model, self._name)
            trainer.rng.bit_generator.state, trainer.split_seed = training["rng"], self.split_seed
            for generator, saved in zip(class_generators(trainer.model), training["class_generators"], strict=True):
                set_state(generator, saved)
            trainer.epoch, trainer.batch, trainer.stop = training["epoch"], training["batch"], training["stop"]
            trainer.batch_loss, trainer.history, trainer.epoch_progress = training["batch_loss"], history, progress
            self._restore_callbacks(trainer, training["callbacks"])
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise FormatError(f"the record of the training is incomplete: {error}", where=self._name) from error

    def _restore_callbacks(self, trainer: Trainer, saved: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Give each state to the next callback of its class."""
        left = list(trainer.callbacks)
        for name, callback_state in saved:
            callback = next((each for each in left if type(each).__name__ == name), None)
            if callback is not None and callback_state:
                left.remove(callback)
                callback.load_state_dict(callback_state)


def read_checkpoint(path: Path, where: str) -> SavedTraining | None:
    """Return the training in a file of `Checkpoint`, or None if there is no such file."""
    name = as_path(path, where)
    if not os.path.exists(name):
        return None
    contents = read_contents(name, where)
    return SavedTraining(read_record(contents, name), contents.arrays, name)


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
