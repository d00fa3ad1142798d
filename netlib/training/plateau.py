"""A learning rate that falls when training stops improving."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from ..arrays import as_count, as_number
from ..errors import InvalidValueError
from .callbacks import Callback
from .monitoring import Mode, as_mode, require_column

if TYPE_CHECKING:
    from .trainer import Trainer

STATE = ("best", "_bad_epochs", "_cooling")


class ReduceOnPlateau(Callback):
    """A learning rate that is multiplied by `factor` when a column of the history stops improving.

    An epoch is bad if it does not improve the best value by at least the fraction `threshold`.
    After more than `patience` bad epochs in a row, ``lr ← max(factor·lr, min_lr)``, and the next
    `cooldown` epochs do not count as bad. Groups of the optimizer with their own lr keep it.

    Parameters
    ----------
    monitor : str
        The column of the history to watch.
    factor : float
        In [0, 1).
    patience : int
        The number of consecutive bad epochs to tolerate.
    threshold : float
        The smallest improvement that counts, relative to the best value.
    cooldown : int
        The number of epochs to wait after each reduction.
    min_lr : float
        The smallest learning rate.
    mode : "min" or "max"
        Whether lower or higher values are better.

    Attributes
    ----------
    best : float
        The best value so far.

    Raises
    ------
    MissingError
        At the start of training, if there is no such column.
    InvalidValueError
        At the start of training, if the learning rate is a schedule.

    Examples
    --------
    >>> import numpy as np, netlib as nl
    >>> model = nl.Sequential(nl.Affine(1, 1, rng=0))
    >>> plateau = ReduceOnPlateau("loss", factor=0.5, patience=0, threshold=0.9)
    >>> optimizer, loss = nl.SGD(model, lr=0.1), nl.MeanSquaredError()
    >>> trainer = nl.Trainer(model, loss, optimizer, callbacks=[plateau], seed=0)
    >>> history = trainer.fit(np.ones((4, 1)), np.zeros((4, 1)), epochs=4, progress=False)
    >>> history["lr"]
    [0.1, 0.1, 0.05, 0.025]
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        mode: Mode = "min",
    ) -> None:
        where = "ReduceOnPlateau"
        self.monitor, self.mode = monitor, as_mode(mode, where)
        self.factor = as_number(factor, "factor", where, least=0, below=1)
        self.patience, self.cooldown = as_count(patience, "patience", where), as_count(cooldown, "cooldown", where)
        self.threshold = as_number(threshold, "threshold", where, least=0)
        self.min_lr = as_number(min_lr, "min_lr", where, least=0)
        self._begin()

    def _begin(self) -> None:
        self.best = inf if self.mode == "min" else -inf
        self._bad_epochs = self._cooling = 0

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Discard earlier epochs, or raise if this training cannot be monitored."""
        require_column(self.monitor, trainer.history, self)
        if trainer.optimizer.schedule is not None:
            hint = "Give the optimizer a number as lr, or leave the callback out."
            raise InvalidValueError("the learning rate is a schedule, which decides alone", where=self, hint=hint)
        self._begin()

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Count the epoch, and reduce the learning rate after too many bad ones."""
        value = trainer.history[self.monitor][-1]
        if self._is_better(value):
            self.best, self._bad_epochs = value, 0
        else:
            self._bad_epochs += 1
        if self._cooling:
            self._cooling -= 1
            self._bad_epochs = 0
        if self._bad_epochs > self.patience:
            lr = trainer.optimizer.lr
            trainer.optimizer.lr = min(lr, max(self.factor * lr, self.min_lr))
            self._bad_epochs, self._cooling = 0, self.cooldown

    def _is_better(self, value: float) -> bool:
        if self.mode == "min":
            return value < self.best * (1 - self.threshold)
        return value > self.best * (1 + self.threshold)

    def state_dict(self) -> dict[str, Any]:
        """Return the best value, the number of bad epochs, and the number left to wait."""
        return {name: getattr(self, name) for name in STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        for name in STATE:
            setattr(self, name, state[name])
