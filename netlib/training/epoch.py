"""The progress within an epoch, which a checkpoint keeps."""

from __future__ import annotations

import copy
from time import perf_counter
from typing import Any

import numpy as np

from .measuring import Measuring
from .samples import Batch
from .sources import fingerprint_of

KEPT = ("rng_state", "lr", "batch")


class EpochProgress:
    """How much of an epoch is done, and the measurements so far.

    Parameters
    ----------
    rng : numpy.random.Generator
        The trainer's, which shuffles the samples.
    lr : float
        The learning rate at the start.
    measuring : Measuring
        Measures loss and metrics.

    Attributes
    ----------
    rng_state : dict
        The state of `rng` before it shuffles the samples.
    batch : int
        The number of batches done.
    last : Batch or None
        The last of them.
    fingerprint : int or None
        The fingerprint of the last batch before training was resumed.
    accumulated, reference : float
        The weight of the batches since the last optimizer step, and the weight by which their
        gradients have been divided.
    whole : float or None
        The weight of a whole batch, if this process has a share of each.
    measuring : Measuring
        Loss and metrics.
    """

    def __init__(self, rng: np.random.Generator, lr: float, measuring: Measuring) -> None:
        self.rng, self.rng_state, self.lr, self.measuring = rng, rng.bit_generator.state, lr, measuring
        self.batch = 0
        self.last: Batch | None = None
        self.fingerprint: int | None = None
        self.accumulated = self.reference = 0.0
        self.whole: float | None = None
        self.n_accumulated = 0
        self._start = perf_counter()

    @property
    def seconds(self) -> float:
        """The time since the start, without pauses between processes."""
        return perf_counter() - self._start

    @property
    def is_between_steps(self) -> bool:
        """Whether no gradient has been accumulated since the last optimizer step."""
        return self.n_accumulated == 0

    def accumulate(self, weight: float, reference: float) -> float:
        """Return the factor for the gradient of a mean over this `weight`.

        Gradients of one step are divided by the same weight, the `reference` of the first batch.
        `end_group` corrects this to the weight of all.
        """
        if self.is_between_steps:
            self.reference, self.accumulated = reference, 0.0
        return weight / self.reference

    def end_group(self) -> float:
        """Begin a new group of batches, and return the factor that corrects the last group."""
        self.n_accumulated = 0
        return self.reference / self.accumulated if self.accumulated else 1.0

    def state_dict(self) -> dict[str, Any]:
        """Return the progress as plain values and arrays."""
        fingerprint = self.fingerprint if self.last is None else fingerprint_of(self.last)
        kept = {name: getattr(self, name) for name in KEPT}
        return {**kept, "whole": self.whole, "fingerprint": fingerprint, "measured": self.measuring.state_dict(), "seconds": self.seconds}

    @classmethod
    def from_state_dict(cls, state: dict[str, Any], rng: np.random.Generator, measuring: Measuring) -> EpochProgress:
        """Return the progress that `state_dict` describes.

        It shuffles as before with a copy of `rng`, from which layers may have drawn since.
        """
        shuffler = copy.deepcopy(rng)
        shuffler.bit_generator.state = state["rng_state"]
        progress = cls(shuffler, state["lr"], measuring)
        for name in KEPT:
            setattr(progress, name, state[name])
        progress.whole = state.get("whole")
        progress.fingerprint = state["fingerprint"]
        measuring.load_state_dict(state["measured"])
        progress._start -= state["seconds"]
        return progress
