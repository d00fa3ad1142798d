"""`plot.decision_boundary`: regions worked by hand from models whose boundary is a known line."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

import netlib as nl

CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [1.0, 2.0]])
T = np.array([0, 1, 0, 1])


def affine(weight, bias):
    return nl.Affine.from_arrays(np.array(weight, dtype=float), np.array(bias, dtype=float))


RIGHT_OF_A_QUARTER = affine([[0, 1], [0, 0]], [0, -0.25])  # scores (0, x0 - 0.25): class 1 where x0 > 0.25
SUM_ABOVE_ONE = affine([[1], [1]], [-1])  # one logit x0 + x1 - 1


def regions(ax):
    """The image, and the middles of its pixels as two arrays of its shape."""
    (image,) = ax.get_images()
    left, right, bottom, top = image.get_extent()
    classes = np.asarray(image.get_array())
    rows, columns = classes.shape
    x0 = left + (right - left) * (np.arange(columns) + 0.5) / columns
    x1 = bottom + (top - bottom) * (np.arange(rows) + 0.5) / rows
    assert image.origin == "lower"
    return classes, *np.meshgrid(x0, x1)


def test_the_largest_score_decides(ax):
    classes, x0, _ = regions(nl.plot.decision_boundary(RIGHT_OF_A_QUARTER, CORNERS, T, ax=ax))
    assert np.array_equal(classes, (x0 > 0.25).astype(int))
    assert classes.shape[0] >= 300
    assert 0 < classes.mean() < 1


def test_of_three_scores_too(ax):
    model = affine([[1, -1, 0], [0, 0, 1]], [0, 0, -0.5])  # x0, -x0, x1 - 0.5
    classes, x0, x1 = regions(nl.plot.decision_boundary(model, CORNERS - [0.5, 1], [0, 1, 2, 2], ax=ax))
    assert np.array_equal(classes, np.where(x1 - 0.5 > np.abs(x0), 2, np.where(x0 > 0, 0, 1)))
    assert set(np.unique(classes)) == {0, 1, 2}


@pytest.mark.parametrize("flat", [False, True])
def test_one_logit_is_class_1_above_0(ax, flat):
    model = nl.Sequential(SUM_ABOVE_ONE, nl.Reshape(-1)) if flat else SUM_ABOVE_ONE
    classes, x0, x1 = regions(nl.plot.decision_boundary(model, CORNERS, T, ax=ax))
    assert np.array_equal(classes, (x0 + x1 > 1).astype(int))


def test_one_probability_out_of_a_sigmoid_is_class_1_above_one_half(ax):
    model = nl.Sequential(SUM_ABOVE_ONE, nl.Sigmoid())
    classes, x0, x1 = regions(nl.plot.decision_boundary(model, CORNERS, T, ax=ax))
    assert np.array_equal(classes, (x0 + x1 > 1).astype(int))


def test_another_threshold_moves_the_boundary(ax):
    classes, x0, x1 = regions(nl.plot.decision_boundary(SUM_ABOVE_ONE, CORNERS, T, ax=ax, threshold=0.5))
    assert np.array_equal(classes, (x0 + x1 > 1.5).astype(int))


def test_every_sample_is_a_point_of_the_colour_of_its_class_inside_the_picture(ax):
    nl.plot.decision_boundary(RIGHT_OF_A_QUARTER, CORNERS, [0, 1, 1, 0], ax=ax)
    first, second = ax.collections
    assert first.get_offsets().tolist() == CORNERS[[0, 3]].tolist()
    assert second.get_offsets().tolist() == CORNERS[[1, 2]].tolist()
    assert (first.get_label(), second.get_label()) == ("class 0", "class 1")
    assert to_hex(first.get_facecolor()[0]) != to_hex(second.get_facecolor()[0])
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert left < 0 < 1 < right
    assert bottom < 0 < 2 < top


def test_the_region_of_a_class_is_a_pale_form_of_its_colour(ax):
    nl.plot.decision_boundary(RIGHT_OF_A_QUARTER, CORNERS, T, ax=ax)
    (image,) = ax.get_images()
    for k, points in enumerate(ax.collections):
        shown = np.array(image.cmap(image.norm(k))[:3])
        colour = points.get_facecolor()[0, :3]
        assert np.abs(shown - (0.35 * colour + 0.65)).max() < 0.01


@pytest.mark.parametrize("t", [T.reshape(-1, 1), np.eye(2)[T], T.astype(float), T.astype(bool)])
def test_targets_may_be_a_column_one_hot_rows_floats_or_booleans(ax, t):
    nl.plot.decision_boundary(RIGHT_OF_A_QUARTER, CORNERS, t, ax=ax)
    assert [points.get_offsets().tolist() for points in ax.collections] == [CORNERS[T == 0].tolist(), CORNERS[T == 1].tolist()]


def test_more_classes_than_named_colours_still_differ(ax):
    x = np.random.default_rng(0).normal(size=(24, 2))
    nl.plot.decision_boundary(nl.Affine(2, 12, rng=0), x, np.arange(24) % 12, ax=ax)
    assert len({to_hex(points.get_facecolor()[0]) for points in ax.collections}) == 12


class Log(list):
    """A subclass of list, which a prediction shares with the layer; it copies plain lists."""


class Noting(nl.Layer):
    """Passes on what it gets, and notes how much that was and in which mode."""

    def __init__(self):
        self.seen = Log()

    def forward(self, x):
        self.seen.append((len(x), self.training))
        return x.copy()


def test_the_model_runs_in_batches_in_evaluation_mode(ax):
    noting = Noting()
    nl.plot.decision_boundary(nl.Sequential(noting, RIGHT_OF_A_QUARTER), CORNERS, T, ax=ax)
    sizes, modes = zip(*noting.seen, strict=True)
    assert max(sizes) <= 10_000
    assert sum(sizes) == regions(ax)[0].size
    assert not any(modes)


def test_a_picture_between_forward_and_backward_leaves_no_trace(ax):
    def model():
        return nl.Sequential(nl.Affine(2, 8, rng=0), nl.Dropout(0.5, rng=1), nl.Affine(8, 2, rng=2))

    drawn, other = model(), model()
    y, _ = drawn.forward(CORNERS), other.forward(CORNERS)
    before = [dict(vars(layer)) for _, layer in drawn.walk()]
    nl.plot.decision_boundary(drawn, CORNERS, T, ax=ax)
    after = [dict(vars(layer)) for _, layer in drawn.walk()]
    assert all(a.keys() == b.keys() and all(a[key] is b[key] for key in a) for a, b in zip(after, before, strict=True))
    assert np.array_equal(drawn.backward(np.ones_like(y)), other.backward(np.ones_like(y)))
    assert np.array_equal(drawn.forward(CORNERS), other.forward(CORNERS))  # the next mask is the same too


def test_all_samples_on_one_line_are_drawn_too(ax):
    nl.plot.decision_boundary(RIGHT_OF_A_QUARTER, [[0.0, 5.0], [1.0, 5.0]], [0, 1], ax=ax)
    assert ax.get_ylim()[0] < 5 < ax.get_ylim()[1]


@pytest.mark.parametrize(
    ("x", "t", "error", "message"),
    [
        (
            np.ones((4, 3)),
            T,
            nl.ShapeError,
            r"plot.decision_boundary: got x of shape \(4, 3\), expected \(N, 2\).*Train on two of them: x\[",
        ),
        (np.ones(4), T, nl.ShapeError, r"got x of shape \(4,\), expected \(N, 2\)"),
        (np.ones((0, 2)), T[:0], nl.ShapeError, r"got x of shape \(0, 2\)"),
        (CORNERS, T[:3], nl.ShapeError, r"got t of shape \(3,\) for 4 samples"),
        (CORNERS, T - 1, nl.InvalidValueError, "not class numbers"),
        (CORNERS, T + 0.5, nl.InvalidValueError, "not class numbers"),
        (CORNERS * np.nan, T, nl.InvalidValueError, "not all finite"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words_before_anything_is_drawn(ax, x, t, error, message):
    with pytest.raises(error, match=message):
        nl.plot.decision_boundary(RIGHT_OF_A_QUARTER, x, t, ax=ax)
    assert not ax.has_data()


def test_a_model_is_refused_that_is_none_or_has_other_outputs_than_a_row_of_scores(ax):
    with pytest.raises(nl.InvalidTypeError, match="expected a layer"):
        nl.plot.decision_boundary(np.argmax, CORNERS, T, ax=ax)
    with pytest.raises(nl.ShapeError, match="expected a row of scores for each"):
        nl.plot.decision_boundary(nl.Reshape((-1, 2, 1)), CORNERS, T, ax=ax)
    x = nl.Input("x")
    with pytest.raises(nl.InvalidTypeError, match="the model has 2 outputs"):
        nl.plot.decision_boundary(nl.Graph([x], [nl.Tanh()(x), nl.ReLU()(x)]), CORNERS, T, ax=ax)
    assert not ax.has_data()
