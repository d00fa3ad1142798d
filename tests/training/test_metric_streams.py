"""Metrics that add up over batches equal those of all outputs at once."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest

import netlib as nl
from netlib.training import measuring
from netlib.training.metrics.streams import stream_of

RNG = np.random.default_rng(0)
N = 101
SCORES, LABELS = RNG.standard_normal((N, 4)), RNG.integers(0, 3, N)
LOGIT, BIT = RNG.standard_normal(N), RNG.integers(0, 2, N)
MANY = RNG.integers(0, 2, (N, 4))
PROBABILITIES = np.exp(SCORES) / np.exp(SCORES).sum(axis=1, keepdims=True)

CASES = {
    "accuracy": (nl.accuracy, SCORES, LABELS),
    "accuracy of one-hot": (nl.accuracy, SCORES, np.eye(4)[LABELS]),
    "accuracy with a threshold": (partial(nl.accuracy, threshold=0.3), LOGIT, BIT),
    "accuracy of sequences": (nl.accuracy, RNG.standard_normal((N, 5, 3)), RNG.integers(0, 3, (N, 5))),
    "several labels": (nl.multilabel_accuracy, SCORES, MANY),
    "top k": (partial(nl.top_k_accuracy, k=2), SCORES, LABELS),
    "log loss": (nl.log_loss, PROBABILITIES, LABELS),
    "absolute error": (nl.mean_absolute_error, SCORES, SCORES[::-1]),
    "precision": (nl.precision, LOGIT, BIT),
    "recall": (partial(nl.recall, average="weighted"), SCORES, LABELS),
    "f1": (nl.f1_score, SCORES, LABELS),
    "f1 where a class never occurs": (nl.f1_score, SCORES - [0, 0, 0, 9], LABELS),
    "micro f1 of several labels": (partial(nl.f1_score, average="micro", multilabel=True), SCORES, MANY),
    "r2": (nl.r2_score, 1e3 + LOGIT, 1e3 + LOGIT[::-1]),
    "r2 of several outputs": (nl.r2_score, SCORES, SCORES[::-1] + [0, 10, 0, -5]),
    "r2 of a constant": (nl.r2_score, np.ones((N, 2)), np.ones((N, 2))),
}


@pytest.mark.parametrize("name", CASES)
def test_a_metric_added_up_over_batches_is_that_of_all_outputs(name):
    metric, y, t = CASES[name]
    stream, other = stream_of(metric), stream_of(metric)
    ends = [0, 1, 2, 40, 41, 90, N]
    for start, end in pairwise(ends):
        (stream if start < 40 else other).add(y[start:end], t[start:end])
    stream.merge(other.state)
    assert stream.value() == pytest.approx(metric(y, t), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("metric", [nl.roc_auc, lambda y, t: 0.0, partial(nl.accuracy, threshold=0.0).__call__])
def test_other_metrics_have_no_stream(metric):
    assert stream_of(metric) is None


def test_only_metrics_that_need_them_see_all_outputs_and_others_a_chunk_at_a_time(monkeypatch):
    monkeypatch.setattr(measuring, "CHUNK", 20)
    model = nl.Sequential(nl.Affine(4, 4, rng=0, dtype="float64"))
    rows = []

    def error(y, t):
        rows.append(len(y))
        return float(np.mean((y - t) ** 2))

    def measured(**metrics):
        trainer = nl.Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.0), metrics)
        return trainer.fit(SCORES, SCORES[:, ::-1], batch_size=7, progress=False)

    history = measured(r2=nl.r2_score, error=error)
    assert rows == [8, N]
    assert history["error"] == pytest.approx(history["loss"], rel=1e-12)
    assert history["r2"] == pytest.approx([nl.r2_score(model.predict(SCORES), SCORES[:, ::-1])], rel=1e-12)
    kept = []
    monkeypatch.setattr(measuring.Measuring, "results", lambda self: kept.append((len(self._new), self._kept)) or {"loss": 0.0, "r2": 0.0})
    measured(r2=nl.r2_score)
    assert kept[0][0] <= 3
    assert kept[0][1] == []
