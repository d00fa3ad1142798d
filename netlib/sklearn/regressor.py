"""A network as an estimator for regression."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d

from ..arrays import Array
from ..losses import MeanSquaredError
from ..losses.loss import Loss
from .estimator import Estimator
from .samples import Samples


class Regressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """A network for regression, used like scikit-learn's `MLPRegressor`.

    It minimizes half the squared error, summed over the outputs, plus ``alpha/2 · Σ‖W‖² / n``, per
    batch of n samples. It computes in the dtype of X, float32 or float64.

    Parameters and attributes are those of `Classifier`, without `class_weight` and `classes_`. The
    score is R². Scale the targets to a standard deviation of about 1: a network begins with outputs
    of this size.

    Examples
    --------
    >>> X = np.linspace(-3, 3, 100)[:, None]
    >>> regressor = Regressor(16, "tanh", solver="lbfgs", random_state=0).fit(X, np.sin(X[:, 0]))
    >>> regressor.score(X, np.sin(X[:, 0])) > 0.99
    True
    >>> regressor.predict(X[:2]).shape
    (2,)
    """

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train the existing network, or a new one, for one epoch on these samples.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        The estimator itself.
        """
        is_new = not self.__sklearn_is_fitted__()
        with self._unchanged_by_errors():
            self._train(self._samples(X, y, sample_weight, reset=is_new), is_new, is_partial=True)
        return self

    def predict(self, X: Any) -> Array:
        """Return the predicted numbers.

        Parameters
        ----------
        X : array_like (n_samples, n_features)

        Returns
        -------
        ndarray (n_samples,) or (n_samples, n_outputs)
        """
        outputs = self._outputs(X)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def _as_samples(self, x: Array, y: Array, weight: Array | None, reset: bool, classes: Any) -> Samples:
        y = np.asarray(y, x.dtype)
        t = y if y.ndim > 1 and y.shape[1] > 1 else column_or_1d(y, warn=True)[:, None]
        self.n_outputs_ = t.shape[1]
        return Samples(x, t, weight)

    def _loss(self) -> tuple[Loss, float, int]:
        return MeanSquaredError(), 0.5, self.n_outputs_

    def _strata(self, samples: Samples) -> None:
        return None

    def _score_of(self, outputs: Array, samples: Samples) -> float:
        return float(r2_score(samples.t, outputs, sample_weight=samples.weight))
