"""Losses that take several outputs of a model: worked by hand, at the edges, and in a graph."""

import math
from functools import partial

import numpy as np
import pytest

import netlib as nl
from netlib.testing import check_layer

LN2 = math.log(2)
CASES = {  # loss, outputs, targets, the terms, and their derivatives with respect to each output
    "GaussianNLL": (nl.GaussianNLL, [[1, 2], [1, 4]], [[0, 6]], [0.5, LN2 + 2], [[1, -1], [0, -0.375]]),
    "GaussianNLL, full": (
        partial(nl.GaussianNLL, True),
        [[1], [1]],
        [[0]],
        [(1 + math.log(2 * math.pi)) / 2],
        [[1], [0]],
    ),
    "MarginRanking": (partial(nl.MarginRanking, 1.0), [[2, 0.5, 0], [0, 1, 1]], [[1, 1, -1]], [0, 1.5, 0], [[0, -1, 0], [0, 1, 0]]),
    "CosineEmbedding": (
        partial(nl.CosineEmbedding, 0.5),
        [[[3, 4], [3, 4], [4, 3]], [[2, 0], [2, 0], [-1, 0]]],
        [[1, -1, -1]],
        [0.4, 0.1, 0],
        [[[-0.128, 0.096], [0.128, -0.096], [0, 0]], [[0, -0.4], [0, 0.4], [0, 0]]],
    ),
    "TripletMargin": (
        nl.TripletMargin,
        [[[0, 0], [0, 0]], [[3, 4], [0, 1]], [[0, 2], [2, 0]]],  # the second is at the kink
        [],
        [4, 0],
        [[[-0.6, 0.2], [0, 0]], [[0.6, 0.8], [0, 0]], [[0, -1], [0, 0]]],
    ),
}
every_case = pytest.mark.parametrize(("make", "ys", "ts", "terms", "derivatives"), CASES.values(), ids=CASES)


def floats(arrays, shift=0.0):
    return [np.array(x, np.float64) + shift * (i + 1) for i, x in enumerate(arrays)]


def test_every_loss_of_several_outputs_is_among_the_cases():
    public = {thing for name in nl.__all__ if isinstance(thing := getattr(nl, name), type) and issubclass(thing, nl.Loss)}
    assert {kind for kind in public if kind.n_differentiable_inputs > 1} == {type(case[0]()) for case in CASES.values()}


@every_case
def test_terms_and_gradients_are_those_worked_by_hand_with_weights_too(make, ys, ts, terms, derivatives):
    weight = np.arange(1.0, len(terms) + 1)
    for w in (None, weight):
        each = np.ones_like(weight) if w is None else w
        for reduction, count in [("none", 1), ("sum", 1), ("mean", each.sum())]:
            loss = make(reduction=reduction)
            value = loss.forward(*floats(ys), *ts, w)
            assert np.allclose(value, (each * terms if reduction == "none" else each @ np.array(terms)) / count, rtol=1e-14, atol=1e-15)
            for dy, d in zip(loss.backward(), derivatives, strict=True):
                spread = each.reshape(each.shape + (1,) * (dy.ndim - 1))
                assert np.allclose(dy, spread * np.array(d) / count, rtol=1e-14, atol=1e-15)


@every_case
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_every_rule_of_check_layer_is_kept(make, ys, ts, terms, derivatives, reduction):
    inputs = [*floats(ys, 0.03125), *floats(ts)]
    check_layer(make(reduction=reduction), *inputs)
    assert nl.check_gradients(make(reduction=reduction), *inputs, np.arange(1.0, len(terms) + 1)).ok


@every_case
@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_value_and_gradient_agree_at_every_size(make, ys, ts, terms, derivatives, scale):
    ys = [scale * y for y in floats(ys, 0.03125)]
    loss = make(reduction="sum")
    loss.forward(*ys, *ts)
    for i, dy in enumerate(loss.backward()):
        step = np.where(np.arange(dy.size) == 0, 1e-6 * scale, 0.0).reshape(dy.shape)  # of the first element
        above, below = (loss.forward(*ys[:i], ys[i] + sign * step, *ys[i + 1 :], *ts) for sign in (1, -1))
        slope = (above - below) / (2e-6 * scale)
        assert math.isclose(dy.flat[0], slope, rel_tol=1e-5, abs_tol=1e-5 / scale)


def test_a_vector_of_zeros_has_the_cosine_0_and_no_gradient():
    loss = nl.CosineEmbedding(reduction="none")
    x1, x2 = [[0.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]
    with np.errstate(all="raise"):
        assert loss.forward(x1, x2, [1, -1]).tolist() == [1, 0]
        assert not np.any(loss.backward())


def test_embeddings_of_any_size_have_their_cosine_and_distance():
    with np.errstate(all="raise"):
        for scale in (1e-200, 1e200):
            cosine, triplet = nl.CosineEmbedding(), nl.TripletMargin(0.0)
            assert math.isclose(cosine.forward(scale * np.array([[3.0, 4.0]]), [[2.0, 0.0]], [1]), 0.4)
            near, far = scale * np.array([[3.0, 4.0]]), scale * np.array([[0.0, 2.0]])
            assert math.isclose(triplet.forward(np.zeros((1, 2)), near, far), 3 * scale, rel_tol=1e-14)
            assert np.allclose(triplet.backward()[0], [[-0.6, 0.2]], rtol=1e-14)


def test_the_anchor_on_the_positive_has_the_gradient_of_the_negative_alone():
    loss = nl.TripletMargin()
    assert loss.forward([[1.0, 1.0]], [[1.0, 1.0]], [[1.0, 1.5]]) == 0.5
    assert [dy.tolist() for dy in loss.backward()] == [[[0, 1]], [[0, 0]], [[0, -1]]]


def test_at_the_kink_of_a_margin_the_gradient_is_0():
    ranking, cosine = nl.MarginRanking(1.0), nl.CosineEmbedding(0.6)
    ranking.forward([1.0], [0.0], [1])
    assert not np.any(ranking.backward())
    cosine.forward([[0.0, 1.0]], [[0.8, 0.6]], [-1])
    assert not np.any(cosine.backward())


@pytest.mark.parametrize(
    ("loss", "inputs", "error", "match"),
    [
        (nl.GaussianNLL(), ([1.0], [0.0], [1.0]), nl.InvalidValueError, "variance that is not positive"),
        (nl.GaussianNLL(), ([1.0], [np.nan], [1.0]), nl.InvalidValueError, "variance that is not positive"),
        (nl.GaussianNLL(), ([1.0], [1.0, 2.0], [1.0]), nl.ShapeError, r"variance of shape \(2,\)"),
        (nl.MarginRanking(), ([1.0], [0.0, 1.0], [1]), nl.ShapeError, r"x1 of shape \(1,\) and x2 of shape \(2,\)"),
        (nl.MarginRanking(), ([1.0], [0.0], [0]), nl.InvalidValueError, "other than -1 and"),
        (nl.CosineEmbedding(), ([[1.0, 2.0]], [[1.0, 2.0]], [[1.0, 1.0]]), nl.ShapeError, r"the pairs of shape \(1,\)"),
        (nl.CosineEmbedding(), ([[1.0, 2.0]], [[1.0]], [1.0]), nl.ShapeError, r"x2 of shape \(1, 1\)"),
        (nl.CosineEmbedding(), ([[1.0, 2.0]], [[1.0, 2.0]], [2]), nl.InvalidValueError, "other than -1 and"),
        (nl.CosineEmbedding(), (1.0, 1.0, 1), nl.ShapeError, "features"),
        (nl.TripletMargin(), (1.0, 1.0, 1.0), nl.ShapeError, "features"),
        (nl.TripletMargin(), ([1.0], [1.0], [1.0, 2.0]), nl.ShapeError, r"the anchor of shape \(1,\) and negative of shape"),
    ],
)
def test_what_does_not_fit_is_refused(loss, inputs, error, match):
    with pytest.raises(error, match=match):
        loss.forward(*inputs)


def test_a_graph_passes_two_outputs_and_weights():
    y, v, t, w = nodes = [nl.Input(name) for name in "yvtw"]
    graph, loss = nl.Graph(nodes, [nl.GaussianNLL()(y, nl.Softplus()(v), t, w)]), nl.GaussianNLL()
    given = np.array([1.0, 2.0]), np.array([0.5, -1.0]), np.array([0.0, 1.0]), np.array([1.0, 3.0])
    assert graph.forward(*given) == loss.forward(given[0], nl.Softplus().forward(given[1]), *given[2:])
    dy, dv, *others = graph.backward(1.0)
    assert np.array_equal(dy, loss.backward()[0])
    assert np.allclose(dv, loss.backward()[1] * nl.Sigmoid().forward(given[1]), rtol=1e-15)
    assert others == [None, None]
