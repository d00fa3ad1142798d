"""Softmax and its logarithm: the same rules of axes for both."""

import math

import numpy as np
import pytest

import netlib as nl

both = pytest.mark.parametrize("kind", [nl.Softmax, nl.LogSoftmax])
CASES = [
    ((3,), 0),
    ((3,), -1),
    ((4, 3), 0),
    ((4, 3), 1),
    ((4, 3), -1),
    ((2, 3, 4), -3),
    ((2, 3, 4), 1),
    ((2, 3, 4, 5), 0),
    ((2, 3, 4, 5), 2),
]


def test_two_logits_by_hand():
    x = [[0.0, math.log(3)]]
    assert np.allclose(nl.Softmax().forward(x), [[0.25, 0.75]], rtol=1e-15)
    assert np.allclose(nl.LogSoftmax().forward(x), [[math.log(0.25), math.log(0.75)]], rtol=1e-15)


@pytest.mark.parametrize(("shape", "axis"), CASES)
def test_along_its_axis_it_is_one_softmax_after_the_other(shape, axis):
    x = np.random.default_rng(0).normal(size=shape)
    y = nl.Softmax(axis).forward(x)
    log_y = nl.LogSoftmax(axis).forward(x)
    assert np.allclose(y.sum(axis=axis), 1, rtol=1e-14)
    assert np.allclose(y, np.apply_along_axis(lambda row: np.exp(row) / np.exp(row).sum(), axis, x), rtol=1e-13)
    assert np.allclose(np.exp(log_y), y, rtol=1e-13)


def test_adding_a_number_to_all_logits_changes_nothing():
    x = np.array([[1.0, 2.0, 4.0]])
    for kind in (nl.Softmax, nl.LogSoftmax):
        assert np.array_equal(kind().forward(x + 1024), kind().forward(x))


def test_softmaxs_gradient_sums_to_0_along_the_axis():
    layer, rng = nl.Softmax(1), np.random.default_rng(0)
    layer.forward(rng.normal(size=(2, 3, 4)))
    assert np.allclose(layer.backward(rng.normal(size=(2, 3, 4))).sum(axis=1), 0, atol=1e-15)


def test_one_class_is_certain():
    assert nl.Softmax().forward([[5.0], [-3.0]]).tolist() == [[1.0], [1.0]]
    assert nl.LogSoftmax().forward([[5.0], [-3.0]]).tolist() == [[0.0], [0.0]]


@both
@pytest.mark.parametrize(("shape", "axis"), [((), -1), ((), 0), ((3,), 1), ((2, 3), 2), ((2, 3), -3)])
def test_an_axis_that_the_array_lacks_is_refused(kind, shape, axis):
    with pytest.raises(nl.ShapeError, match=f"no axis {axis}"):
        kind(axis).forward(np.ones(shape))


@both
@pytest.mark.parametrize("axis", [None, 1.0, "last", (0, 1), True])
def test_an_axis_that_is_no_whole_number_is_refused(kind, axis):
    with pytest.raises(nl.InvalidTypeError, match="axis"):
        kind(axis).forward(np.ones((2, 3)))


@both
def test_nothing_along_the_axis_is_refused(kind):
    with pytest.raises(nl.ShapeError, match=r"whose axis .* is empty"):
        kind().forward(np.ones((2, 0)))
