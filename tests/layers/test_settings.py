"""The numbers that activations are made with."""

import math

import pytest

import netlib as nl


@pytest.mark.parametrize(("kind", "name"), [(nl.ELU, "alpha"), (nl.LeakyReLU, "negative_slope")])
@pytest.mark.parametrize("bad", [None, "steep", True, [0.1, 0.2], 1j])
def test_what_is_no_number_is_a_type_error_that_names_it(kind, name, bad):
    with pytest.raises(nl.InvalidTypeError, match=f"{kind.__name__}: {name} is"):
        kind(bad)


@pytest.mark.parametrize(("kind", "name"), [(nl.ELU, "alpha"), (nl.LeakyReLU, "negative_slope")])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_is_a_value_error_that_names_it(kind, name, bad):
    with pytest.raises(nl.InvalidValueError, match=f"{kind.__name__}: {name} is"):
        kind(bad)


@pytest.mark.parametrize("kind", [nl.ELU, nl.LeakyReLU])
@pytest.mark.parametrize("bad", [-math.inf, 10**400], ids=["-inf", "beyond all floats"])
def test_a_setting_that_is_not_finite_is_refused(kind, bad):
    with pytest.raises(nl.InvalidValueError):
        kind(bad)


def test_the_defaults_are_those_of_the_papers():
    assert nl.LeakyReLU().forward([-100.0, 2.0]).tolist() == [-1, 2]  # Maas et al., 2013: 0.01
    assert nl.ELU().alpha == 1  # Clevert et al., 2016
    assert nl.Dropout().p == 0.5  # Hinton et al., 2012


@pytest.mark.parametrize("kind", [nl.Softmax, nl.LogSoftmax, nl.Concatenate])
def test_an_axis_beyond_the_64_that_an_array_can_have_is_refused_at_once(kind):
    assert kind(-64).axis == -64
    with pytest.raises(nl.InvalidValueError, match="axis is -65"):
        kind(-65)
