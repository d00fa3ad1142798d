"""What the comparison with PyTorch does not say about attention: numbers by hand, masks, lengths, cached keys."""

import math
import pickle

import numpy as np
import pytest

import netlib as nl
from netlib.layers.head_attention import HeadAttention
from netlib.layers.rows import Rows
from netlib.testing import check_layer

RNG = np.random.default_rng(0)
every_kind = pytest.mark.parametrize(
    "make", [nl.ScaledDotProductAttention, lambda **options: HeadAttention(2, **options)], ids=["alone", "heads"]
)
every_float = pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64], ids=lambda dtype: dtype.__name__)


def normal(*shapes):
    return [RNG.normal(size=shape) for shape in shapes]


# ---- by hand -------------------------------------------------------------------------------------


def test_one_head_with_two_positions_by_hand():
    attention = nl.ScaledDotProductAttention()
    q, k, v = [[0.0], [math.log(3)]], [[0.0], [1.0]], [[1.0, 0.0], [0.0, 4.0]]
    y = attention.forward(q, k, v)  # exp of the scores: 1 1 and 1 3, so the weights are 1/2 1/2 and 1/4 3/4
    assert np.allclose(y, [[0.5, 2.0], [0.25, 3.0]], rtol=1e-14)
    assert np.allclose(attention.weights, [[0.5, 0.5], [0.25, 0.75]], rtol=1e-14)
    dq, dk, dv = attention.backward([[0.0, 0.0], [1.0, 0.0]])
    assert np.allclose(dv, [[0.25, 0.0], [0.75, 0.0]], rtol=1e-14)
    # dp = (1, 0) for the second query, with mean 1/4 under its weights: ds = (1/4 · 3/4, 3/4 · -1/4)
    assert np.allclose(dq, [[0.0], [-3 / 16]], rtol=1e-14)
    assert np.allclose(dk, np.array([[3 / 16], [-3 / 16]]) * math.log(3), rtol=1e-14)


def test_scores_are_divided_by_the_root_of_the_number_of_features():
    q, k, v = [[math.log(3), 0.0, 0.0, math.log(3)]], [[1.0, 5.0, 0.0, 1.0], [0.0, 0.0, 7.0, 0.0]], [[1.0], [0.0]]
    assert np.allclose(nl.ScaledDotProductAttention().forward(q, k, v), [[0.75]])  # 2 log 3 / √4 against 0


def test_the_future_does_not_count_and_weighs_nothing_in_the_gradients():
    attention = nl.ScaledDotProductAttention(causal=True)
    q, k, v = [[1.0], [0.0]], [[2.0], [9.0]], [[3.0], [5.0]]
    assert attention.forward(q, k, v).tolist() == [[3.0], [4.0]]
    dq, dk, dv = attention.backward([[1.0], [0.0]])
    assert dq.tolist() == [[0.0], [0.0]]
    assert dk.tolist() == [[0.0], [0.0]]
    assert dv.tolist() == [[1.0], [0.0]]


def test_each_head_attends_by_itself_with_its_part_of_the_features():
    q, k, v, dout = normal((3, 4, 6), (3, 5, 6), (3, 5, 9), (3, 4, 9))
    heads = HeadAttention(3, causal=True)
    y, dx = heads.forward(q, k, v), heads.backward(dout)
    for i in range(3):
        one = nl.ScaledDotProductAttention(causal=True)
        part, values = slice(2 * i, 2 * i + 2), slice(3 * i, 3 * i + 3)
        assert np.allclose(one.forward(q[..., part], k[..., part], v[..., values]), y[..., values], rtol=1e-13)
        for whole, ours, at in zip(dx, one.backward(dout[..., values]), (part, part, values), strict=True):
            assert np.allclose(whole[..., at], ours, rtol=1e-12, atol=1e-15)


# ---- masks ---------------------------------------------------------------------------------------


@every_kind
@every_float
def test_a_query_that_may_look_nowhere_gives_zeros_and_zero_gradients_in_silence(make, dtype):
    attention = make(mask=True)
    q, k, v, dout = (x.astype(dtype) for x in normal((2, 3, 4), (2, 5, 4), (2, 5, 4), (2, 3, 4)))
    mask = np.ones((3, 5), bool)
    mask[1] = False
    with np.errstate(all="raise"):
        y = attention.forward(q, k, v, mask)
        dq, dk, dv = attention.backward(dout)
    assert not y[:, 1].any()
    assert not dq[:, 1].any()
    others = [0, 2]
    plain = make()
    assert np.allclose(plain.forward(q[:, others], k, v), y[:, others], rtol=1e-2 if dtype == np.float16 else 1e-5)
    expected = plain.backward(dout[:, others])
    for ours, theirs in zip((dq[:, others], dk, dv), expected, strict=True):
        assert np.allclose(ours, theirs, rtol=1e-5, atol=5e-3 if dtype == np.float16 else 1e-6)


@every_kind
def test_where_all_are_masked_everything_is_zero(make):
    attention = make(mask=True, causal=True)
    x = RNG.normal(size=(2, 3, 4))
    assert not attention.forward(x, x, x, False).any()
    assert not any(d.any() for d in attention.backward(np.ones((2, 3, 4))))


def test_padded_keys_are_as_if_they_were_not_there():
    q, k, v, dout = normal((2, 3, 4), (2, 5, 4), (2, 5, 4), (2, 3, 4))
    lengths = [2, 4]
    attention = HeadAttention(2, mask=True)
    y = attention.forward(q, k, v, (np.arange(5) < np.array(lengths)[:, None])[:, None, None, :])
    dx = attention.backward(dout)
    for i, n in enumerate(lengths):
        one = HeadAttention(2)
        assert np.allclose(one.forward(q[i], k[i, :n], v[i, :n]), y[i], rtol=1e-12)
        dq, dk, dv = one.backward(dout[i])
        assert np.allclose(dx[0][i], dq, rtol=1e-12)
        for whole, part in zip(dx[1:], (dk, dv), strict=True):
            assert np.allclose(whole[i, :n], part, rtol=1e-12)
            assert not whole[i, n:].any()


def test_masked_scores_do_not_count_however_large_or_strange_they_are():
    attention = nl.ScaledDotProductAttention(mask=True)
    v, mask = np.array([[1.0], [2.0], [4.0]]), np.array([[True, False, True]])
    for strange in (1e300, np.inf, np.nan):
        with np.errstate(over="ignore", invalid="ignore"):
            y = attention.forward([[0.0]], [[1.0], [strange], [1.0]], v, mask)
        assert y.tolist() == [[2.5]]


@pytest.mark.parametrize(
    ("mask", "hint"),
    [
        (np.array([[0.0, -np.inf]]), r"0 where it may look and -inf where not, write mask == 0\."),
        (np.array([[0.0, -1e9]], np.float32), r"0 where it may look and -inf where not, write mask == 0\."),
        (np.array([[1.0, 0.0]]), r"Write mask > 0 if 1 is where it may look, mask == 0 if 1 is where it may not\."),
        (np.array([[1, 0]]), r"Write mask > 0 if 1 is where it may look, mask == 0 if 1 is where it may not\."),
        ([[1, 0]], r"Write mask > 0 if 1 is where it may look, mask == 0 if 1 is where it may not\."),
    ],
)
@every_kind
def test_a_mask_of_numbers_is_refused_with_its_conversion(make, mask, hint):
    x = np.ones((1, 2, 2))
    with pytest.raises(
        nl.InvalidTypeError, match=rf"^\w+\(.*\): got a mask of \w+, expected booleans, True where a query may look\. .*{hint}"
    ):
        make(mask=True).forward(x, x, x, mask)


@pytest.mark.parametrize("shape", [(2, 5), (3, 3, 5), (1, 2, 3, 5), (3, 2), (2, 4, 3, 5), (7,)])
def test_a_mask_that_does_not_fit_is_refused_with_both_shapes(shape):
    q, k = np.ones((2, 3, 4)), np.ones((2, 5, 4))
    expected = rf"got a mask of shape {shape}, expected one that broadcasts to (2, 3, 5)"
    with pytest.raises(nl.ShapeError) as refusal:
        nl.ScaledDotProductAttention(mask=True).forward(q, k, k, np.ones(shape, bool))
    assert expected in str(refusal.value)


def test_usual_masks_that_lack_axes_are_refused_with_the_axes_to_insert():
    q, k = np.ones((2, 3, 4)), np.ones((2, 5, 4))
    for shape, hint in [((2, 5), "write mask[:, None, None, :]"), ((2, 3, 5), "write mask[:, None]"), ((2, 4), "(2, 4, 3, 5)")]:
        with pytest.raises(nl.ShapeError) as refusal:
            HeadAttention(4, mask=True).forward(q, k, k, np.ones(shape, bool))
        assert hint in str(refusal.value)
    with pytest.raises(nl.ShapeError, match=r"write mask\[:, None, :\]"):
        nl.ScaledDotProductAttention(mask=True).forward(q, k, k, np.ones((2, 5), bool))


@every_kind
def test_a_mask_too_many_or_too_few_is_refused(make):
    x = np.ones((2, 3, 4))
    with pytest.raises(nl.ShapeError, match=r"got a mask, expected q, k and v alone\. Make the layer with mask=True"):
        make().forward(x, x, x, np.ones((3, 3), bool))
    with pytest.raises(nl.ShapeError, match=r"got q, k and v, expected a mask, too"):
        make(mask=True).forward(x, x, x)
    with pytest.raises(nl.InvalidTypeError, match=r"mask is an array, expected True or False\. Pass the mask to forward"):
        make(mask=np.ones((3, 3), bool))


@every_kind
@pytest.mark.parametrize("causal", [False, True])
def test_with_a_mask_every_rule_for_layers_is_kept_and_the_gradients_are_those_of_forward(make, causal):
    x, mask = RNG.normal(size=(2, 3, 4)), RNG.random((2, 3, 3)) < 0.6
    mask[0, 1] = False
    layer = make(mask=True, causal=causal)
    mask = mask if layer.kernel_name == "attention" else mask[:, None]
    outcome = check_layer(layer, x, x + 1, 2 * x, mask)
    assert {rule for rule, became in outcome.items() if became != "passed"} == {"gradients accumulate"}


def test_the_callers_mask_may_change_between_forward_and_backward():
    q, k, v, dout = normal((3, 2), (4, 2), (4, 2), (3, 2))
    mask = RNG.random((3, 4)) < 0.5
    expected = nl.ScaledDotProductAttention(mask=True)
    expected.forward(q, k, v, mask)
    attention = nl.ScaledDotProductAttention(mask=True)
    attention.forward(q, k, v, mask)
    mask[...] = ~mask
    for ours, theirs in zip(attention.backward(dout), expected.backward(dout), strict=True):
        assert np.array_equal(ours, theirs)


# ---- shapes, types, sizes ------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize(("t", "s"), [(0, 3), (2, 0), (0, 0)])
@pytest.mark.parametrize("options", [{}, {"causal": True}, {"dropout": 0.5}])
def test_no_queries_and_no_keys_are_taken(make, t, s, options):
    attention = make(**options)
    with np.errstate(all="raise"):
        y = attention.forward(np.ones((2, t, 4)), np.ones((2, s, 4)), np.ones((2, s, 6)))
        dx = attention.backward(np.ones((2, t, 6)))
    assert y.shape == (2, t, 6)
    assert not y.any()
    assert [d.shape for d in dx] == [(2, t, 4), (2, s, 4), (2, s, 6)]


@pytest.mark.parametrize(("t", "s"), [(2, 4), (4, 2)])
def test_causal_means_the_keys_up_to_the_number_of_the_query_whatever_the_lengths(t, s):
    q, k = np.zeros((t, 1)), np.zeros((s, 1))
    y = nl.ScaledDotProductAttention(causal=True).forward(q, k, np.eye(s))
    for i, weights in enumerate(y):
        n = min(i + 1, s)
        assert np.allclose(weights, [1 / n] * n + [0] * (s - n))


@every_kind
@every_float
@pytest.mark.parametrize("causal", [False, True])
def test_scores_from_minus_to_plus_60000_are_silent_and_give_finite_numbers(make, dtype, causal):
    sizes = np.array([-6e4, -1e4, -750.0, -1.0, -1e-3, 0.0, 1e-7, 20.0, 1e4, 6e4])
    q, k = np.ones((len(sizes), 2), dtype), np.repeat(sizes[:, None], 2, axis=1).astype(dtype)
    if make is nl.ScaledDotProductAttention:
        q, k = q[:, :1], k[:, :1]
    with np.errstate(all="raise"):
        y = make(causal=causal).forward(q, k, np.tile(np.eye(10, dtype=dtype), 2))
        attention = make(causal=causal)
        attention.forward(q, k, np.eye(10, dtype=dtype))
        dx = attention.backward(np.eye(10, dtype=dtype))
    assert y.dtype == dtype
    assert np.isfinite(y).all()
    assert y[-1, 9] == 1.0
    assert all(np.isfinite(d).all() and d.dtype == dtype for d in dx)


def test_the_common_type_of_the_inputs_is_that_of_the_output():
    q, k, v = np.ones((2, 2), np.float32), np.ones((2, 2), np.float64), np.ones((2, 2), np.float16)
    attention = nl.ScaledDotProductAttention()
    assert attention.forward(q, k, v).dtype == np.float64
    assert attention.forward(q, np.ones((2, 2), int), v).dtype == np.float32


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(3, 4), (5, 6), (5, 2)], r"q of shape \(3, 4\), k of shape \(5, 6\) .*: q and k differ in their number of features"),
        ([(3, 4), (5, 4), (6, 2)], r"k of shape \(5, 4\) and v of shape \(6, 2\): k and v differ in their number of positions"),
        ([(2, 3, 4), (3, 5, 4), (3, 5, 4)], "whose leading axes do not fit"),
        ([(4,), (5, 4), (5, 4)], r"q of shape \(4,\).* expected \(…, positions, features\)"),
        ([(3, 4), (4,), (5, 4)], r"expected \(…, positions, features\)"),
        ([(3, 4), (5, 4), (5,)], r"expected \(…, positions, features\)"),
    ],
)
@every_kind
def test_inputs_that_do_not_fit_are_refused_with_all_shapes(make, shapes, message):
    with pytest.raises(nl.ShapeError, match=message):
        make().forward(*map(np.ones, shapes))


def test_features_that_cannot_be_divided_among_the_heads_are_refused():
    with pytest.raises(nl.ShapeError, match=r"HeadAttention\(2\): got .*q of shape \(3, 5\).*, expected a multiple of 2 features"):
        HeadAttention(2).forward(np.ones((3, 5)), np.ones((4, 5)), np.ones((4, 4)))


@pytest.mark.parametrize("dropout", [-0.1, 1.0, math.nan])
def test_a_dropout_outside_its_range_is_refused(dropout):
    with pytest.raises(nl.InvalidValueError, match=r"^ScaledDotProductAttention: dropout is .*, expected a finite number in \[0, 1\)"):
        nl.ScaledDotProductAttention(dropout=dropout)


def test_multiply_adds_are_those_of_both_products():
    assert nl.ScaledDotProductAttention().multiply_adds((2, 3, 4), (2, 5, 4), (2, 5, 7)) == 2 * (3 * 4 * 5 + 3 * 5 * 7)
    for shapes in [((2, 3, 4), (5, 4), (1, 5, 6)), ((3, 4), (2, 5, 4), (5, 6)), ((3, 4), (5, 4), (2, 5, 6))]:
        assert HeadAttention(2).multiply_adds(*shapes) == 2 * (3 * 4 * 5 + 3 * 5 * 6)


# ---- dropout -------------------------------------------------------------------------------------


@every_kind
def test_dropped_weights_are_0_and_the_others_grow_so_that_the_mean_stays(make):
    attention, plain = make(dropout=0.3, rng=0), make()
    q, k = normal((40, 4), (50, 4))
    v = np.tile(np.eye(50), 2)  # so that y holds the weights
    p, dropped = plain.forward(q, k, v), attention.forward(q, k, v)
    ratio = dropped / p
    assert np.allclose(ratio[dropped != 0], 1 / 0.7)
    assert abs((dropped == 0).mean() - 0.3) < 0.03
    assert np.array_equal(attention.eval().forward(q, k, v), p)
    assert not np.array_equal(attention.train().forward(q, k, v), dropped)


@every_kind
def test_where_all_weights_are_dropped_no_gradient_flows(make):
    attention = make(dropout=1 - 1e-7, rng=0)
    q, k, v = normal((3, 4), (3, 4), (3, 4))
    assert not attention.forward(q, k, v).any()
    assert not any(d.any() for d in attention.backward(np.ones((3, 4))))


@every_kind
def test_backward_drops_what_forward_dropped(make):
    attention = make(dropout=0.5, rng=1)
    q, k, v, dout = normal((2, 6, 4), (2, 7, 4), (2, 7, 4), (2, 6, 4))
    y = attention.forward(q, k, v)
    _, _, dv = attention.backward(dout)
    assert np.isclose((dout * y).sum(), (dv * v).sum())  # y is linear in v
    assert np.array_equal(attention.backward(dout)[2], dv)


def test_a_number_from_0_to_1_drops_a_weight_where_it_is_below_the_probability():
    attention = nl.ScaledDotProductAttention(dropout=0.5)

    class Numbers(np.random.Generator):
        def random(self, shape, dtype):
            return np.array([[0.0, 0.25, 0.5, 0.75]], dtype)

    attention._rng = Numbers(np.random.PCG64(0))
    assert attention.forward([[0.0]], np.zeros((4, 1)), np.eye(4)).tolist() == [[0.0, 0.0, 0.5, 0.5]]


def test_the_seed_decides_what_is_dropped():
    q = np.ones((4, 4))
    a, b, c = (nl.ScaledDotProductAttention(dropout=0.5, rng=seed).forward(q, q, np.eye(4)) for seed in (5, 5, 6))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


# ---- cached keys and values ----------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("pieces", [[7], [1] * 7, [3, 1, 2, 1]])
def test_piece_by_piece_attention_gives_what_it_gives_at_once(make, pieces):
    attention = make(causal=True, dropout=0.5).eval()
    q, k, v = normal((2, 7, 4), (2, 7, 4), (2, 7, 6))
    whole, past, start = attention.forward(q, k, v), None, 0
    for n in pieces:
        at = slice(start, start + n)
        y, past = attention.forward_next(past, q[:, at], k[:, at], v[:, at])
        assert np.allclose(y, whole[:, at], rtol=1e-13, atol=1e-15)
        start += n


def test_two_sequences_may_go_on_from_the_same_past():
    attention = nl.ScaledDotProductAttention(causal=True)
    start, a, b = normal((1, 3, 2), (1, 1, 2), (1, 1, 2))
    _, past = attention.forward_next(None, start, start, start)
    _, one = attention.forward_next(past, a, a, a)
    _, other = attention.forward_next(past, b, b, b)
    for middle, branch in [(a, one), (b, other)]:
        y, _ = attention.forward_next(branch, a, a, a)
        whole = np.concatenate([start, middle, a], axis=1)
        assert np.allclose(y, attention.forward(whole, whole, whole)[:, -1:], rtol=1e-13)


@every_kind
def test_attention_that_looks_ahead_or_takes_a_mask_has_no_next_step(make):
    x = np.ones((1, 2, 4))
    assert make().forward_next(None, x, x, x) is NotImplemented
    assert make(causal=True, mask=True).forward_next(None, x, x, x) is NotImplemented
    assert make(causal=True).forward_next(None, x[None], x[None], x[None]) is NotImplemented  # axis 1 is not that of positions


def test_rows_are_copied_a_bounded_number_of_times_however_many_follow():
    rows, copied = Rows(np.zeros((1, 1, 2))), 0
    for i in range(1, 1000):
        before = rows.array
        rows = rows.followed_by(np.full((1, 1, 2), i))
        copied += 0 if np.shares_memory(before, rows.array) else len(rows)
    assert rows.array[0, :, 1].tolist() == list(range(1000))
    assert copied < 3000


def test_rows_do_not_change_with_the_array_that_they_were_made_of():
    x = np.zeros((1, 2, 3))
    rows = Rows(x)
    x[...] = 1
    assert not rows.array.any()


# ---- files ---------------------------------------------------------------------------------------


def test_a_pickle_and_a_file_hold_all_options(tmp_path):
    attention = nl.ScaledDotProductAttention(causal=True, dropout=0.25, mask=True, rng=0)
    q, mask = RNG.normal(size=(3, 2)), np.tri(3, 3, dtype=bool)
    nl.save(attention, tmp_path / "attention.npz")
    for twin in (pickle.loads(pickle.dumps(attention)), nl.load(tmp_path / "attention.npz")):
        assert repr(twin) == "ScaledDotProductAttention(causal=True, dropout=0.25, mask=True)"
        assert twin.n_nondifferentiable_inputs == 1
        assert np.array_equal(twin.predict(q, q, q, mask), attention.predict(q, q, q, mask))
