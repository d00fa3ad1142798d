"""`plot.confusion`: the counts in their cells."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

import netlib as nl

COUNTS = np.array([[8, 2, 0], [0, 5, 5], [1, 0, 19]])


def cells(ax):
    return {text.get_position(): text.get_text() for text in ax.texts}


def test_each_count_stands_in_the_cell_of_its_true_row_and_predicted_column(ax):
    nl.plot.confusion(COUNTS, ax=ax)
    assert cells(ax) == {(k, i): str(COUNTS[i, k]) for i in range(3) for k in range(3)}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")


def test_the_first_class_is_at_the_top_left(ax):
    nl.plot.confusion(COUNTS, ax=ax)
    assert ax.get_xlim()[0] < ax.get_xlim()[1]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_the_colour_is_the_share_of_the_true_class(ax):
    nl.plot.confusion(COUNTS, ax=ax)
    (image,) = ax.get_images()
    assert np.allclose(image.get_array(), [[0.8, 0.2, 0], [0, 0.5, 0.5], [0.05, 0, 0.95]])
    assert image.get_clim() == (0, 1)


def test_a_class_without_samples_has_a_row_of_zeros(ax):
    nl.plot.confusion([[3, 0], [0, 0]], ax=ax)
    assert np.array_equal(ax.get_images()[0].get_array(), [[1, 0], [0, 0]])


def luminance(colour):
    """Relative luminance by WCAG 2."""
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(channels, [0.2126, 0.7152, 0.0722]))


def test_every_count_can_be_read_on_its_colour(ax):
    contrasts, colours = [], set()
    for shares in np.array_split(np.arange(101), 5):
        square = np.zeros((len(shares), len(shares)), int)
        square[:, 0], square[:, 1] = shares, 100 - shares
        ax.clear()
        nl.plot.confusion(square, ax=ax)
        (image,) = ax.get_images()
        for text in ax.texts:
            k, i = text.get_position()
            dark, light = sorted([luminance(text.get_color()), luminance(image.cmap(image.norm(square[i, k] / 100))[:3])])
            contrasts.append((light + 0.05) / (dark + 0.05))
            colours.add(to_rgb(text.get_color()))
    assert min(contrasts) > 4.3  # WCAG 2 asks 4.5 of small text and 3 of large; no colour does better than 4.58 on the worst ground
    assert colours >= {(1, 1, 1), (0, 0, 0)}


def test_rows_and_columns_have_the_names_of_classes(ax):
    nl.plot.confusion(COUNTS, labels=["cat", "dog", 7], ax=ax)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["cat", "dog", "7"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["cat", "dog", "7"]


def test_without_names_it_is_their_numbers(ax):
    nl.plot.confusion(COUNTS, ax=ax)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["0", "1", "2"]


def test_what_confusion_matrix_returns_fits(ax):
    nl.plot.confusion(nl.confusion_matrix([[2.0, 1.0], [0.0, 3.0], [1.0, 5.0]], [0, 1, 0]), ax=ax)
    assert [text.get_text() for text in ax.texts] == ["1", "1", "0", "1"]


def test_shares_are_written_shortly(ax):
    nl.plot.confusion([[1 / 3, 2 / 3], [0.0, 1.0]], ax=ax)
    assert [text.get_text() for text in ax.texts] == ["0.3333", "0.6667", "0", "1"]


@pytest.mark.parametrize(
    ("matrix", "labels", "error", "message"),
    [
        (COUNTS[:2], None, nl.ShapeError, r"got an array of shape \(2, 3\), expected a square matrix.*nl.confusion_matrix\(y, t\)"),
        ([], None, nl.ShapeError, "expected a square matrix"),
        (3, None, nl.ShapeError, "expected a square matrix"),
        (-COUNTS, None, nl.InvalidValueError, "not counts"),
        (COUNTS * np.nan, None, nl.InvalidValueError, "not counts"),
        (COUNTS, ["cat", "dog"], nl.InvalidValueError, "got 2 labels for 3 classes"),
    ],
)
def test_what_is_no_confusion_matrix_is_refused_before_anything_is_drawn(ax, matrix, labels, error, message):
    with pytest.raises(error, match=message):
        nl.plot.confusion(matrix, labels, ax=ax)
    assert not ax.has_data()
