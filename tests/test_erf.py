"""The complementary error function against Python's own, which works on one number at a time."""

import math

import numpy as np
import pytest

from netlib.erf import erfc


def relative_error(x, dtype):
    x = x.astype(dtype)
    wanted = np.array([math.erfc(float(each)) for each in x])
    return (np.abs(erfc(x).astype(np.float64) - wanted) / wanted).max()


@pytest.mark.parametrize(
    "x", [np.linspace(-6, 6, 20001), np.linspace(6, 26.5, 5001), np.linspace(-0.5, 0.5, 5001), np.linspace(3.9, 4.1, 2001)]
)
def test_in_float64_it_is_exact_to_1e_15_of_its_size_far_into_the_tail(x):
    assert relative_error(x, np.float64) < 1e-15


@pytest.mark.parametrize("x", [np.linspace(-6, 6, 20001), np.linspace(6, 9, 2001), np.linspace(-0.5, 0.5, 5001)])
def test_in_float32_it_is_exact_to_a_few_roundings_of_its_size(x):
    assert relative_error(x, np.float32) < 8 * np.finfo(np.float32).eps


def test_in_float16_it_is_the_nearest_number():
    x = np.linspace(-3, 3, 1001).astype(np.float16)
    wanted = np.array([math.erfc(float(each)) for each in x]).astype(np.float16)
    assert (erfc(x) == wanted).all()


@pytest.mark.parametrize("edge", [0.46875, 4.0])
def test_it_has_no_step_where_one_rational_function_gives_way_to_the_next(edge):
    for x in (edge, -edge):
        below, at, above = erfc(np.array([np.nextafter(x, -9), x, np.nextafter(x, 9)]))
        assert below >= at >= above or below - above < 1e-15
        assert math.isclose(at, math.erfc(x), rel_tol=1e-15)


def test_it_is_0_and_2_at_its_ends_and_1_in_the_middle_without_a_warning():
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert erfc(np.array([-40.0, 0.0, 40.0])).tolist() == [2.0, 1.0, 0.0]


@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_it_keeps_shape_and_type_and_leaves_its_input_alone(shape):
    for dtype in (np.float16, np.float32, np.float64):
        x = np.full(shape, 0.5, dtype)
        y = erfc(x)
        assert (y.shape, y.dtype) == (shape, dtype)
        assert (x == 0.5).all()


def test_nan_stays_nan():
    assert np.isnan(erfc(np.array([np.nan, 1.0]))).tolist() == [True, False]
