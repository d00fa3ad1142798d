"""The checks of a trainer's arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from inspect import signature
from typing import Any

from ..errors import InvalidTypeError, InvalidValueError
from ..layer import Layer
from ..optimizers import Optimizer
from .callbacks import Callback

Metric = Callable[[Any, Any], float]
RESERVED = ("epoch", "loss", "lr", "seconds")


def as_optimizer_of(model: Layer, optimizer: Any, where: str) -> Optimizer:
    """Return `optimizer`, or raise if it is not an optimizer of the parameters of `model`."""
    hint = "Make one over the model: nl.Adam(model)."
    if not isinstance(optimizer, Optimizer):
        raise InvalidTypeError(f"got {optimizer!r}, expected an optimizer", where=where, hint=hint)
    optimized = set(map(id, optimizer.parameters().values()))
    if optimized.isdisjoint(map(id, model.parameters().values())):
        raise InvalidValueError("the optimizer holds no parameter of the model", where=where, hint=hint)
    return optimizer


def as_metrics(metrics: Any, where: str) -> dict[str, Metric]:
    """Return the functions by name, or raise if a name is that of another column of the history."""
    if metrics is None:
        return {}
    if not isinstance(metrics, Mapping):
        hint = "Name them: {'accuracy': nl.accuracy}."
        raise InvalidTypeError(f"metrics is {metrics!r}, expected a dict", where=where, hint=hint)
    for name, metric in metrics.items():
        if not callable(metric):
            message = f"the metric {name!r} is {metric!r}, expected a function of y and t"
            raise InvalidTypeError(message, where=where)
        _require_outputs_first(name, metric, where)
        if not isinstance(name, str) or name in RESERVED or name.startswith("val_"):
            message = f"a metric cannot be named {name!r}, which is reserved for other columns"
            raise InvalidValueError(message, where=where)
    return dict(metrics)


def as_callbacks(callbacks: Any, where: str) -> list[Callback]:
    """Return the callbacks, or the single callback, as a list."""
    is_single = isinstance(callbacks, Callback) or not isinstance(callbacks, Iterable)
    given = [callbacks] if is_single else list(callbacks)
    for callback in given:
        if not isinstance(callback, Callback):
            message = f"got {callback!r} among the callbacks, expected a Callback"
            raise InvalidTypeError(message, where=where, hint="Derive it from nl.Callback.")
    return given


def _require_outputs_first(name: object, metric: Metric, where: str) -> None:
    """Raise for functions of ``(y_true, y_pred)``, as in scikit-learn and Keras.

    They would receive their arguments in the wrong order.
    """
    try:
        first = next(iter(signature(metric).parameters), "")
    except (TypeError, ValueError):  # some functions in C have no signature
        return
    if first == "y_true":
        hint = f"Write {{{name!r}: lambda y, t: function(t, y)}}, with y.argmax(axis=-1) where classes are expected."
        raise InvalidTypeError(f"the metric {name!r} takes y_true first, but is called with (y, t): outputs first", where=where, hint=hint)
