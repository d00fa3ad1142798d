"""The criterion by which training has converged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..arrays import Array
from ..training import Callback, Trainer


class Convergence(Callback):
    """A callback that stops after too many epochs without improvement, as in scikit-learn's MLP.

    Parameters
    ----------
    tol : float
        An epoch is an improvement if it is better than the best one before it by this much.
    patience : float
        Training stops after more than this many consecutive epochs without improvement.
    score : callable, optional
        Called after each epoch. It returns the score of the validation samples, and the weights of
        the best score are restored at the end. By default, the training loss is monitored.

    Attributes
    ----------
    scores : list of float
        The values returned by `score`.
    reached : bool
        Whether training has converged.
    """

    def __init__(self, tol: float, patience: float, score: Callable[[], float] | None = None) -> None:
        self.tol, self.patience, self.score = tol, patience, score
        self.scores: list[float] = []
        self.reached = False
        self._best = -np.inf
        self._best_state: dict[str, Array] = {}
        self._without_improvement = 0

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Compare the epoch with the best one, and stop after too many that were no better."""
        if self.score is None:
            value = -trainer.history.row(-1)["loss"]
        else:
            value = self.score()
            self.scores.append(value)
        self._without_improvement = 0 if value >= self._best + self.tol else self._without_improvement + 1
        if value > self._best:
            self._best = value
            if self.score is not None:
                self._best_state = trainer.model.state_dict()
        if self._without_improvement > self.patience:
            self.reached = trainer.stop = True

    def on_fit_end(self, trainer: Trainer) -> None:
        """Restore the weights of the best score."""
        if self._best_state:
            trainer.model.load_state_dict(self._best_state)
