"""The shipped tables and the time series against what others have published about them."""

import numpy as np
import pytest

import netlib as nl


@pytest.mark.parametrize(
    ("load", "shapes", "dtypes"),
    [
        (nl.data.cars, ((392, 9), (392, 1)), (np.float32, np.float32)),
        (nl.data.penguins, ((342, 4), (342,)), (np.float32, np.int64)),
        (nl.data.co2, ((2225, 1), (2225, 1)), (np.float32, np.float32)),
    ],
)
def test_a_set_is_two_new_arrays_in_the_types_that_training_takes(load, shapes, dtypes):
    x, t = load()
    assert (x.shape, t.shape) == shapes
    assert (x.dtype, t.dtype) == dtypes
    assert np.isfinite(x).all()
    x[:], t[:] = -1, -1
    again = load()
    assert again[0].min() >= 0
    assert again[1].min() >= 0


def test_the_line_of_consumption_over_horsepower_is_that_of_the_textbook():
    x, t = nl.data.cars()
    power = np.column_stack([np.ones(len(x)), x[:, 2]]).astype(np.float64)
    (intercept, slope), residual, *_ = np.linalg.lstsq(power, t[:, 0].astype(np.float64), rcond=None)
    assert (round(intercept, 4), round(slope, 4)) == (39.9359, -0.1578)  # James et al., An Introduction to Statistical Learning
    assert round(1 - residual[0] / (t.var(dtype=np.float64) * len(t)), 3) == 0.606


def test_a_car_has_one_origin_and_most_are_american():
    origin = nl.data.cars()[0][:, 6:]
    assert (origin.sum(axis=1) == 1).all()
    assert origin.sum(axis=0).tolist() == [245, 68, 79]


def test_the_means_of_the_penguins_are_those_of_their_publishers():
    x, t = nl.data.penguins()
    np.testing.assert_allclose(x.mean(axis=0, dtype=np.float64), [43.92193, 17.15117, 200.9152, 4201.754], rtol=1e-6)
    assert np.bincount(t).tolist() == [152 - 1, 68, 124 - 1]  # one Adelie and one Gentoo were not measured


@pytest.mark.parametrize(("year", "ppm"), [(1960, 316.9), (1980, 338.8), (2000, 369.6)])
def test_the_carbon_dioxide_of_a_year_is_that_of_the_observatory(year, ppm):
    x, t = nl.data.co2()
    in_year = np.floor(x[:, 0]) == year
    assert abs(t[in_year].mean() - ppm) < 0.3  # their annual means average months, and are calibrated again


def test_the_weeks_go_from_march_1958_to_the_end_of_2001_without_those_that_were_not_measured():
    x, t = nl.data.co2()
    assert x[0, 0] == np.float32(1958 + 87 / 365)
    assert x[-1, 0] == np.float32(2001 + 362 / 365)
    weeks = np.diff(x[:, 0]) * 365.25 / 7
    np.testing.assert_allclose(weeks, weeks.round(), atol=0.1)
    assert weeks.round().sum() + 1 == len(t) + 59
