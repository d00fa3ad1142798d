"""The numbers that activations are made with."""

import math
import re

import numpy as np
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
    assert nl.CELU().alpha == 1  # Barron, 2017
    assert nl.Dropout().p == 0.5  # Hinton et al., 2012


@pytest.mark.parametrize("kind", [nl.Softmax, nl.LogSoftmax, nl.Softmin, nl.GLU, nl.SwiGLU, nl.Concatenate])
def test_an_axis_beyond_the_64_that_an_array_can_have_is_refused_at_once(kind):
    assert kind(-64).axis == -64
    with pytest.raises(nl.InvalidValueError, match="axis is -65"):
        kind(-65)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nl.Hardtanh(1, 1), "Hardtanh: low is 1 and high is 1, expected low < high"),
        (lambda: nl.Hardtanh(low="a"), "Hardtanh: low is 'a', expected a number"),
        (lambda: nl.Hardtanh(high=math.inf), "Hardtanh: high is inf, expected a finite number"),
        (lambda: nl.CELU(0), "CELU: alpha is 0, expected a positive number"),
        (lambda: nl.Threshold(math.nan, 0), "Threshold: threshold is nan, expected a finite number"),
        (lambda: nl.Threshold(0, None), "Threshold: value is None, expected a number"),
        (lambda: nl.PReLU(0), "PReLU: channels is 0, expected at least 1"),
        (lambda: nl.PReLU(negative_slope=math.nan), "PReLU: negative_slope is nan, expected a finite number"),
        (lambda: nl.PReLU.from_arrays([[1.0]]), r"PReLU.from_arrays: got a weight of shape (1, 1), expected (channels,)"),
        (lambda: nl.PReLU(3).forward(np.ones((2, 4))), "PReLU(channels=3): got x of shape (2, 4), expected (N, 3, …)"),
        (lambda: nl.GLU().forward(np.ones((2, 3))), "GLU(): got x of shape (2, 3), expected an even length along axis -1"),
        (lambda: nl.SwiGLU(1).forward(np.ones(2)), "SwiGLU(axis=1): got x of shape (2,), which has no axis 1"),
        (lambda: nl.Softmin().forward(np.ones((2, 0))), "Softmin(): got x of shape (2, 0), whose axis -1 is empty"),
    ],
)
def test_a_setting_or_shape_that_fits_no_layer_is_refused(make, message):
    with pytest.raises(nl.NetlibError, match=re.escape(message)):
        make()


def test_a_prelu_takes_its_weight_and_type_from_an_array():
    layer = nl.PReLU.from_arrays(np.array([0.5, 2.0]))
    assert (layer.channels, layer.dtype, layer.weight.value.tolist()) == (2, np.float64, [0.5, 2])
    assert layer.forward([[-1.0, -1.0]]).tolist() == [[-0.5, -2]]
    assert nl.PReLU().weight.value.tolist() == [0.25]  # He et al., 2015
    assert nl.PReLU(2, 0.1).weight.value.tolist() == [np.float32(0.1)] * 2


def test_one_weight_of_prelu_is_for_positions_and_several_are_for_channels():
    assert (nl.PReLU().is_positionwise, nl.PReLU(2).is_positionwise) == (True, False)
    shape = (5, 2, 3)
    assert nl.PReLU().rule([shape], shape).startswith("y = max(0, x) + weight ⊙ min(0, x)\n")
    assert nl.PReLU(2).rule([shape], shape).startswith("y = max(0, x) + weight[:, None] ⊙ min(0, x)\n")


@pytest.mark.parametrize("kind", [nl.GLU, nl.SwiGLU, nl.Softmin, nl.Softmax, nl.LogSoftmax])
def test_the_last_axis_and_axis_2_are_those_of_the_features(kind):
    assert [kind(axis).is_positionwise for axis in (-1, 2, 1, 0)] == [True, True, False, False]


def test_a_clip_may_leave_a_single_number_and_losses_of_margins_have_pytorchs():
    assert nl.Clip(2, 2).forward([1.0, 3.0]).tolist() == [2, 2]
    assert [nl.MarginRanking().margin, nl.CosineEmbedding().margin, nl.MultiMargin().margin, nl.TripletMargin().margin] == [0, 0, 1, 1]
