import math

import numpy as np
import pytest
from numeric import numeric_gradient

import netlib as nl

INTEGERS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("y", "label", "value", "gradient"),
    [
        ([0.0, 20.0], 0, 20 + math.log1p(math.exp(-20)), [-1 / (1 + math.exp(-20)), 1 / (1 + math.exp(-20))]),
        ([0.0, 20.0], 1, math.log1p(math.exp(-20)), [math.exp(-20) / (1 + math.exp(-20)), -math.exp(-20) / (1 + math.exp(-20))]),
        ([-1000.0, 1000.0], 0, 2000.0, [-1, 1]),
        ([-1000.0, 1000.0], 1, 0.0, [0, 0]),
        ([-1000.0, 1.0], 0, 1001.0, [-1, 1]),
        ([1e4, -1e4], 1, 2e4, [1, -1]),
    ],
)
def test_saturated_it_is_exact_in_value_and_gradient_without_a_warning(y, label, value, gradient):
    for target in (label, np.eye(2)[label]):
        loss = nl.SoftmaxCrossEntropy()
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            assert math.isclose(loss.forward([y], [target]), value, rel_tol=1e-7, abs_tol=0)
            assert np.allclose(loss.backward(), [gradient], rtol=1e-7, atol=1e-16)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_short_types_take_logits_a_thousand_apart(dtype):
    loss = nl.SoftmaxCrossEntropy()
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert loss.forward(np.array([[-1000, 1]], dtype), [0]) == 1001
        assert loss.backward().tolist() == [[-1, 1]]


@pytest.mark.parametrize("y", [[0.0, 20.0], [20.0, 0.0], [-1000.0, 1000.0], [1000.0, -1000.0], [0.0, 0.0]])
@pytest.mark.parametrize("t", [0, 1, [0.3, 0.7], [1.0, 0.0]])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_value_and_gradient_agree_where_it_saturates(y, t, smoothing):
    loss, y = nl.SoftmaxCrossEntropy(smoothing), np.array([y])
    numeric = numeric_gradient(lambda: (loss.forward(y, [t]),), y, (1.0,))
    loss.forward(y, [t])
    assert np.allclose(loss.backward(), numeric, rtol=0, atol=1e-6 if abs(y).max() > 100 else 1e-8)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_labels_may_have_every_integer_type(dtype):
    y, labels = RNG.normal(size=(5, 3)), np.array([0, 2, 1, 2, 0])
    loss, wanted = nl.SoftmaxCrossEntropy(), nl.SoftmaxCrossEntropy()
    assert loss.forward(y, labels.astype(dtype)) == wanted.forward(y, labels)
    assert np.array_equal(loss.backward(), wanted.backward())


@pytest.mark.parametrize("dtype", INTEGERS)
def test_a_label_as_large_as_the_number_of_classes_is_refused_and_named(dtype):
    with pytest.raises(nl.InvalidValueError, match=r"SoftmaxCrossEntropy.*label 3, expected 0 to 2"):
        nl.SoftmaxCrossEntropy().forward(np.ones((2, 3)), np.array([0, 3], dtype))


@pytest.mark.parametrize(("labels", "named"), [([0, -1], "-1"), ([-1, 0], "-1"), ([-100, 2], "-100"), ([7, -1], "7"), ([3, -1], "3")])
def test_a_negative_label_is_refused_and_named(labels, named):
    with pytest.raises(nl.InvalidValueError, match=f"label {named},"):
        nl.SoftmaxCrossEntropy().forward(np.ones((2, 3)), labels)
    with pytest.raises(nl.InvalidValueError, match=f"label {named},"):
        nl.SoftmaxCrossEntropy().forward(np.ones((2, 1, 3)), np.array(labels)[:, None])


@pytest.mark.parametrize("label", [2**31, 2**63 - 1, 2**63, 2**64 - 1])
def test_a_huge_unsigned_label_is_refused_as_what_it_is(label):
    with pytest.raises(nl.InvalidValueError, match=f"label {label},"):
        nl.SoftmaxCrossEntropy().forward(np.ones((2, 3)), np.array([0, label], np.uint64))


def test_fractional_labels_are_refused_even_where_they_are_whole():
    for labels in ([0.5, 1.0], [0.0, 1.0], np.array([0, 1], np.float32), [False, True]):
        with pytest.raises(nl.InvalidTypeError, match="labels"):
            nl.SoftmaxCrossEntropy().forward(np.ones((2, 3)), labels)


@pytest.mark.parametrize(
    ("y", "t"),
    [
        ((4, 3), (3,)),
        ((4, 3), (5,)),
        ((4, 3), (4, 1)),
        ((4, 3), (1, 4)),
        ((4, 3), ()),
        ((4, 3), (4, 3, 1)),
        ((2, 4, 3), (4, 2)),
        ((3,), (1, 3)),
        ((4, 3), (4, 2)),
    ],
)
def test_labels_and_probabilities_of_another_shape_are_refused_and_both_shapes_named(y, t):
    for kind in (int, float):
        with pytest.raises(nl.ShapeError) as caught:
            nl.SoftmaxCrossEntropy().forward(np.ones(y), np.zeros(t, kind))
        assert f"y of shape {y} and t of shape {t}" in str(caught.value)


@pytest.mark.parametrize("y", [(), (0,), (4, 0)])
def test_scores_without_classes_are_refused(y):
    with pytest.raises(nl.ShapeError, match="classes"):
        nl.SoftmaxCrossEntropy().forward(np.ones(y), np.zeros(y[:-1], int))


def test_with_as_many_samples_as_classes_the_number_of_axes_tells_labels_from_probabilities():
    y, labels = RNG.normal(size=(3, 3)), np.array([2, 0, 1])
    one_hot = np.eye(3)[labels]
    by_label, by_probability = nl.SoftmaxCrossEntropy(), nl.SoftmaxCrossEntropy()
    for t in (one_hot, one_hot.astype(int), one_hot.astype(np.uint8)):
        assert math.isclose(by_label.forward(y, labels), by_probability.forward(y, t), rel_tol=1e-15)
        assert np.allclose(by_label.backward(), by_probability.backward(), rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize("t", [[0, 0], [[1.0], [1.0]]])
def test_one_class_is_refused_since_nothing_could_be_learned(t):
    with pytest.raises(nl.ShapeError, match=r"over one class the loss is always 0.*SigmoidCrossEntropy"):
        nl.SoftmaxCrossEntropy().forward([[5.0], [-3.0]], t)


def test_a_single_sample_needs_no_batch_axis():
    loss = nl.SoftmaxCrossEntropy()
    assert math.isclose(loss.forward([0.0, math.log(3)], 1), math.log(4 / 3))
    assert np.allclose(loss.backward(), [0.25, -0.25])
    assert math.isclose(loss.forward([0.0, math.log(3)], [0.0, 1.0]), math.log(4 / 3))
    assert np.allclose(loss.backward(), [0.25, -0.25])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_leading_axes_are_so_many_samples(smoothing):
    y, labels = RNG.normal(size=(2, 3, 4)), RNG.integers(0, 4, (2, 3))
    deep, flat = nl.SoftmaxCrossEntropy(smoothing), nl.SoftmaxCrossEntropy(smoothing)
    assert math.isclose(deep.forward(y, labels), flat.forward(y.reshape(6, 4), labels.ravel()), rel_tol=1e-14)
    assert np.allclose(deep.backward(), flat.backward().reshape(2, 3, 4), rtol=1e-14, atol=1e-17)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_label_smoothing_spreads_its_share_evenly_over_all_classes(smoothing):
    y, labels = RNG.normal(size=(5, 4)), np.array([3, 0, 1, 2, 3])
    written_out = (1 - smoothing) * np.eye(4)[labels] + smoothing / 4
    smoothed, plain = nl.SoftmaxCrossEntropy(smoothing), nl.SoftmaxCrossEntropy()
    for t in (labels, np.eye(4)[labels]):
        assert math.isclose(smoothed.forward(y, t), plain.forward(y, written_out), rel_tol=1e-14)
        assert np.allclose(smoothed.backward(), plain.backward(), rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, 1.5, float("nan")])
def test_a_smoothing_outside_0_to_1_is_refused(smoothing):
    with pytest.raises(nl.InvalidValueError, match=r"label_smoothing is .*\[0, 1\)"):
        nl.SoftmaxCrossEntropy(smoothing)


def test_a_smoothing_that_is_no_number_is_refused():
    with pytest.raises(nl.InvalidTypeError, match="label_smoothing"):
        nl.SoftmaxCrossEntropy("mean")


def test_its_gradient_sums_to_0_over_the_classes_when_the_target_sums_to_1():
    loss = nl.SoftmaxCrossEntropy(0.1)
    loss.forward(RNG.normal(size=(5, 4)), [0, 1, 2, 3, 0])
    assert np.allclose(loss.backward().sum(axis=1), 0, atol=1e-16)


def test_the_mean_of_300_000_half_precision_rows_is_exact():
    value = nl.SoftmaxCrossEntropy().forward(np.zeros((300_000, 2), np.float16), np.zeros(300_000, np.uint8))
    assert math.isclose(value, math.log(2), rel_tol=1e-3)


def test_targets_that_sum_to_something_else_weigh_their_sample():
    loss, y, t = nl.SoftmaxCrossEntropy(), np.array([[0.0, math.log(3)]]), [[2.0, 1.0]]
    assert math.isclose(loss.forward(y, t), 3 * math.log(4) - math.log(3), rel_tol=1e-15)
    assert np.allclose(loss.backward(), [[3 / 4 - 2, 9 / 4 - 1]], rtol=1e-14)


@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4), (2, 2, 3, 4)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_gradient_of_labels_does_not_depend_on_the_memory_order_of_the_scores(shape, smoothing):
    rng = np.random.default_rng(0)
    y, labels = rng.normal(size=shape), rng.integers(0, shape[-1], shape[:-1])
    loss = nl.SoftmaxCrossEntropy(smoothing)
    loss.forward(y, labels)
    wanted = loss.backward()
    for relaid in (y.copy(order="F"), y.swapaxes(0, 1).copy().swapaxes(0, 1)):
        loss.forward(relaid, labels)
        assert np.allclose(loss.backward(), wanted, rtol=1e-14, atol=1e-17)
