"""Metrics that add up over batches equal those of all outputs at once."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest

import netlib as nl
from netlib.training import epoch, measuring
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


def measured_of(*parts):
    """Return what is measured of some rows, with a metric that adds up, one that needs all, and a loss of a mean and a sum."""
    model = nl.Sequential(nl.Affine(4, 4, rng=0))
    y, t = nl.Input("y"), nl.Input("t")
    squared, absolute = nl.MeanSquaredError()(y, t, name="squared"), nl.MeanAbsoluteError(reduction="sum")(y, t, name="absolute")
    loss = nl.Graph([y, t], [squared + 0.0 * absolute])
    metrics = {"r2": nl.r2_score, "largest": lambda y, t: float(np.max(y - t))}
    measured = measuring.Measuring(model, metrics, 1, loss)
    for rows in parts:
        y, t = SCORES[rows], SCORES[rows, ::-1]
        measured.add(y, t, len(y), loss.forward(y, t), len(y))
    return measured


def test_what_several_processes_measure_is_merged_to_what_one_measures_of_all(monkeypatch):
    monkeypatch.setattr(measuring, "CHUNK", 30)
    shares = measured_of(slice(0, 40), slice(40, 50)), measured_of(slice(50, N))
    merged, whole = shares[0].merged([each.state_dict() for each in shares]).results(), measured_of(slice(0, N)).results()
    assert merged == pytest.approx(whole, rel=1e-12)
    error = SCORES - SCORES[:, ::-1]
    expected = {"squared": np.mean(error**2), "absolute": np.sum(np.abs(error)), "largest": np.max(error)}
    assert {name: whole[name] for name in expected} == pytest.approx(expected, rel=1e-12)


def test_the_seconds_of_a_resumed_epoch_leave_out_the_pause(monkeypatch):
    now = 100.0
    monkeypatch.setattr(epoch, "perf_counter", lambda: now)
    progress = epoch.EpochProgress(np.random.default_rng(0), 0.1, measured_of())
    now = 103.0
    assert progress.seconds == 3.0
    state, now = progress.state_dict(), 1000.0
    resumed = epoch.EpochProgress.from_state_dict(state, np.random.default_rng(0), measured_of())
    now = 1002.0
    assert resumed.seconds == 5.0
