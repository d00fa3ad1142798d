"""The contents of a checkpoint, and resuming training from it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Array
from ..data.path import Path, as_path
from ..errors import FormatError, InvalidValueError, NetlibError
from ..files.building import as_generator
from ..files.contents import OWN, Contents
from ..files.description import generator_state
from ..files.formats import read_contents
from ..files.model import Record, apply, describe, entry, read_record
from ..files.packing import pack, unpack
from ..files.strict_json import write_json
from ..layer import Layer
from ..optimizers import Optimizer
from ..random_state import class_generators, generators, global_generator, set_state, state
from ..restoring import preserve_state
from .callbacks import Callback
from .epoch import EpochProgress
from .history import History
from .sources import Source

if TYPE_CHECKING:
    from .trainer import Trainer

NAME = f"{OWN}.training"
"""The beginning of the names of arrays that belong to no model."""
SHOWN = 100
"""The most characters that a message shows of each of two things that differ."""


def facts_of(trainer: Trainer, source: Source, held_out: Source | None, shuffle: bool, transform: object) -> dict[str, str]:
    """Return, as texts, what must be the same when training is resumed."""
    optimizer = trainer.optimizer
    settings = ", ".join(f"{name}={value!r}" for name, value in optimizer.settings().items())
    settings += f", groups={optimizer.groups!r}" if optimizer.groups else ""
    facts = {
        "the model": repr(trainer.model),
        "the loss": repr(trainer.loss),
        "the optimizer": f"{type(optimizer).__name__}({settings}) of {len(optimizer.parameters())} parameters",
        "lr": _rate_text(optimizer),
        "the list of metrics": ", ".join(trainer.metrics) or "none",
        "clip_norm": str(trainer.clip_norm),
        "accumulate": str(trainer.accumulate),
        "the list of callbacks with a state": repr([*filter(_has_state, trainer.callbacks)]),
        "the random generator": type(trainer.rng.bit_generator).__name__,
        "the training data": source.description + ("" if transform is None else f", transformed by {transform!r}"),
        "the validation data": "none" if held_out is None else held_out.size_text,
        "batch_size": source.batching,
        "shuffle": str(shuffle),
    }
    return {name: _without_addresses(text) for name, text in facts.items()}


def _rate_text(optimizer: Optimizer) -> str:
    rate = optimizer.lr if optimizer.schedule is None else optimizer.schedule
    return _without_addresses(repr(rate))


def _without_addresses(text: str) -> str:
    """Return `text` without the addresses of functions and objects, which differ in each process.

    >>> _without_addresses("<function <lambda> at 0x7fe8b8>")
    '<function <lambda>>'
    """
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)


def _has_state(callback: Callback) -> bool:
    """Return whether the callback has a state that the results depend on."""
    return callback.needed_to_resume and type(callback).state_dict is not Callback.state_dict


def checkpoint_contents(trainer: Trainer) -> Contents:
    """Return the contents of a checkpoint: the model, as `save` writes it, and everything else."""
    where = "Checkpoint"
    arrays, record = describe(trainer.model, where)
    progress, history, ranks = trainer.epoch_progress, trainer.history, trainer.ranks
    done = None
    if progress is not None:
        done = {**progress.state_dict(), "measured": ranks.merged(progress.measuring).state_dict()}
    apart = ranks.gather({
        "generators": [state(each) for each in generators(trainer.model)],
        "fingerprint": None if done is None else done["fingerprint"],
    })  # fmt: skip
    training = {
        "facts": trainer.facts,
        "lr": _rate_text(trainer.optimizer),
        "epoch": trainer.epoch,
        "batch": trainer.batch,
        "batch_loss": trainer.batch_loss,
        "stop": trainer.stop,
        "split_seed": trainer.split_seed,
        "rng": generator_state(trainer.rng, "Trainer, rng"),
        "progress": done,
        **({"ranks": apart} if ranks.size > 1 else {}),
        "shared_generators": [state(each) for each in _shared_generators(trainer)],
        "optimizer": trainer.optimizer.state_dict(),
        "columns": list(history.columns),
        "rows": np.array([list(row.values()) for row in history], np.float64),
        "callbacks": [(type(each).__name__, each.state_dict()) for each in trainer.callbacks],
    }
    record["training"], more = pack(training, NAME, where)
    return Contents({**arrays, **more}, write_json(record))


def _shared_generators(trainer: Trainer) -> list[Any]:
    """Return the random generators that belong to no layer: those of classes, and NumPy's own."""
    return [*class_generators(trainer.model), global_generator()]


class SavedTraining:
    """A checkpoint that was read.

    Attributes
    ----------
    name : str
        The file.
    split_seed : int
        The seed by which samples were held out.
    """

    def __init__(self, record: Record, arrays: dict[str, Array], name: str) -> None:
        if "training" not in record:
            hint = "Files of nl.Checkpoint can be resumed. Load this one with nl.load."
            raise FormatError("is a saved model, not a checkpoint", where=name, hint=hint)
        self.name = name
        self._record, self._arrays = record, arrays
        self._training: Record = entry({"training": unpack(record["training"], arrays, name)}, "training", dict, name)
        self.split_seed: int = self._entry("split_seed", int)
        self._facts: dict[str, str] = self._entry("facts", dict)
        self._epoch: int = self._entry("epoch", int)
        self._lr: str = self._entry("lr", str)
        self._ranks: list[dict[str, Any]] = self._entry("ranks", list) if "ranks" in self._training else []

    def _entry(self, key: str, kind: type[Any]) -> Any:
        return entry(self._training, key, kind, self.name)

    @classmethod
    def of(cls, trainer: Trainer) -> SavedTraining:
        """Return the current state of a trainer, unaffected by later training."""
        contents = checkpoint_contents(trainer)
        arrays = {name: array.copy() for name, array in contents.arrays.items()}
        return cls(read_record(contents, "Trainer"), arrays, "Trainer")

    def require_same(self, model: Layer, facts: dict[str, str], epochs: int) -> None:
        """Raise if `facts` or the model differ, or if training is already beyond `epochs`."""
        differences = [*self._differences(facts)] or [*self._differences_of_arguments(model)]
        if differences:
            hint = "Pass what the training began with, or train without resume."
            message = f"{self.name} belongs to another training: {'; '.join(differences)}"
            raise InvalidValueError(message, where="Trainer.fit, resume", hint=hint)
        if self._epoch > epochs:
            message = f"epochs is {epochs}, but {self.name} is in epoch {self._epoch} already"
            raise InvalidValueError(message, where="Trainer.fit, resume", hint="epochs counts from the start of the training.")

    def _differences(self, facts: dict[str, str]) -> Iterator[str]:
        saved = self._facts
        has_schedule = self._entry("optimizer", dict).get("lr") is None
        if facts["lr"] == self._lr or has_schedule:  # a callback may have changed it since the start
            saved = saved | {"lr": self._lr}
        for name, text in facts.items():
            if text != saved.get(name):
                yield f"{name} is {', and was '.join(excerpts(text, str(saved.get(name))))}"

    def _differences_of_arguments(self, model: Layer) -> Iterator[str]:
        """Yield differences of arguments that `repr` does not show, such as arrays."""
        arrays, record = describe(model, "Trainer.fit")
        pairs = zip(record["objects"], entry(self._record, "objects", list, self.name), strict=False)
        for now, before in pairs:
            if now != before:
                yield f"the model has {', and had '.join(excerpts(str(now), str(before)))}"
        for name in arrays.keys() - model.state_dict().keys():
            if not np.array_equal(arrays[name], self._arrays.get(name, ()), equal_nan=True):
                yield "an array among the arguments of the model has other numbers"

    def restore(self, trainer: Trainer, source: Source, transform: Any) -> None:
        """Restore the trainer to the state of the checkpoint, or raise and change nothing.

        A container runs its layers one by one for the first batch of each size, and by a plan from
        the second on, which rounds differently. So the model first runs on a batch of each size
        that it had seen.
        """
        before = SavedTraining.of(trainer)
        try:
            with preserve_state(trainer.model), trainer.ranks.rehearsing():
                trainer.model.train()
                for batch in source.rehearsal(self._n_run(source)):
                    trainer.model.forward(*trainer.transformed(batch, transform, source).inputs)
            self._restore(trainer)
        except BaseException:
            before._restore(trainer)
            raise

    def _n_run(self, source: Source) -> int:
        """Return a lower bound on the number of batches of one pass that training had run on."""
        batch: int = max(self._entry("batch", int), 0)  # a damaged file may say anything
        if self._epoch <= 1:
            return batch
        return max(batch, sys.maxsize if source.n_batches is None else source.n_batches)

    def _restore(self, trainer: Trainer) -> None:
        training = self._training
        try:
            columns, progress = self._entry("columns", list), training["progress"]
            history = History(columns)
            for numbers in self._entry("rows", np.ndarray).tolist():
                row = dict(zip(columns, numbers, strict=True))
                history.append({**row, "epoch": int(row["epoch"])})
            apply(self._record, self._arrays, trainer.model, self.name)
            trainer.optimizer.load_state_dict(training["optimizer"])
            for generator, saved in zip(_shared_generators(trainer), training["shared_generators"], strict=True):
                set_state(generator, self._checked_state(saved))
            if progress is not None:
                progress = progress | {"rng_state": self._checked_state(progress["rng_state"])}
                progress = self._of_rank(progress, trainer)
                progress = EpochProgress.from_state_dict(progress, trainer.rng, trainer.new_measuring())
            trainer.rng.bit_generator.state = self._checked_state(training["rng"])
            trainer.ranks.draw_apart(trainer.model, [[*map(self._checked_state, each["generators"])] for each in self._ranks])
            trainer.epoch_progress, trainer.split_seed = progress, self.split_seed
            trainer.epoch, trainer.batch, trainer.stop = self._epoch, self._entry("batch", int), self._entry("stop", bool)
            trainer.batch_loss, trainer.history, trainer.facts = self._entry("batch_loss", float), history, self._facts
            self._restore_callbacks(trainer, training["callbacks"])
        except NetlibError:
            raise
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            raise FormatError(f"the record of the training is not valid: {error}", where=self.name) from error

    def _of_rank(self, progress: dict[str, Any], trainer: Trainer) -> dict[str, Any]:
        """Return the progress of one of several processes: rank 0 has all measurements."""
        ranks = trainer.ranks
        if ranks.rank:
            progress = progress | {"measured": trainer.new_measuring().state_dict()}
        if len(self._ranks) != (ranks.size if ranks.size > 1 else 0):
            return progress | {"fingerprint": None}
        return progress | {"fingerprint": self._ranks[ranks.rank]["fingerprint"]} if self._ranks else progress

    def _checked_state(self, state: Any) -> dict[str, Any]:
        """Return the state of a random generator, or raise if it is not safe to pass to NumPy."""
        return {**state, **as_generator(state, self.name).bit_generator.state}

    def _restore_callbacks(self, trainer: Trainer, saved: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Give each state to the next callback of its class."""
        left = list(trainer.callbacks)
        for name, callback_state in saved:
            callback = next((each for each in left if type(each).__name__ == name), None)
            if callback is not None:
                left.remove(callback)
                callback.load_state_dict(callback_state)


def read_checkpoint(path: Path, where: str) -> SavedTraining | None:
    """Return the training in a file of `Checkpoint`, or None if there is no such file."""
    name = as_path(path, where)
    if not os.path.exists(name):
        return None
    contents = read_contents(name, where)
    return SavedTraining(read_record(contents, name), contents.arrays, name)


def excerpts(a: str, b: str) -> tuple[str, str]:
    """Return two texts, or where they first differ if they are long.

    Examples
    --------
    >>> excerpts("Affine(4, 2)", "Affine(4, 3)")
    ('Affine(4, 2)', 'Affine(4, 3)')
    >>> excerpts("ReLU(), " * 50 + "Sigmoid()", "ReLU(), " * 50 + "Tanh()")[1]
    '…, ReLU(), ReLU(), ReLU(), ReLU(), ReLU(), ReLU(), Tanh()'
    """
    same = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    first = 0 if max(len(a), len(b)) <= SHOWN else max(0, same - SHOWN // 2)

    def excerpt(text: str) -> str:
        shown = text[first:] if len(text) - first <= SHOWN else f"{text[first : first + SHOWN]}…"
        return f"…{shown}" if first else shown

    return excerpt(a), excerpt(b)
