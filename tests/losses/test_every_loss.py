"""What holds for every loss, on cases worked by hand."""

import math
from functools import partial

import numpy as np
import pytest
from numeric import numeric_gradient

import netlib as nl
from netlib.losses.loss import as_same_shape
from netlib.testing import check_layer

LN2, LN3, LN4 = math.log(2), math.log(3), math.log(4)
FOCAL = [-(1 + 6 * (LN4 - LN3)) / 64, (1 + 6 * (LN4 - LN3)) / 64]  # q² (2 p log(p) / q - 1) q, for p = 3/4
CASES = {  # loss, y, t, the terms, and their derivatives with respect to y
    "MeanSquaredError": (nl.MeanSquaredError, [[1, 2], [3, 0]], [[0, 4], [3, 0.5]], [[1, 4], [0, 0.25]], [[2, -4], [0, -1]]),
    "MeanAbsoluteError": (nl.MeanAbsoluteError, [[1, 2], [3, 0]], [[0, 4], [3, 0.5]], [[1, 2], [0, 0.5]], [[1, -1], [0, -1]]),
    "Huber": (nl.Huber, [[1, 2], [3, 0]], [[0.5, 4], [3, 1]], [[0.125, 1.5], [0, 0.5]], [[0.5, -1], [0, -1]]),
    "Huber of 2": (partial(nl.Huber, 2), [[1, 8]], [[0, 3]], [[0.5, 8]], [[1, 2]]),
    "Hinge": (nl.Hinge, [[0.5, -0.5], [3, -3]], [[1, 1], [1, -1]], [[0.5, 1.5], [0, 0]], [[-1, -1], [0, 0]]),
    "SigmoidCrossEntropy": (
        nl.SigmoidCrossEntropy,
        [[0, math.log(3)], [0, -math.log(3)]],
        [[1, 1], [0.5, 1]],
        [[LN2, LN4 - math.log(3)], [LN2, LN4]],
        [[-0.5, -0.25], [0, -0.75]],
    ),
    "BinaryCrossEntropy": (
        nl.BinaryCrossEntropy,
        [[0.5, 0.25], [0.5, 0.75]],
        [[1, 0], [0.5, 1]],
        [[LN2, LN4 - LN3], [LN2, LN4 - LN3]],
        [[-2, 4 / 3], [0, -4 / 3]],
    ),
    "PoissonNLL": (nl.PoissonNLL, [[0, LN3], [0, LN2]], [[1, 2], [4, 0]], [[1, 3 - 2 * LN3], [1, 2]], [[0, 1], [-3, 2]]),
    "PoissonNLL of rates": (
        partial(nl.PoissonNLL, False),
        [[1, 3], [2, 2]],
        [[1, 2], [0, 4]],
        [[1, 3 - 2 * LN3], [2, 2 - 4 * LN2]],
        [[0, 1 / 3], [1, -1]],
    ),
    "NegativeLogLikelihood": (nl.NegativeLogLikelihood, [[-LN2, -LN2], [-LN4, LN3 - LN4]], [0, 1], [LN2, LN4 - LN3], [[-1, 0], [0, -1]]),
    "KLDivergence": (
        nl.KLDivergence,
        [[-LN2, -LN2], [-LN4, LN3 - LN4]],
        [[0.0, 1.0], [0.5, 0.5]],
        [LN2, LN2 - LN3 / 2],
        [[0, -1], [-0.5, -0.5]],
    ),
    "MultiMargin": (nl.MultiMargin, [[0.5, 1, -2], [0, 3, 1]], [0, 1], [0.5, 0], [[-1 / 3, 1 / 3, 0], [0, 0, 0]]),
    "Focal": (nl.Focal, [[0, 0], [LN3, 0]], [0, 0], [LN2 / 4, (LN4 - LN3) / 16], [[-0.125 - LN2 / 4, 0.125 + LN2 / 4], FOCAL]),
    "SoftmaxCrossEntropy of labels": (
        nl.SoftmaxCrossEntropy,
        [[0, 0], [math.log(3), 0]],
        [1, 0],
        [LN2, LN4 - math.log(3)],
        [[0.5, -0.5], [-0.25, 0.25]],
    ),
    "SoftmaxCrossEntropy of probabilities": (
        nl.SoftmaxCrossEntropy,
        [[0, 0], [math.log(3), 0]],
        [[0.25, 0.75], [0.0, 1.0]],
        [LN2, LN4],
        [[0.25, -0.25], [0.75, -0.75]],
    ),
    "SoftmaxCrossEntropy, half smoothed": (
        partial(nl.SoftmaxCrossEntropy, 0.5),
        [[math.log(3), 0]],
        [1],
        [LN4 - math.log(3) / 4],
        [[0.5, -0.5]],
    ),
}
every_case = pytest.mark.parametrize(("make", "y", "t", "terms", "derivatives"), CASES.values(), ids=CASES)
ELEMENTWISE = [nl.MeanSquaredError, nl.MeanAbsoluteError, nl.Huber, nl.Hinge, nl.SigmoidCrossEntropy]
elementwise = pytest.mark.parametrize("kind", ELEMENTWISE)
every_loss = pytest.mark.parametrize("kind", [*ELEMENTWISE, nl.SoftmaxCrossEntropy])
reductions = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])


def floats(y, dtype=np.float64):
    return np.array(y, dtype)


def targets(t):
    """Return whole numbers as they are and everything else as float64."""
    return np.array(t) if np.array(t).dtype.kind == "i" else np.array(t, np.float64)


def test_every_public_loss_is_among_the_cases():
    public = {thing for name in nl.__all__ if isinstance(thing := getattr(nl, name), type) and issubclass(thing, nl.Loss)}
    several = {kind for kind in public if kind.n_differentiable_inputs > 1}  # in test_losses_of_several_outputs.py
    assert public - several - {nl.Loss, nl.CTC} == {type(case[0]()) for case in CASES.values()}


@every_case
def test_the_terms_are_those_worked_by_hand_and_the_reductions_their_sum_and_mean(make, y, t, terms, derivatives):
    assert np.allclose(make(reduction="none").forward(floats(y), t), terms, rtol=1e-15, atol=1e-16)
    assert math.isclose(make(reduction="sum").forward(floats(y), t), np.sum(terms), rel_tol=1e-15)
    assert math.isclose(make(reduction="mean").forward(floats(y), t), np.mean(terms), rel_tol=1e-15)


@every_case
def test_the_gradients_are_those_worked_by_hand_over_the_count_for_a_mean(make, y, t, terms, derivatives):
    for reduction, count in [("none", 1), ("sum", 1), ("mean", np.size(terms))]:
        loss = make(reduction=reduction)
        loss.forward(floats(y), t)
        assert np.allclose(loss.backward(), np.array(derivatives) / count, rtol=1e-15, atol=1e-16)


@pytest.mark.one_in(2)
@every_case
@reductions
def test_every_rule_of_check_layer_is_kept(make, y, t, terms, derivatives, reduction):
    check_layer(make(reduction=reduction), floats(y) + 0.03125, targets(t))  # off the kinks


@every_case
@reductions
def test_value_and_gradient_agree(make, y, t, terms, derivatives, reduction):
    loss, t = make(reduction=reduction), targets(t)
    y = floats(y) + 0.03125  # off the kinks
    dout = np.random.default_rng(0).normal(size=np.shape(loss.forward(y, t)))
    dy = loss.backward(dout)
    assert np.allclose(dy, numeric_gradient(lambda: (make(reduction=reduction).forward(y, t),), y, (dout,)), rtol=1e-8, atol=1e-9)


@every_case
def test_dout_scales_the_gradient(make, y, t, terms, derivatives):
    for reduction in ("mean", "sum", "none"):
        loss = make(reduction=reduction)
        loss.forward(floats(y), t)
        assert np.allclose(loss.backward(-3.0), -3 * loss.backward(), rtol=1e-15, atol=0)
        assert not loss.backward(0.0).any()


@every_case
def test_unreduced_each_term_has_a_dout_of_its_own(make, y, t, terms, derivatives):
    loss = make(reduction="none")
    loss.forward(floats(y), t)
    douts = np.arange(1.0, np.size(terms) + 1).reshape(np.shape(terms))
    spread = douts.reshape(douts.shape + (1,) * (np.ndim(y) - douts.ndim))
    assert np.allclose(loss.backward(douts), spread * derivatives, rtol=1e-15, atol=1e-16)


@every_case
def test_unreduced_a_single_number_is_the_dout_of_every_term(make, y, t, terms, derivatives):
    loss = make(reduction="none")
    loss.forward(floats(y), t)
    for dout in (3.0, 3, np.array(3.0)):
        assert np.allclose(loss.backward(dout), 3 * np.array(derivatives), rtol=1e-15, atol=1e-16)


@every_case
def test_a_reduced_loss_is_a_python_float(make, y, t, terms, derivatives):
    assert type(make(reduction="mean").forward(floats(y), t)) is float
    assert type(make(reduction="sum").forward(floats(y, np.float32), t)) is float


@every_case
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64], ids=lambda dtype: dtype.__name__)
def test_the_gradient_has_the_type_and_shape_of_y(make, y, t, terms, derivatives, dtype):
    for reduction in ("mean", "sum", "none"):
        assert_gradient_of_the_type_and_shape_of_y(make, floats(y, dtype), t, terms, derivatives, reduction)


def assert_gradient_of_the_type_and_shape_of_y(make, y, t, terms, derivatives, reduction):
    loss, dtype = make(reduction=reduction), y.dtype
    L = loss.forward(y, t)
    assert reduction != "none" or L.dtype == dtype
    dy = loss.backward()
    assert (dy.dtype, dy.shape) == (dtype, y.shape)
    count = np.size(terms) if reduction == "mean" else 1
    assert np.allclose(dy, np.array(derivatives) / count, rtol=0, atol=4 * np.finfo(dtype).eps)


@every_case
def test_whole_numbers_count_as_float32(make, y, t, terms, derivatives):
    loss = make(reduction="mean")
    loss.forward(np.array(y).astype(int), t)
    assert loss.backward().dtype == np.float32


@every_case
def test_the_mean_over_a_batch_is_the_mean_over_its_samples(make, y, t, terms, derivatives):
    loss = make(reduction="mean")
    singles = [loss.forward(floats(y[i : i + 1]), t[i : i + 1]) for i in range(len(y))]
    assert math.isclose(make(reduction="mean").forward(floats(y), t), sum(singles) / len(y), rel_tol=1e-14)


@every_case
def test_a_refused_forward_leaves_the_last_one_in_place(make, y, t, terms, derivatives):
    loss = make(reduction="sum")
    loss.forward(floats(y), t)
    for bad_y, bad_t in [(floats(y), np.ones(7)), (floats(y)[..., None], t), ("y", t), (floats(y), "t"), (None, t)]:
        with pytest.raises(nl.NetlibError):
            loss.forward(bad_y, bad_t)
    assert np.allclose(loss.backward(), derivatives, rtol=1e-15, atol=1e-16)


@every_loss
def test_backward_before_forward_is_refused(kind):
    for reduction in ("mean", "sum", "none"):
        with pytest.raises(nl.OrderError, match="forward"):
            kind(reduction=reduction).backward()


@every_case
def test_a_dout_of_another_shape_is_refused(make, y, t, terms, derivatives):
    for reduction in ("mean", "sum", "none"):
        loss = make(reduction=reduction)
        L = loss.forward(floats(y), t)
        for shape in {(1,), (1, 1), (7,), np.shape(y), np.shape(terms)[:-1], (1, *np.shape(terms))} - {np.shape(L)} - {()}:
            with pytest.raises(nl.ShapeError, match="dout"):
                loss.backward(np.ones(shape))


@every_case
def test_a_dout_that_is_no_number_is_refused_by_the_name_of_the_loss(make, y, t, terms, derivatives):
    for reduction in ("mean", "sum", "none"):
        loss = make(reduction=reduction)
        loss.forward(floats(y), t)
        with pytest.raises(nl.InvalidTypeError, match=f"^{type(loss).__name__}.*: got None, expected an array"):
            loss.backward(None)


@pytest.mark.parametrize(
    ("y", "t"),
    [
        ((4,), (4, 1)),
        ((4, 1), (4,)),
        ((4, 1), (1, 4)),
        ((4, 3), (3,)),
        ((4, 3), ()),
        ((), (3,)),
        ((4, 3), (1, 3)),
        ((4, 3), (3, 4)),
        ((0,), (1,)),
    ],
)
def test_targets_that_numpy_would_broadcast_are_refused_and_both_shapes_named(y, t):
    with pytest.raises(nl.ShapeError) as caught:
        as_same_shape(np.ones(y), np.ones(t), "here")
    assert str(caught.value).startswith(f"here: got y of shape {y} and t of shape {t}")


@elementwise
def test_targets_of_another_shape_are_refused_by_the_name_of_the_loss(kind):
    with pytest.raises(nl.ShapeError, match=rf"^{kind.__name__}.*y of shape \(4,\) and t of shape \(4, 1\)"):
        kind().forward(np.ones(4), np.ones((4, 1)))


def test_the_hint_for_as_many_targets_in_another_shape_is_the_reshape():
    with pytest.raises(nl.ShapeError, match=r"t\.reshape\(\(4, 1\)\)"):
        nl.MeanSquaredError().forward(np.ones((4, 1)), np.ones(4))
    with pytest.raises(nl.ShapeError, match=r"t\.reshape\(\(4,\)\)"):
        nl.MeanSquaredError().forward(np.ones(4), np.ones((4, 1)))


def test_the_hint_for_a_number_in_place_of_a_batch_of_one_is_to_squeeze_one_axis_only():
    with pytest.raises(nl.ShapeError, match="squeeze one axis only"):
        nl.MeanSquaredError().forward(np.float64(1), np.ones(1))


@every_loss
def test_the_mean_of_an_empty_batch_is_refused_and_its_sum_is_0(kind):
    y, t = np.ones((0, 3)), np.zeros(0, int) if kind is nl.SoftmaxCrossEntropy else np.ones((0, 3))
    with pytest.raises(nl.ShapeError, match="the mean of no terms is undefined"):
        kind().forward(y, t)
    total = kind(reduction="sum")
    L = total.forward(y, t)
    assert type(L) is float
    assert L == 0.0
    assert total.backward().shape == (0, 3)
    each = kind(reduction="none")
    assert each.forward(y, t).size == 0
    assert each.backward().shape == (0, 3)


@every_loss
def test_an_unknown_reduction_is_refused_by_a_message_that_lists_the_known(kind):
    for reduction in ("average", "MEAN", "", None, 0, True, ["mean"]):
        with pytest.raises(nl.InvalidValueError, match=f"{kind.__name__}: reduction is .*'mean', 'sum' or 'none'"):
            kind(reduction=reduction)


@every_loss
def test_scores_and_targets_that_are_no_arrays_of_real_numbers_are_refused_by_the_name_of_the_loss(kind):
    for y, t in [(None, np.ones((2, 2))), (np.ones((2, 2)), None)]:
        with pytest.raises(nl.InvalidTypeError, match=f"^{kind.__name__}.*: got None, expected an array"):
            kind().forward(y, t)


@pytest.mark.parametrize(
    "loss",
    [nl.MeanSquaredError(), nl.Huber(2.0, "sum"), nl.Hinge("none"), nl.SoftmaxCrossEntropy(0.1), nl.SoftmaxCrossEntropy(reduction="sum")],
    ids=repr,
)
def test_the_repr_is_a_call_that_makes_such_a_loss(loss):
    made = eval(repr(loss), vars(nl).copy())
    assert type(made) is type(loss)
    assert vars(made) == vars(loss)


@elementwise
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_from_the_target_nothing_overflows(kind, dtype):
    y, t = np.array([-1e4, 1e4], dtype), np.ones(2, dtype)
    loss = kind(reduction="none")
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert np.isfinite(loss.forward(y, t)).all()
        assert np.isfinite(loss.backward()).all()


@elementwise
def test_the_mean_of_300_000_half_precision_terms_is_exact(kind):
    y, t = np.full((300_000, 1), 0.5, np.float16), np.ones((300_000, 1), np.float16)
    assert math.isclose(kind().forward(y, t), kind().forward([[0.5]], [[1.0]]), rel_tol=1e-3)


def test_a_huber_delta_that_is_not_positive_is_refused():
    for delta in (0, 0.0, -1, float("nan"), float("inf")):
        with pytest.raises(nl.InvalidValueError, match="Huber: delta is"):
            nl.Huber(delta)


def test_a_huber_delta_below_1_bends_early():
    loss = nl.Huber(0.5, "none")
    assert loss.forward([1.0, 2.0], [0.75, 0.0]).tolist() == [0.25**2 / 2, 0.5 * (2 - 0.25)]
    assert loss.backward().tolist() == [0.25, 0.5]


@pytest.mark.parametrize("dout", [3.0, 3, np.array(3.0)], ids=repr)
def test_unreduced_a_single_number_has_its_own_derivative_times_dout(dout):
    loss = nl.MeanSquaredError("none")
    assert loss.forward(5.0, 1.0) == 16
    assert loss.backward(dout) == 2 * 4 * 3


def test_at_its_kinks_a_loss_takes_the_slope_that_its_text_names():
    absolute, hinge = nl.MeanAbsoluteError("sum"), nl.Hinge("sum")
    absolute.forward([2.0], [2.0])
    hinge.forward([1.0, -1.0], [1, -1])
    assert absolute.backward().tolist() == [0]
    assert hinge.backward().tolist() == [0, 0]


@pytest.mark.parametrize("t", [0.0, 0.5, 2.0, float("nan"), -1.5])
def test_a_hinge_target_other_than_minus_and_plus_1_is_refused(t):
    with pytest.raises(nl.InvalidValueError, match="Hinge"):
        nl.Hinge().forward([1.0, 1.0], [1.0, t])


def test_the_gradient_of_a_mean_over_300_000_half_precision_rows_does_not_overflow():
    y = np.full((300_000, 2), 2.0, np.float16)
    loss = nl.SoftmaxCrossEntropy()
    loss.forward(y, np.zeros(300_000, int))
    dy = loss.backward()
    assert dy.dtype == np.float16
    assert np.allclose(dy[0] * np.float64(300_000), [-0.5, 0.5], rtol=0.05)  # as near as half precision comes
    loss = nl.MeanSquaredError()
    loss.forward(y, np.zeros_like(y))
    assert np.allclose(loss.backward()[0] * np.float64(600_000), [4, 4], rtol=0.05)


def test_a_ragged_dout_is_refused_with_an_error_of_netlib():
    loss = nl.MeanSquaredError(reduction="none")
    loss.forward([1.0, 2.0], [0.0, 0.0])
    with pytest.raises(nl.InvalidValueError):
        loss.backward([[1.0], [1.0, 2.0]])
