"""scikit-learn's metrics on random cases."""

import numpy as np
import pytest
from sklearn import metrics

import netlib as nl

pytestmark = pytest.mark.exhaustive  # no kernel has a part in it

CASES = 334  # of each of the three kinds: 1,000 for each metric
AVERAGES = ["macro", "micro", "weighted", "none", "binary"]


def one_column(rng):
    n = rng.integers(2, 30)
    return rng.normal(size=n).round(rng.integers(0, 3)), rng.integers(2, size=n)


def several_classes(rng):
    n, k = rng.integers(2, 30), rng.integers(2, 6)
    return rng.normal(size=(n, k)), rng.integers(k, size=n)


def several_labels(rng):
    n, k = rng.integers(2, 30), rng.integers(2, 6)
    return rng.normal(size=(n, k)), rng.integers(2, size=(n, k))


def random_cases(make, first=0, count=CASES):
    return [make(np.random.default_rng(seed)) for seed in range(first, first + count)]


def softmax(y):
    p = np.exp(y - y.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


FUNCTIONS = [(nl.precision, metrics.precision_score), (nl.recall, metrics.recall_score), (nl.f1_score, metrics.f1_score)]


@pytest.mark.one_in(7)
@pytest.mark.parametrize(("ours", "theirs"), FUNCTIONS)
@pytest.mark.parametrize("average", AVERAGES)
def test_precision_recall_and_f1(ours, theirs, average):
    their_average = None if average == "none" else average
    share = {"first": 90 * AVERAGES.index(average), "count": 90}  # other cases for each average
    for y, t in random_cases(one_column, **share):
        expected = theirs(t, y > 0, average=their_average, zero_division=0, labels=[0, 1] if average == "none" else None)
        np.testing.assert_allclose(ours(y, t, average), expected, rtol=1e-12, atol=1e-15)
    if average == "binary":
        return
    for y, t in random_cases(several_classes, **share):
        labels = range(y.shape[1]) if average == "none" else None
        expected = theirs(t, y.argmax(axis=1), average=their_average, zero_division=0, labels=labels)
        np.testing.assert_allclose(ours(y, t, average), expected, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(ours(y, np.eye(y.shape[1])[t], average), expected, rtol=1e-12, atol=1e-15)
    for y, t in random_cases(several_labels, **share):
        expected = theirs(t, y > 0, average=their_average, zero_division=0)
        np.testing.assert_allclose(ours(y, t, average, multilabel=True), expected, rtol=1e-12, atol=1e-15)


def test_accuracy_confusion_matrix_and_multilabel_accuracy():
    for y, t in random_cases(one_column):
        assert nl.accuracy(y, t) == pytest.approx(metrics.accuracy_score(t, y > 0), rel=1e-15)
        assert np.array_equal(nl.confusion_matrix(y, t), metrics.confusion_matrix(t, y > 0, labels=[0, 1]))
    for y, t in random_cases(several_classes):
        assert nl.accuracy(y, t) == pytest.approx(metrics.accuracy_score(t, y.argmax(axis=1)), rel=1e-15)
        expected = metrics.confusion_matrix(t, y.argmax(axis=1), labels=range(y.shape[1]))
        assert np.array_equal(nl.confusion_matrix(y, t), expected)
    for y, t in random_cases(several_labels):
        assert nl.multilabel_accuracy(y, t) == pytest.approx(1 - metrics.hamming_loss(t, y > 0), rel=1e-14)


def test_top_k_accuracy():
    for y, t in random_cases(several_classes):
        for k in range(1, y.shape[1] + 1):
            labels = range(y.shape[1])
            if k < y.shape[1] and y.shape[1] > 2:
                assert nl.top_k_accuracy(y, t, k) == pytest.approx(metrics.top_k_accuracy_score(t, y, k=k, labels=labels), rel=1e-15)
        assert nl.top_k_accuracy(y, t, y.shape[1]) == 1


def test_roc_auc():
    for y, t in random_cases(one_column):
        if 0 < t.sum() < len(t):
            assert nl.roc_auc(y, t) == pytest.approx(metrics.roc_auc_score(t, y), rel=1e-12)
        else:
            assert np.isnan(nl.roc_auc(y, t))
    for y, t in random_cases(several_classes):
        p = softmax(y)
        if y.shape[1] > 2 and len(set(t)) == y.shape[1]:
            for average in ("macro", "weighted"):
                expected = metrics.roc_auc_score(t, p, multi_class="ovr", average=average)
                assert nl.roc_auc(p, t, average) == pytest.approx(expected, rel=1e-12)
    for y, t in random_cases(several_labels):
        if t.sum(axis=0).min() > 0 and t.sum(axis=0).max() < len(t):
            assert nl.roc_auc(y, t, multilabel=True) == pytest.approx(metrics.roc_auc_score(t, y), rel=1e-12)


def test_log_loss():
    for y, t in random_cases(several_classes):
        p = softmax(y)
        expected = metrics.log_loss(t, p, labels=range(y.shape[1]))
        assert nl.log_loss(p, t) == pytest.approx(expected, rel=1e-12)
        assert nl.log_loss(y, t, from_logits=True) == pytest.approx(expected, rel=1e-12)
    for y, t in random_cases(one_column):
        p = 1 / (1 + np.exp(-y))
        expected = metrics.log_loss(t, p, labels=[0, 1])
        assert nl.log_loss(p, t) == pytest.approx(expected, rel=1e-12)
        assert nl.log_loss(y, t, from_logits=True) == pytest.approx(expected, rel=1e-12)
