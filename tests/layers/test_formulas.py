"""The nodes of formulas at ties, zeros, bounds and repeats."""

import numpy as np
import pytest

import netlib as nl


@pytest.mark.parametrize("kind", [nl.Maximum, nl.Minimum])
def test_equal_inputs_share_the_gradient(kind):
    layer = kind()
    layer.forward([2.0], [2.0], [2.0], [2.0])
    assert [dx.tolist() for dx in layer.backward([1.0])] == [[0.25]] * 4
    with pytest.raises(nl.ShapeError, match=r"got 1 inputs, expected at least 2"):
        layer.forward([1.0])


def test_a_power_of_zero_has_the_limits_of_its_slopes():
    power = nl.Power()
    assert power.forward([0.0, 0.0, -2.0], [0.0, 2.0, 3.0]).tolist() == [1.0, 0.0, -8.0]
    dx, dp = power.backward([1.0, 1.0, 1.0])
    assert dx.tolist() == [0.0, 0.0, 12.0]
    assert dp[:2].tolist() == [0.0, 0.0]
    assert np.isnan(dp[2])
    for layer, inputs in [(nl.Power(2), ([1.0], [2.0])), (nl.Power(), ([1.0],))]:
        with pytest.raises(nl.ShapeError, match="Give the exponent once"):
            layer.forward(*inputs)


def test_indices_repeat_count_from_the_end_and_must_exist():
    take = nl.Take()
    assert take.forward([1.0, 2.0, 3.0], [-1, 2, 0]).tolist() == [3.0, 3.0, 1.0]
    assert take.backward([1.0, 2.0, 4.0]).tolist() == [4.0, 0.0, 3.0]
    for wrong in (3, -4):
        with pytest.raises(nl.InvalidValueError, match=rf"index {wrong} at \(1,\), expected -3 to 2 for axis 0 of length 3"):
            take.forward([1.0, 2.0, 3.0], [0, wrong])
    with pytest.raises(nl.InvalidTypeError, match="indices of float64"):
        take.forward([1.0], [0.0])


def test_bounds_and_conditions_are_checked():
    with pytest.raises(nl.InvalidValueError, match="expected low ≤ high"):
        nl.Clip(2, 1)
    with pytest.raises(nl.InvalidTypeError, match="expected booleans"):
        nl.Where().forward([1.0], [2.0], [1])


@pytest.mark.parametrize("layer", [nl.Log(), nl.Sqrt()])
def test_the_slope_at_zero_is_infinite(layer):
    with np.errstate(divide="ignore"):
        layer.forward([0.0])
        assert layer.backward([1.0]).tolist() == [np.inf]
