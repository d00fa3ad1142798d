"""A network as an estimator for regression."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d

from ..arrays import Array
from ..losses import MeanSquaredError
from .estimator import Estimator
from .samples import Samples


class Regressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """A network for regression that is used as scikit-learn's estimators are.

    It minimizes half the squared error, ``Σ w ‖y - t‖² / (2 Σ w)``, plus the L2 penalty.
    """

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on these samples: the network that is there, or a new one.

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

    def _loss(self) -> tuple[MeanSquaredError, float]:
        return MeanSquaredError(), 0.5

    def _strata(self, samples: Samples) -> None:
        return None

    def _score_of(self, outputs: Array, samples: Samples) -> float:
        return float(r2_score(samples.t, outputs, sample_weight=samples.weight))
