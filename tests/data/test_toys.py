"""Toy sets lie on their curves without noise, and are the same for the same seed."""

import numpy as np
import pytest

import netlib as nl
from netlib.errors import InvalidTypeError, InvalidValueError

CLASSES = {"xor": 2, "spirals": 3, "moons": 2, "circles": 2, "blobs": 3}
REGRESSIONS = ("sine", "linear")
TOYS = (*CLASSES, *REGRESSIONS)


def make(name, *args, **kwargs):
    return getattr(nl.data, name)(*args, **kwargs)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("n", [0, 1, 7, 60])
def test_classification_gives_n_float32_points_and_n_int64_labels(name, n):
    x, t = make(name, n, rng=0)
    assert (x.shape, x.dtype, t.shape, t.dtype) == ((n, 2), np.float32, (n,), np.int64)


@pytest.mark.parametrize("name", REGRESSIONS)
@pytest.mark.parametrize("n", [0, 1, 7, 60])
def test_regression_gives_columns_in_float32(name, n):
    x, t = make(name, n, rng=0)
    assert (len(x), x.ndim, x.dtype, t.shape, t.dtype) == (n, 2, np.float32, (n, 1), np.float32)


@pytest.mark.parametrize("name", CLASSES)
def test_classes_take_turns(name):
    _, t = make(name, 12, rng=0)
    turns = [0, 1, 1, 0] if name == "xor" else list(range(CLASSES[name]))
    assert t.tolist() == turns * (12 // len(turns))


@pytest.mark.parametrize("name", TOYS)
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(name):
    first, same, other = (make(name, 20, noise=0.1, rng=seed) for seed in (3, 3, 4))
    assert [a.tobytes() for a in first] == [a.tobytes() for a in same]
    assert [a.tobytes() for a in first] != [a.tobytes() for a in other]


@pytest.mark.parametrize("name", TOYS)
def test_a_generator_goes_on_where_a_seed_begins_again(name):
    rng = np.random.default_rng(3)
    first, second = make(name, 20, noise=0.1, rng=rng), make(name, 20, noise=0.1, rng=rng)
    assert first[0].tobytes() == make(name, 20, noise=0.1, rng=3)[0].tobytes()
    assert [a.tobytes() for a in first] != [a.tobytes() for a in second]


@pytest.mark.parametrize("name", TOYS)
def test_numpys_global_random_state_is_left_alone(name, global_random_state):
    before = global_random_state()
    make(name, 20)
    assert global_random_state() == before


@pytest.mark.parametrize("name", ["xor", "spirals", "moons", "circles", "blobs"])
def test_noise_is_the_standard_deviation_of_each_coordinate(name):
    exact, _ = make(name, 20_000, noise=0.0, rng=0)
    noisy, _ = make(name, 20_000, noise=0.25, rng=0)
    scatter = (noisy - exact).std(axis=0)
    assert scatter == pytest.approx([0.25, 0.25], rel=0.03)  # six standard errors of 20,000 draws


def test_xor_is_the_truth_table_and_repeats_it():
    x, t = nl.data.xor(6)
    assert x.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [0, 0], [0, 1]]
    assert t.tolist() == [0, 1, 1, 0, 0, 1]
    assert len(nl.data.xor()[0]) == 4


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_spiral_arms_wind_four_radians_out_to_the_unit_circle(classes):
    x, t = nl.data.spirals(100, classes, noise=0, rng=0)
    point = x[:, 0].astype(complex) + 1j * x[:, 1]
    radius = abs(point)
    unwound = point * np.exp(-1j * (4 * radius + 2 * np.pi * t / classes))  # back on the positive half axis
    assert np.allclose(unwound, radius, atol=1e-6)
    assert 0.9 < radius.max() <= 1
    assert radius.min() < 0.1


def test_moons_are_half_circles_that_reach_into_each_other():
    x, t = nl.data.moons(200, noise=0, rng=0)
    upper, lower = x[t == 0], x[t == 1]
    assert np.allclose(np.hypot(upper[:, 0], upper[:, 1]), 1, atol=1e-6)
    assert np.allclose(np.hypot(lower[:, 0] - 1, lower[:, 1] - 0.5), 1, atol=1e-6)
    assert upper[:, 1].min() >= -1e-6
    assert lower[:, 1].max() <= 0.5 + 1e-6
    assert upper[:, 0].min() < -0.9
    assert lower[:, 0].max() > 1.9


def test_circles_have_radius_1_and_a_half_all_the_way_round():
    x, t = nl.data.circles(200, noise=0, rng=0)
    assert np.allclose(np.hypot(x[:, 0], x[:, 1]), np.where(t == 0, 1, 0.5), atol=1e-6)
    quadrants = 2 * (x[:, 0] > 0) + (x[:, 1] > 0)
    assert len(set(zip(quadrants.tolist(), t.tolist(), strict=True))) == 8


def test_blobs_without_scatter_are_their_centres():
    x, t = nl.data.blobs(40, classes=4, features=5, noise=0, rng=0)
    assert x.shape == (40, 5)
    assert len(np.unique(x, axis=0)) == 4
    assert all(len(np.unique(x[t == c], axis=0)) == 1 for c in range(4))
    assert abs(x).max() <= 10


def test_sine_is_the_sine_over_one_period():
    x, t = nl.data.sine(500, noise=0, rng=0)
    assert np.allclose(t, np.sin(x), atol=1e-6)
    assert -np.pi <= x.min() < -3
    assert 3 < x.max() <= np.pi


def test_least_squares_finds_the_weights_that_linear_was_given():
    x, t = nl.data.linear(50, weight=[1.5, -2.0, 0.25], bias=4.0, noise=0, rng=0)
    found, *_ = np.linalg.lstsq(np.column_stack([x, np.ones(50)]), t[:, 0], rcond=None)
    assert np.allclose(found, [1.5, -2.0, 0.25, 4.0], atol=1e-5)


@pytest.mark.parametrize("name", REGRESSIONS)
def test_noise_is_the_standard_deviation_of_the_target(name):
    exact, noisy = make(name, 20_000, noise=0, rng=0), make(name, 20_000, noise=0.25, rng=0)
    assert exact[0].tobytes() == noisy[0].tobytes()
    assert (noisy[1] - exact[1]).std() == pytest.approx(0.25, rel=0.03)


@pytest.mark.parametrize("name", TOYS)
@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("n", -1, InvalidValueError),
        ("n", 2.5, InvalidTypeError),
        ("n", True, InvalidTypeError),
        ("n", "4", InvalidTypeError),
        ("noise", -0.1, InvalidValueError),
        ("noise", float("nan"), InvalidValueError),
        ("noise", float("inf"), InvalidValueError),
        ("noise", "much", InvalidTypeError),
        ("rng", -1, InvalidValueError),
        ("rng", 0.5, InvalidTypeError),
    ],
)
def test_bad_arguments_are_refused_by_function_and_name(name, argument, value, error):
    with pytest.raises(error, match=f"^{name}: {argument} is "):
        make(name, **{argument: value})


@pytest.mark.parametrize("name", ["spirals", "blobs"])
@pytest.mark.parametrize(("classes", "error"), [(0, InvalidValueError), (-2, InvalidValueError), (1.5, InvalidTypeError)])
def test_an_invalid_number_of_classes_is_refused(name, classes, error):
    with pytest.raises(error, match="classes"):
        make(name, classes=classes)


def test_blobs_without_features_and_linear_with_a_matrix_are_refused():
    with pytest.raises(InvalidValueError, match="features is 0"):
        nl.data.blobs(features=0)
    with pytest.raises(nl.ShapeError, match=r"weight has shape \(2, 2\)"):
        nl.data.linear(weight=np.eye(2))


def test_a_refused_call_draws_nothing():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    with pytest.raises(InvalidValueError):
        nl.data.blobs(features=0, rng=rng)
    with pytest.raises(nl.ShapeError):
        nl.data.linear(weight=np.eye(2), rng=rng)
    assert rng.bit_generator.state == before
