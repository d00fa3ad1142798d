"""Weights of samples, of classes and of positives, and labels that do not count."""

import math

import numpy as np
import pytest

import netlib as nl
from netlib.testing import check_layer

RNG = np.random.default_rng(0)
Y, T = RNG.normal(size=(4, 3)), RNG.random((4, 3))
LABELS = np.array([2, 0, 1, 2])


def test_the_mean_divides_by_the_weights_and_the_sum_does_not():
    weight = np.array([1.0, 0.0, 2.0, 0.5])
    rows = (Y - T) ** 2
    mean, total, none = (nl.MeanSquaredError(reduction) for reduction in ("mean", "sum", "none"))
    assert math.isclose(mean.forward(Y, T, weight), (weight @ rows).sum() / (3 * weight.sum()), rel_tol=1e-14)
    assert mean.total_weight == 10.5
    assert math.isclose(total.forward(Y, T, weight=weight), (weight @ rows).sum(), rel_tol=1e-14)
    assert np.allclose(none.forward(Y, T, weight), weight[:, None] * rows, rtol=1e-15)
    assert np.allclose(mean.backward(), 2 * weight[:, None] * (Y - T) / 10.5, rtol=1e-14)
    assert np.allclose(none.backward(rows), 2 * weight[:, None] * (Y - T) * rows, rtol=1e-14)


def test_a_weight_may_have_the_shape_of_the_terms_or_be_one_number():
    for weight in (T, T[:, 0], 2.0):
        spread = np.broadcast_to(np.reshape(weight, np.shape(weight) + (1,) * (2 - np.ndim(weight))), Y.shape)
        assert math.isclose(nl.MeanAbsoluteError().forward(Y, T, weight), np.average(abs(Y - T), weights=spread), rel_tol=1e-14)


@pytest.mark.parametrize("weight", [np.ones(3), np.ones((4, 1)), np.ones((4, 3, 1))], ids=lambda w: str(w.shape))
def test_weights_of_another_shape_are_refused(weight):
    with pytest.raises(nl.ShapeError, match=r"weight of shape .*expected \(4, 3\)"):
        nl.MeanSquaredError().forward(Y, T, weight)


@pytest.mark.parametrize("worst", [-1.0, np.nan, np.inf])
def test_weights_that_are_negative_or_not_finite_are_refused(worst):
    with pytest.raises(nl.InvalidValueError, match="negative or not finite"):
        nl.MeanSquaredError().forward(Y, T, [1, 1, worst, 1])
    with pytest.raises(nl.InvalidValueError, match="class_weight has a number"):
        nl.SoftmaxCrossEntropy(class_weight=[1, worst])
    with pytest.raises(nl.InvalidValueError, match="pos_weight has a number"):
        nl.SigmoidCrossEntropy(pos_weight=[1.0, worst])


def test_the_mean_of_what_has_no_weight_is_refused_and_its_sum_is_0():
    with pytest.raises(nl.InvalidValueError, match=r"all weights are 0.*reduction='sum'"):
        nl.MeanSquaredError().forward(Y, T, np.zeros(4))
    assert nl.MeanSquaredError("sum").forward(Y, T, np.zeros(4)) == 0


def test_without_weights_the_total_is_the_number_of_terms():
    loss = nl.SoftmaxCrossEntropy()
    assert loss.total_weight == 0
    loss.forward(Y, LABELS)
    assert (loss.total_weight, type(loss.total_weight)) == (4.0, float)


@pytest.mark.parametrize("spoiled", [np.nan, np.inf, -np.inf])
def test_what_has_no_weight_may_be_anything(spoiled):
    y, labels, weight = Y.copy(), LABELS.copy(), np.array([1.0, 0.0, 2.0, 0.5])
    y[1] = spoiled
    loss, kept = nl.SoftmaxCrossEntropy(), weight > 0
    with np.errstate(invalid="ignore"):
        assert math.isclose(loss.forward(y, labels, weight), nl.SoftmaxCrossEntropy().forward(Y[kept], LABELS[kept], weight[kept]))
        assert np.array_equal(loss.backward() != 0, np.repeat(kept[:, None], 3, axis=1))
        labels[1] = 77
        loss = nl.SoftmaxCrossEntropy(ignore_index=77)
        assert math.isclose(loss.forward(y, labels), nl.SoftmaxCrossEntropy().forward(Y[kept], LABELS[kept]), rel_tol=1e-14)
        assert np.array_equal(loss.backward()[1], np.zeros(3))


def test_weights_of_classes_count_in_the_denominator_with_those_of_samples():
    classes, weight = np.array([1.0, 0.5, 3.0]), np.array([1.0, 2.0, 0.5, 1.0])
    both, plain = nl.SoftmaxCrossEntropy(class_weight=classes), nl.SoftmaxCrossEntropy()
    assert math.isclose(both.forward(Y, LABELS, weight), plain.forward(Y, LABELS, weight * classes[LABELS]), rel_tol=1e-14)
    assert both.total_weight == plain.total_weight
    assert np.allclose(both.backward(), plain.backward(), rtol=1e-13, atol=1e-17)


@pytest.mark.parametrize(
    ("loss", "t"),
    [
        (nl.MeanSquaredError(), T),
        (nl.SoftmaxCrossEntropy(0.1, "none", class_weight=[1, 2, 0.5], ignore_index=1), LABELS),
        (nl.SigmoidCrossEntropy(pos_weight=[2.0, 1.0, 0.5]), T),
    ],
    ids=lambda each: type(each).__name__,
)
def test_weighted_losses_keep_every_rule_of_check_layer(loss, t):
    check_layer(loss, Y, t)
    check_layer(loss, Y, t, np.array([1.0, 2.0, 0.5, 1.0]))


@pytest.mark.parametrize("n", [2, 3])
def test_a_graph_passes_weights_to_a_loss(n):
    inputs = [nl.Input(name) for name in ("scores", "targets", "weights")[:n]]
    given = (Y, T, np.array([1.0, 2.0, 0.5, 1.0]))[:n]
    graph, loss = nl.Graph(inputs, [nl.MeanSquaredError()(*inputs)]), nl.MeanSquaredError()
    assert graph.forward(*given) == loss.forward(*given)
    dy, *others = graph.backward(1.0)
    assert np.array_equal(dy, loss.backward())
    assert others == [None] * (n - 1)


@pytest.mark.parametrize(
    ("loss", "t", "error", "match"),
    [
        (nl.SoftmaxCrossEntropy(class_weight=[1, 2]), LABELS, nl.ShapeError, "2 numbers, expected one for each of 3 classes"),
        (nl.SoftmaxCrossEntropy(class_weight=[1, 2, 3]), T, nl.ShapeError, r"for labels, got probabilities.*t \* class_weight"),
        (nl.SoftmaxCrossEntropy(ignore_index=0), [0, 3, 1, 2], nl.InvalidValueError, "label 3,"),
        (nl.SoftmaxCrossEntropy(ignore_index=0), [0, -1, 1, 2], nl.InvalidValueError, "label -1,"),
        (nl.SigmoidCrossEntropy(pos_weight=[1, 2]), T, nl.ShapeError, "last axes of y"),
    ],
)
def test_weights_that_do_not_fit_the_classes_are_refused(loss, t, error, match):
    with pytest.raises(error, match=match):
        loss.forward(Y, t)


def test_weights_of_classes_are_a_vector():
    with pytest.raises(nl.ShapeError, match=r"class_weight has shape \(1, 2\)"):
        nl.SoftmaxCrossEntropy(class_weight=[[1, 2]])


def test_a_class_may_count_nothing_and_a_single_class_may_have_ignored_labels():
    loss = nl.SoftmaxCrossEntropy(class_weight=[0.0, 2.0, 1.0])
    only = LABELS != 0
    assert math.isclose(loss.forward(Y, LABELS), nl.SoftmaxCrossEntropy(class_weight=[1.0, 2.0, 1.0]).forward(Y[only], LABELS[only]))
    single = nl.NegativeLogLikelihood(class_weight=[2.0], ignore_index=7)
    assert single.forward([[-1.0], [-3.0], [-5.0]], [0, 7, 0]) == 3.0


def test_smoothed_labels_of_sequences_with_weights_of_classes_are_those_of_their_rows():
    rng = np.random.default_rng(6)
    y, labels = rng.normal(size=(2, 5, 3)), rng.integers(3, size=(2, 5))
    loss, flat = (nl.SoftmaxCrossEntropy(0.1, class_weight=[1.0, 2.0, 0.5]) for _ in range(2))
    assert math.isclose(loss.forward(y, labels), flat.forward(y.reshape(10, 3), labels.ravel()), rel_tol=1e-14)
    np.testing.assert_allclose(loss.backward(), flat.backward().reshape(y.shape), rtol=1e-14)


def test_a_focus_may_be_weaker_than_1():
    y, terms = np.array([[0.5, -1.0]]), nl.SoftmaxCrossEntropy(reduction="none")
    (cross_entropy,) = terms.forward(y, [0])
    loss = nl.Focal(0.5)
    assert math.isclose(loss.forward(y, [0]), (1 - math.exp(-cross_entropy)) ** 0.5 * cross_entropy, rel_tol=1e-14)


def test_weights_of_classes_and_positives_are_copies():
    given = np.array([1.0, 2.0, 3.0])
    classes, positives = nl.SoftmaxCrossEntropy(class_weight=given), nl.SigmoidCrossEntropy(pos_weight=given)
    before = classes.forward(Y, LABELS), positives.forward(Y, np.ones_like(Y))
    given[:] = 9
    assert (classes.forward(Y, LABELS), positives.forward(Y, np.ones_like(Y))) == before


def test_the_rules_of_weighted_losses_name_the_right_axis_and_lift_the_weights_that_have_one():
    weighted = nl.SoftmaxCrossEntropy(class_weight=[1.0, 2.0, 3.0])
    assert "onehot(t, 3)" in weighted.rule([(2, 4, 3), (2, 4)], ())
    assert "onehot" not in nl.SoftmaxCrossEntropy().rule([(4, 3), (4, 3), (4,)], ())
    assert "weight[:" not in nl.MeanSquaredError().rule([(4, 3), (4, 3), ()], ())
    assert "weight[:, None]" in nl.MeanSquaredError().rule([(4, 3), (4, 3), (4,)], ())


def test_stirlings_formula_holds_for_counts_that_are_no_whole_numbers_above_1():
    terms = nl.PoissonNLL(full=True, reduction="none").forward([0.3, 0.3, 0.3], [0.5, 1.0, 1.5])
    stirling = 1.5 * math.log(1.5) - 1.5 + math.log(2 * math.pi * 1.5) / 2
    expected = [math.exp(0.3) - 0.15, math.exp(0.3) - 0.3, math.exp(0.3) - 0.45 + stirling]
    np.testing.assert_allclose(terms, expected, rtol=1e-14)
