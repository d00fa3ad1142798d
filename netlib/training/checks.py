"""Checks before the first step: whether data, loss and metrics fit the output of the model."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..arrays import Array
from ..containers.container import Container
from ..errors import InvalidTypeError, NetlibError, NonFiniteError, ShapeError
from ..layer import Layer
from ..layers import Hardsigmoid, LogSigmoid, LogSoftmax, ReLU, ReLU6, Sigmoid, Softmax, Softmin, Softplus, Softsign, Tanh
from ..losses import (
    Focal,
    Hinge,
    Huber,
    KLDivergence,
    MeanAbsoluteError,
    MeanSquaredError,
    MultiMargin,
    NegativeLogLikelihood,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)
from ..losses.labels import LabelLoss
from ..losses.loss import Loss
from .arguments import Metric
from .metrics.classes import is_one_column
from .samples import Batch

FEW = 8
"""How many rows are predicted to see what the model gives."""
CHUNK = 4096
"""How many targets are shown to the loss at a time."""

TWICE: dict[type, tuple[str, tuple[type, ...]]] = {
    SoftmaxCrossEntropy: ("softmax", (Softmax, Softmin, Sigmoid, Hardsigmoid)),
    Focal: ("softmax", (Softmax, Softmin, Sigmoid, Hardsigmoid)),
    SigmoidCrossEntropy: ("sigmoid", (Softmax, Softmin, LogSoftmax, Sigmoid, Hardsigmoid, LogSigmoid)),
}
"""What a loss applies itself, and the last layers that would squash its logits before."""

RANGES: dict[type, tuple[float, float]] = {
    Sigmoid: (0, 1),
    Hardsigmoid: (0, 1),
    Softmax: (0, 1),
    Softmin: (0, 1),
    Tanh: (-1, 1),
    Softsign: (-1, 1),
    ReLU: (0, np.inf),
    ReLU6: (0, 6),
    Softplus: (0, np.inf),
    LogSigmoid: (-np.inf, 0),
    LogSoftmax: (-np.inf, 0),
}
"""Least and greatest output of activations."""

COMPARING = (MeanSquaredError, MeanAbsoluteError, Huber, Hinge)
"""Losses that are least where the outputs are the targets, or beyond them."""

OF_LOGARITHMS = (NegativeLogLikelihood, KLDivergence)
"""Losses of the logarithms of probabilities, which are at most 0 but for rounding."""
ROUNDING = 1e-3


def check_before_training(model: Layer, loss: Layer, metrics: dict[str, Metric], samples: Batch, what: str = "") -> None:
    """Raise for samples and metrics that would fail later, and warn if the loss cannot be small.

    `what` names the samples in messages, such as "validation ". The model does not change.

    Raises
    ------
    NonFiniteError
        For a NaN or an infinity in an input or a target, if the loss of that row is not finite.
    NetlibError
        For a target that the loss rejects, with its row; and any error of a netlib metric on the
        first rows.
    InvalidTypeError
        For a metric that does not return a number.
    """
    if samples.weight is not None:
        samples = samples.take(np.flatnonzero(samples.weight.reshape(len(samples), -1).any(axis=1)))
    if len(samples.targets) > 1 or not len(samples):
        return
    inputs, (t,) = samples.inputs, samples.targets
    try:
        y = model.predict(*(x[:FEW] for x in inputs))
    except Exception:  # the first batch will raise it, in training mode, with its location
        return
    if isinstance(y, tuple) or np.ndim(y) == 0 or len(y) != len(t[:FEW]):
        return
    if samples.weight is None or isinstance(loss, Loss):  # a graph of losses may need the weight
        _check_targets(loss, y, t, what)
    _check_finite(model, loss, [*inputs, t], what)
    if not what:
        _warn_of_loss(last_layer(model, len(inputs)), loss, y, t)
        dtype = np.result_type(*[p.dtype for p in model.parameters().values()])
        for i, x in enumerate(inputs):
            column = _indistinct_column(x, dtype)
            few = [each[:FEW] for each in inputs]
            if column >= 0 and _accepts(model, [*few[:i], few[i].astype(dtype), *few[i + 1 :]]):  # no ids
                _warn_of_rounding(x, column, dtype)
    for name, metric in metrics.items():
        _check_metric(name, as_metric_of(model, len(inputs), metric, y), y, t[:FEW])


def last_layer(model: Layer, n_inputs: int) -> Layer:
    """Return the layer whose output is the first output of the model."""
    if not isinstance(model, Container):
        return model
    program = model.program(n_inputs)
    makers: list[Layer] = [step.layer for step in program.steps if program.outputs[0] in step.targets]
    return makers[0] if makers else model


def as_metric_of(model: Layer, n_inputs: int, metric: Metric, y: Any) -> Metric:
    """Return `metric` with the threshold that suits the model, if it takes one and has none.

    A sigmoid returns probabilities, with the threshold 0.5; the outputs of other layers are logits.
    """
    function: Any = metric.func if isinstance(metric, partial) else metric
    if not (getattr(function, "__module__", None) or "").startswith(f"{__package__}.metrics"):
        return metric
    given = metric.keywords if isinstance(metric, partial) else {}
    is_for_columns = function.__name__ == "multilabel_accuracy" or given.get("multilabel", False)
    has_one_column = isinstance(y, np.ndarray) and y.ndim and is_one_column(y)
    if "threshold" not in inspect.signature(function).parameters or "threshold" in given or not (has_one_column or is_for_columns):
        return metric
    return partial(function, **given, threshold=0.5 if isinstance(last_layer(model, n_inputs), Sigmoid | Hardsigmoid) else 0)


def _check_targets(loss: Layer, y: Array, t: Array, what: str) -> None:
    if isinstance(loss, LabelLoss) and t.ndim == 1 and t.dtype.kind in "iu":  # equal labels are equally good
        labels = np.unique(t)
        if _refusal(loss, np.broadcast_to(y[:1], (len(labels), *y.shape[1:])), labels) is None:
            return
    like = np.broadcast_to(y[:1], (min(CHUNK, len(t)), *y.shape[1:]))
    for start in range(0, len(t), CHUNK):
        rows = t[start : start + CHUNK]
        error = _refusal(loss, like[: len(rows)], rows)
        if isinstance(error, ShapeError):  # the same for all rows
            raise error
        if error is not None:
            refusals = ((i, _refusal(loss, like[:1], rows[i : i + 1])) for i in range(len(rows)))
            for i, of_row in refusals:
                if of_row is not None:
                    of_row.message = f"row {start + i} of the {what}targets: {of_row.message}"
                    raise of_row
            raise error


def _refusal(loss: Layer, y: Array, t: Array) -> NetlibError | None:
    try:
        loss.predict(y, t)
    except NetlibError as error:
        return error
    except Exception:  # a user's loss may need other outputs; if not, the first batch raises it
        return None
    return None


def _check_finite(model: Layer, loss: Layer, samples: Sequence[Array], what: str) -> None:
    for i, array in enumerate(samples):
        if array.dtype.kind not in "fc" or _is_surely_finite(array):
            continue
        is_bad = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
        for row in np.flatnonzero(is_bad)[:1]:
            *inputs, t = (each[row : row + 1] for each in samples)
            try:
                value = loss.predict(model.predict(*inputs), t)
            except Exception:  # a model may need more than one row
                return
            if not np.isfinite(value).all():
                name = "targets" if i == len(samples) - 1 else "inputs"
                message = f"row {row} of the {what}{name} has a NaN or an infinity, as have {is_bad.sum()} of {len(array)} rows"
                raise NonFiniteError(message, where="Trainer.fit", hint="Leave such rows out, or fill them in.")


def _is_surely_finite(array: Array) -> bool:
    """Return whether the sum of squares is finite, which is faster than looking at each number."""
    flat = array.reshape(-1)
    return array.dtype.itemsize > 2 and bool(np.isfinite(np.dot(flat, flat)))


def _check_metric(name: str, metric: Callable[[Any, Any], Any], y: Array, t: Array) -> None:
    try:
        value = metric(y, t)
    except NetlibError:
        raise
    except Exception:  # it may need a whole epoch
        return
    if value is None:
        hint = "Does it lack a return?"
        raise InvalidTypeError(f"the metric {name!r} returned None, expected a number", where="Trainer", hint=hint)


def _warn_of_loss(last: Layer, loss: Layer, y: Array, t: Array) -> None:
    kind, name = type(last), type(loss).__name__
    applied, squashing = TWICE.get(type(loss), ("", ()))
    if kind in squashing:
        _warn(f"{name} applies {applied} itself, and the model ends in {last!r}. Leave {kind.__name__} out: it takes logits.")
    if isinstance(loss, OF_LOGARITHMS) and (y > ROUNDING).any():
        _warn(f"{name} takes logarithms of probabilities, but outputs go up to {np.nanmax(y):g}. End in LogSoftmax.")
    if isinstance(loss, MultiMargin) and RANGES.get(kind) == (0, 1):
        _warn(f"{name} compares scores by a margin, and the model ends in {last!r}. Leave {kind.__name__} out: scores need no bounds.")
    if isinstance(last, Softmax) and y.shape[last.axis] == 1:
        _warn(f"the model ends in {last!r} over a single number, which is always 1. Use Sigmoid, or two outputs.")
    if kind in RANGES and isinstance(loss, COMPARING):
        low, high = RANGES[kind]
        if t.min() < low or t.max() > high:
            _warn(
                f"the model ends in {last!r}, whose outputs lie between {low:g} and {high:g}, but targets go from {t.min():g} to "
                f"{t.max():g}. End in a linear layer, or scale the targets."
            )


def _indistinct_column(x: Array, dtype: np.dtype[Any]) -> int:
    """Return a column of numbers, such as recent times, that `dtype` hardly resolves, or -1."""
    rows = x.reshape(len(x), -1)
    if x.dtype.kind not in "iuf" or x.dtype.itemsize <= dtype.itemsize or not rows.size:
        return -1
    low, high = rows.min(axis=0).astype(np.float64), rows.max(axis=0).astype(np.float64)
    finest = np.spacing(np.maximum(np.abs(low), np.abs(high)).astype(dtype))
    columns = np.flatnonzero((high > low) & (high - low < 1000 * finest))
    return int(columns[0]) if columns.size else -1


def _accepts(model: Layer, inputs: Sequence[Array]) -> bool:
    try:
        model.predict(*inputs)
    except Exception:
        return False
    return True


def _warn_of_rounding(x: Array, column: int, dtype: np.dtype[Any]) -> None:
    numbers = x.reshape(len(x), -1)[:, column].astype(np.float64)
    _warn(
        f"column {column} of the inputs goes from {numbers.min():.17g} to {numbers.max():.17g}, "
        f"numbers that {dtype} can hardly tell apart. "
        "Subtract their mean before training."
    )


def _warn(message: str) -> None:
    warnings.warn(f"Trainer.fit: {message}", UserWarning, stacklevel=6)
