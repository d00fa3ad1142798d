"""What the comparison with PyTorch does not say about Pad, Upsample, PixelShuffle, and Dropout of channels."""

import itertools

import numpy as np
import pytest

import netlib as nl


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
@pytest.mark.parametrize(("n", "before", "after"), [*itertools.product((1, 2, 3), (0, 1, 5), (0, 2, 7))])
def test_a_border_of_any_width_is_numpys_and_its_gradient_is_the_transpose(mode, n, before, after):
    layer, rng = nl.Pad(((before, after),), mode), np.random.default_rng(0)
    x, z = rng.normal(size=(2, n)), rng.normal(size=(2, n + before + after))
    y = layer.forward(x)
    assert np.array_equal(y, np.pad(x, ((0, 0), (before, after)), mode))
    assert np.isclose(np.vdot(y, z), np.vdot(x, layer.backward(z)), rtol=1e-12)


def test_one_width_pads_the_axes_of_an_image_and_pairs_the_last_axes():
    assert nl.Pad(1).forward(np.zeros((2, 3, 4, 5))).shape == (2, 3, 6, 7)
    assert nl.Pad(1).forward(np.zeros(4)).shape == (6,)
    assert nl.Pad(((1, 0),)).forward(np.zeros((2, 3, 4, 5))).shape == (2, 3, 4, 6)
    assert nl.Pad(1, value=7).forward([[[1.0]]]).tolist() == [[[7.0, 1.0, 7.0]]]


def test_nearest_takes_the_pixel_under_each_new_one_and_linear_the_weighted_mean_of_two():
    x = np.array([[[0.0, 4.0, 8.0]]])
    assert nl.Upsample(2).forward(x).tolist() == [[[0, 0, 4, 4, 8, 8]]]
    assert nl.Upsample(0.5).forward(x).tolist() == [[[0]]]
    assert nl.Upsample(2, "linear").forward(x).tolist() == [[[0, 1, 3, 5, 7, 8]]]
    assert nl.Upsample(3, "linear").forward([[[3.0]]]).tolist() == [[[3, 3, 3]]]


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("scale", [(2, 0.5), (1.5, 3), (2.7, 1)])
def test_the_gradient_of_upsampling_is_its_transpose(mode, scale):
    layer, rng = nl.Upsample(scale, mode), np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 4, 5))
    y = layer.forward(x)
    assert y.shape == (2, 3, int(4 * scale[0]), int(5 * scale[1]))
    z = rng.normal(size=y.shape)
    assert np.isclose(np.vdot(y, z), np.vdot(x, layer.backward(z)), rtol=1e-12)


def test_pixel_shuffle_takes_the_channels_in_the_order_of_rows_and_columns():
    y = nl.PixelShuffle(2).forward(np.arange(16.0).reshape(1, 8, 1, 2))
    assert y.tolist() == [[[[0, 2, 1, 3], [4, 6, 5, 7]], [[8, 10, 9, 11], [12, 14, 13, 15]]]]
    shuffle, x = nl.PixelShuffle(5), np.arange(50.0).reshape(1, 50, 1, 1)
    y = x.reshape(1, 2, 5, 5)
    assert shuffle.forward(x).tolist() == y.tolist()
    assert shuffle.backward(y).tolist() == x.tolist()
    assert all(shape in shuffle.rule((x.shape,), y.shape) for shape in ("1×2×5×5×1×1", "1×2×1×5×1×5"))


def test_dropout_along_axes_drops_whole_channels_and_an_axis_may_be_counted_from_the_end():
    for axes in [(2, 3), (-1, -2)]:
        layer, x = nl.Dropout(0.5, axes=axes, rng=0), np.ones((8, 16, 3, 3))
        y = layer.forward(x)
        assert set(y[:, :, 0, 0].ravel()) == {0.0, 2.0}
        assert (y == y[:, :, :1, :1]).all()
        assert np.array_equal(layer.backward(x), y)
        assert np.array_equal(layer.predict(x), x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nl.Pad(1, mode="zeros"), "mode is 'zeros', expected one of constant, reflect, edge, wrap"),
        (lambda: nl.Pad(-1), "Pad: widths is -1, expected at least 0"),
        (lambda: nl.Pad((1, 2)), r"widths is \(1, 2\), expected a number, or a pair \(before, after\) for each"),
        (lambda: nl.Pad(((1, 2), 3)), r"widths is \(\(1, 2\), 3\), expected a number, or a pair"),
        (lambda: nl.Pad(((1, 2), (1, 2))).forward([1.0]), r"got x of shape \(1,\), expected at least 2 axes"),
        (lambda: nl.Pad(1, "wrap").forward(np.zeros((1, 1, 0))), "whose empty axis has nothing to copy"),
        (lambda: nl.Upsample(2, "cubic"), "mode is 'cubic', expected 'nearest' or 'linear'"),
        (lambda: nl.Upsample((2, 0)), r"scale is \(2, 0\), expected positive numbers"),
        (lambda: nl.Upsample(()), r"scale is \(\), expected positive numbers"),
        (lambda: nl.Upsample((2, 2)).forward(np.zeros((1, 1, 2))), r"got x of shape \(1, 1, 2\), expected 2 axes after \(N, C\)"),
        (lambda: nl.Upsample(2).forward(np.zeros((1, 1))), r"expected \(N, C, …\)"),
        (lambda: nl.Upsample(0.4).forward(np.zeros((1, 1, 2))), "would shrink to nothing"),
        (lambda: nl.PixelShuffle(0), "factor is 0, expected at least 1"),
        (lambda: nl.PixelShuffle(2).forward(np.zeros((1, 6, 2, 2))), r"expected \(N, C·4, H, W\)"),
        (lambda: nl.PixelShuffle(2).forward(np.zeros((4, 2, 2))), r"expected \(N, C, H, W\)"),
        (lambda: nl.Dropout(0.5, axes=(2, 3)).forward(np.zeros((2, 3))), r"got x of shape \(2, 3\) and axis \(2, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(nl.NetlibError, match=message):
        make()
