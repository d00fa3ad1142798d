"""The slope that is taken where there are two."""

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
