"""Sum, Mean and the other reductions against NumPy's own, and at their ties, zeros and infinities."""

from functools import partial

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


@pytest.mark.parametrize(("kind", "reduce"), [(nl.Max, np.max), (nl.Min, np.min), (nl.Norm, np.linalg.vector_norm)])
@pytest.mark.parametrize("options", [{}, {"axis": 1}, {"axis": (0, -1), "keepdims": True}, {"axis": (), "keepdims": True}])
def test_the_other_reductions_are_numpys(kind, reduce, options):
    y = kind(**options).forward(X)
    wanted = reduce(X, **options)
    assert np.shape(y) == np.shape(wanted)
    assert np.allclose(y, wanted, rtol=1e-14)


def test_equally_large_elements_share_the_gradient_and_nan_takes_all():
    largest, smallest = nl.Max(1), nl.Min(1)
    x = np.array([[2.0, 2.0, 0.0], [0.0, -0.0, 0.0], [1.0, np.nan, 3.0]])
    with np.errstate(all="raise"):
        assert largest.forward(x).tolist()[:2] == [2, 0]
        assert smallest.forward(x).tolist()[:2] == [0, 0]
        assert np.isnan([largest.forward(x)[2], smallest.forward(x)[2]]).all()
        assert largest.backward([6.0, 6.0, 6.0]).tolist()[:2] == [[3, 3, 0], [2, 2, 2]]
        assert smallest.backward([6.0, 6.0, 6.0]).tolist()[:2] == [[0, 0, 6], [2, 2, 2]]
        assert np.isnan(largest.backward([6.0, 6.0, 6.0])[2]).all()


def test_300_000_equal_half_precision_numbers_share_a_gradient():
    largest = nl.Max()
    largest.forward(np.ones(300_000, np.float16))
    assert np.allclose(largest.backward(1.0).astype(float), 1 / 300_000, rtol=0.05)


@pytest.mark.parametrize("kind", [nl.Max, nl.Min])
def test_the_largest_of_nothing_is_refused(kind):
    with pytest.raises(nl.ShapeError, match=r"shape \(2, 0\), expected elements along the axes to reduce"):
        kind(-1).forward(np.ones((2, 0)))
    assert kind(-1).forward(np.ones((0, 2))).shape == (0,)


@pytest.mark.parametrize(("dtype", "sizes"), [(np.float32, [1e30, 1e-30, 1e-44]), (np.float64, [1e200, 1e-200, 1e308, 5e-324])])
@pytest.mark.parametrize("ord", [1, 2, 3, np.inf])
def test_a_norm_neither_overflows_nor_underflows(dtype, sizes, ord):
    norm = nl.Norm(0, ord=ord)
    for size in np.array(sizes, dtype):
        x = np.array([size, 0, 0], dtype)
        with np.errstate(all="raise"):
            assert norm.forward(x) == size
            assert norm.backward(1.0).tolist() == [1, 0, 0]
            assert norm.forward(-x) == size
            assert norm.backward(2.0).tolist() == [-2, 0, 0]
    assert norm.forward(np.array([3, 4], dtype) * dtype(sizes[0])) == pytest.approx(
        sizes[0] * {1: 7, 2: 5, 3: 91 ** (1 / 3), np.inf: 4}[ord]
    )


@pytest.mark.parametrize("ord", [1, 1.5, 2, 3, np.inf])
def test_a_norm_has_no_gradient_at_zero(ord):
    norm = nl.Norm(ord=ord)
    with np.errstate(all="raise"):
        assert norm.forward([0.0, -0.0]) == 0
        assert norm.backward(3.0).tolist() == [0, 0]


def test_the_largest_numbers_of_a_norm_of_infinite_order_share_its_gradient():
    norm = nl.Norm(1, ord=np.inf)
    assert norm.forward([[2.0, -2.0, 1.0], [0.5, 0.0, -3.0]]).tolist() == [2, 3]
    assert norm.backward([4.0, 5.0]).tolist() == [[2, -2, 0], [0, 0, -5]]


def test_a_norm_of_infinity_is_infinite_and_of_nan_nan():
    for ord in (1, 2, 3, np.inf):
        assert nl.Norm(1, ord=ord).forward([[np.inf, 1.0], [-np.inf, 0.0]]).tolist() == [np.inf, np.inf]
        assert np.isnan(nl.Norm(ord=ord).forward([np.nan, 1.0]))
    assert nl.Norm().forward(np.ones(0)) == 0


@pytest.mark.parametrize("ord", [0, 0.5, -np.inf, np.nan, "fro", None, True])
def test_an_order_that_makes_no_norm_is_refused(ord):
    with pytest.raises(
        nl.InvalidValueError if isinstance(ord, int | float) and ord is not True else nl.InvalidTypeError, match="Norm: ord is"
    ):
        nl.Norm(ord=ord)


def test_the_logarithm_of_a_sum_is_exact_far_out_and_at_infinity():
    x = np.array([[1e4, 1e4, -1e4], [-1e4, -1e4, -1e4], [-np.inf, -np.inf, -np.inf], [0.0, -np.inf, -np.inf]])
    layer = nl.LogSumExp(1)
    with np.errstate(all="raise"):
        assert layer.forward(x).tolist() == [1e4 + np.log(2), np.log(3) - 1e4, -np.inf, 0]
        dx = layer.backward([1.0, 3.0, 5.0, 7.0])
        assert np.allclose(dx, [[0.5, 0.5, 0], [1, 1, 1], [0, 0, 0], [7, 0, 0]], rtol=1e-15, atol=0)
        assert nl.LogSumExp().forward([np.inf, 0.0]) == np.inf
        assert nl.LogSumExp().forward(np.ones(0)) == -np.inf


def test_the_gradient_of_a_logarithm_of_a_sum_adds_up_however_large_the_numbers():
    layer = nl.LogSumExp(-1, keepdims=True)
    layer.forward(np.full((1, 2), 1e6, np.float32))
    assert layer.backward([[1.0]]).tolist() == [[0.5, 0.5]]


def test_a_cumulative_sum_is_numpys_and_its_gradient_one_from_the_end():
    for axis in (0, 1, -1, -3):
        layer = nl.CumulativeSum(axis)
        assert np.array_equal(layer.forward(X), np.cumsum(X, axis=axis))
        assert np.allclose(layer.backward(X), X.sum(axis, keepdims=True) - np.cumsum(X, axis) + X, rtol=1e-13, atol=1e-14)
    with pytest.raises(nl.ShapeError, match="no axis 3"):
        nl.CumulativeSum(3).forward(X)
    with pytest.raises(nl.ShapeError, match="no axis -1"):
        nl.CumulativeSum().forward(1.0)
    with pytest.raises(nl.InvalidTypeError, match="CumulativeSum: axis is None"):
        nl.CumulativeSum(None)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (nl.LogSumExp, lambda x: np.log(np.exp(x - x.max()).sum()) + x.max()),
        (nl.Norm, lambda x: np.sqrt((x * x).sum())),
        (partial(nl.Norm, ord=1), lambda x: np.abs(x).sum()),
        (partial(nl.Norm, ord=3), lambda x: (np.abs(x) ** 3).sum() ** (1 / 3)),
    ],
)
def test_the_sum_inside_may_exceed_half_precision_where_the_result_does_not(layer, function, keepdims):
    for x in (np.full((2, 70_000), 0.25, np.float16), np.full((2, 70_000), -0.125, np.float16)):
        reduction = layer(axis=1, keepdims=keepdims)
        y = reduction.forward(x)
        assert y.dtype == np.float16
        np.testing.assert_allclose(y.ravel(), function(x[0].astype(np.float64)), rtol=1e-3)
        wide = layer(axis=1, keepdims=keepdims)
        wide.forward(x.astype(np.float64))
        dx = reduction.backward(np.full(y.shape, 100, np.float16))
        assert dx.dtype == np.float16
        np.testing.assert_allclose(dx, wide.backward(np.full(y.shape, 100.0)), rtol=2e-3)
