"""What the activations give far out, where exp overflows: the limits, without a warning."""

import math

import numpy as np
import pytest

import netlib as nl

LIMITS = [  # y at -10,000 and at 10,000; dy/dx there
    (nl.Identity, (-1e4, 1e4), (1, 1)),
    (nl.ReLU, (0, 1e4), (0, 1)),
    (lambda: nl.LeakyReLU(0.25), (-2500, 1e4), (0.25, 1)),
    (nl.ELU, (-1, 1e4), (0, 1)),
    (lambda: nl.ELU(0.5), (-0.5, 1e4), (0, 1)),
    (nl.GELU, (0, 1e4), (0, 1)),
    (nl.SiLU, (0, 1e4), (0, 1)),
    (nl.Sigmoid, (0, 1), (0, 0)),
    (nl.Tanh, (-1, 1), (0, 0)),
    (nl.Softplus, (0, 1e4), (0, 1)),
    (nl.LogSigmoid, (-1e4, 0), (1, 0)),
    (nl.Mish, (0, 1e4), (0, 1)),
    (lambda: nl.Hardtanh(-2, 3), (-2, 3), (0, 0)),
    (nl.ReLU6, (0, 6), (0, 0)),
    (nl.Hardsigmoid, (0, 1), (0, 0)),
    (nl.Hardswish, (0, 1e4), (0, 1)),
    (lambda: nl.CELU(0.5), (-0.5, 1e4), (0, 1)),
    (lambda: nl.Threshold(2, -3), (-3, 1e4), (0, 1)),
    (nl.Softmin, (1, 0), (0, 0)),
    (nl.Softmax, (0, 1), (0, 0)),
    (nl.LogSoftmax, (-2e4, 0), (1, -1)),
]
ELEMENTWISE = [nl.Softsign, nl.SELU, nl.PReLU, *(make for make, _, _ in LIMITS[:-3])]
every_float = pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64], ids=lambda dtype: dtype.__name__)


@pytest.fixture(autouse=True)
def _loud():
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        yield


@pytest.mark.parametrize(("make", "y", "slope"), LIMITS, ids=lambda value: str(value()) if callable(value) else None)
@every_float
def test_at_10000_every_activation_and_its_slope_are_at_their_limits(make, y, slope, dtype):
    layer = make()
    got = layer.forward(np.array([-1e4, 1e4], dtype))
    assert got.dtype == dtype
    assert np.allclose(got, np.array(y, dtype), rtol=0, atol=0)
    dout = np.array([1, 0] if isinstance(layer, nl.LogSoftmax) else [1, 1], dtype)
    assert np.allclose(layer.backward(dout), np.array(slope, dtype), rtol=0, atol=0)


@pytest.mark.parametrize("make", [*ELEMENTWISE, nl.Softmin, nl.Softmax, nl.LogSoftmax], ids=lambda make: str(make()))
@every_float
def test_between_there_is_no_overflow_and_nothing_that_is_not_finite(make, dtype):
    layer = make()
    x = np.concatenate([np.linspace(-1e4, 1e4, 2001), np.linspace(-120, 120, 2401)]).astype(dtype)
    assert np.isfinite(layer.forward(x)).all()
    assert np.isfinite(layer.backward(np.ones_like(x))).all()


@pytest.mark.parametrize("make", ELEMENTWISE, ids=lambda make: str(make()))
def test_nan_stays_nan_and_stays_alone(make):
    assert np.isnan(make().forward([1.0, np.nan, -1.0])).tolist() == [False, True, False]


@every_float
def test_softmax_and_its_logarithm_take_a_row_whose_exponentials_underflow(dtype):
    x = np.array([[-1000, 1]], dtype)
    assert nl.Softmax().forward(x).tolist() == [[0, 1]]
    assert nl.LogSoftmax().forward(x).tolist() == [[-1001, 0]]


def test_softmax_of_5_apart_is_right_to_half_precision():
    y = nl.Softmax().forward(np.array([[-5, 1]], np.float16))
    assert np.allclose(y, [[1 / (1 + math.exp(6)), 1 / (1 + math.exp(-6))]], rtol=2e-3)


@pytest.mark.parametrize("x", [-745.0, -700.0, -40.0, -1e-8, 0.0, 1e-8, 30.0, 36.0, 40.0])
def test_sigmoid_and_softplus_keep_their_digits_where_they_are_tiny_or_near_their_limits(x):
    smaller = math.exp(-abs(x))
    assert math.isclose(nl.Sigmoid().forward(x), (smaller if x < 0 else 1) / (1 + smaller), rel_tol=1e-15)
    assert math.isclose(nl.Softplus().forward(x), max(x, 0) + math.log1p(smaller), rel_tol=1e-15)


def test_elu_keeps_its_digits_near_zero():
    assert math.isclose(nl.ELU().forward(-1e-10), math.expm1(-1e-10), rel_tol=1e-15)


@pytest.mark.parametrize("x", [-745.0, -100.0, -1.5, 0.0, 1e-300, 3.0, 18.0, 40.0])
def test_mish_log_sigmoid_and_softsign_and_their_slopes_keep_their_digits(x):
    e, t, s = math.exp(-abs(x)), math.tanh(max(x, 0) + math.log1p(math.exp(-abs(x)))), 1 / (1 + math.exp(-x)) if x > -700 else math.exp(x)
    for layer, y, slope in [
        (nl.Mish(), x * t, t + x * (1 - t * t) * s),
        (nl.LogSigmoid(), min(x, 0) - math.log1p(e), (1 if x < 0 else e) / (1 + e)),
        (nl.Softsign(), x / (1 + abs(x)), (1 + abs(x)) ** -2),
    ]:
        assert math.isclose(layer.forward(x), y, rel_tol=1e-15)
        assert math.isclose(layer.backward(1.0), slope, rel_tol=1e-14)


def test_selu_and_celu_keep_their_digits_near_zero():
    assert math.isclose(nl.SELU().forward(-1e-10), 1.0507009873554805 * 1.6732632423543772 * math.expm1(-1e-10), rel_tol=1e-15)
    assert math.isclose(nl.CELU(2.0).forward(-2e-10), 2 * math.expm1(-1e-10), rel_tol=1e-15)


def test_selu_keeps_the_mean_and_the_variance_of_normal_numbers():
    x, weights = np.polynomial.hermite_e.hermegauss(180)  # an integral over the normal distribution
    y = nl.SELU().forward(x)
    mean = weights @ y / weights.sum()
    assert abs(mean) < 1e-3
    assert abs(weights @ (y - mean) ** 2 / weights.sum() - 1) < 1e-3


@pytest.mark.parametrize("make", [nl.Hardtanh, nl.ReLU6, nl.Hardsigmoid, lambda: nl.Threshold(0, 0)], ids=lambda make: str(make()))
def test_infinity_is_clipped(make):
    y = make().forward([-np.inf, np.inf])
    assert np.array_equal(y, make().forward([-1e4, 1e4]) if np.isfinite(y).all() else [0, np.inf])
