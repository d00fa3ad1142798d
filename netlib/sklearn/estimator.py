"""What both estimators share: from arguments and samples to a trained network."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ..arrays import Array, as_count, as_number
from ..errors import InvalidValueError
from ..layer import Layer
from ..losses.loss import Loss
from ..optimizers import Optimizer
from ..training import History, Trainer
from .convergence import Convergence
from .objective import Objective
from .samples import Samples, as_rows, predict
from .settings import ACTIVATIONS, SOLVERS, as_batch_size, as_patience, as_sizes, build, choose, perceptron

DTYPES = (np.float64, np.float32)
"""The types to compute in. Samples of other types become the first of them."""


class Estimator(BaseEstimator):  # type: ignore[misc]
    """The base class of `Classifier` and `Regressor`."""

    model_: Layer
    _optimizer: Optimizer
    loss_curve_: list[float]
    validation_scores_: list[float] | None

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        model: Any = None,
        solver: Any = "adam",
        alpha: float = 1e-4,
        batch_size: Any = "auto",
        learning_rate_init: Any = 1e-3,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: float = 10,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.model = model
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new network, or with ``warm_start=True`` the existing one.

        Parameters
        ----------
        X : array_like (n_samples, n_features)
        y : array_like (n_samples,) or (n_samples, n_outputs)
        sample_weight : array_like (n_samples,), optional
            The weight of each sample. A sample of weight 2 counts as two equal samples, one of
            weight 0 as none.

        Returns
        -------
        The estimator itself.

        Raises
        ------
        NetlibError
            If an argument of the estimator is invalid, or if the loss becomes infinite or NaN.
        ValueError
            If the samples are invalid.
        """
        is_new = not (self.warm_start and self.__sklearn_is_fitted__())
        with self._unchanged_by_errors():
            samples = self._samples(X, y, sample_weight, reset=is_new)
            converged = self._train(samples, is_new, is_partial=False)
        if not converged and not self.history_.interrupted:
            message = f"Maximum iterations ({self.max_iter}) reached and the optimization hasn't converged yet."
            warnings.warn(message, ConvergenceWarning, stacklevel=2)
        return self

    def _train(self, samples: Samples, is_new: bool, is_partial: bool) -> bool:
        """Train, set the attributes of a fitted estimator, and return whether it has converged."""
        self._require_batches(is_partial)
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
        model = self._new_model(samples, rng) if is_new else self.model_
        optimizer = self._optimizer if is_partial and not is_new else self._new_optimizer(model)
        score: Callable[[], float] | None = None
        if self.early_stopping:
            samples, held_out = self._split(samples, int(rng.integers(2**31)))
            score = partial(self._validate, model, held_out)
        convergence = self._new_convergence(score)
        trainer = Trainer(model, self._objective(model), optimizer, callbacks=[convergence], rng=rng)
        history = self._run(trainer, samples, is_partial)
        self.model_, self._optimizer, self.history_, self.n_iter_ = model, optimizer, history, len(history)
        self._extend_curves([] if is_new else self.loss_curve_, None if is_new else self.validation_scores_, convergence.scores)
        return convergence.reached

    def _run(self, trainer: Trainer, samples: Samples, is_partial: bool) -> History:
        where, n, takes_all = type(self).__name__, len(samples.t), trainer.optimizer.needs_closure
        history = trainer.fit(
            as_rows(samples.x),
            samples.t,
            epochs=1 if is_partial else as_count(self.max_iter, "max_iter", where, least=1),
            batch_size=n if takes_all else as_batch_size(self.batch_size, n, where),
            shuffle=bool(self.shuffle) and not takes_all,
            progress=bool(self.verbose),
            sample_weight=samples.weight,
        )
        if history.interrupted:
            warnings.warn("Training interrupted by user.", UserWarning, stacklevel=4)
        return history

    def _extend_curves(self, losses: list[float], scores: list[float] | None, new_scores: list[float]) -> None:
        """Append the losses and scores of this fit to those of earlier fits."""
        self.loss_curve_ = losses + self.history_["loss"]
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.nan
        self.best_loss_ = None if self.early_stopping else min(self.loss_curve_, default=np.nan)
        self.validation_scores_ = (scores or []) + new_scores if self.early_stopping else None
        self.best_validation_score_ = max(self.validation_scores_ or [], default=np.nan) if self.early_stopping else None

    def _require_batches(self, is_partial: bool) -> None:
        if is_partial and (self.early_stopping or self.solver == "lbfgs"):
            setting = "early_stopping=True" if self.early_stopping else "solver='lbfgs'"
            raise InvalidValueError(f"{setting} needs all samples at once", where=f"{type(self).__name__}.partial_fit")

    def _objective(self, model: Layer) -> Objective:
        penalized = [each for each in model.parameters().values() if each.trainable and len(each.shape) > 1]
        loss, factor, outputs = self._loss()
        return Objective(loss, penalized, as_number(self.alpha, "alpha", type(self).__name__, least=0), factor, outputs)

    def _new_convergence(self, score: Callable[[], float] | None) -> Convergence:
        where = type(self).__name__
        return Convergence(as_number(self.tol, "tol", where, least=0), as_patience(self.n_iter_no_change, where), score)

    def _new_model(self, samples: Samples, rng: np.random.Generator) -> Layer:
        where, dtype = type(self).__name__, samples.x.dtype
        make = self.model
        if make is None:
            sizes, activation = as_sizes(self.hidden_layer_sizes, where), choose(self.activation, ACTIVATIONS, "activation", where)
            make = partial(perceptron, sizes=sizes, activation=activation, dtype=dtype)
        return build(make, samples.x.shape[1], self.n_outputs_, rng, dtype, where)

    def _new_optimizer(self, model: Layer) -> Optimizer:
        optimizer: Optimizer = choose(self.solver, SOLVERS, "solver", type(self).__name__)(model, lr=self.learning_rate_init)
        return optimizer

    def _samples(self, X: Any, y: Any, sample_weight: Any, reset: bool, classes: Any = None) -> Samples:
        """Return the samples that count, after scikit-learn's checks."""
        x, y = validate_data(self, X, y, reset=reset, accept_sparse="csr", dtype=DTYPES, multi_output=True, y_numeric=is_regressor(self))
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, x, dtype=np.float64)
        samples = self._as_samples(x, y, weight, reset, classes)
        if samples.weight is None or samples.weight.all():
            return samples
        if not samples.weight.any():
            raise InvalidValueError("all samples have the weight 0, so there is nothing to learn from", where=type(self).__name__)
        return samples.take(np.flatnonzero(samples.weight))

    def _split(self, samples: Samples, seed: int) -> tuple[Samples, Samples]:
        """Return the samples to train on and those held out for early stopping."""
        share = as_number(self.validation_fraction, "validation_fraction", type(self).__name__, least=0, below=1)
        kept, out = train_test_split(np.arange(len(samples.t)), test_size=share, random_state=seed, stratify=self._strata(samples))
        if len(out) < 2:
            hint = "Increase validation_fraction, or pass more samples."
            raise InvalidValueError(f"validation_fraction={share:g} holds out {len(out)} of {len(samples.t)} samples, expected at least 2",
                                    where=type(self).__name__, hint=hint)  # fmt: skip
        return samples.take(kept), samples.take(out)

    def _validate(self, model: Layer, held_out: Samples) -> float:
        return self._score_of(predict(model, held_out.x), held_out)

    def _outputs(self, X: Any) -> Array:
        """Return the outputs of the fitted network."""
        check_is_fitted(self)
        x = validate_data(self, X, reset=False, accept_sparse="csr", dtype=DTYPES)
        return predict(self.model_, x)

    @contextmanager
    def _unchanged_by_errors(self) -> Iterator[None]:
        """Restore all attributes if an error leaves the block."""
        before = dict(self.__dict__)
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    @abstractmethod
    def _as_samples(self, x: Array, y: Array, weight: Array | None, reset: bool, classes: Any) -> Samples:
        """Return the samples with targets of the network, and set `n_outputs_`."""

    @abstractmethod
    def _loss(self) -> tuple[Loss, float, int]:
        """Return the arguments of `Objective`: loss, factor, and terms for each sample."""

    @abstractmethod
    def _strata(self, samples: Samples) -> Array | None:
        """Return the classes by which to stratify the validation samples, if any."""

    @abstractmethod
    def _score_of(self, outputs: Array, samples: Samples) -> float:
        """Return the score of outputs of the network."""
