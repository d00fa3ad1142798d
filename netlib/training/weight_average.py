"""The moving average of the weights during training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Array, as_number
from ..errors import OrderError
from ..layer import Layer
from .callbacks import Callback

if TYPE_CHECKING:
    from .trainer import Trainer


class WeightAverage(Callback):
    """An exponential moving average of the weights, which often predicts better.

    ::

        a ← w                               after the first step
        a ← decay·a + (1 − decay)·w         after each further step

    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992, with
    exponentially decaying weights. Training and validation use the weights themselves. Buffers,
    such as running means, are not averaged: the model's own are used.

    Parameters
    ----------
    decay : float
        In [0, 1). The average reaches back about ``1 / (1 - decay)`` steps.

    Attributes
    ----------
    average : dict of str to ndarray
        The average of each parameter by path, empty before the first step.

    Examples
    --------
    >>> import netlib as nl
    >>> x = np.linspace(-1, 1, 40)[:, None]
    >>> model = nl.Sequential(nl.Affine(1, 1, rng=0))
    >>> average = WeightAverage(decay=0.9)
    >>> loss, optimizer = nl.MeanSquaredError(), nl.SGD(model, lr=0.3)
    >>> trainer = nl.Trainer(model, loss, optimizer, callbacks=[average], seed=0)
    >>> history = trainer.fit(x, 2 * x, epochs=20, batch_size=8, progress=False)
    >>> with average.applied(model):
    ...     evaluated = trainer.evaluate(x, 2 * x)
    >>> evaluated["loss"] < 0.01
    True
    """

    def __init__(self, decay: float = 0.999) -> None:
        self.decay = as_number(decay, "decay", "WeightAverage", least=0, below=1)
        self.average: dict[str, Array] = {}
        self._steps = 0

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Discard the average of an earlier training."""
        self.average = {}
        self._steps = trainer.optimizer.steps

    def on_batch_end(self, trainer: Trainer) -> None:
        """Add the weights to the average if there was an optimizer step."""
        if trainer.optimizer.steps == self._steps:
            return
        self._steps = trainer.optimizer.steps
        for path, parameter in trainer.model.parameters().items():
            work = np.result_type(parameter.dtype, np.float32)
            if path not in self.average:
                self.average[path] = parameter.value.astype(work)
            else:
                average = self.average[path]
                average += (1 - self.decay) * (parameter.value - average)

    @contextmanager
    def applied(self, model: Layer) -> Iterator[None]:
        """Give the model the average inside a ``with`` block, and restore its own weights after it.

        To keep the average, save the model inside the block.

        Raises
        ------
        OrderError
            If there is no average yet.
        """
        if not self.average:
            raise OrderError("there is no average yet", where=self, hint="Train first, with this callback.")
        own = {path: parameter.value.copy() for path, parameter in model.parameters().items()}
        try:
            _write(model, self.average)
            yield
        finally:
            _write(model, own)

    def state_dict(self) -> dict[str, Any]:
        """Return the average."""
        return {"average": {path: array.copy() for path, array in self.average.items()}, "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.average = {path: np.array(array) for path, array in state["average"].items()}
        self._steps = state["steps"]


def _write(model: Layer, values: dict[str, Array]) -> None:
    model.load_state_dict({**model.state_dict(), **values})
