"""What may be hooked into training."""

from __future__ import annotations

import math
import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Literal

from ..arrays import Array, as_count, as_number
from ..errors import InvalidValueError, MissingError
from ..representation import call_text

if TYPE_CHECKING:
    from .trainer import Trainer


class Callback:
    """Something that training calls at its turning points; a class of one's own overrides what it needs.

    Everything is read off the trainer: ``trainer.model``, ``.epoch`` and ``.batch`` (from 1), ``.epochs``, ``.batch_loss``,
    ``.history``, ``.optimizer``. Setting ``trainer.stop = True`` ends training after the batch or the epoch that is being done.

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
    >>> trainer = nl.Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.1), callbacks=[StopAt(0.1)], seed=0)
    >>> x = np.linspace(-1, 1, 20)[:, None]
    >>> len(trainer.fit(x, 2 * x, epochs=1000, batch_size=5, progress=False)) < 100
    True
    """

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Before the first batch."""

    def around_batch(self, trainer: Trainer) -> AbstractContextManager[object]:
        """Return a context for forward and backward of the coming batch to run in; it is left whatever happens."""
        return nullcontext()

    def on_batch_end(self, trainer: Trainer) -> None:
        """After each batch, when its optimizer step, if one was due, is done."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        """After each completed epoch, when its row stands in the history."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """At the end, also after Ctrl-C; not after an error."""

    def on_fit_error(self, trainer: Trainer) -> None:
        """Before an error leaves `fit`."""


class EarlyStopping(Callback):
    """Ends training when a column of the history has got no better for a while, and brings the best weights back.

    The best weights are kept as a copy and copied back at the end of training, whatever ends it: lost patience, the last epoch, Ctrl-C,
    or an error.

    Parameters
    ----------
    monitor : str
        The column.
    patience : int
        How many epochs without getting better end it.
    min_delta : float
        By how much a value must beat the one before it to count as better for the patience. The best weights are those of the
        best value, however small its lead.
    mode : "min" or "max"
        Which values are better.

    Attributes
    ----------
    best : float or None
        The best value of the last training.
    best_epoch : int
        Its epoch, 0 before any.

    Raises
    ------
    MissingError
        At the begin of training, where there is no such column.

    Examples
    --------
    >>> import numpy as np, netlib as nl
    >>> x = np.linspace(-1, 1, 40)[:, None]
    >>> model = nl.Sequential(nl.Affine(1, 1, rng=0))
    >>> stopping = EarlyStopping(patience=2)
    >>> trainer = nl.Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.1), callbacks=[stopping], seed=0)
    >>> history = trainer.fit(x, 2 * x, epochs=20, validation=0.25, progress=False)
    >>> min(history["val_loss"]) == stopping.best
    True
    """

    def __init__(self, monitor: str = "val_loss", patience: int = 5, min_delta: float = 0.0, mode: Literal["min", "max"] = "min") -> None:
        if mode not in ("min", "max"):
            raise InvalidValueError(f"mode is {mode!r}, wanted 'min' or 'max'", where="EarlyStopping")
        self.monitor = monitor
        self.patience = as_count(patience, "patience", "EarlyStopping", least=1)
        self.min_delta = as_number(min_delta, "min_delta", "EarlyStopping", least=0)
        self.mode = mode
        self.best: float | None = None
        self.best_epoch = 0
        self._best_state: dict[str, Array] = {}

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Forget an earlier training, and refuse a column that there is not."""
        if self.monitor not in trainer.history:
            hint = "Pass validation to fit." if self.monitor.startswith("val_") else ""
            raise MissingError(f"there is no column {self.monitor!r}, only: {', '.join(trainer.history.columns)}", where=self, hint=hint)
        self.best, self.best_epoch = None, 0
        self._best_state = {}
        self._lowest = self._to_beat = float("inf")
        self._waited = 0
        self._has_warned = False

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Copy the weights if they are the best so far; stop if patience is lost."""
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
        if low < self._to_beat - self.min_delta:
            self._to_beat = low
            self._waited = 0
        else:
            self._waited += 1
        if self._waited >= self.patience:
            trainer.stop = True

    def on_fit_end(self, trainer: Trainer) -> None:
        """Copy the best weights and buffers back."""
        trainer.model.load_state_dict(self._best_state, strict=False)
        self._best_state = {}

    def on_fit_error(self, trainer: Trainer) -> None:
        """Copy the best weights and buffers back."""
        self.on_fit_end(trainer)

    def __repr__(self) -> str:
        return call_text(self)
