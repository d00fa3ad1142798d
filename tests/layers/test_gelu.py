import math

import numpy as np
import pytest

import netlib as nl

X = np.concatenate([np.linspace(-8, 8, 801), [-30.0, -20.0, 20.0, 30.0]])


def normal_below(x):
    return math.erfc(-x / math.sqrt(2)) / 2


def test_it_is_x_times_the_share_of_the_normal_distribution_below_x():
    assert np.allclose(nl.GELU().forward(X), [x * normal_below(x) for x in X], rtol=1e-12, atol=0)  # a rounding of x is x² roundings of Φ


def test_its_slope_is_the_share_below_plus_x_times_the_density():
    layer = nl.GELU()
    layer.forward(X)
    wanted = [normal_below(x) + x * math.exp(-x * x / 2) / math.sqrt(2 * math.pi) for x in X]
    assert np.allclose(layer.backward(np.ones_like(X)), wanted, rtol=1e-11, atol=1e-16)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float16, 1e-2), (np.float32, 1e-6)])
def test_short_types_are_exact_to_a_few_roundings(dtype, tolerance):
    x = np.linspace(-3, 3, 301).astype(dtype)
    y = nl.GELU().forward(x)
    assert y.dtype == dtype
    assert np.allclose(y, [float(v) * normal_below(float(v)) for v in x], rtol=tolerance, atol=0)


def test_the_approximation_is_that_of_gpt_2_and_near_the_exact_one():
    layer = nl.GELU(approximate="tanh")
    y = layer.forward(X)
    u = [math.sqrt(2 / math.pi) * (x + 0.044715 * x**3) for x in X]
    assert np.allclose(y, [x * (1 + math.tanh(v)) / 2 for x, v in zip(X, u, strict=True)], rtol=1e-12, atol=1e-14)
    assert 1e-4 < abs(y - nl.GELU().forward(X)).max() < 1e-3
    inner = [math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x) for x in X]
    slopes = [(1 + math.tanh(v)) / 2 + x / 2 * (1 - math.tanh(v) ** 2) * d for x, v, d in zip(X, u, inner, strict=True)]
    assert np.allclose(layer.backward(np.ones_like(X)), slopes, rtol=1e-11, atol=1e-12)


def test_another_approximation_is_refused():
    with pytest.raises(nl.InvalidValueError, match="approximate is 'erf', expected 'none' or 'tanh'"):
        nl.GELU("erf")
