"""A network as an estimator for classification."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from ..arrays import Array
from ..errors import InvalidValueError
from ..layers import LogSigmoid, LogSoftmax
from ..losses import SigmoidCrossEntropy, SoftmaxCrossEntropy
from ..losses.loss import Loss
from .estimator import Estimator
from .samples import Samples

MULTILABEL = "multilabel-indicator"


class Classifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """A network for classification, used like scikit-learn's `MLPClassifier`.

    It minimizes the cross-entropy plus ``alpha/2 · Σ‖W‖² / n``, per batch of n samples. The network
    has one output for two classes, and otherwise one for each class or label. It computes in the
    dtype of X, float32 or float64.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        The number of units in each hidden layer.
    activation : {"identity", "logistic", "tanh", "relu"}, or layer class
        The activation after each hidden layer: a name, or a class such as ``nl.GELU``.
    model : callable, optional
        A function ``(features, outputs, rng) -> Layer`` that returns the network to train, instead
        of `hidden_layer_sizes` and `activation`. It takes X, of shape (n_samples, features), and
        returns logits (n_samples, outputs). The function chooses the dtype of the parameters.
    solver : {"adam", "sgd", "lbfgs"}, or optimizer class
        A name, or a function ``(model, lr=…)`` that returns an optimizer, such as ``nl.RAdam`` or
        ``functools.partial(nl.SGD, momentum=0.5)``. ``"sgd"`` uses Nesterov's momentum of 0.9.
        ``"lbfgs"`` takes all samples as one batch, and makes one iteration per epoch.
    alpha : float
        The strength of the L2 penalty on all trainable parameters with at least two axes: weights,
        not biases.
    batch_size : int or "auto"
        The number of samples per batch. ``"auto"`` is 200, or all samples if there are fewer.
    learning_rate_init : float or callable
        The learning rate, or a schedule such as those in `netlib.schedules`.
    max_iter : int
        The maximum number of epochs.
    shuffle : bool
        Whether to shuffle the samples in every epoch.
    random_state : int, RandomState or None
        Determines the initial weights, the order of the samples, and the samples held out.
    tol : float
        Training has converged after more than `n_iter_no_change` consecutive epochs in which the
        loss (with `early_stopping`, the score) did not improve on the best by `tol`.
    verbose : bool
        Whether to print a line for each epoch.
    warm_start : bool
        Whether `fit` continues with the network of the last fit.
    early_stopping : bool
        Whether to hold out samples, to compute the score on them after each epoch, and to keep the
        weights of the best score.
    validation_fraction : float
        The share of samples to hold out for early stopping.
    n_iter_no_change : int or inf
        See `tol`.
    class_weight : dict, "balanced" or None
        The weight of the samples of each class, by class.

    Attributes
    ----------
    model_ : Layer
        The network. It can be drawn, checked and saved like any other layer.
    classes_ : ndarray (n_classes,)
        The classes, in ascending order.
    history_ : History
        Loss, learning rate and seconds of each epoch of the last fit.
    n_iter_ : int
        The number of epochs of the last fit.
    loss_curve_, loss_, best_loss_ : list of float, float, float or None
        The loss of each epoch, including earlier fits that this one continued; the last loss; and
        the lowest, which is None with `early_stopping`.
    validation_scores_, best_validation_score_ : list of float or None, float or None
        The score after each epoch and the best score, with `early_stopping`.
    n_outputs_, n_features_in_ : int
        The number of outputs of the network, and of columns of X.
    feature_names_in_ : ndarray of str
        The names of the columns, if X is a DataFrame.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = Classifier(16, learning_rate_init=0.01, tol=1e-3, random_state=0)
    >>> classifier.fit(X, y).score(X, y) > 0.95
    True
    >>> classifier.model_
    Sequential(Affine(4, 16, dtype='float64'), ReLU(), Affine(16, 3, dtype='float64'))
    """

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
        class_weight: Any = None,
    ) -> None:
        super().__init__(
            hidden_layer_sizes,
            activation,
            model=model,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate_init=learning_rate_init,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
        )
        self.class_weight = class_weight

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train the existing network, or a new one, for one epoch on these samples.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        classes : array_like (n_classes,)
            All classes that will ever occur. The first call needs them, unless `y` has several
            labels for each sample.

        Returns
        -------
        The estimator itself.
        """
        where = "Classifier.partial_fit"
        if isinstance(self.class_weight, str):
            hint = "Pass a dict from class to weight."
            raise InvalidValueError(f"class_weight={self.class_weight!r} needs all samples at once", where=where, hint=hint)
        is_new = not self.__sklearn_is_fitted__()
        if is_new and classes is None and type_of_target(y) != MULTILABEL:
            raise InvalidValueError("the first call needs classes=, all classes that will ever occur", where=where)
        if not is_new and classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise InvalidValueError(f"classes is {classes!r}, expected those of the first call, {self.classes_!r}", where=where)
        with self._unchanged_by_errors():
            samples = self._samples(X, y, sample_weight, reset=is_new, classes=classes)
            self._train(samples, is_new, is_partial=True)
        return self

    def predict(self, X: Any) -> Array:
        """Return the predicted classes.

        Parameters
        ----------
        X : array_like (n_samples, n_features)

        Returns
        -------
        ndarray (n_samples,), or (n_samples, n_outputs) of zeros and ones for several labels
        """
        return self._decode(self._outputs(X))

    def decision_function(self, X: Any) -> Array:
        """Return the outputs of the network, the logits.

        Parameters
        ----------
        X : array_like (n_samples, n_features)

        Returns
        -------
        ndarray (n_samples, n_classes), or (n_samples,) for two classes
            For two classes, the second one is predicted where the number is positive.
        """
        outputs = self._outputs(X)
        return outputs[:, 0] if outputs.shape[1] == 1 and not self._is_multilabel else outputs

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class.

        Parameters
        ----------
        X : array_like (n_samples, n_features)

        Returns
        -------
        ndarray (n_samples, n_classes)
            In the order of `classes_`. For several labels, the probability of each label.
        """
        probabilities: Array = np.exp(self.predict_log_proba(X))
        return probabilities

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithms of the probabilities, accurate where these round to 0 or 1.

        Parameters
        ----------
        X : array_like (n_samples, n_features)

        Returns
        -------
        ndarray (n_samples, n_classes)
        """
        outputs = self._outputs(X)
        if len(self.classes_) == 1 and not self._is_multilabel:
            return np.zeros_like(outputs)
        layer = LogSoftmax() if self._is_softmax else LogSigmoid()
        is_binary = self.n_outputs_ == 1 and not self._is_multilabel
        logarithms: Array = layer.predict(np.hstack([-outputs, outputs]) if is_binary else outputs)
        return logarithms

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _as_samples(self, x: Array, y: Any, weight: Array | None, reset: bool, classes: Any) -> Samples:
        check_classification_targets(y)
        kind = type_of_target(y)
        if kind == "multiclass-multioutput":
            message = f"y has shape {np.shape(y)} and several classes in each column, expected one column, or columns of zeros and ones"
            raise InvalidValueError(message, where="Classifier", hint="Use sklearn.multioutput.MultiOutputClassifier.")
        is_multilabel = kind == MULTILABEL
        y = y.toarray() if issparse(y) else y if is_multilabel else column_or_1d(y, warn=True)
        if self.class_weight is not None:
            of_class = compute_sample_weight(self.class_weight, y)
            weight = of_class if weight is None else weight * of_class
        if reset:
            self._is_multilabel = is_multilabel
            self._encoder = LabelEncoder().fit(np.arange(y.shape[1]) if is_multilabel else y if classes is None else classes)
            self.classes_ = self._encoder.classes_
            self.n_outputs_ = len(self.classes_) if is_multilabel or len(self.classes_) > 2 else 1
        elif is_multilabel != self._is_multilabel:
            message = (
                f"y is {kind}, but the network was fitted to {'several labels' if self._is_multilabel else 'one label'} for each sample"
            )
            raise InvalidValueError(message, where="Classifier")
        if is_multilabel:
            return Samples(x, (y != 0).astype(x.dtype), weight)
        labels = self._encoder.transform(y)
        return Samples(x, labels if self.n_outputs_ > 1 else labels[:, None].astype(x.dtype), weight)

    def _loss(self) -> tuple[Loss, float, int]:
        return (SoftmaxCrossEntropy(), 1.0, 1) if self._is_softmax else (SigmoidCrossEntropy(), 1.0, self.n_outputs_)

    @property
    def _is_softmax(self) -> bool:
        return self.n_outputs_ > 1 and not self._is_multilabel

    def _decode(self, outputs: Array) -> Array:
        """Return the classes for these outputs of the network."""
        if self._is_multilabel:
            return (outputs > 0).astype(int)
        codes = outputs.argmax(axis=1) if self._is_softmax else (outputs[:, 0] > 0) & (len(self.classes_) > 1)
        classes: Array = self.classes_[codes.astype(int)]
        return classes

    def _strata(self, samples: Samples) -> Array | None:
        return None if self._is_multilabel else samples.t.reshape(-1)

    def _score_of(self, outputs: Array, samples: Samples) -> float:
        labels = samples.t if self._is_multilabel else self.classes_[samples.t.reshape(-1).astype(int)]
        return float(accuracy_score(labels, self._decode(outputs), sample_weight=samples.weight))
