"""The conversion of the estimators' arguments: the model, the optimizer, the sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from ..arrays import as_count
from ..containers import Sequential
from ..errors import InvalidTypeError, InvalidValueError, ShapeError
from ..initializers import Uniform
from ..layer import Layer
from ..layers import Affine, Identity, ReLU, Sigmoid, Tanh
from ..optimizers import LBFGS, SGD, Adam, Optimizer

ModelFunction = Callable[[int, int, np.random.Generator], Layer]
Solver = Callable[..., Optimizer]

ACTIVATIONS: dict[str, type[Layer]] = {"identity": Identity, "logistic": Sigmoid, "tanh": Tanh, "relu": ReLU}
SOLVERS: dict[str, Solver] = {
    "adam": Adam,
    "sgd": partial(SGD, momentum=0.9, nesterov=True),
    "lbfgs": lambda model, lr: LBFGS(model, iterations=1),
}


def as_sizes(sizes: Any, where: str) -> tuple[int, ...]:
    """Return the sizes of the hidden layers: one number, or a sequence of them, which may be empty.

    >>> as_sizes(8, "Classifier"), as_sizes([8, 4], "Classifier"), as_sizes((), "Classifier")
    ((8,), (8, 4), ())
    """
    given: Sequence[Any] = list(sizes) if np.iterable(sizes) and not isinstance(sizes, str) else [sizes]
    return tuple(as_count(size, "a size in hidden_layer_sizes", where, least=1) for size in given)


def as_batch_size(batch_size: Any, n: int, where: str) -> int:
    """Return the number of samples per batch of `n` samples, ``"auto"`` for at most 200.

    >>> as_batch_size("auto", 1000, "Classifier"), as_batch_size(64, 10, "Classifier")
    (200, 10)
    """
    if isinstance(batch_size, str) and batch_size == "auto":
        return min(200, n)
    return min(as_count(batch_size, "batch_size", where, least=1), n)


def as_patience(epochs: Any, where: str) -> float:
    """Return `n_iter_no_change`, which may be infinite.

    >>> as_patience(10, "Classifier"), as_patience(np.inf, "Classifier")
    (10, inf)
    """
    return np.inf if isinstance(epochs, float) and epochs == np.inf else as_count(epochs, "n_iter_no_change", where, least=1)


def choose(given: Any, named: dict[str, Any], name: str, where: str) -> Any:
    """Return the object that a name stands for, or a function or class unchanged."""
    if isinstance(given, str) and given in named:
        return named[given]
    if isinstance(given, str) or not callable(given):
        message = f"{name} is {given!r}, expected one of {', '.join(map(repr, named))}, or a function"
        raise (InvalidValueError if isinstance(given, str) else InvalidTypeError)(message, where=where)
    return given


def perceptron(features: int, outputs: int, rng: np.random.Generator, *, sizes: Sequence[int], activation: Any, dtype: Any) -> Sequential:
    """Return affine layers of these sizes, with an activation after each but the last.

    Weights and biases are initialized as in scikit-learn's MLP, between ±√(6 / (in + out)), or
    ±√(2 / (in + out)) with `Sigmoid` (Glorot and Bengio, 2010).

    >>> perceptron(4, 3, np.random.default_rng(0), sizes=[8], activation=ReLU, dtype="float32")
    Sequential(Affine(4, 8), ReLU(), Affine(8, 3))
    """
    model = Sequential()
    for i, (n_in, n_out) in enumerate(pairwise([features, *sizes, outputs])):
        if i:
            model.append(activation())
        init = Uniform(((2 if activation is Sigmoid else 6) / (n_in + n_out)) ** 0.5)
        model.append(Affine.from_arrays(init((n_in, n_out), rng, dtype), init((n_out,), rng, dtype)))
    return model


def build(make: Any, features: int, outputs: int, rng: np.random.Generator, dtype: Any, where: str) -> Layer:
    """Return the model that the function `make` returns, or raise if it does not fit the data."""
    if isinstance(make, Layer) or not callable(make):
        hint = "Pass a function (features, outputs, rng) that returns a new model."
        raise InvalidTypeError(f"model is {type(make).__name__}, expected a function", where=where, hint=hint)
    model = make(features, outputs, rng)
    if not isinstance(model, Layer):
        hint = "Does it lack a return?" if model is None else ""
        raise InvalidTypeError(f"the function model returned {type(model).__name__}, expected a Layer", where=where, hint=hint)
    if not model.parameters():
        raise InvalidValueError("the function model returned a model without parameters, so nothing can be learned", where=where)
    y = model.predict(np.zeros((2, features), dtype))
    shape = "a tuple of outputs" if isinstance(y, tuple) else np.shape(y)
    if shape != (2, outputs):
        hint = f"End the model in {outputs} outputs."
        raise ShapeError(
            f"the model returned {shape} for an input of shape (2, {features}), expected (2, {outputs})", where=where, hint=hint
        )
    return model
