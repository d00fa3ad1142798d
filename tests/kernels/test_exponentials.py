"""The exponentials of compiled loops, compiled and as written, against the C library."""

import math

import numpy as np
import pytest
from numeric import normal_distribution

from netlib.kernels import exponentials
from netlib.kernels.exponentials import exp, normal, sigmoid, tanh
from netlib.kernels.kernel import Loops

from .versions import IN_USE

SMALL = np.geomspace(1e-30, 1, 99)


def write_normal(x, below, density):
    for i in range(x.size):
        below[i], density[i] = normal(x[i])


def write_others(x, exps, tanhs, sigmoids):
    for i in range(x.size):
        exps[i], tanhs[i], sigmoids[i] = exp(x[i]), tanh(x[i]), sigmoid(x[i])


def as_written(name, x):
    """Return the results of the function for the type of x, run by Python."""
    function = getattr(exponentials, f"{name}_{x.dtype}")
    with np.errstate(all="ignore"):
        return np.array([function(each) for each in x], x.dtype)


def compiled(write, x, n_results):
    loops = Loops(write, f"void(const t[::1]{', t[::1]' * n_results})")
    loops.compile()
    results = np.empty((n_results, x.size), x.dtype)
    loops.run(x, *results)
    return results


@pytest.mark.parametrize("version", ["as written", *IN_USE[1:]])
@pytest.mark.parametrize(("dtype", "end"), [(np.float32, 12.9), (np.float64, 37.4)])
def test_the_normal_distribution_is_exact_to_four_units_in_the_last_place(version, dtype, end):
    n = 4001 if version == "numba" else 501
    x = np.concatenate([np.linspace(-end, end, n), SMALL, -SMALL]).astype(dtype)
    below, density = compiled(write_normal, x, 2) if version == "numba" else as_written("normal", x).T
    expected, expected_density = normal_distribution(x)
    np.testing.assert_allclose(density, expected_density, rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_allclose(below, expected, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("version", ["as written", *IN_USE[1:]])
@pytest.mark.parametrize(("dtype", "least", "most"), [(np.float32, -87, 88.37), (np.float64, -708, 709)])
def test_the_others_are_exact_to_two_units_in_the_last_place_and_never_nan(version, dtype, least, most):
    x = np.concatenate([np.linspace(least, most, 501), np.linspace(-22, 22, 301), SMALL, -SMALL, [0]]).astype(dtype)
    far = np.concatenate([np.linspace(most, most + 1, 101)[1:], [10 * most, np.inf]]).astype(dtype)

    def values(x):
        return compiled(write_others, x, 3) if version == "numba" else [as_written(name, x) for name in ("exp", "tanh", "sigmoid")]

    tolerance = {"rtol": 2 * np.finfo(dtype).eps, "atol": 2 * np.finfo(dtype).smallest_normal}
    exact = x.astype(np.float64).tolist()
    exps, tanhs, sigmoids = values(x)
    np.testing.assert_allclose(exps, [math.exp(each) for each in exact], **tolerance)
    np.testing.assert_allclose(tanhs, [math.tanh(each) for each in exact], **tolerance)
    np.testing.assert_allclose(sigmoids, [math.exp(min(each, 0)) / (1 + math.exp(-abs(each))) for each in exact], **tolerance)
    for sign, (e, t, s) in ((1, (np.inf, 1, 1)), (-1, (0, -1, 0))):
        exps, tanhs, sigmoids = values(sign * far)
        assert [set(exps.tolist()), set(tanhs.tolist()), set(sigmoids.tolist())] == [{e}, {t}, {s}]
