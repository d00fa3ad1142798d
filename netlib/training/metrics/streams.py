"""Metrics that add up over batches, so that no outputs have to be kept."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from .classification import accuracy, averaged, counts_of, f1_score, multilabel_accuracy, precision, recall
from .ranking import log_loss, top_k_accuracy
from .regression import mean_absolute_error, r2_of, r2_score, rows_of_one_shape

MEANS = (accuracy, multilabel_accuracy, top_k_accuracy, log_loss, mean_absolute_error)
"""Metrics that are the mean of a number for each target."""


class MeanStream:
    """A mean over targets: ``Σ n value / Σ n`` over batches of n targets.

    >>> stream = MeanStream(accuracy)
    >>> stream.add(np.array([-1.0, 2.0]), np.array([0, 1]))
    >>> stream.add(np.array([3.0]), np.array([0]))
    >>> stream.value() == 2 / 3
    True
    """

    def __init__(self, metric: Any) -> None:
        self._metric = metric
        self.state: list[Any] = [0.0, 0]

    def add(self, y: Any, t: Any) -> None:
        """Add a batch."""
        size = np.size(t)
        self.merge([size * self._metric(y, t), size])

    def merge(self, state: list[Any]) -> None:
        """Add the counts of another stream."""
        self.state = [mine + other for mine, other in zip(self.state, state, strict=True)]

    def value(self) -> float:
        """Return the metric of all batches so far."""
        total, n = self.state
        return float(total / n)


class CountStream:
    """Precision, recall and F1: for each class, the hits, the predictions and the samples add up.

    >>> stream = CountStream(partial(precision, threshold=0))
    >>> stream.add(np.array([-1.0, 2.0]), np.array([0, 0]))
    >>> stream.add(np.array([3.0]), np.array([1]))
    >>> stream.value()
    0.5
    """

    def __init__(self, metric: Any) -> None:
        self._name = _function_of(metric).__name__
        self._options = metric.keywords if isinstance(metric, partial) else {}
        self.state: list[Any] = []

    def add(self, y: Any, t: Any) -> None:
        """Add a batch."""
        options = {name: value for name, value in self._options.items() if name != "average"}
        self.merge(list(counts_of(self._name, y, t, **options)))

    def merge(self, state: list[Any]) -> None:
        """Add the counts of another stream, which may be an empty list."""
        if self.state and state:
            state = [state[0], *(mine + other for mine, other in zip(self.state[1:], state[1:], strict=True))]
        self.state = state or self.state

    def value(self) -> Any:
        """Return the metric of all batches so far."""
        is_binary, *counts = self.state
        hits, n_predicted, n_true = counts
        options = self._options.get("average"), self._options.get("multilabel", False)
        return averaged(self._name, is_binary, hits, n_predicted, n_true, *options)


class VarianceStream:
    """R²: sums of squares about the mean, merged by the formula of Chan, Golub and LeVeque (1983).

    >>> stream = VarianceStream(r2_score)
    >>> stream.add(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    >>> stream.add(np.array([4.0]), np.array([3.0]))
    >>> stream.value()
    0.5
    """

    def __init__(self, metric: Any) -> None:
        self.state: list[Any] = [0, 0.0, 0.0, 0.0]

    def add(self, y: Any, t: Any) -> None:
        """Add a batch."""
        y, t = rows_of_one_shape(y, t, "r2_score")
        mean = t.mean(axis=0)
        self.merge([len(t), mean, ((t - mean) ** 2).sum(axis=0), ((t - y) ** 2).sum(axis=0)])

    def merge(self, state: list[Any]) -> None:
        """Add the counts of another stream."""
        n, mean, total, unexplained = self.state
        m, other_mean, other_total, other_unexplained = state
        if m:
            distance = other_mean - mean
            total = total + other_total + distance**2 * (n * m / (n + m))
            self.state = [n + m, mean + distance * (m / (n + m)), total, unexplained + other_unexplained]

    def value(self) -> float:
        """Return the metric of all batches so far."""
        n, _, total, unexplained = self.state
        return r2_of(n, np.asarray(total), np.asarray(unexplained))


Stream = MeanStream | CountStream | VarianceStream


def stream_of(metric: Any) -> Stream | None:
    """Return a new stream for a metric of netlib, or None if it needs all outputs at once."""
    function = _function_of(metric)
    if isinstance(metric, partial) and metric.args:
        return None
    if function in MEANS:
        return MeanStream(metric)
    if function in (precision, recall, f1_score):
        return CountStream(metric)
    return VarianceStream(metric) if function is r2_score else None


def _function_of(metric: Any) -> Any:
    return metric.func if isinstance(metric, partial) else metric
