"""Connectionist temporal classification."""

from itertools import groupby, product

import numpy as np
import pytest

import netlib as nl


def made_by(path, blank):
    """Return the target that a path makes."""
    return [label for label, _ in groupby(path) if label != blank]


def loss_of_all_paths(y, t, blank):
    """Return -log of the sum of the probabilities of all paths that make t."""
    p = np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)
    paths = product(range(y.shape[1]), repeat=len(y))
    return -np.log(sum(np.prod(p[range(len(y)), path]) for path in paths if made_by(path, blank) == list(t)))


@pytest.mark.parametrize(("t", "blank"), [([1, 2], 0), ([1, 1], 0), ([0, 2, 0], 1), ([0], 2), ([], 0)])
def test_the_loss_is_that_of_all_paths_and_the_gradient_that_of_differences(t, blank):
    y = np.random.default_rng(0).normal(size=(1, 5, 3))
    arguments = np.array([t], int).reshape(1, -1), [5], [len(t)]
    loss = nl.CTC(blank, reduction="sum")
    assert loss.forward(y, *arguments) == pytest.approx(loss_of_all_paths(y[0], t, blank), rel=1e-13)
    dy, expected, h = loss.backward(), np.zeros_like(y), 1e-5
    for place in np.ndindex(y.shape):
        step = np.zeros_like(y)
        step[place] = h
        expected[place] = (loss.forward(y + step, *arguments) - loss.forward(y - step, *arguments)) / (2 * h)
    np.testing.assert_allclose(dy, expected, atol=1e-9)


def test_samples_of_different_lengths_do_not_meet_and_what_is_after_their_ends_does_not_count():
    rng = np.random.default_rng(1)
    y, t = rng.normal(size=(3, 6, 4)), np.array([[1, 2, 3], [3, 3, -7], [99, 99, 99]])
    frames, labels = [6, 4, 0], [3, 2, 0]
    y[1, 4:], y[2] = np.nan, np.nan
    loss = nl.CTC(reduction="none")
    terms, dy = loss.forward(y, t, frames, labels), loss.backward()
    for i, (n_frames, n_labels) in enumerate(zip(frames[:2], labels[:2], strict=True)):
        assert terms[i] == pytest.approx(loss_of_all_paths(y[i, :n_frames], t[i, :n_labels], 0), rel=1e-13)
        alone = nl.CTC(reduction="none")
        alone.forward(y[i : i + 1, :n_frames], t[i : i + 1, :n_labels], [n_frames], [n_labels])
        np.testing.assert_allclose(dy[i, :n_frames], alone.backward()[0], rtol=1e-12)
        assert not dy[i, n_frames:].any()
    assert terms[2] == 0
    assert not dy[2].any()


def test_the_mean_divides_each_loss_by_its_labels_and_weights_count_samples():
    y, t = np.random.default_rng(2).normal(size=(2, 4, 3)), np.array([[1, 2], [1, 0]])
    arguments = y, t, [4, 4], [2, 1]
    terms = nl.CTC(reduction="none").forward(*arguments)
    mean = nl.CTC()
    assert mean.forward(*arguments) == pytest.approx((terms[0] / 2 + terms[1]) / 2)
    assert mean.forward(*arguments, [3, 1]) == pytest.approx((3 * terms[0] / 2 + terms[1]) / 4)
    assert mean.total_weight == 4
    dy, single = mean.backward(), nl.CTC(reduction="none")
    single.forward(*arguments)
    np.testing.assert_allclose(dy, single.backward() * np.array([3 / 8, 1 / 4])[:, np.newaxis, np.newaxis], rtol=1e-13)
    y[1] = np.nan
    assert mean.forward(*arguments, [3, 0]) == pytest.approx(terms[0] / 2)
    assert not mean.backward()[1].any()


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-6), (np.float16, 2e-3)])
def test_long_sequences_lose_no_digits_in_small_types(dtype, tolerance):
    rng = np.random.default_rng(3)
    y, t = rng.normal(scale=5, size=(1, 400, 10)).astype(dtype), rng.integers(1, 10, (1, 100))
    loss = nl.CTC(reduction="sum")
    expected = loss.forward(y.astype(np.float64), t, [400], [100]), loss.backward()
    assert loss.forward(y, t, [400], [100]) == pytest.approx(expected[0], rel=tolerance)
    dy = loss.backward()
    assert dy.dtype == dtype
    np.testing.assert_allclose(dy, expected[1], atol=tolerance)


@pytest.mark.parametrize("scale", [1e4, 1e30])
def test_loss_and_gradient_agree_where_the_softmax_is_saturated(scale):
    y = np.zeros((1, 3, 3))
    y[0, :, 1] = scale  # all frames are sure of a
    loss = nl.CTC()
    with np.errstate(all="raise"):
        assert loss.forward(y, [[1]], [3], [1]) == 0
        assert not loss.backward().any()
        assert loss.forward(y, [[2]], [3], [1]) == pytest.approx(3 * scale - np.log(6), rel=1e-15)  # of six paths with three wrong frames
        dy = loss.backward()
    np.testing.assert_allclose(dy[0, :, 1], 1)
    np.testing.assert_allclose(dy.sum(axis=2), 0, atol=1e-12)


def test_a_network_learns_to_read_a_sequence_without_being_told_where_its_labels_are():
    rng = np.random.default_rng(0)
    t = rng.integers(1, 4, size=(64, 3))
    x = np.zeros((64, 12, 4), np.float32)
    for i in range(64):  # each label is shown for a while, somewhere
        for place, label in zip(np.sort(rng.choice(12, 3, replace=False)), t[i], strict=True):
            x[i, place, label] = 1
    model = nl.Sequential(nl.GRU(4, 16, rng=1), nl.Affine(16, 4, rng=2))
    loss, optimizer = nl.CTC(), nl.Adam(model, lr=0.03)
    full, three = np.full(64, 12), np.full(64, 3)
    losses = []
    for _ in range(80):
        losses.append(loss.forward(model.forward(x), t, full, three))
        model.backward(loss.backward(), input_gradient=False)
        optimizer.step()
    assert losses[0] > 2
    assert losses[-1] < 0.2
    read = [made_by(path, 0) for path in model.predict(x).argmax(axis=-1)]
    assert np.mean([path == list(target) for path, target in zip(read, t, strict=True)]) > 0.9


Y = np.zeros((2, 4, 3))


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((Y, [[1, 1, 2], [1, 1, 1]], [4, 4], [3, 3]), nl.InvalidValueError, "sample 1: its 3 labels and 2 repeats need 5 frames, got 4"),
        ((Y, [[1, 2, 2], [2, 1, 1]], [4, 3], [3, 3]), nl.InvalidValueError, "sample 1: its 3 labels and 1 repeats need 4 frames, got 3"),
        ((Y[:, :, :0], [[1], [1]], [4, 4], [1, 1]), nl.ShapeError, "with more than 0 classes"),
        ((Y, [[1], [0]], [4, 4], [1, 1]), nl.InvalidValueError, "without the blank, 0"),
        ((Y, [[1], [-1]], [4, 4], [1, 1]), nl.InvalidValueError, "got labels from -1 to 1"),
        ((Y, [[1], [2]], [-1, 4], [1, 1]), nl.InvalidValueError, "input_lengths from -1 to 4"),
        ((Y, [[1], [3]], [4, 4], [1, 1]), nl.InvalidValueError, "from 1 to 3, expected 0 to 2"),
        ((Y, [[1], [2]], [4, 5], [1, 1]), nl.InvalidValueError, "input_lengths from 4 to 5, expected 0 to 4"),
        ((Y, [[1], [2]], [4, 4], [1, 2]), nl.InvalidValueError, "target_lengths from 1 to 2, expected 0 to 1"),
        ((Y, [[1], [2]], [4], [1, 1]), nl.ShapeError, "expected 2 whole numbers"),
        ((Y, [[1], [2]], [4.0, 4.0], [1, 1]), nl.InvalidTypeError, "input_lengths .* float64"),
        ((Y, [[1.0], [2.0]], [4, 4], [1, 1]), nl.InvalidTypeError, "labels of float64"),
        ((Y[0], [[1]], [4], [1]), nl.ShapeError, r"expected \(N, T, classes\)"),
        ((Y, [1, 2], [4, 4], [1, 1]), nl.ShapeError, r"expected t \(N, labels\)"),
    ],
)
def test_what_cannot_be_is_refused_with_numbers(arguments, error, says):
    with pytest.raises(error, match=says):
        nl.CTC().forward(*arguments)


def test_a_target_that_no_path_makes_may_have_the_weight_0_and_no_other():
    rng = np.random.default_rng(3)
    y, t, frames, labels = rng.normal(size=(3, 2, 3)), np.array([[1, 2], [1, 1], [2, 0]]), [2, 2, 2], [2, 2, 1]
    loss, without = nl.CTC(), nl.CTC()
    kept = [0, 2]
    expected = without.forward(y[kept], t[kept], [2, 2], [2, 1], [2.0, 1.0])
    assert loss.forward(y, t, frames, labels, [2.0, 0.0, 1.0]) == pytest.approx(expected, rel=1e-14)
    dy = loss.backward()
    np.testing.assert_allclose(dy[kept], without.backward(), rtol=1e-14)
    assert not dy[1].any()
    for weight in (None, [0.0, 1e-300, 1.0]):
        with pytest.raises(nl.InvalidValueError, match="no path makes the target of sample 1"):
            loss.forward(y, t, frames, labels, weight)
    with pytest.raises(nl.NetlibError, match="weight"):
        loss.forward(y[kept], t[kept], [2, 2], [2, 1], [1.0, 1.0, 0.0])
