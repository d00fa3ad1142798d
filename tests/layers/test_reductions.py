"""Sum and Mean against NumPy's own."""

import numpy as np
import pytest

import netlib as nl

X = np.random.default_rng(0).normal(size=(2, 3, 4))
both = pytest.mark.parametrize(("kind", "reduce"), [(nl.Sum, np.sum), (nl.Mean, np.mean)])


@both
@pytest.mark.parametrize("axis", [None, 0, 1, -1, -3, (0, 1), (-1, 0), (0, 1, 2), (1,), ()])
@pytest.mark.parametrize("keepdims", [False, True])
def test_they_reduce_as_numpy_does_and_spread_the_gradient_back(kind, reduce, axis, keepdims):
    layer = kind(axis, keepdims)
    y = layer.forward(X)
    wanted = reduce(X, axis=axis, keepdims=keepdims)
    assert np.shape(y) == wanted.shape
    assert np.allclose(y, wanted, rtol=1e-14, atol=1e-14)
    dout = np.random.default_rng(1).normal(size=wanted.shape)
    spread = np.broadcast_to(dout.reshape(reduce(X, axis=axis, keepdims=True).shape), X.shape)
    assert np.allclose(layer.backward(dout), spread * wanted.size / (X.size if kind is nl.Mean else wanted.size), rtol=1e-14)


@both
@pytest.mark.parametrize("axis", [3, -4, (0, 3), (1, 1), (0, -3), "rows", 1.5])
def test_an_axis_that_cannot_be_reduced_is_refused(kind, reduce, axis):
    with pytest.raises(nl.NetlibError) as caught:
        kind(axis).forward(X)
    assert isinstance(caught.value, TypeError | ValueError)
    assert repr(axis) in str(caught.value)


def test_the_sum_of_nothing_is_0_with_an_empty_gradient():
    layer = nl.Sum(axis=0)
    assert layer.forward(np.ones((0, 3))).tolist() == [0, 0, 0]
    assert layer.backward(np.ones(3)).shape == (0, 3)


@pytest.mark.parametrize(("shape", "axis"), [((0, 3), 0), ((0, 3), None), ((0,), None), ((2, 0), -1), ((2, 0, 3), (0, 1))])
def test_the_mean_of_nothing_is_refused_without_a_warning(shape, axis):
    with pytest.raises(nl.ShapeError, match="mean over an empty axis is undefined"):
        nl.Mean(axis).forward(np.ones(shape))


def test_a_mean_over_no_elements_of_several_rows_is_not_one_of_nothing():
    assert nl.Mean(axis=-1).forward(np.ones((0, 3))).shape == (0,)


def test_the_mean_of_300_000_half_precision_numbers_does_not_overflow():
    layer = nl.Mean()
    assert layer.forward(np.ones(300_000, np.float16)) == 1
    assert np.allclose(layer.backward(1.0).astype(float), 1 / 300_000, rtol=0.05)


def test_a_refused_mean_leaves_the_last_one_in_place():
    layer = nl.Mean(0)
    layer.forward(np.ones((2, 3)))
    with pytest.raises(nl.ShapeError):
        layer.forward(np.ones((0, 3)))
    assert layer.backward(np.ones(3)).shape == (2, 3)


@pytest.mark.parametrize("kind", [nl.Sum, nl.Mean])
@pytest.mark.parametrize("axis", [np.int64(0), (np.int64(0),)])
def test_numpys_whole_numbers_are_axes_like_any(kind, axis):
    layer = kind(axis)
    assert layer.forward(np.ones((2, 3))).shape == (3,)
    assert layer.backward(np.ones(3)).shape == (2, 3)


@pytest.mark.parametrize("kind", [nl.Sum, nl.Mean])
@pytest.mark.parametrize("axis", [0, -1, (0,)])
def test_an_axis_of_a_bare_number_is_refused_or_works_both_ways(kind, axis):
    layer = kind(axis)
    try:
        layer.forward(3.0)
    except nl.ShapeError:
        return
    assert layer.backward(2.0) == 2
