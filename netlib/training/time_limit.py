"""A time limit for training."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from ..arrays import as_number
from ..errors import InvalidValueError
from .callbacks import Callback

if TYPE_CHECKING:
    from .trainer import Trainer


class TimeLimit(Callback):
    """A limit on training time: the first batch that ends later than `seconds` is the last.

    An epoch that is not complete has no row in the history. Resumed training has the full time
    again.

    Parameters
    ----------
    seconds : float

    Examples
    --------
    >>> import netlib as nl
    >>> x, t = nl.data.xor(64, rng=0)
    >>> model = nl.Sequential(nl.Affine(2, 2, rng=0))
    >>> loss, optimizer = nl.SoftmaxCrossEntropy(), nl.SGD(model, lr=0.1)
    >>> trainer = nl.Trainer(model, loss, optimizer, callbacks=[TimeLimit(0.1)])
    >>> len(trainer.fit(x, t, epochs=10**6, progress=False)) < 10**6
    True
    """

    needed_to_resume = False

    def __init__(self, seconds: float) -> None:
        self.seconds = as_number(seconds, "seconds", "TimeLimit", least=0)
        if self.seconds == 0:
            raise InvalidValueError("seconds is 0, so nothing would be learned", where="TimeLimit")
        self._trainer: Trainer | None = None
        self._start = 0.0
        self._has_stopped = False

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Start the clock."""
        self._trainer, self._start, self._has_stopped = trainer, perf_counter(), False

    def on_batch_end(self, trainer: Trainer) -> None:
        """Stop training if the time is up."""
        if not trainer.stop and perf_counter() - self._start > self.seconds:
            trainer.stop = self._has_stopped = True

    def on_fit_end(self, trainer: Trainer) -> None:
        """Let go of the trainer."""
        self._trainer = None

    def on_fit_error(self, trainer: Trainer) -> None:
        """Let go of the trainer."""
        self._trainer = None

    def state_dict(self) -> dict[str, Any]:
        """Return whether the time was up."""
        return {"has_stopped": self._has_stopped}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let training continue if only the time limit had stopped it."""
        if state["has_stopped"] and self._trainer is not None:
            self._trainer.stop = False
