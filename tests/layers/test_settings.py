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
