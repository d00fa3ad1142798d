"""How good a prediction is, by hand-worked numbers."""

import math

import numpy as np
import pytest

import netlib as nl
from netlib import InvalidTypeError, InvalidValueError, ShapeError
from netlib.training import accuracy, confusion_matrix, mean_absolute_error, r2_score

SCORES = [[3.0, 1.0, 2.0], [0.0, 0.5, 0.1], [1.0, 2.0, 9.0], [5.0, 4.0, 0.0]]  # classes 0, 1, 2, 0


def test_accuracy_is_the_share_of_largest_scores_at_the_right_class():
    assert accuracy(SCORES, [0, 1, 2, 1]) == 0.75


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64"])
def test_class_numbers_may_have_any_integer_type(dtype):
    assert accuracy(np.array(SCORES, np.float32), np.array([0, 1, 2, 1], dtype)) == 0.75


def test_one_hot_and_probability_targets_count_by_their_largest():
    assert accuracy(SCORES, np.eye(3)[[0, 1, 2, 1]]) == 0.75
    assert accuracy(SCORES[:1], [[0.7, 0.2, 0.1]]) == 1.0  # whose sum is 1 but for rounding


def test_targets_are_told_apart_by_dimension_not_by_size():
    square = [[9.0, 0.0], [9.0, 0.0]]
    assert accuracy(square, [0, 1]) == 0.5
    assert accuracy(square, [[1, 0], [0, 1]]) == 0.5


def test_one_logit_a_sample_means_class_1_above_0():
    assert accuracy([-2.0, 0.0, 0.1, 3.0], [0, 0, 1, 0]) == 0.75
    assert accuracy([[-2.0], [0.1]], [[0.0], [1.0]]) == 1.0


def test_leading_axes_all_count_as_samples():
    y = np.array(SCORES).reshape(2, 2, 3)
    assert accuracy(y, [[0, 1], [2, 1]]) == 0.75
    assert accuracy(y[:, 1:], [[1], [1]]) == 0.5  # sequences of one step
    assert nl.recall(y, y > 0.5, "none", threshold=1, multilabel=True).tolist() == [2 / 3, 2 / 3, 1]


@pytest.mark.parametrize("metric", [accuracy, confusion_matrix])
@pytest.mark.parametrize(
    ("y_shape", "t_shape"), [((4, 3), (3,)), ((4, 1), (4,)), ((4,), (4, 1)), ((4, 3), (4, 1)), ((4, 3), (4, 2)), ((0, 3), (0,)), ((), ())]
)
def test_shapes_that_do_not_fit_are_refused(metric, y_shape, t_shape):
    with pytest.raises(ShapeError):
        metric(np.zeros(y_shape), np.zeros(t_shape, int))


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [0, -1, 2, 1]])
def test_class_numbers_out_of_range_are_refused(labels):
    with pytest.raises(InvalidValueError, match="0 to 2"):
        accuracy(SCORES, labels)


def test_fractional_class_numbers_are_refused():
    with pytest.raises(InvalidTypeError, match="integers"):
        accuracy(SCORES, [0.0, 1.0, 2.0, 1.0])


def test_targets_of_one_logit_are_0_or_1():
    with pytest.raises(InvalidValueError, match="neither 0 nor 1"):
        accuracy([0.5, 2.0], [1, 2])


def test_the_confusion_matrix_has_true_classes_in_rows_and_predicted_ones_in_columns():
    matrix = confusion_matrix(SCORES, [0, 1, 2, 1])
    assert matrix.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert matrix.dtype.kind == "i"


def test_the_confusion_matrix_of_class_numbers_is_as_large_as_they_show_or_as_is_said():
    assert confusion_matrix([0, 2], [1, 2]).tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 1]]
    assert confusion_matrix([0, 1], [2, 1]).tolist() == [[0, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert confusion_matrix([0, 2], [1, 2], classes=4).shape == (4, 4)
    assert confusion_matrix([0, 0], [0, 0], classes=1).tolist() == [[2]]


def test_the_confusion_matrix_of_logits_is_two_by_two():
    assert confusion_matrix([-1.0, 1.0, 2.0], [0, 0, 1]).tolist() == [[1, 1], [0, 1]]


@pytest.mark.parametrize(("y", "t", "classes"), [([0, 3], [0, 1], 3), ([0, -3], [0, 1], None), (SCORES, [0, 1, 2, 1], 2), ([0], [0], 0)])
def test_more_classes_than_there_may_be_are_refused(y, t, classes):
    with pytest.raises(InvalidValueError):
        confusion_matrix(y, t, classes)


def test_class_numbers_that_are_no_integers_are_refused_in_a_confusion_matrix():
    with pytest.raises(InvalidTypeError):
        confusion_matrix([0, 1], [0.0, np.nan])


def test_mean_absolute_error_is_the_mean_distance():
    assert mean_absolute_error([[1.0, 2.0], [3.0, 4.0]], [[0.0, 4.0], [3.0, 8.0]]) == 1.75


def test_mean_absolute_error_of_unsigned_integers_does_not_wrap_around():
    assert mean_absolute_error(np.array([1], np.uint8), np.array([2], np.uint8)) == 1.0


def test_r2_by_hand():
    # targets 1, 2, 3, 6 with mean 3: Σ(t - 3)² = 14; residuals 1, 0, 0, -1: 1 - 2/14
    assert r2_score([2.0, 2.0, 3.0, 5.0], [1.0, 2.0, 3.0, 6.0]) == pytest.approx(1 - 2 / 14, abs=1e-15)


def test_r2_of_several_outputs_is_the_mean_of_theirs():
    y = [[2.0, 1.0], [2.0, 2.0], [3.0, 3.0], [5.0, 6.0]]
    t = [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [6.0, 6.0]]
    assert r2_score(y, t) == pytest.approx((1 - 2 / 14 + 1) / 2, abs=1e-15)


def test_r2_of_constant_targets_is_1_if_met_and_0_if_not():
    assert r2_score([2.0, 2.0], [2.0, 2.0]) == 1.0
    assert r2_score([2.0, 3.0], [2.0, 2.0]) == 0.0
    assert r2_score([0.125, 0.25], [0.0, 0.25]) == 0.5  # small is not constant


def test_r2_of_a_single_sample_is_nan():
    assert math.isnan(r2_score([1.0], [2.0]))


@pytest.mark.parametrize("metric", [mean_absolute_error, r2_score])
@pytest.mark.parametrize(("y", "t"), [(np.zeros(3), np.zeros((3, 1))), (np.zeros((3, 2)), np.zeros(2)), (np.zeros(0), np.zeros(0))])
def test_arrays_that_would_broadcast_and_empty_ones_are_refused(metric, y, t):
    with pytest.raises(ShapeError):
        metric(y, t)


def test_r2_of_single_numbers_is_refused():
    with pytest.raises(ShapeError):
        r2_score(1.0, 1.0)


@pytest.mark.parametrize("metric", [accuracy, confusion_matrix, mean_absolute_error, r2_score])
def test_strings_are_refused_and_inputs_stay_as_they_are(metric):
    with pytest.raises(InvalidTypeError):
        metric(["a", "b"], [0, 1])
    y, t = np.array([0.5, -2.0, 1.0]), np.array([1, 0, 1])
    metric(y, t)
    assert (y.tolist(), t.tolist()) == ([0.5, -2.0, 1.0], [1, 0, 1])


def test_metrics_are_public():
    assert (nl.accuracy, nl.confusion_matrix, nl.mean_absolute_error, nl.r2_score) == (
        accuracy,
        confusion_matrix,
        mean_absolute_error,
        r2_score,
    )


# ---- what is ambiguous is asked about, and NaN is never right


def test_scores_that_may_be_logits_or_probabilities_are_refused_unless_the_threshold_is_given():
    y, t = [[0.1], [0.2], [0.9]], [[0], [0], [1]]
    for metric in (accuracy, confusion_matrix, nl.precision, nl.recall, nl.f1_score):
        with pytest.raises(InvalidValueError, match=r"probabilities or logits.*threshold=0.5 for probabilities"):
            metric(y, t)
    for unclear in ([0.0, 0.25, 1.0], [0.5, 0.75, 0.75]):
        with pytest.raises(InvalidValueError, match="probabilities or logits"):
            accuracy(unclear, [0, 1, 1])
    assert accuracy([0.25, 1.5], [1, 1]) == 1.0  # which are no probabilities
    assert accuracy(y, t, threshold=0.5) == 1.0
    assert accuracy(y, t, threshold=0) == 1 / 3
    assert accuracy([[0.0], [0.0], [1.0]], t) == 1.0  # the same either way


def test_several_labels_per_sample_are_not_taken_for_classes():
    logits = np.array([[5.0, 4.0, -3.0], [-2.0, 3.0, 1.0]])
    t = np.array([[1, 1, 0], [0, 1, 1]])
    with pytest.raises(InvalidValueError, match=r"add up to 1.*multilabel_accuracy"):
        accuracy(logits, t)
    assert nl.multilabel_accuracy(logits, t) == 1.0
    assert nl.multilabel_accuracy([[0.0, 2.0]], [[0, 1]]) == 1.0
    assert nl.multilabel_accuracy([[5.0, -4.0, -3.0]], [[1, 1, 0]]) == 2 / 3
    assert nl.recall([[5.0, -4.0, -3.0]], [[1, 1, 0]], average="none", multilabel=True).tolist() == [1, 0, 0]


@pytest.mark.parametrize("metric", [accuracy, nl.top_k_accuracy, nl.precision, nl.recall, nl.f1_score])
def test_nan_scores_are_never_right(metric):
    y = np.full((2, 3), np.nan)
    assert metric(y, [0, 1]) == 0.0
    assert accuracy([np.nan, 1.0], [0, 1]) == 0.5
    assert nl.multilabel_accuracy(np.full((1, 2), np.nan), [[0, 1]]) == 0.0


def test_nan_scores_have_no_place_in_a_confusion_matrix_and_no_area():
    with pytest.raises(InvalidValueError, match="NaN scores for 2 samples"):
        confusion_matrix(np.full((2, 3), np.nan), [0, 1])
    assert math.isnan(nl.roc_auc([np.nan, 1.0], [0, 1]))
    assert math.isnan(nl.log_loss([np.nan, 1.0], [0, 1]))


def test_a_tuple_of_outputs_is_not_stacked():
    outputs = (np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))
    for metric in (accuracy, confusion_matrix, nl.top_k_accuracy, nl.roc_auc, nl.log_loss, nl.precision):
        with pytest.raises(InvalidTypeError, match=r"tuple of 2 outputs.*y\[0\]"):
            metric(outputs, [[0], [1]])


def test_the_first_of_equal_scores_ranks_highest():
    assert nl.top_k_accuracy([[1.0, 1.0, 1.0]], [1], k=1) == accuracy([[1.0, 1.0, 1.0]], [1]) == 0.0
    assert nl.top_k_accuracy([[1.0, 1.0, 1.0]], [1], k=2) == 1.0


def test_the_true_class_may_by_default_be_among_the_five_highest_scores():
    assert nl.top_k_accuracy([[6.0, 5.0, 4.0, 3.0, 2.0, 1.0]] * 2, [4, 5]) == 0.5


def test_area_by_hand():
    # pairs (true, false): (2, 1) and (2, 2): one in order, one equal
    assert nl.roc_auc([1.0, 2.0, 2.0], [0, 0, 1]) == 0.75


def test_log_loss_of_an_impossible_class_is_infinite_and_what_is_no_probability_is_refused():
    assert nl.log_loss([0.0, 1.0], [1, 1]) == math.inf
    assert str(nl.log_loss([[0.0, 1.0]], [1])) == "0.0"
    for y, said in [([[2.0, -1.0]], "outside"), ([[1.5, 0.5]], "outside"), ([1.5], "outside"), ([[0.5, 0.2]], "do not add up to 1")]:
        with pytest.raises(InvalidValueError, match=f"{said}.*from_logits=True"):
            nl.log_loss(y, [0])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: nl.precision(SCORES, [0, 1, 2, 1], average="binary"), "one score per sample"),
        (lambda: nl.recall(SCORES, [0, 1, 2, 1], average="mean"), "'macro'"),
        (lambda: nl.roc_auc(SCORES, [0, 1, 2, 1], average="micro"), "'macro' or 'weighted'"),
        (lambda: nl.top_k_accuracy([1.0, 2.0], [0, 1]), "Use nl.accuracy"),
        (lambda: accuracy(SCORES, [0, 1, 2, 1], threshold=0.5), "Leave threshold out"),
        (lambda: nl.multilabel_accuracy([[1.0, 2.0]], [[0, 2]]), "neither 0 nor 1"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(call, said):
    with pytest.raises(InvalidValueError, match=said):
        call()


PREDICTED, TRUE = np.eye(4)[[0, 0, 1, 1, 2]], [0, 1, 1, 1, 0]  # class 2 is predicted alone, class 3 never occurs
AVERAGES = {  # of precision, recall and F1
    "none": ([1 / 2, 1, 0, 0], [1 / 2, 2 / 3, 0, 0], [1 / 2, 4 / 5, 0, 0]),
    "macro": (3 / 2 / 3, (1 / 2 + 2 / 3) / 3, (1 / 2 + 4 / 5) / 3),
    "micro": (3 / 5, 3 / 5, 3 / 5),
    "weighted": ((2 * 1 / 2 + 3 * 1) / 5, (2 * 1 / 2 + 3 * 2 / 3) / 5, (2 * 1 / 2 + 3 * 4 / 5) / 5),
}


@pytest.mark.parametrize("average", AVERAGES)
def test_precision_recall_and_f1_of_classes_by_hand(average):
    found = [metric(PREDICTED, TRUE, average) for metric in (nl.precision, nl.recall, nl.f1_score)]
    np.testing.assert_allclose(found, AVERAGES[average], rtol=1e-15)


def test_precision_recall_and_f1_of_class_1_and_of_several_labels_by_hand():
    metrics = nl.precision, nl.recall, nl.f1_score
    assert [metric([0.9, 0.8, 0.7, 0.2, 0.5], [1, 0, 1, 0, 0], threshold=0.5) for metric in metrics] == [2 / 3, 1, 0.8]
    y, t = [[0.9, 0.9, 0.1], [0.2, 0.8, 0.1]], [[1, 0, 0], [0, 1, 0]]  # nobody has the last label, nor is said to have it
    for average, expected in {
        "none": ([1, 1 / 2, 0], [1, 1, 0], [1, 2 / 3, 0]),
        "macro": (1 / 2, 2 / 3, 5 / 9),
        "micro": (2 / 3, 1, 4 / 5),
        "weighted": (3 / 4, 1, 5 / 6),
    }.items():
        found = [metric(y, t, average, threshold=0.5, multilabel=True) for metric in metrics]
        np.testing.assert_allclose(found, expected, rtol=1e-15)
        if average == "macro":  # as where nothing is said
            assert found == [metric(y, t, threshold=0.5, multilabel=True) for metric in metrics]
        assert np.all(nl.f1_score(y, np.zeros((2, 3), int), average, threshold=0.5, multilabel=True) == 0)


def test_log_loss_by_hand():
    expected = -(math.log(3 / 4) + math.log(1 / 2)) / 2
    rows, labels = np.array([[1 / 4, 3 / 4], [1 / 2, 1 / 2]]), [1, 1]
    for shift in (0, 1000):
        assert nl.log_loss(np.log(rows) + shift, labels, from_logits=True) == pytest.approx(expected, rel=1e-12)
    assert nl.log_loss(rows, labels) == pytest.approx(expected, rel=1e-12)
    assert nl.log_loss(rows[:, 1], labels) == pytest.approx(expected, rel=1e-12)
    assert nl.log_loss([math.log(3), 0.0], labels, from_logits=True) == pytest.approx(expected, rel=1e-12)
    assert nl.log_loss([[0.0, 2000.0]], [0], from_logits=True) == 2000
    with pytest.raises(InvalidValueError, match="do not add up to 1"):
        nl.log_loss([[0.5, 0.5], [0.5, 0.4]], labels)
    with pytest.raises(InvalidValueError, match="outside"):
        nl.log_loss([[0.5, 0.5], [1.5, -0.5]], labels)


def test_areas_of_several_classes_are_averaged_by_hand():
    y = [[0.6, 0.3, 0.1], [0.5, 0.4, 0.1], [0.2, 0.7, 0.1], [0.55, 0.15, 0.3]]
    t = [0, 0, 1, 2]
    areas = 3 / 4, 1, 1  # of class 0, 0.5 stands below 0.55
    assert nl.roc_auc(y, t) == pytest.approx(sum(areas) / 3, rel=1e-15)
    assert nl.roc_auc(y, t, "weighted") == pytest.approx((2 * areas[0] + areas[1] + areas[2]) / 4, rel=1e-15)
    assert math.isnan(nl.roc_auc([0.1, 0.2], [1, 1]))
    assert math.isnan(nl.roc_auc([0.1, 0.2], [0, 0]))
    assert nl.roc_auc([[0.1, 0.9], [0.4, 0.2], [0.35, 0.1]], [[0, 1], [1, 0], [0, 0]], multilabel=True) == 1
