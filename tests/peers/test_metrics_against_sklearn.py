"""Metrics equal scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics

import netlib as nl


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", [(20,), (20, 1), (20, 3)])
def test_r2_and_mean_absolute_error_equal_scikit_learns(seed, shape):
    rng = np.random.default_rng(seed)
    t = rng.normal(size=shape)
    y = t + 0.3 * rng.normal(size=shape)
    assert nl.r2_score(y, t) == pytest.approx(metrics.r2_score(t, y), abs=1e-12)
    assert nl.mean_absolute_error(y, t) == pytest.approx(metrics.mean_absolute_error(t, y), abs=1e-12)


@pytest.mark.parametrize("met", [True, False])
def test_r2_of_an_output_with_constant_targets_equals_scikit_learns(met):
    t = np.array([[1.0, 2.0], [1.0, 3.0], [1.0, 5.0]])
    y = t + [[0.0 if met else 0.5, 0.1]]
    assert nl.r2_score(y, t) == pytest.approx(metrics.r2_score(t, y), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_accuracy_and_confusion_matrix_equal_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    y, t = rng.normal(size=(50, 4)), rng.integers(4, size=50)
    assert nl.accuracy(y, t) == metrics.accuracy_score(t, y.argmax(axis=1))
    assert nl.confusion_matrix(y, t).tolist() == metrics.confusion_matrix(t, y.argmax(axis=1), labels=range(4)).tolist()
