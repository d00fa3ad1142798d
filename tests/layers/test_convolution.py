"""What the comparison with PyTorch does not say about convolutions."""

import itertools

import numpy as np
import pytest

import netlib as nl

KINDS = [nl.Conv1d, nl.Conv2d, nl.Conv3d, nl.ConvTranspose1d, nl.ConvTranspose2d, nl.ConvTranspose3d]


def by_hand(x, weight, stride, before, dilation, lengths):
    """Return a convolution of one group, number by number."""
    y = np.zeros((len(x), len(weight), *lengths))
    for n, o, *position in np.ndindex(y.shape):
        for c, *place in np.ndindex(weight.shape[1:]):
            pixel = tuple(p * s + k * d - b for p, s, k, d, b in zip(position, stride, place, dilation, before, strict=True))
            if all(0 <= i < length for i, length in zip(pixel, x.shape[2:], strict=True)):
                y[(n, o, *position)] += weight[(o, c, *place)] * x[(n, c, *pixel)]
    return y


def test_an_edge_detector_and_its_gradients_are_those_worked_out_by_hand():
    layer = nl.Conv2d.from_arrays([[[[1.0, -1.0], [0.0, 2.0]]]], bias=[10.0])
    x = [[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]]
    assert layer.forward(x).tolist() == [[[[1 - 2 + 10 + 10, 2 - 3 + 12 + 10]]]]
    assert layer.backward([[[[1.0, 10.0]]]]).tolist() == [[[[1.0, -1.0 + 10.0, -10.0], [0.0, 2.0, 20.0]]]]
    assert layer.weight.grad.tolist() == [[[[1.0 + 20.0, 2.0 + 30.0], [4.0 + 50.0, 5.0 + 60.0]]]]
    assert layer.bias.grad.tolist() == [11.0]


@pytest.mark.parametrize(("length", "k", "s", "d"), [*itertools.product((1, 4, 5, 7), (1, 2, 3, 4), (1, 2, 3), (1, 2))])
def test_same_padding_gives_the_length_over_the_stride_rounded_up_with_the_odd_pixel_after_the_image(length, k, s, d):
    rng = np.random.default_rng(0)
    layer = nl.Conv1d(1, 1, k, stride=s, padding="same", dilation=d, bias=False, dtype="float64", rng=0)
    x = rng.normal(size=(2, 1, length))
    positions = -(-length // s)
    total = max((positions - 1) * s + d * (k - 1) + 1 - length, 0)
    assert np.allclose(layer.forward(x), by_hand(x, layer.weight.value, (s,), (total // 2,), (d,), (positions,)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("k", "s", "d"), [*itertools.product((1, 2, 3, 5), (1, 2, 3), (1, 2))])
def test_a_transposed_same_convolution_is_the_adjoint_of_the_same_convolution_of_n_times_the_stride(k, s, d):
    conv = nl.Conv1d(3, 2, k, stride=s, padding="same", dilation=d, bias=False, dtype="float64", rng=0)
    transposed = nl.ConvTranspose1d.from_arrays(conv.weight.value, stride=s, padding="same", dilation=d)
    rng = np.random.default_rng(1)
    x, z = rng.normal(size=(2, 3, 4 * s)), rng.normal(size=(2, 2, 4))
    y = transposed.forward(z)
    assert y.shape == x.shape
    assert np.isclose(np.vdot(conv.forward(x), z), np.vdot(x, y), rtol=1e-12)


def test_a_border_may_be_wider_than_the_kernel_and_differ_before_and_after():
    layer = nl.Conv2d.from_arrays(np.full((1, 1, 1, 2), 1.0), padding=((3, 0), (0, 4)))
    y = layer.forward([[[[1.0, 2.0]]]])
    assert y.tolist() == [[[[0.0] * 5] * 3 + [[3.0, 2.0, 0.0, 0.0, 0.0]]]]
    assert layer.backward(np.ones_like(y)).tolist() == [[[[1.0, 2.0]]]]


def test_with_gaps_between_windows_the_pixels_in_the_gaps_get_no_gradient():
    layer = nl.Conv1d.from_arrays([[[2.0]]], stride=3)
    assert layer.forward([[[1.0, 5.0, 7.0, 4.0]]]).tolist() == [[[2.0, 8.0]]]
    assert layer.backward([[[1.0, 1.0]]]).tolist() == [[[2.0, 0.0, 0.0, 2.0]]]


def test_an_image_of_one_pixel_is_large_enough():
    assert nl.Conv1d.from_arrays([[[2.0]]]).forward([[[3.0]]]).tolist() == [[[6.0]]]
    assert nl.ConvTranspose1d.from_arrays([[[2.0]]]).forward([[[3.0]]]).tolist() == [[[6.0]]]


def test_output_padding_adds_pixels_after_the_image_which_get_the_bias_alone():
    layer = nl.ConvTranspose1d.from_arrays([[[1.0, 2.0]]], bias=[10.0], stride=3, output_padding=2)
    assert layer.forward([[[1.0, 5.0]]]).tolist() == [[[11.0, 12.0, 10.0, 15.0, 20.0, 10.0, 10.0]]]


def test_a_depthwise_convolution_keeps_its_channels_apart():
    layer = nl.Conv1d.from_arrays([[[1.0]], [[10.0]], [[100.0]], [[1000.0]]], groups=2)
    assert layer.forward([[[1.0, 2.0], [3.0, 4.0]]]).tolist() == [[[1.0, 2.0], [10.0, 20.0], [300.0, 400.0], [3000.0, 4000.0]]]


@pytest.mark.parametrize("kind", KINDS)
def test_without_dx_the_gradients_of_the_parameters_are_the_same(kind):
    x = np.random.default_rng(0).normal(size=(3, 2, *(4, 3, 5)[: kind.axes]))
    whole, part = (kind(2, 4, 2, stride=2, padding=1, groups=2, rng=0, dtype="float64") for _ in range(2))
    dout = np.random.default_rng(1).normal(size=whole.forward(x).shape)
    part.forward(x)
    whole.backward(dout)
    part.backward_parameters(dout)
    assert part.weight.grad.any()
    assert np.array_equal(part.weight.grad, whole.weight.grad)
    assert np.array_equal(part.bias.grad, whole.bias.grad)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("groups", [1, 2])
def test_the_multiply_adds_are_those_of_the_loops_by_hand(kind, groups):
    lengths = (5, 4, 3)[: kind.axes]
    layer = kind(4, 6, 2, stride=2, padding=1, groups=groups)
    y = layer.forward(np.ones((3, 4, *lengths)))
    per_position = 4 * 6 // groups * 2**kind.axes  # of the kernel, which is put down once for each number of the smaller side
    positions = int(np.prod(y.shape[2:] if kind.__name__.startswith("Conv") and "T" not in kind.__name__ else lengths))
    assert layer.multiply_adds((3, 4, *lengths)) == 3 * positions * per_position
    assert nl.Sequential(layer).summary((1, 4, *lengths)).rows[0].multiply_adds == positions * per_position


@pytest.mark.parametrize("kind", KINDS)
def test_initial_weights_have_the_variance_of_their_fan_in(kind):
    layer = kind(40, 60, 3, rng=0)
    images = layer.weight.shape[1]
    assert np.isclose(layer.weight.value.var(), 2 / (images * 3**kind.axes), rtol=0.1)
    assert not layer.bias.value.any()


@pytest.mark.parametrize("kind", KINDS)
def test_from_arrays_copies_and_keeps_the_dtype(kind):
    weight, bias = np.ones((4, 1, *(2,) * kind.axes)), np.arange(2.0 if kind.is_transposed else 4.0)
    layer = kind.from_arrays(weight, bias, groups=2)
    weight[...] = bias[...] = 7
    assert layer.weight.dtype == layer.bias.dtype == np.float64
    assert (layer.in_channels, layer.out_channels) == ((4, 2) if kind.is_transposed else (2, 4))
    assert layer.weight.value.max() == 1
    assert layer.bias.value.max() == len(bias) - 1
    assert kind.from_arrays(weight, groups=4 if kind.is_transposed else 1).bias is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nl.Conv2d(3, 4, 3, groups=2), "Conv2d: groups is 2, which must divide in_channels 3 and out_channels 4"),
        (lambda: nl.Conv2d(2, 3, 3, groups=2), "Conv2d: groups is 2, which must divide in_channels 2 and out_channels 3"),
        (lambda: nl.Conv2d(0, 4, 3), "Conv2d: in_channels is 0, expected at least 1"),
        (lambda: nl.Conv2d(1, 4, 0), "Conv2d: kernel_size is 0, expected at least 1"),
        (lambda: nl.Conv2d(1, 4, (3, 3, 3)), r"Conv2d: kernel_size is \(3, 3, 3\), expected one number or 2"),
        (lambda: nl.Conv2d(1, 4, 3, stride=0), "Conv2d: stride is 0, expected at least 1"),
        (lambda: nl.Conv2d(1, 4, 3, dilation=(1, 0)), "Conv2d: dilation is 0, expected at least 1"),
        (lambda: nl.Conv2d(1, 4, 3, padding=-1), "Conv2d: padding is -1, expected at least 0"),
        (lambda: nl.Conv2d(1, 4, 3, padding="full"), "Conv2d: padding is 'full', expected a number, pairs, 'same' or 'valid'"),
        (lambda: nl.Conv2d(1, 4, 3, padding=((1, 1), 2)), r"expected a pair \(before, after\) for each of 2 axes"),
        (lambda: nl.Conv2d(1, 4, 3, padding=((1, 1),)), r"expected a pair \(before, after\) for each of 2 axes"),
        (lambda: nl.ConvTranspose1d(1, 4, 3, stride=2, output_padding=2), "expected less than the stride 2 or the dilation 1"),
        (lambda: nl.ConvTranspose1d(1, 4, 3, stride=2, padding="same", output_padding=1), "expected 0 with padding='same'"),
        (lambda: nl.Conv2d.from_arrays(np.ones((2, 2, 2))), r"Conv2d.from_arrays: got a weight of shape \(2, 2, 2\), expected 4 axes"),
        (lambda: nl.Conv1d.from_arrays(np.ones((2, 2, 2)), np.ones(3)), r"bias: got an array of shape \(3,\), expected \(2,\)"),
    ],
)
def test_settings_that_do_not_fit_are_refused(make, message):
    with pytest.raises(nl.NetlibError, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (nl.Conv2d(1, 4, 5), (2, 1, 3, 6), r"the kernel covers 5×5, more than the image with its border, 3×6"),
        (nl.Conv2d(1, 4, 2, padding=((0, 1), (0, 0)), dilation=(4, 1)), (2, 1, 3, 6), "the kernel covers 5×2, .* 4×6"),
        (nl.Conv2d(1, 4, 3), (7, 28, 28, 1), r"got x of shape \(7, 28, 28, 1\), expected \(N, 1, H, W\). Axis 1 must hold the channels"),
        (nl.Conv2d(3, 4, 3), (7, 1, 28, 28), r"expected \(N, 3, H, W\). Give the layer 1 channels"),
        (nl.Conv2d(1, 4, 3), (7, 28, 28), r"For images with one channel, write x\[:, None\]"),
        (nl.Conv2d(2, 4, 3), (2, 28, 28), r"For one image, write x\[None\]"),
        (nl.Conv2d(3, 4, 3), (3, 28, 28), r"For one image, write x\[None\]"),
        (nl.Conv1d(3, 4, 3), (7, 28, 3), "Axis 1 must hold the channels"),
        (nl.Conv1d(3, 4, 3), (28,), r"expected \(N, 3, L\)"),
        (nl.Conv3d(3, 4, 1), (1, 3, 2, 0, 2), r"expected \(N, 3, D, H, W\). An image needs at least one pixel"),
        (nl.ConvTranspose2d(1, 1, 2, padding=2), (1, 1, 2, 3), r"an image of \(2, 3\) would become one of \(-1, 0\). Reduce the padding"),
        (
            nl.ConvTranspose2d(1, 1, (1, 3), padding=(1, 0)),
            (1, 1, 2, 2),
            r"an image of \(2, 2\) would become one of \(0, 4\). Reduce the padding",
        ),
    ],
)
def test_images_that_do_not_fit_are_refused_with_both_sizes(layer, shape, message):
    with pytest.raises(nl.ShapeError, match=message):
        layer.forward(np.zeros(shape))
    assert layer._cache is None
