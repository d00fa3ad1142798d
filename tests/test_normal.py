"""The normal distribution against Python's erfc, which works on one number at a time, and long doubles."""

import numpy as np
import pytest
from numeric import normal_distribution

from netlib.normal import BLOCK, normal


@pytest.mark.parametrize(("dtype", "end"), [(np.float32, 12.9), (np.float64, 37.4)])
def test_it_is_exact_to_a_few_units_in_the_last_place_far_into_the_tail(dtype, end):
    near = np.geomspace(1e-30, 1, 999)
    x = np.concatenate([np.linspace(-end, end, 40001), near, -near, [0.0]]).astype(dtype)
    for got, wanted in zip(normal(x), normal_distribution(x), strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, wanted, rtol=6 * np.finfo(dtype).eps)


def test_in_float16_it_is_the_nearest_number():
    x = np.linspace(-3, 3, 1001).astype(np.float16)
    for got, wanted in zip(normal(x), normal_distribution(x), strict=True):
        assert (got == wanted.astype(np.float16)).all()


def test_its_ends_are_0_and_1_without_a_warning():
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for x in (np.array([-40.0, 0.0, 40.0]), np.array([-40.0, 0.0, 40.0], np.float32)):
            below, density = normal(x)
            assert below.tolist() == [0.0, 0.5, 1.0]
            assert density[[0, 2]].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_it_keeps_shape_and_type_and_leaves_its_input_alone(shape):
    for dtype in (np.float16, np.float32, np.float64):
        x = np.full(shape, 0.5, dtype)
        for y in normal(x):
            assert (y.shape, y.dtype) == (shape, dtype)
        assert (x == 0.5).all()


def test_nan_stays_nan():
    for y in normal(np.array([np.nan, 1.0, -50.0])):
        assert np.isnan(y).tolist() == [True, False, False]
        assert y[2] == 0  # beside a NaN, too


def test_many_numbers_are_processed_as_few():
    x = np.linspace(-9, 9, 2 * BLOCK + 7).astype(np.float32)
    for whole, parts in zip(normal(x), zip(*map(normal, np.array_split(x, 5)), strict=True), strict=True):
        np.testing.assert_array_equal(whole, np.concatenate(parts))
