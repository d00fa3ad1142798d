"""Loss and metrics over all batches of an epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..arrays import Array
from ..containers import Graph
from ..errors import InvalidValueError, ShapeError
from ..layer import Layer
from ..losses.loss import Loss
from .arguments import Metric
from .checks import as_metric_of
from .metrics.streams import stream_of

CHUNK = 4096
"""How many rows are collected before they are counted in: metrics of single batches are slow."""


class Measuring:
    """Loss and metrics, batch by batch.

    Metrics of netlib that add up, such as `accuracy`, process some rows at a time. For the others,
    such as `roc_auc` and the user's own functions, all outputs and targets are kept.

    Parameters
    ----------
    model : Layer
    metrics : dict of str to callable
    n_inputs : int
        The number of inputs of the model.
    loss : Layer
        The loss. If it is a graph of losses, each of them is also measured, under its path.

    Attributes
    ----------
    total, weight : float
        The sum of the losses, each times the weight it is the mean of, and the sum of the weights.
    """

    def __init__(self, model: Layer, metrics: Mapping[str, Metric], n_inputs: int, loss: Layer) -> None:
        self._model, self._metrics, self._n_inputs, self._loss = model, metrics, n_inputs, loss
        self._is_mean = is_mean(loss)
        self.total = self.weight = 0.0
        self._parts = parts_of(loss)
        self._part_sums = {path: [0.0, 0.0] for path in self._parts}
        self._fitted: dict[str, Metric] = {}
        self._streams = {name: stream for name, metric in metrics.items() if (stream := stream_of(metric))}
        self._keeps_all = len(self._streams) < len(metrics)
        self._new: list[tuple[Any, Any]] = []
        self._kept: list[tuple[Any, Any]] = []
        self._n_new = 0

    def add(self, y: Any, t: Any, n: int, loss: float, weight: float) -> None:
        """Add a batch: its outputs, its `n` targets, and its loss, the mean over `weight`."""
        self.total += loss * weight if self._is_mean else loss
        self.weight += weight
        for path, part in self._parts.items():
            sums = self._part_sums[path]
            sums[0] += part.total
            sums[1] += part.total_weight
        if not self._metrics:
            return
        if self._n_new >= CHUNK:
            self._count_in()
        self._new.append((y, t))
        self._n_new += n

    def _fit(self) -> None:
        """Set the threshold of metrics to suit the model."""
        y, _ = self._new[0]
        self._fitted = {name: as_metric_of(self._model, self._n_inputs, metric, y) for name, metric in self._metrics.items()}
        for name, before in self._streams.items():
            stream = stream_of(self._fitted[name])
            if stream is not None:
                stream.state = before.state
                self._streams[name] = stream

    def _count_in(self) -> None:
        if not self._fitted:
            self._fit()
        pairs = [_joined(self._new)] if _can_join(self._new) else self._new
        for stream in self._streams.values():
            for y, t in pairs:
                stream.add(y, t)
        if self._keeps_all:
            self._kept += pairs
        self._new, self._n_new = [], 0

    def results(self) -> dict[str, float]:
        """Return loss and metrics."""
        if self._is_mean and not self.weight:
            hint = "Is sample_weight 0 everywhere, or does ignore_index leave out every target?"
            raise InvalidValueError("nothing counts in any batch: the mean loss is undefined", where="Trainer", hint=hint)
        measured = {"loss": self.total / self.weight if self._is_mean else self.total}
        for path, (total, weight) in self._part_sums.items():
            measured[path] = (total / weight if weight else math.nan) if is_mean(self._parts[path]) else total
        if self._metrics:
            self._count_in()
        kept = _joined(self._kept) if self._kept else None
        for name, metric in self._fitted.items():
            value: Any = self._streams[name].value() if name in self._streams else metric(*kept)  # type: ignore[misc]
            if np.ndim(value) != 0:
                message = f"the metric {name!r} returned an array of shape {np.shape(value)}, expected a number"
                raise ShapeError(message, where="Trainer")
            measured[name] = float(value)
        return measured

    def merged(self, states: Sequence[dict[str, Any]]) -> Measuring:
        """Return the measurements of several processes, from the `state_dict` of each."""
        whole = Measuring(self._model, self._metrics, self._n_inputs, self._loss)
        for given in states:
            part = Measuring(self._model, self._metrics, self._n_inputs, self._loss)
            part.load_state_dict(given)
            whole.total += part.total
            whole.weight += part.weight
            for path, sums in part._part_sums.items():
                whole._part_sums[path] = [a + b for a, b in zip(whole._part_sums[path], sums, strict=True)]
            for name, stream in part._streams.items():
                whole._streams[name].merge(stream.state)
            whole._new += part._new
            whole._kept += part._kept
            whole._n_new += part._n_new
        return whole

    def state_dict(self) -> dict[str, Any]:
        """Return the measurements so far as plain values and arrays."""
        return {
            "total": self.total,
            "weight": self.weight,
            "parts": {path: list(sums) for path, sums in self._part_sums.items()},
            "n_new": self._n_new,
            "streams": {name: list(stream.state) for name, stream in self._streams.items()},
            "new": list(self._new),
            "kept": list(self._kept),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.total, self.weight, self._n_new = state["total"], state["weight"], state["n_new"]
        self._part_sums = {path: list(state["parts"][path]) for path in self._parts}
        for name, stream in self._streams.items():
            stream.state = list(state["streams"][name])
        self._new = [tuple(pair) for pair in state["new"]]
        self._kept = [tuple(pair) for pair in state["kept"]]


def is_mean(loss: Layer) -> bool:
    """Return whether a loss is a mean over samples, which is assumed without a `reduction`."""
    return getattr(loss, "reduction", "mean") == "mean"


def parts_of(loss: Layer) -> dict[str, Loss]:
    """Return the losses inside a graph of losses by path, or none for any other loss.

    >>> from netlib import Graph, Input, MeanSquaredError
    >>> y, t = Input("y"), Input("t")
    >>> parts_of(Graph(inputs=[y, t], outputs=[MeanSquaredError()(y, t, name="error")]))
    {'error': MeanSquaredError()}
    """
    return {path: each for path, each in loss.walk() if isinstance(each, Loss)} if isinstance(loss, Graph) else {}


def _can_join(pairs: list[tuple[Any, Any]]) -> bool:
    """Return whether all outputs have the same shape apart from their rows."""
    return len({np.shape(y)[1:] for y, _ in pairs if not isinstance(y, tuple)}) <= 1


def _joined(pairs: list[tuple[Any, Any]]) -> tuple[Any, Any]:
    """Return the outputs of several batches as one, and the targets likewise."""
    ys, ts = zip(*pairs, strict=True)
    return concatenate(ys), concatenate(ts)


def concatenate(outputs: Any) -> Any:
    """Return the concatenated outputs of several batches; a tuple if the model has several outputs.

    Examples
    --------
    >>> concatenate([np.array([1.0, 2.0]), np.array([3.0])])
    array([1., 2., 3.])
    """
    if isinstance(outputs[0], tuple):
        return tuple(map(concatenate, zip(*outputs, strict=True)))
    joined: Array = np.concatenate(outputs) if len(outputs) > 1 else outputs[0]
    return joined
