"""`plot.weights`: the columns of W, each an image."""

import numpy as np
import pytest

import netlib as nl


def picture(ax):
    (image,) = ax.get_images()
    return np.ma.filled(image.get_array(), np.nan), image


def images(ax, height, width):
    """The images between the gaps, row by row, without those that are nothing but gap."""
    grid, _ = picture(ax)
    found = [grid[y : y + height, x : x + width] for y in range(0, len(grid), height + 1) for x in range(0, grid.shape[1], width + 1)]
    return [image for image in found if not np.isnan(image).all()]


def test_each_unit_of_64_inputs_is_an_image_of_8_by_8_and_none_is_missing(ax):
    layer = nl.Affine(64, 10, rng=0)
    nl.plot.weights(layer, ax=ax)
    shown = images(ax, 8, 8)
    assert len(shown) == 10
    for k in range(10):
        for i in range(64):
            assert shown[k][i // 8, i % 8] == layer.weight.value[i, k]
    assert ax.get_title() == "Affine(64, 10): 10 images of 8 × 8"


def test_each_kernel_of_a_convolution_is_an_image(ax):
    conv = nl.Conv2d(1, 5, (2, 3), rng=0)
    nl.plot.weights(conv, ax=ax)
    np.testing.assert_array_equal(images(ax, 2, 3), conv.weight.value[:, 0])
    assert ax.get_title() == "Conv2d(1, 5, (2, 3)): 5 images of 2 × 3"
    assert ax.get_xlabel() == "one image for each kernel"


def test_each_kernel_with_several_channels_has_a_row(ax):
    conv = nl.Conv2d(3, 2, 2, rng=0)
    nl.plot.weights(conv.weight, ax=ax)
    grid, _ = picture(ax)
    assert grid.shape == (2 * 3 - 1, 3 * 3 - 1)
    np.testing.assert_array_equal(grid[3:, 6:], conv.weight.value[1, 2])
    assert ax.get_xlabel() == "one row for each kernel, one image for each channel"


def test_kernels_with_one_axis_have_a_line_for_each_channel(ax):
    conv = nl.Conv1d(2, 3, 5, rng=0)
    nl.plot.weights(conv, ax=ax)
    np.testing.assert_array_equal(images(ax, 2, 5), conv.weight.value)
    assert ax.get_title() == "Conv1d(2, 3, 5): 3 images of 2 × 5"
    assert ax.get_xlabel() == "one image for each kernel, one line for each channel"


def test_kernels_with_three_axes_are_rows_of_slices(ax):
    conv = nl.Conv3d(2, 3, (2, 3, 4), rng=0)
    nl.plot.weights(conv, ax=ax)
    grid, _ = picture(ax)
    assert grid.shape == (3 * 4 - 1, 4 * 5 - 1)
    np.testing.assert_array_equal(grid[8:, 10:14], conv.weight.value[2, 1, 0])
    np.testing.assert_array_equal(grid[8:, 15:], conv.weight.value[2, 1, 1])
    assert ax.get_xlabel() == "one row for each kernel, one image for each slice"


def test_between_the_images_there_is_nothing(ax):
    nl.plot.weights(nl.Affine(9, 4, rng=0), ax=ax)
    grid, _ = picture(ax)
    assert grid.shape == (7, 7)
    assert np.isnan(grid[3]).all()
    assert np.isnan(grid[:, 3]).all()
    assert np.isfinite(np.delete(np.delete(grid, 3, 0), 3, 1)).all()


def test_a_shape_that_is_given_is_kept(ax):
    layer = nl.Affine(6, 5, rng=0)
    nl.plot.weights(layer, ax=ax, shape=(2, 3))
    shown = images(ax, 2, 3)
    assert np.array_equal(shown, [column.reshape(2, 3) for column in layer.weight.value.T])


def test_inputs_that_make_no_square_are_drawn_as_the_matrix(ax):
    layer = nl.Affine(5, 3, rng=0)
    nl.plot.weights(layer, ax=ax)
    assert np.array_equal(picture(ax)[0], layer.weight.value)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("unit", "input")


def test_the_colours_are_centred_on_0_which_is_white(ax):
    nl.plot.weights(nl.Affine.from_arrays(np.array([[1.0, -3.0], [2.0, 0.5]])), ax=ax)
    _, image = picture(ax)
    assert image.get_clim() == (-3, 3)
    assert min(image.cmap(image.norm(0.0))[:3]) > 0.95
    negative, positive = image.cmap(image.norm(-3.0)), image.cmap(image.norm(3.0))
    assert negative[2] > negative[0]  # blue
    assert positive[0] > positive[2]  # red


def test_weights_that_are_all_zero_are_white(ax):
    nl.plot.weights(nl.Affine(9, 2, init=nl.Zeros()), ax=ax)
    _, image = picture(ax)
    assert image.get_clim() == (-1, 1)


def test_a_parameter_may_be_drawn_and_so_may_a_users_layer_whatever_its_matrix_is_called(ax):
    class Own(nl.Layer):
        def __init__(self):
            self.scale, self.kernel = nl.Parameter(np.ones(3)), nl.Parameter(np.arange(12.0).reshape(4, 3))

    layer = Own()
    nl.plot.weights(layer, ax=ax)
    assert np.array_equal(picture(ax)[0], layer.kernel.value)
    ax.clear()
    nl.plot.weights(layer.kernel, ax=ax)
    assert np.array_equal(picture(ax)[0], layer.kernel.value)


TWO = nl.Sequential(nl.Affine(4, 3), nl.ReLU(), nl.Affine(3, 2))


@pytest.mark.parametrize(
    ("layer", "shape", "error", "message"),
    [
        (nl.ReLU(), None, nl.InvalidValueError, r"plot.weights: ReLU has no parameters.*no weights to draw.*such as model\[0\]"),
        (TWO, None, nl.InvalidValueError, r"has 2 weight matrices: 0.weight, 2.weight.*model.parameters\(\)\['0.weight'\]"),
        (TWO[0].bias, None, nl.InvalidValueError, r"got a parameter of shape \(3,\), expected a matrix"),
        (TWO[0], (3, 3), nl.ShapeError, "an image of 3 × 3 has 9 pixels, expected 4"),
        (TWO[0], 4, nl.InvalidTypeError, r"shape is 4, expected \(height, width\)"),
        (np.ones((4, 3)), None, nl.InvalidTypeError, "expected a layer"),
    ],
)
def test_what_has_no_weights_to_draw_is_refused_before_anything_is_drawn(ax, layer, shape, error, message):
    with pytest.raises(error, match=message):
        nl.plot.weights(layer, ax=ax, shape=shape)
    assert not ax.has_data()


def test_a_layer_with_only_a_vector_says_what_it_has(ax):
    class Scale(nl.Layer):
        def __init__(self):
            self.factor = nl.Parameter(np.ones(3))

    with pytest.raises(nl.InvalidValueError, match=r"Scale has only factor \(3,\), so there are no weights"):
        nl.plot.weights(Scale(), ax=ax)
