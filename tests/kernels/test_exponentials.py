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


def in_python(name, x):
    """Return the results of the function that loops in Python take."""
    function = getattr(exponentials, name)
    with np.errstate(all="ignore"):
        return np.array([function(each) for each in x], x.dtype)


def as_written(name, x):
    """Return the results of the function that is compiled for the type of x, run by Python."""
    return in_python(f"{name}_{x.dtype}", x)


def compiled(write, x, n_results):
    loops = Loops(write, f"void(const t[::1]{', t[::1]' * n_results})")
    loops.compile(x.dtype)
    results = np.empty((n_results, x.size), x.dtype)
    loops.run(x, *results)
    return results


VERSIONS = {"in Python": in_python, "as written": as_written, **dict.fromkeys(IN_USE[1:])}


def values(version, x):
    """Return exp, tanh and sigmoid of x."""
    run = VERSIONS[version]
    return [run(name, x) for name in ("exp", "tanh", "sigmoid")] if run else compiled(write_others, x, 3)


def normal_values(version, x):
    run = VERSIONS[version]
    return run("normal", x).T if run else compiled(write_normal, x, 2)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("dtype", "end"), [(np.float32, 12.9), (np.float64, 37.4)])
def test_the_normal_distribution_is_exact_to_four_units_in_the_last_place(version, dtype, end):
    n = 4001 if version == "numba" else 501
    x = np.concatenate([np.linspace(-end, end, n), SMALL, -SMALL]).astype(dtype)
    # In Python, erfc is that of the C library, and x² is rounded.
    tolerance = {"rtol": (2000 if version == "in Python" else 4) * np.finfo(dtype).eps}
    for found, expected in zip(normal_values(version, x), normal_distribution(x), strict=True):
        np.testing.assert_allclose(found, expected, **tolerance)
    far = np.array([end + 1, 10 * end, np.inf], dtype)
    for x, below in ((far, 1), (-far, 0)):
        np.testing.assert_allclose(normal_values(version, x), [[below] * 3, [0] * 3], atol=np.finfo(dtype).smallest_normal)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("dtype", "least", "most"), [(np.float32, -87, 88.37), (np.float64, -708, 709)])
def test_the_others_are_exact_to_two_units_in_the_last_place(version, dtype, least, most):
    x = np.concatenate([np.linspace(least, most, 501), np.linspace(-22, 22, 301), SMALL, -SMALL, [0]]).astype(dtype)
    tolerance = {"rtol": 2 * np.finfo(dtype).eps, "atol": 2 * np.finfo(dtype).smallest_normal}
    exact = x.astype(np.float64).tolist()
    exps, tanhs, sigmoids = values(version, x)
    np.testing.assert_allclose(exps, [math.exp(each) for each in exact], **tolerance)
    np.testing.assert_allclose(tanhs, [math.tanh(each) for each in exact], **tolerance)
    np.testing.assert_allclose(sigmoids, [math.exp(min(each, 0)) / (1 + math.exp(-abs(each))) for each in exact], **tolerance)


@pytest.mark.parametrize("version", list(VERSIONS)[1:])
@pytest.mark.parametrize(("dtype", "most"), [(np.float32, 88.38), (np.float64, 709.01)])
def test_beyond_their_range_they_take_their_limits(version, dtype, most):
    far = np.concatenate([np.linspace(most, most + 1, 99), [10 * most, np.inf]]).astype(dtype)
    for x, limits in ((far, (np.inf, 1, 1)), (-far, (0, -1, 0))):
        assert [set(each.tolist()) for each in values(version, x)] == [{limit} for limit in limits]
    nan = np.array([np.nan], dtype)
    assert np.isnan([*values(version, nan), *normal_values(version, nan)]).all()
