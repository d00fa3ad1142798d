"""Images are drawn as they are: each in its place, with its own range of grey, and blue and orange for gradients."""

import base64
import struct
import zlib

import numpy as np
import pytest

import netlib as nl
from netlib.drawing import numbers


def pixels_of(url):
    """Return the RGBA pixels of a PNG in a data URL, decoded by hand: no line of ours is filtered."""
    data = base64.b64decode(url.removeprefix("data:image/png;base64,"))
    width, height = struct.unpack(">II", data[16:24])
    begin = data.index(b"IDAT") + 4
    (length,) = struct.unpack(">I", data[begin - 8 : begin - 4])
    lines = np.frombuffer(zlib.decompress(data[begin : begin + length]), np.uint8).reshape(height, 1 + 4 * width)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, 4)


def test_the_channels_of_an_image_lie_side_by_side_with_a_gap_between_them():
    mosaic = numbers.mosaic(np.arange(8.0).reshape(1, 2, 2, 2))
    assert mosaic.shape == (32, 66)
    np.testing.assert_array_equal(mosaic[::16, [0, 16, 34, 50]], [[0, 1, 4, 5], [2, 3, 6, 7]])
    assert np.isnan(mosaic[:, 32:34]).all()
    assert not np.isnan(np.delete(mosaic, [32, 33], axis=1)).any()


def test_kernels_with_one_channel_are_eight_in_a_row_and_at_most_twenty_four():
    mosaic = numbers.mosaic(np.repeat(np.arange(30.0), 9).reshape(30, 1, 3, 3))
    assert mosaic.shape == (3 * 32 - 2, 8 * 32 - 2)  # 3 pixels of 10, and a gap of 2
    np.testing.assert_array_equal(mosaic[::32, ::32], np.arange(24.0).reshape(3, 8))
    assert numbers.summary(np.zeros((30, 1, 3, 3)))[-1] == "24 of 30 images"
    assert len(numbers.summary(np.zeros((24, 1, 3, 3)))) == 1


def test_a_large_image_shrinks_to_the_means_of_its_blocks():
    image = np.arange(64.0 * 64).reshape(64, 64)
    np.testing.assert_allclose(numbers.mosaic(image[None, None]), image.reshape(32, 2, 32, 2).mean(axis=(1, 3)))


@pytest.mark.parametrize(
    ("image", "grey"),
    [
        ([[0.0, 2.0], [1.0, 2.0]], [[0, 255], [128, 255]]),
        ([[-1.0, 3.0], [0.0, 1.0]], [[0, 255], [64, 128]]),
        ([[5.0, 5.0]], [[255, 255]]),
        ([[0.0, 0.0]], [[0, 0]]),
        ([[-4.0, -1.0]], [[0, 191]]),  # 0 would be white
    ],
)
def test_the_largest_number_of_a_value_or_0_is_white_and_the_smallest_or_0_black(image, grey):
    pixels = pixels_of(numbers.grey_image(np.array(image)[None, None]))[::16, ::16]
    np.testing.assert_array_equal(pixels[..., :3], np.repeat(np.array(grey)[..., None], 3, axis=2))
    assert (pixels[..., 3] == 255).all()


def test_a_gradient_is_blue_where_it_is_positive_orange_where_negative_and_clear_at_0():
    pixels = pixels_of(numbers.heat_image(np.array([[[[2.0, -1.0], [0.0, 2.0]]]])))[::16, ::16]
    assert pixels[0, 0].tolist() == [23, 116, 190, 255]
    assert pixels[0, 1].tolist() == [224, 122, 31, 128]
    assert pixels[1, 0, 3] == 0


def test_what_is_not_finite_is_clear():
    image = np.array([[[[np.nan, np.inf], [0.0, 1.0]]]])
    for draw in (numbers.grey_image, numbers.heat_image):
        pixels = pixels_of(draw(image))[::16, ::16]
        assert (pixels[0, :, 3] == 0).all()
        assert pixels[1, 1, 3] == 255
    assert pixels_of(numbers.grey_image(np.full((1, 1, 2, 2), np.nan))).max() == 0


def test_a_picture_shows_maps_and_kernels_in_grey_and_their_gradients_in_colour():
    rng = np.random.default_rng(0)
    conv = nl.Conv2d(1, 3, 3, padding=1, rng=0, dtype="float64")
    drawing = nl.draw(nl.Sequential(conv, nl.MaxPool2d(2)), rng.normal(size=(2, 1, 4, 4)))
    for wire in drawing.picture.wires:
        if wire.value.ndim == 4:
            assert drawing.svg.count(numbers.grey_image(wire.value)) == 1
            assert drawing.svg.count(numbers.heat_image(wire.grad)) == 1
    pooled = pixels_of(numbers.heat_image(drawing.picture.wires[3].grad))
    winners = drawing.picture.wires[3].value == np.repeat(np.repeat(drawing.picture.wires[4].value, 2, axis=2), 2, axis=3)
    assert winners.sum() == 2 * 3 * 4
    np.testing.assert_array_equal(pooled[:32:8, :32:8, 3] > 0, winners[0, 0])
