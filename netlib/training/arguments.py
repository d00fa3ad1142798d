"""What a trainer is made of, checked."""

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
    """Return `optimizer`, after refusing what is none, and one over another model, with which training would change nothing."""
    hint = "Make one over the model: nl.Adam(model)."
    if not isinstance(optimizer, Optimizer):
        raise InvalidTypeError(f"got {optimizer!r}, wanted an optimizer", where=where, hint=hint)
    if not set(map(id, optimizer.parameters().values())) & set(map(id, model.parameters().values())):
        raise InvalidValueError("the optimizer holds no parameter of the model", where=where, hint=hint)
    return optimizer


def as_metrics(metrics: Any, where: str) -> dict[str, Metric]:
    """Return the functions by name, after refusing names that other columns of the history have."""
    if metrics is None:
        return {}
    if not isinstance(metrics, Mapping):
        raise InvalidTypeError(f"metrics is {metrics!r}, wanted a dict", where=where, hint="Name them: {'accuracy': nl.accuracy}.")
    for name, metric in metrics.items():
        if not callable(metric):
            raise InvalidTypeError(f"the metric {name!r} is {metric!r}, wanted a function of y and t", where=where)
        _require_outputs_first(name, metric, where)
        if not isinstance(name, str) or name in RESERVED or name.startswith("val_"):
            raise InvalidValueError(f"a metric cannot be named {name!r}, as other columns are", where=where)
    return dict(metrics)


def as_callbacks(callbacks: Any, where: str) -> list[Callback]:
    """Return the callbacks, also where a single one came."""
    given = [callbacks] if isinstance(callbacks, Callback) or not isinstance(callbacks, Iterable) else list(callbacks)
    for callback in given:
        if not isinstance(callback, Callback):
            raise InvalidTypeError(
                f"got {callback!r} among the callbacks, wanted a Callback", where=where, hint="Derive it from nl.Callback."
            )
    return given


def _require_outputs_first(name: object, metric: Metric, where: str) -> None:
    """Refuse functions of ``(y_true, y_pred)``, as scikit-learn's and Keras' are: they would get the two in the wrong order."""
    try:
        first = next(iter(signature(metric).parameters), "")
    except (TypeError, ValueError):  # some functions in C have none
        return
    if first == "y_true":
        hint = f"Write {{{name!r}: lambda y, t: function(t, y)}}, with y.argmax(axis=-1) where classes are expected."
        raise InvalidTypeError(f"the metric {name!r} takes y_true first, but is called with (y, t): outputs first", where=where, hint=hint)
