"""The learning-rate finder."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Array, as_count, as_number
from ..errors import InvalidTypeError, InvalidValueError, NonFiniteError
from ..matplotlib_axes import OKABE_ITO, as_axes
from ..random_state import preserve_random_state
from .callbacks import Callback
from .trainer import Trainer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMOOTHING = 0.9
"""How much of the mean of the losses remains with each further loss."""
FEWEST = 10
"""The number of steps after which a rising loss may end the run."""


class LearningRates:
    """The losses of a training whose learning rate rises from step to step.

    Parameters
    ----------
    rates, losses : sequence of float
        The rate and the loss of each step.

    Attributes
    ----------
    rates, losses : ndarray
    smoothed : ndarray
        The exponential moving average of the losses, without the bias of its start.

    Examples
    --------
    >>> found = LearningRates([0.01, 0.1, 1.0, 10.0], [2.0, 1.5, 1.0, 9.0])
    >>> found.suggestion
    0.1
    """

    def __init__(self, rates: Sequence[float], losses: Sequence[float]) -> None:
        self.rates, self.losses = np.asarray(rates, float), np.asarray(losses, float)
        self.smoothed: Array = smooth(self.losses)

    @property
    def suggestion(self) -> float:
        """A tenth of the rate with the smallest smoothed loss, well before the loss rises again."""
        return float(self.rates[np.argmin(self.smoothed)] / 10)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the losses over the rates, and the suggestion.

        Parameters
        ----------
        ax : matplotlib axes, optional
            The axes to draw on. By default, those of a new figure.

        Raises
        ------
        MissingError
            If matplotlib is not installed (extra ``plot``).

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> ax = LearningRates([0.01, 0.1], [2.0, 1.5]).plot(ax=Figure().subplots())
        >>> ax.get_xscale()
        'log'
        """
        ax = as_axes(ax, "LearningRates.plot")
        ax.plot(self.rates, self.losses, color=OKABE_ITO[0], alpha=0.3, label="loss")
        ax.plot(self.rates, self.smoothed, color=OKABE_ITO[0], label="smoothed loss")
        ax.axvline(self.suggestion, color=OKABE_ITO[1], linestyle="--", label=f"suggestion: {self.suggestion:.2g}")
        ax.set(title="learning-rate finder", xlabel="learning rate", ylabel="loss", xscale="log")
        ax.legend()
        return ax

    def __repr__(self) -> str:
        span = f"{self.rates[0]:.3g} to {self.rates[-1]:.3g}"
        return f"LearningRates({len(self.rates)} steps from {span}, suggestion {self.suggestion:.3g})"


def smooth(losses: Array) -> Array:
    """Return the exponential moving average, divided by the sum of its weights.

    >>> smooth(np.array([3.0, 3.0]))
    array([3., 3.])
    """
    mean, means = 0.0, []
    for i, loss in enumerate(losses, 1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * float(loss)
        means.append(mean / (1 - SMOOTHING**i))
    return np.array(means)


class _Rise(Callback):
    """A rise of the rate after each step, until the smoothed loss is 4 times its minimum."""

    def __init__(self, rates: Array) -> None:
        self.rates = [float(rate) for rate in rates]
        self.losses: list[float] = []
        self._steps = 0

    def on_fit_begin(self, trainer: Trainer) -> None:
        self._steps = trainer.optimizer.steps
        trainer.optimizer.lr = self.rates[0]

    def on_batch_end(self, trainer: Trainer) -> None:
        if trainer.optimizer.steps == self._steps:
            return
        self._steps = trainer.optimizer.steps
        self.losses.append(trainer.batch_loss)
        smoothed = smooth(np.array(self.losses))
        least = smoothed.min()
        explodes = len(self.losses) > FEWEST and smoothed[-1] - least > 3 * abs(least)
        if len(self.losses) == len(self.rates) or explodes:
            trainer.stop = True
        else:
            trainer.optimizer.lr = self.rates[len(self.losses)]


def find_lr(trainer: Trainer, x: Any, t: Any = None, batch_size: int = 32, *, start: float = 1e-6,
            end: float = 10.0, steps: int = 100) -> LearningRates:  # fmt: skip
    """Train a copy of the model with a rising learning rate, to find rates at which it learns.

    The rate grows by the same factor from step to step. The run ends early when the loss becomes
    far larger or is not finite. The model, the optimizer, and all random generators do not change.
    With several ranks, call it on every rank; only the first does the work. Smith, "Cyclical
    learning rates for training neural networks", 2017, section 3.3.

    Parameters
    ----------
    trainer : Trainer
        Its callbacks are not called.
    x, t, batch_size
        As in `Trainer.fit`.
    start, end : float
        The first and the last rate.
    steps : int
        The number of optimizer steps.

    Returns
    -------
    LearningRates

    Raises
    ------
    InvalidValueError
        If `start` is not below `end`, or is 0.
    InvalidTypeError
        If the optimizer is `LBFGS`, which searches for its own rate.
    NonFiniteError
        If the first loss is not finite.

    Examples
    --------
    >>> import netlib as nl
    >>> x = np.linspace(-1, 1, 40)[:, None]
    >>> model = nl.Sequential(nl.Affine(1, 1, rng=0))
    >>> trainer = Trainer(model, nl.MeanSquaredError(), nl.SGD(model), seed=0)
    >>> found = find_lr(trainer, x, 2 * x, batch_size=8)
    >>> bool(0.001 < found.suggestion < 1)
    True
    """
    where = "find_lr"
    if not isinstance(trainer, Trainer):
        raise InvalidTypeError(f"got {type(trainer).__name__}, expected a Trainer", where=where)
    if trainer.optimizer.needs_closure:
        raise InvalidTypeError(f"{type(trainer.optimizer).__name__} searches for its rate itself", where=where)
    end = as_number(end, "end", where, least=0)
    start = as_number(start, "start", where, least=0, below=inf)
    steps = as_count(steps, "steps", where, least=2)
    if not 0 < start < end:
        raise InvalidValueError(f"start is {start} and end is {end}, expected 0 < start < end", where=where)
    rise = _Rise(np.geomspace(start, end, steps))

    def run() -> LearningRates:
        model, loss, optimizer, rng = copy.deepcopy((trainer.model, trainer.loss, trainer.optimizer, trainer.rng))
        twin = Trainer(model, loss, optimizer, callbacks=[rise], clip_norm=trainer.clip_norm, accumulate=trainer.accumulate, rng=rng)
        try:
            twin.fit(x, t, epochs=steps, batch_size=batch_size, progress=False)
        except NonFiniteError:
            if not rise.losses:
                raise
        return LearningRates(rise.rates[: len(rise.losses)], rise.losses)

    with trainer.ranks.together(), preserve_random_state(trainer.model):
        found: LearningRates = trainer.ranks.from_first(run)
    return found
