"""The progress within an epoch, which a checkpoint keeps."""

from __future__ import annotations

import copy
from time import perf_counter
from typing import Any

import numpy as np

from ..arrays import Array
from .samples import concatenate

KEPT = ("rng_state", "lr", "batch", "done", "step_at", "total")


class EpochProgress:
    """How much of an epoch is done, and what was measured so far.

    Parameters
    ----------
    rng : numpy.random.Generator
        The trainer's, which shuffles the samples.
    lr : float
        The learning rate at the start.

    Attributes
    ----------
    rng_state : dict
        The state of `rng` before it shuffles the samples.
    batch, done : int
        The number of batches and of samples done.
    step_at : int
        The number of samples done at the next optimizer step.
    total : float
        The sum of the losses.
    outputs : list of arrays
        The outputs of the model, for the metrics.
    """

    def __init__(self, rng: np.random.Generator, lr: float) -> None:
        self._rng, self.rng_state, self.lr = rng, rng.bit_generator.state, lr
        self.batch = self.done = self.step_at = 0
        self.total = 0.0
        self.outputs: list[Any] = []
        self._start = perf_counter()

    @property
    def seconds(self) -> float:
        """The time since the start, without pauses between processes."""
        return perf_counter() - self._start

    @property
    def is_between_steps(self) -> bool:
        """Whether no gradient has been accumulated since the last optimizer step."""
        return self.done == self.step_at

    def shuffle(self, n: int) -> Array:
        """Return the order of `n` samples in this epoch."""
        return self._rng.permutation(n)

    def state_dict(self) -> dict[str, Any]:
        """Return the progress as plain values and arrays."""
        self.outputs[:] = [concatenate(self.outputs)] if self.outputs else []
        return {**{name: getattr(self, name) for name in KEPT}, "outputs": list(self.outputs), "seconds": self.seconds}

    @classmethod
    def from_state_dict(cls, state: dict[str, Any], rng: np.random.Generator) -> EpochProgress:
        """Return the progress that `state_dict` was made of.

        It shuffles as before with a copy of `rng`, from which layers may have drawn since.
        """
        shuffler = copy.deepcopy(rng)
        shuffler.bit_generator.state = state["rng_state"]
        progress = cls(shuffler, state["lr"])
        for name in KEPT:
            setattr(progress, name, state[name])
        progress.outputs = list(state["outputs"])
        progress._start -= state["seconds"]
        return progress
