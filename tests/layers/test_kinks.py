"""The slope that is taken where there are two."""

import numpy as np
import pytest

import netlib as nl


def test_relu_of_0_is_0_and_lets_nothing_through():
    layer = nl.ReLU()
    assert layer.forward([0.0, -0.0]).tolist() == [0, 0]
    assert layer.backward([3.0, 3.0]).tolist() == [0, 0]


def test_leaky_relu_at_0_has_the_slope_of_its_negative_side():
    layer = nl.LeakyReLU(0.25)
    assert layer.forward([0.0]).tolist() == [0]
    assert layer.backward([4.0]).tolist() == [1]


def test_elu_at_0_has_the_slope_of_its_negative_side():
    layer = nl.ELU(0.5)
    assert layer.forward([0.0]).tolist() == [0]
    assert layer.backward([4.0]).tolist() == [2]


def test_leaky_relu_keeps_what_is_little_above_0_and_shrinks_what_is_below():
    layer = nl.LeakyReLU(0.25)
    assert layer.forward([-2.0, -0.5, 0.5, 2.0]).tolist() == [-0.5, -0.125, 0.5, 2]
    assert layer.backward([4.0, 4.0, 4.0, 4.0]).tolist() == [1, 1, 4, 4]


def test_hardtanh_stays_between_minus_1_and_1_unless_told_otherwise():
    assert nl.Hardtanh().forward([-2.0, 0.5, 2.0]).tolist() == [-1, 0.5, 1]


@pytest.mark.parametrize(
    ("layer", "x", "y", "slopes"),
    [
        (nl.Hardtanh(-2, 0.5), [-3, -2, -1, 0.5, 1], [-2, -2, -1, 0.5, 0.5], [0, 0, 1, 0, 0]),
        (nl.ReLU6(), [-1, 0, 1, 6, 7], [0, 0, 1, 6, 6], [0, 0, 1, 0, 0]),
        (nl.Hardsigmoid(), [-4, -3, 1.5, 3, 4], [0, 0, 0.75, 1, 1], [0, 0, 1 / 6, 0, 0]),
        (nl.Hardswish(), [-4, -3, 1.5, 3, 4], [0, 0, 1.125, 3, 4], [0, 0, 1, 1, 1]),
        (nl.Threshold(1, 20), [-1, 1, 1.5], [20, 20, 1.5], [0, 0, 1]),
        (nl.CELU(0.5), [0, 1], [0, 1], [1, 1]),
        (nl.PReLU(dtype="float64"), [-2, 0, 2], [-0.5, 0, 2], [0.25, 0.25, 1]),
    ],
    ids=str,
)
def test_on_both_sides_and_at_the_kinks_the_slopes_are_pytorchs(layer, x, y, slopes):
    assert layer.forward(np.array(x, float)).tolist() == y
    assert np.allclose(layer.backward(np.full(len(x), 4.0)), 4 * np.array(slopes), rtol=1e-15, atol=0)


def test_selu_at_0_has_the_slope_of_its_negative_side():
    layer = nl.SELU()
    layer.forward([0.0])
    assert np.allclose(layer.backward([1.0]), 1.0507009873554805 * 1.6732632423543772, rtol=1e-15)


def test_a_threshold_lets_neither_an_infinite_x_nor_an_infinite_gradient_through():
    layer = nl.Threshold(0, 0)
    assert layer.forward([-np.inf, 1.0]).tolist() == [0, 1]
    assert layer.backward([np.inf, 1.0]).tolist() == [0, 1]


def test_a_size_has_no_slope_at_0():
    layer = nl.Abs()
    assert layer.forward([0.0, -0.0, -2.0]).tolist() == [0, 0, 2]
    assert layer.backward([3.0, 3.0, 3.0]).tolist() == [0, 0, -3]


def test_a_clip_has_the_slope_1_at_both_bounds():
    layer = nl.Clip(-1, 2)
    assert layer.forward([-2.0, -1.0, 0.0, 2.0, 3.0]).tolist() == [-1, -1, 0, 2, 2]
    assert layer.backward([5.0] * 5).tolist() == [0, 5, 5, 5, 0]
