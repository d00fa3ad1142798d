"""Callbacks: code that runs at certain points of training."""

from __future__ import annotations

import math
import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from ..arrays import Array, as_count, as_number
from ..representation import call_text
from .monitoring import Mode, as_mode, require_column

if TYPE_CHECKING:
    from .trainer import Trainer


class Callback:
    """The base class of callbacks. A subclass overrides the methods it needs.

    The trainer provides all information: ``trainer.model``, ``.epoch`` and ``.batch`` (counted from
    1), ``.epochs``, ``.batch_loss``, ``.history``, ``.optimizer``. Set ``trainer.stop = True`` to
    end training after the current batch or epoch.

    Examples
    --------
    >>> import numpy as np, netlib as nl
    >>> class StopAt(Callback):
    ...     def __init__(self, loss):
    ...         self.loss = loss
    ...     def on_epoch_end(self, trainer):
    ...         if trainer.history["loss"][-1] < self.loss:
    ...             trainer.stop = True
    >>> model = nl.Sequential(nl.Affine(1, 1, rng=0))
    >>> loss, optimizer = nl.MeanSquaredError(), nl.SGD(model, lr=0.1)
    >>> trainer = nl.Trainer(model, loss, optimizer, callbacks=[StopAt(0.1)], seed=0)
    >>> x = np.linspace(-1, 1, 20)[:, None]
    >>> len(trainer.fit(x, 2 * x, epochs=1000, batch_size=5, progress=False)) < 100
    True
    """

    needed_to_resume = True
    """Whether the results of a resumed training depend on the callback.

    Callbacks for which it is False run after all others, and may come and go.
    """

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Run before the first batch."""

    def around_batch(self, trainer: Trainer) -> AbstractContextManager[object]:
        """Return a context manager that surrounds forward and backward of the next batch."""
        return nullcontext()

    def on_step_begin(self, trainer: Trainer) -> None:
        """Run before each optimizer step: the gradients are complete, and may be changed in place.

        They are clipped afterwards.
        """

    def on_batch_end(self, trainer: Trainer) -> None:
        """Run after each batch, and after its optimizer step if there was one."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Run after each completed epoch, when its row is in the history."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """Run at the end, also after Ctrl-C, but not after an error."""

    def on_fit_error(self, trainer: Trainer) -> None:
        """Run before an error leaves `fit`."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a `Checkpoint` saves: plain values and arrays."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state from `state_dict`, after `on_fit_begin` of a resumed training."""

    def __repr__(self) -> str:
        return call_text(self)


STATE_OF_EARLY_STOPPING = (
    "best", "best_epoch", "_best_state", "_lowest", "_reference", "_epochs_without_improvement", "_has_warned",
)  # fmt: skip


class EarlyStopping(Callback):
    """Early stopping when a column of the history stops improving, with the best weights restored.

    The best weights are restored however training ends: because of `patience`, after the last
    epoch, by Ctrl-C, or by an error.

    Parameters
    ----------
    monitor : str
        The column of the history to watch.
    patience : int
        The number of epochs without improvement after which training stops.
    min_delta : float
        The smallest change that counts as an improvement for `patience`. The best weights are those
        of the best value, however small the change.
    mode : "min" or "max"
        Whether lower or higher values are better.

    Attributes
    ----------
    best : float or None
        The best value of the last training.
    best_epoch : int
        The epoch of the best value, or 0 before the first.

    Raises
    ------
    MissingError
        At the start of training, if there is no such column.

    Examples
    --------
    >>> import numpy as np, netlib as nl
    >>> x = np.linspace(-1, 1, 40)[:, None]
    >>> model = nl.Sequential(nl.Affine(1, 1, rng=0))
    >>> stopping = EarlyStopping(patience=2)
    >>> loss, optimizer = nl.MeanSquaredError(), nl.SGD(model, lr=0.1)
    >>> trainer = nl.Trainer(model, loss, optimizer, callbacks=[stopping], seed=0)
    >>> history = trainer.fit(x, 2 * x, epochs=20, validation=0.25, progress=False)
    >>> min(history["val_loss"]) == stopping.best
    True
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 5,
        min_delta: float = 0.0,
        mode: Mode = "min",
    ) -> None:
        where = "EarlyStopping"
        self.monitor = monitor
        self.patience = as_count(patience, "patience", where, least=1)
        self.min_delta = as_number(min_delta, "min_delta", where, least=0)
        self.mode = as_mode(mode, where)
        self.best: float | None = None
        self.best_epoch = 0
        self._best_state: dict[str, Array] = {}
        self._lowest = self._reference = float("inf")
        self._epochs_without_improvement = 0
        self._has_warned = False

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Reset all attributes, or raise if the history has no such column."""
        require_column(self.monitor, trainer.history, self)
        self.best, self.best_epoch = None, 0
        self._best_state = {}
        self._lowest = self._reference = float("inf")
        self._epochs_without_improvement = 0
        self._has_warned = False

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Copy the weights if they are the best so far, and stop after too little improvement."""
        value = trainer.history[self.monitor][-1]
        if math.isnan(value) and not self._has_warned:
            self._has_warned = True
            message = f"{self!r}: {self.monitor} is NaN in epoch {trainer.epoch}, which never counts as better"
            warnings.warn(message, UserWarning, stacklevel=5)
        low = value if self.mode == "min" else -value
        if low < self._lowest:
            self._lowest = low
            self.best, self.best_epoch = value, trainer.epoch
            self._best_state = trainer.model.state_dict()
        if low < self._reference - self.min_delta:
            self._reference = low
            self._epochs_without_improvement = 0
        else:
            self._epochs_without_improvement += 1
        if self._epochs_without_improvement >= self.patience:
            trainer.stop = True

    def on_fit_end(self, trainer: Trainer) -> None:
        """Restore the best weights and buffers."""
        trainer.model.load_state_dict(self._best_state, strict=False)
        self._best_state = {}

    def on_fit_error(self, trainer: Trainer) -> None:
        """Copy the best weights and buffers back."""
        self.on_fit_end(trainer)

    def state_dict(self) -> dict[str, Any]:
        """Return the best weights, and how long nothing has improved."""
        return {name: getattr(self, name) for name in STATE_OF_EARLY_STOPPING}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        for name in STATE_OF_EARLY_STOPPING:
            setattr(self, name, state[name])
