"""RNN, LSTM, GRU and Recurrent: steps worked by hand, and what goes wrong elsewhere with padding, states and time."""

import itertools
import pickle
from contextlib import nullcontext

import numpy as np
import pytest
from test_threads import in_threads

import netlib as nl
from netlib.layers.sequence_order import SequenceOrder
from netlib.recording import watch_calls
from netlib.testing import check_layer

LN3 = np.log(3)  # σ(LN3) = 3/4 and tanh(LN3 / 2) = 1/2
KINDS = [nl.RNN, lambda *args, **options: nl.RNN(*args, nonlinearity="relu", **options), nl.LSTM, nl.GRU]
every_kind = pytest.mark.parametrize("make", KINDS, ids=["RNN", "RNN relu", "LSTM", "GRU"])


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def as_tuple(outputs):
    return outputs if isinstance(outputs, tuple) else (outputs,)


def states_for(layer, n, seed=5):
    """Return initial states, without zeros."""
    passes = layer.layers * (1 + layer.bidirectional)
    shape = (n, layer.hidden_features) if passes == 1 else (n, passes, layer.hidden_features)
    return [numbers(*shape, seed=seed + i) for i in range(len(layer.state_names))]


# ---- by hand -------------------------------------------------------------------------------------


def test_two_steps_of_an_rnn_by_hand():
    rnn = nl.RNN.from_arrays([[0.0]], [[0.0]], [LN3 / 2], return_state=True)
    y, h = rnn.forward([[[1.0], [4.0]]])
    assert np.allclose(y, [[[1 / 2], [1 / 2]]], rtol=1e-15)
    assert np.allclose(h, [[1 / 2]], rtol=1e-15)
    assert np.allclose(rnn.backward((np.array([[[1.0], [0.0]]]), np.array([[1.0]]))), 0)
    assert np.allclose(rnn.weight_x.grad, 3 / 4 + 4 * 3 / 4, rtol=1e-15)  # 1 − h² = 3/4 in both steps
    assert np.allclose(rnn.weight_h.grad, 1 / 2 * 3 / 4, rtol=1e-15)  # of the second step; h was 0 in the first
    assert np.allclose(rnn.bias.grad, 3 / 2, rtol=1e-15)


def test_two_steps_of_an_lstm_by_hand():
    no_weights = np.zeros((1, 4))
    lstm = nl.LSTM.from_arrays(no_weights, no_weights, [LN3, 0.0, LN3 / 2, 0.0], return_state=True)
    y, h, c = lstm.forward([[[1.0], [4.0]]], [[0.0]], [[0.0]])
    c1, c2 = 3 / 4 * 1 / 2, 1 / 2 * 3 / 8 + 3 / 8
    assert np.allclose(c, [[c2]], rtol=1e-15)
    assert np.allclose(y, [[[np.tanh(c1) / 2], [np.tanh(c2) / 2]]], rtol=1e-15)
    assert np.array_equal(h, y[:, 1])
    dx, dh, dc = lstm.backward((np.zeros((1, 2, 1)), np.zeros((1, 1)), np.ones((1, 1))))
    assert not dx.any()
    assert not dh.any()
    assert np.allclose(dc, 1 / 4, rtol=1e-15)  # f twice
    # da of the second step: g i (1 − i), c1 f (1 − f), i (1 − g²); of the first with dc = f, and c = 0 before it
    second, first = np.array([3 / 32, 3 / 32, 9 / 16, 0]), np.array([3 / 64, 0, 9 / 32, 0])
    assert np.allclose(lstm.bias.grad, first + second, rtol=1e-15)
    assert np.allclose(lstm.weight_x.grad, [first + 4 * second], rtol=1e-15)
    assert np.allclose(lstm.weight_h.grad, [np.tanh(c1) / 2 * second], rtol=1e-15)


def test_two_steps_of_a_gru_by_hand():
    no_weights = np.zeros((1, 3))
    gru = nl.GRU.from_arrays(no_weights, no_weights, [LN3, 0.0, 0.0], [2 / 3 * LN3])  # so that n = tanh(3/4 · 2/3 LN3) = 1/2
    y = gru.forward([[[1.0], [4.0]]], [[0.0]])
    assert np.allclose(y, [[[1 / 4], [3 / 8]]], rtol=1e-15)
    dx, dh = gru.backward([[[0.0], [1.0]]])
    assert not dx.any()
    assert np.allclose(dh, 1 / 4, rtol=1e-15)  # z twice
    # da of a step: da_n = dh' (1 − z) (1 − n²), da_z = dh' (h − n) z (1 − z), da_r = da_n bias_h r (1 − r)
    second, first = np.array([3 / 64 * LN3, -1 / 16, 3 / 8]), np.array([3 / 128 * LN3, -1 / 16, 3 / 16])
    assert np.allclose(gru.bias.grad, first + second, rtol=1e-14)
    assert np.allclose(gru.weight_x.grad, [first + 4 * second], rtol=1e-14)
    assert np.allclose(gru.bias_h.grad, 3 / 4 * (3 / 8 + 3 / 16), rtol=1e-14)
    assert np.allclose(gru.weight_h.grad, [1 / 4 * second * [1, 1, 3 / 4]], rtol=1e-14)


# ---- lengths -------------------------------------------------------------------------------------

LENGTHS = np.array([3, 0, 5, 1, 3])


def padded(value, n=5, steps=5, features=3):
    """Return sequences with LENGTHS steps, and `value` after the end of each."""
    x = numbers(n, steps, features)
    x[np.arange(steps) >= LENGTHS[:, None]] = value
    return x


def test_sequences_are_sorted_with_zeros_as_padding_flipped_within_their_lengths_and_put_back():
    order = SequenceOrder(3, 4, np.array([1, 4, 2]))
    x = np.arange(1, 13).reshape(3, 4, 1)
    ordered = order.sort(x)
    assert order.rows == [3, 2, 1, 1]
    assert ordered[..., 0].tolist() == [[5, 6, 7, 8], [9, 10, 0, 0], [1, 0, 0, 0]]
    assert order.flip(ordered)[..., 0].tolist() == [[8, 7, 6, 5], [10, 9, 0, 0], [1, 0, 0, 0]]
    assert order.unsort(ordered + 1)[..., 0].tolist() == [[2, 0, 0, 0], [6, 7, 8, 9], [10, 11, 0, 0]]
    assert order.unsort_states(order.sort_states(x)).tolist() == x.tolist()
    whole = SequenceOrder(3, 4)
    assert whole.rows == [3, 3, 3, 3]
    assert whole.flip(x)[..., 0].tolist() == [[4, 3, 2, 1], [8, 7, 6, 5], [12, 11, 10, 9]]


@every_kind
def test_a_batch_with_lengths_is_its_sequences_one_by_one(make):
    options = {"layers": 2, "bidirectional": True, "return_state": True, "dtype": "float64", "rng": 0}
    layer, alone = make(3, 2, lengths=True, **options), make(3, 2, **options)
    x, states = padded(7.0), states_for(layer, 5)
    outputs = layer.forward(x, *states, LENGTHS)
    douts = tuple(numbers(*each.shape, seed=i) for i, each in enumerate(outputs))
    gradients = layer.backward(douts)
    for i, n in enumerate(LENGTHS):
        if n:
            y, *final = alone.forward(x[i : i + 1, :n], *[each[i : i + 1] for each in states])
            dx, *dstates = alone.backward((douts[0][i : i + 1, :n], *[each[i : i + 1] for each in douts[1:]]))
            pairs = [(outputs[0][i, :n], y[0]), (gradients[0][i, :n], dx[0])]
            pairs += [(whole[i], one[0]) for whole, one in zip((*outputs[1:], *gradients[1:]), (*final, *dstates), strict=True)]
            for ours, expected in pairs:
                assert np.allclose(ours, expected, rtol=1e-12, atol=1e-14)
        assert not outputs[0][i, n:].any()
        assert not gradients[0][i, n:].any()
    for path, parameter in alone.parameters().items():
        assert np.allclose(layer.parameters()[path].grad, parameter.grad, rtol=1e-12, atol=1e-13)


@every_kind
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_padding_has_no_effect_whatever_it_holds(make, value):
    options = {"layers": 2, "bidirectional": True, "return_state": True, "lengths": True, "dtype": "float64"}
    results = []
    for x in (padded(0.0), padded(value)):
        layer = make(3, 2, **options, rng=0)
        with np.errstate(all="raise"):
            outputs = layer.forward(x, LENGTHS)
            dout = numbers(5, 5, 4)
            dout[np.arange(5) >= LENGTHS[:, None]] = np.nan if value else 0.0
            dx = layer.backward((dout, *[np.ones_like(each) for each in outputs[1:]]))
        results.append([*outputs, dx, *[p.grad for p in layer.parameters().values()]])
    for a, b in zip(*results, strict=True):
        assert np.isfinite(b).all()
        assert np.array_equal(a, b)


@every_kind
def test_without_steps_the_last_y_is_the_initial_state(make):
    layer = make(3, 2, return_sequences=False, lengths=True, dtype="float64", rng=0)
    states = states_for(layer, 5)
    y = layer.forward(padded(0.0), *states, LENGTHS)
    assert np.array_equal(y[1], states[0][1])
    dx, dh, *_ = layer.backward(np.ones((5, 2)))
    assert not dx[1].any()
    assert np.array_equal(dh[1], [1, 1])
    assert not layer.forward(padded(0.0), LENGTHS)[1].any()


@pytest.mark.parametrize("kind", [nl.RNN, nl.LSTM, nl.GRU])
def test_a_layer_with_lengths_keeps_every_rule_and_passes_the_checker(kind):
    layer = kind(3, 2, bidirectional=True, lengths=True, dtype="float64", rng=0)
    x = padded(0.5)
    outcome = check_layer(layer, x, LENGTHS)
    assert {rule for rule, became in outcome.items() if became != "passed"} == set()
    assert nl.check_gradients(layer, x, LENGTHS).ok
    assert layer.n_nondifferentiable_inputs == 1
    assert kind.n_nondifferentiable_inputs == 0


def test_lengths_of_every_integer_type_are_taken_and_none_for_an_empty_batch():
    layer, x = nl.GRU(3, 2, lengths=True, rng=0), padded(0.0).astype(np.float32)
    expected = layer.forward(x, LENGTHS)
    for given in (LENGTHS.tolist(), LENGTHS.astype(np.uint8), LENGTHS.astype(">i2"), LENGTHS[::-1].copy()[::-1]):
        assert np.array_equal(layer.forward(x, given), expected)
    assert layer.forward(x[:0], []).shape == (0, 5, 2)
    assert layer.backward(np.ones((0, 5, 2))).shape == (0, 5, 3)


def test_a_graph_sends_no_gradient_to_lengths_and_a_sequential_takes_them():
    x, lengths = nl.Input("x"), nl.Input("lengths")
    gru = nl.GRU(3, 2, lengths=True, return_state=True, dtype="float64", rng=0)
    y, h = gru(x, lengths)
    graph = nl.Graph([x, lengths], [y, h])
    outputs = graph.forward(padded(0.0), LENGTHS)
    dx, none = graph.backward(tuple(map(np.ones_like, outputs)))
    twin = nl.GRU(3, 2, lengths=True, return_state=True, dtype="float64", rng=0)
    for got, wanted in zip(outputs, twin.forward(padded(0.0), LENGTHS), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(dx, twin.backward(tuple(map(np.ones_like, outputs))), rtol=1e-12, atol=1e-15)
    assert none is None
    model = nl.Sequential(nl.GRU(3, 2, lengths=True, dtype="float64", rng=0), nl.Affine(2, 1, dtype="float64", rng=1))
    np.testing.assert_allclose(model.predict(padded(0.0), LENGTHS, batch_size=2), model.forward(padded(0.0), LENGTHS), rtol=1e-13)


# ---- time ----------------------------------------------------------------------------------------


@every_kind
def test_pieces_of_a_sequence_joined_by_their_states_are_the_whole(make):
    whole, pieces = (make(3, 2, layers=2, return_state=True, dtype="float64", rng=0) for _ in range(2))
    x = numbers(2, 7, 3)
    outputs = whole.forward(x, *states_for(whole, 2))
    douts = tuple(numbers(*each.shape, seed=i) for i, each in enumerate(outputs))
    gradients = whole.backward(douts)
    cuts, states, parts = [slice(0, 3), slice(3, 4), slice(4, 7)], states_for(whole, 2), []
    for cut in cuts:
        y, *after = pieces.forward(x[:, cut], *states)
        assert np.allclose(y, outputs[0][:, cut], rtol=1e-13, atol=1e-14)
        parts.append((cut, states))
        states = after
    dstates, dxs = douts[1:], []
    for cut, before in reversed(parts):
        pieces.forward(x[:, cut], *before)
        dx, *dstates = pieces.backward((douts[0][:, cut], *dstates))
        dxs.append(dx)
    for ours, expected in zip((np.concatenate(dxs[::-1], axis=1), *dstates), gradients, strict=True):
        assert np.allclose(ours, expected, rtol=1e-12, atol=1e-13)
    for a, b in zip(pieces.parameters().values(), whole.parameters().values(), strict=True):
        assert np.allclose(a.grad, b.grad, rtol=1e-12, atol=1e-13)


@every_kind
def test_ten_thousand_steps_need_no_deeper_stack(make):
    layer = make(1, 2, dtype="float64", rng=0)
    x = numbers(1, 10_000, 1)
    y = layer.forward(x)
    dx = layer.backward(np.ones_like(y))
    tail = make(1, 2, dtype="float64", rng=0)  # the state forgets: 200 steps before the end are all that matters
    assert np.allclose(tail.forward(x[:, -300:])[:, -100:], y[:, -100:], rtol=1e-9)
    assert np.allclose(tail.backward(np.ones((1, 300, 2)))[:, -100:], dx[:, -100:], rtol=1e-9)


@pytest.mark.exhaustive
def test_recurrent_takes_thousands_of_steps_too():
    x, h = nl.Input("x"), nl.Input("h")
    total = nl.Recurrent(nl.Graph([x, h], [h + x]))
    y = total.forward(np.ones((1, 3000, 1)), np.zeros((1, 1)))
    assert np.array_equal(y[0, :, 0], np.arange(1, 3001))
    dx, dh = total.backward(np.ones((1, 3000, 1)))
    assert np.array_equal(dx[0, :, 0], np.arange(3000, 0, -1))
    assert dh == 3000


@every_kind
def test_forward_next_goes_on_from_the_states(make):
    for options in [{}, {"layers": 2, "return_state": True}]:
        layer = make(3, 2, **options, dtype="float64", rng=0).eval()
        x, start = numbers(2, 5, 3), states_for(layer, 2)
        y, *_ = as_tuple(layer.forward(x, *start))
        for first in ([x[:, :2]], [x[:, :2], *start]):
            expected = y if len(first) > 1 else as_tuple(layer.forward(x))[0]
            parts, past = [], None
            for inputs in (first, [x[:, 2:3]], [x[:, 3:]]):
                outputs, past = layer.forward_next(past, *inputs)
                assert isinstance(outputs, tuple) == layer.return_state
                y_of_part, *states = as_tuple(outputs)
                assert all(map(np.array_equal, states, past))
                parts.append(y_of_part)
            assert np.allclose(np.concatenate(parts, axis=1), expected, rtol=1e-13, atol=1e-15)
    for options in [{"bidirectional": True}, {"return_sequences": False}, {"lengths": True}]:
        assert make(3, 2, **options).forward_next(None, x) is NotImplemented


# ---- extremes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [nl.RNN, nl.LSTM, nl.GRU])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_at_10000_the_gates_are_open_or_closed_without_a_warning(kind, dtype):
    layer = kind(1, 1, dtype=dtype, rng=0)
    blocks = layer.n_gates
    for signs in itertools.product((-1.0, 0.0, 1.0), repeat=blocks):
        layer.weight_x.value = 1e4 * np.array([signs])
        layer.weight_h.value = np.zeros((1, blocks))
        with np.errstate(all="raise"):
            y = layer.forward(np.array([[[1], [1e-6], [-1]]], dtype))
            dx = layer.backward(np.ones_like(y))
        assert y.dtype == dx.dtype == dtype
        assert np.isfinite(dx).all()
        assert (np.abs(y) <= 1).all()
    if kind is nl.LSTM:  # c counts what i lets in, as f lets it stay
        layer = nl.LSTM.from_arrays(np.array([[1e4] * 4], dtype), np.zeros((1, 4), dtype), np.zeros(4, dtype), return_state=True)
        y, _, c = layer.forward(np.ones((1, 3, 1), dtype))
        assert c == 3
        assert np.allclose(y.ravel(), np.tanh([1, 2, 3]), rtol=1e-3 if dtype == np.float16 else 1e-6)


# ---- dropout -------------------------------------------------------------------------------------


def test_dropout_lies_between_layers_and_nowhere_else():
    x = numbers(4, 3, 3).astype(np.float32)
    one = nl.LSTM(3, 2, dropout=0.9, rng=0)
    assert np.array_equal(one.forward(x), one.forward(x))
    two, plain = nl.LSTM(3, 50, layers=2, dropout=0.9, rng=0), nl.LSTM(3, 50, layers=2)
    plain.load_state_dict(two.state_dict())
    assert not np.array_equal(two.forward(x), two.forward(x))
    assert two.forward(x).all()  # not after the last layer
    assert np.array_equal(two.predict(x), plain.forward(x))
    assert np.array_equal(two.eval().forward(x), plain.forward(x))
    first, second = (nl.LSTM(3, 50, layers=2, dropout=0.9, rng=7).forward(x) for _ in range(2))
    assert np.array_equal(first, second)


def test_each_gap_between_layers_has_a_mask_of_its_own_and_backward_uses_it():
    layer = nl.RNN(3, 8, layers=4, dropout=0.5, nonlinearity="relu", dtype="float64", rng=0)
    assert nl.check_gradients(layer, numbers(2, 3, 3)).ok


# ---- settings and errors -------------------------------------------------------------------------

X = np.zeros((2, 3, 4))
WRONG_CALLS = [
    ({}, [np.zeros((2, 3, 5))], nl.ShapeError, r"LSTM\(4, 6.*got x of shape \(2, 3, 5\), expected \(…, 4\).*in_features 5"),
    ({}, [np.zeros((3, 4))], nl.ShapeError, r"got x of shape \(3, 4\), expected \(N, T, 4\).*x\[None\]"),
    ({}, [np.zeros(4)], nl.ShapeError, r"got x of shape \(4,\), expected \(N, T, 4\)\.?$"),
    ({}, [np.zeros((2, 0, 4))], nl.ShapeError, r"got x of shape \(2, 0, 4\), which has no steps"),
    ({}, [X, np.zeros((2, 6))], nl.ShapeError, r"got 2 inputs, expected x, or x, h, c\.?$"),
    ({}, [], nl.ShapeError, r"got 0 inputs, expected x, or x, h, c"),
    ({"lengths": True}, [X], nl.ShapeError, r"got 1 inputs, expected x, or x, h, c, with the lengths last"),
    ({}, [X, np.zeros((2, 6)), np.zeros((2, 5))], nl.ShapeError, r"got c of shape \(2, 5\), expected \(2, 6\)\.?$"),
    ({}, [X, np.zeros((3, 6)), np.zeros((2, 6))], nl.ShapeError, r"got h of shape \(3, 6\), expected \(2, 6\)"),
    (
        {"layers": 2, "bidirectional": True},
        [X, np.zeros((4, 2, 6)), np.zeros((4, 2, 6))],
        nl.ShapeError,
        r"got h of shape \(4, 2, 6\), expected \(2, 4, 6\).*The batch comes first",
    ),
    ({"lengths": True}, [X, [1, 4]], nl.InvalidValueError, r"lengths\[1\] is 4, expected 0 to 3, the steps of x"),
    ({"lengths": True}, [X, [-1, 3]], nl.InvalidValueError, r"lengths\[0\] is -1, expected 0 to 3"),
    ({"lengths": True}, [X, [1.0, 3.0]], nl.InvalidTypeError, r"got lengths of type float64, expected integers.*astype"),
    ({"lengths": True}, [X, [True, True]], nl.InvalidTypeError, r"got lengths of type bool"),
    ({"lengths": True}, [X, [1, 2, 3]], nl.ShapeError, r"got lengths of shape \(3,\), expected \(2,\).*one number of steps"),
    ({"lengths": True}, [X, 3], nl.ShapeError, r"got lengths of shape \(\), expected \(2,\)"),
]


@pytest.mark.parametrize(("options", "inputs", "error", "message"), WRONG_CALLS, ids=lambda value: str(value)[:40])
def test_wrong_inputs_are_refused_with_what_was_expected(options, inputs, error, message):
    layer = nl.LSTM(4, 6, **options, dtype="float64")
    with pytest.raises(error, match=message):
        layer.forward(*inputs)
    with pytest.raises(nl.OrderError):
        layer.backward(np.zeros((2, 3, 6)))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((3, 0), {}, "hidden_features is 0, expected at least 1"),
        ((3, 2, 0), {}, "layers is 0, expected at least 1"),
        ((3, 2), {"dropout": 1.0}, r"dropout is 1, expected a finite number in \[0, 1\)"),
        ((3, 2), {"nonlinearity": "sigmoid"}, "nonlinearity is 'sigmoid', expected 'tanh' or 'relu'"),
    ],
)
def test_wrong_settings_are_refused(arguments, options, message):
    with pytest.raises(nl.InvalidValueError, match=f"^RNN: {message}"):
        nl.RNN(*arguments, **options)


def test_arrays_that_do_not_fit_together_are_refused():
    weight = np.zeros((2, 8))
    for arrays, message in [
        ((weight, weight, np.zeros(7)), r"bias: got an array of shape \(7,\), expected \(8,\)"),
        ((np.zeros((3, 6)), weight, np.zeros(8)), r"weight_x: got an array of shape \(3, 6\), expected \(3, 8\)"),
        ((weight, np.zeros(8), np.zeros(8)), r"got an array of shape \(8,\), expected a matrix"),
    ]:
        with pytest.raises(nl.ShapeError, match=rf"^LSTM.from_arrays.*{message}"):
            nl.LSTM.from_arrays(*arrays)
    with pytest.raises(nl.InvalidTypeError, match=r"^LSTM.from_arrays: got a bias_h, which only GRU has"):
        nl.LSTM.from_arrays(weight, weight, np.zeros(8), np.zeros(2))
    with pytest.raises(nl.InvalidValueError, match="hidden_features is 0"):
        nl.RNN.from_arrays(np.zeros((3, 0)), np.zeros((0, 0)))
    for options in ({"layers": 2}, {"bidirectional": True}):
        with pytest.raises(nl.InvalidValueError, match="several layers, expected one in one direction"):
            nl.LSTM.from_arrays(weight, weight, np.zeros(8), **options)
    layer = nl.LSTM.from_arrays(np.ones((3, 8)), weight, np.ones(8), return_sequences=False)
    assert layer.dtype == np.float64
    assert layer.forward(np.ones((1, 2, 3))).shape == (1, 2)
    assert not any(p.value.any() for p in nl.GRU.from_arrays(np.zeros((3, 6)), np.zeros((2, 6))).parameters().values())


def test_initial_values_are_pytorchs():
    layer = nl.GRU(30, 25, layers=2, bidirectional=True, rng=0)
    for parameter in layer.parameters().values():
        assert -0.2 <= parameter.value.min() < -0.12
        assert 0.12 < parameter.value.max() <= 0.2
    assert list(layer.parameters())[:5] == ["weight_x", "weight_h", "bias", "bias_h", "weight_x_reverse"]
    assert {path: p.shape for path, p in layer.parameters().items() if path.endswith("_1_reverse")} == {
        "weight_x_1_reverse": (50, 75),
        "weight_h_1_reverse": (25, 75),
        "bias_1_reverse": (75,),
        "bias_h_1_reverse": (25,),
    }
    assert not any(p.value.any() for p in nl.GRU(2, 2, init=nl.Zeros()).parameters().values())


def test_multiply_adds_count_inputs_and_states_of_every_step():
    layer = nl.LSTM(3, 2, layers=2, bidirectional=True)
    per_step = 2 * 8 * (3 + 2) + 2 * 8 * (4 + 2)
    assert layer.multiply_adds((5, 7, 3)) == 5 * 7 * per_step
    cell = nl.Sequential(nl.Concatenate(), nl.Affine(5, 2))
    cell.hidden_features = 2
    assert nl.Sequential(nl.Recurrent(cell)).summary((4, 7, 3)).multiply_adds == 4 * 7 * 5 * 2


# ---- in a model ----------------------------------------------------------------------------------


def models():
    cell = nl.Sequential(nl.Concatenate(), nl.Affine(5, 2, rng=3), nl.Tanh())
    x, h = nl.Input("x"), nl.Input("h")
    return [
        nl.Sequential(nl.RNN(3, 2, nonlinearity="relu", rng=0), nl.Affine(2, 1, rng=1)),
        nl.Sequential(nl.LSTM(3, 4, layers=2, dropout=0.3, bidirectional=True, return_sequences=False, rng=0), nl.Affine(8, 1, rng=1)),
        nl.Sequential(nl.GRU(3, 2, init=nl.Normal(0.3), rng=0), nl.LSTM(2, 2, rng=1)),
        nl.Graph([x, h], [nl.Recurrent(cell, return_sequences=False)(x, h)]),
    ]


@pytest.mark.parametrize("model", models(), ids=lambda model: str(model)[:40])
def test_a_model_is_saved_pickled_and_runs_in_threads(model, tmp_path):
    inputs = [numbers(3, 5, 3).astype(np.float32)]
    inputs += [numbers(3, 2, seed=1).astype(np.float32)] if isinstance(model, nl.Graph) else []
    y = model.predict(*inputs)
    nl.save(model, tmp_path / "model.npz")
    assert np.array_equal(nl.load(tmp_path / "model.npz").predict(*inputs), y)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(*inputs), y)
    assert np.array_equal(model.tied_copy().predict(*inputs), y)
    rows = [[x[[i % 3]] for x in inputs] for i in range(4)]
    expected = [model.predict(*each) for each in rows]
    got = in_threads(*[lambda each=each: [model.predict(*each) for _ in range(20)] for each in rows])
    for results, one in zip(got, expected, strict=True):
        assert all(np.array_equal(each, one) for each in results)


@pytest.mark.parametrize("kind", [nl.RNN, nl.LSTM, nl.GRU])
def test_without_the_gradient_of_x_those_of_the_parameters_are_the_same(kind):
    x, grads = numbers(2, 4, 3), []
    for input_gradient in (True, False):
        model = nl.Sequential(kind(3, 2, layers=2, bidirectional=True, dtype="float64", rng=0))
        y = model.forward(x)
        assert (model.backward(np.ones_like(y), input_gradient) is None) == (not input_gradient)
        grads.append([p.grad for p in model.parameters().values()])
    assert all(map(np.array_equal, *grads))


def test_an_lstm_learns_to_remember_the_first_of_ten_signs():
    rng = np.random.default_rng(0)
    x = rng.choice([-1.0, 1.0], (256, 10, 1)).astype(np.float32)
    t = (x[:, 0, 0] > 0).astype(int)
    model = nl.Sequential(nl.LSTM(1, 16, return_sequences=False, rng=0), nl.Affine(16, 2, rng=1))
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), nl.Adam(model, lr=0.02), metrics={"accuracy": nl.accuracy}, seed=0)
    trainer.fit(x, t, epochs=30, batch_size=64, progress=False)
    assert trainer.evaluate(x, t)["accuracy"] == 1


# ---- a mistake, and what the checker says --------------------------------------------------------


class Forgetful(nl.LSTM):
    """An LSTM whose backward does not pass the gradient of h to the step before."""

    def _unroll_backward(self, suffix, dy, dstates, kept, input_gradient):
        x, h, c, tanh_c, gates, rows = kept
        dx, last = np.zeros_like(dy[..., :0].repeat(1, axis=2)), (np.zeros_like(dstates[0]), dstates[1])
        dxs = []
        for t in reversed(range(len(rows))):  # each step alone, with dc but without dh
            kept_of_step = x[t : t + 1], h[t : t + 2], c[t : t + 2], tanh_c[t : t + 1], gates[:, t : t + 1], rows[t : t + 1]
            dx, last = super()._unroll_backward(suffix, dy[:, t : t + 1], last, kept_of_step, input_gradient)
            last = np.zeros_like(last[0]), last[1]
            dxs.append(dx)
        return np.concatenate(dxs[::-1], axis=1), last


def test_a_gradient_of_the_state_that_is_not_passed_back_is_named():
    report = nl.check_gradients(Forgetful(3, 2, dtype="float64", rng=0), numbers(2, 3, 3))
    assert [finding.mistake for finding in report.findings] == ["missing-term"]
    assert "@ weight_h" in report.findings[0].message
    assert nl.check_gradients(nl.LSTM(3, 2, dtype="float64", rng=0), numbers(2, 3, 3)).ok


# ---- Recurrent -----------------------------------------------------------------------------------


class Leaky(nl.Layer):
    """A cell with plain attributes."""

    def __init__(self, features):
        self.features = features
        self.rate = nl.Parameter(np.full(features, 0.5))

    def forward(self, x, h):
        self.h, self.x = h, x
        return h + self.rate.value * (x - h)

    def backward(self, dout):
        self.rate.grad += (dout * (self.x - self.h)).sum(axis=0)
        return dout * self.rate.value, dout * (1 - self.rate.value)


class Careless(nl.Layer):
    """A cell whose backward takes 1 − h for the slope of tanh."""

    hidden_features = 2

    def __init__(self):
        self.weight_x, self.weight_h = nl.Parameter(numbers(3, 2)), nl.Parameter(numbers(2, 2, seed=1))

    def forward(self, x, h):
        self.x, self.before = x, h
        self.h = np.tanh(x @ self.weight_x.value + h @ self.weight_h.value)
        return self.h

    def backward(self, dout):
        da = dout * (1 - self.h)
        self.weight_x.grad += self.x.T @ da
        self.weight_h.grad += self.before.T @ da
        return da @ self.weight_x.value.T, da @ self.weight_h.value.T


class Pair(nl.Layer):
    """A cell of two states, and what it does wrong."""

    n_outputs = 2

    def __init__(self, returns=2, gradients=3):
        self.returns, self.gradients = returns, gradients

    def forward(self, x, h, c):
        return (h + x, c)[: self.returns] if self.returns > 1 else h

    def backward(self, dout):
        return (dout[0], *dout)[: self.gradients] if self.gradients > 1 else dout[0]


def test_a_users_cell_is_run_over_time_and_keeps_every_rule():
    cell = Leaky(2)
    with pytest.raises(nl.InvalidValueError, match=r"does not say the size of its states.*cell\.hidden_features"):
        nl.Recurrent(cell).forward(numbers(3, 4, 2))
    layer = nl.Recurrent(cell, return_state=True)
    for sizes in (None, (2, 2), ("2",)):
        cell.hidden_features = sizes
        with pytest.raises(nl.InvalidValueError, match="an int, or a tuple with one for each state"):
            layer.forward(numbers(3, 4, 2))
    pair = Pair()
    pair.hidden_features = 2, None
    with pytest.raises(nl.InvalidValueError, match="an int, or a tuple with one for each state"):
        nl.Recurrent(pair).forward(numbers(3, 4, 2))
    cell.hidden_features = 2
    x = numbers(3, 4, 2)
    y, h = layer.forward(x)
    expected = np.zeros((3, 2))
    for t in range(4):
        expected = (expected + x[:, t]) / 2
        assert np.allclose(y[:, t], expected, rtol=1e-15)
    assert np.array_equal(h, y[:, -1])
    assert set(vars(cell)) == {"features", "rate", "hidden_features"}  # the steps run on copies
    for layer in (nl.Recurrent(cell), nl.Recurrent(cell, return_sequences=False), nl.Recurrent(cell, return_state=True)):
        check_layer(layer, x, numbers(3, 2))
        assert nl.check_gradients(layer, x, numbers(3, 2)).ok
        assert nl.check_gradients(layer, x).ok
    assert layer.forward(x.astype(np.float32))[0].dtype == np.float64  # the parameters'


def test_a_mistake_in_a_cell_is_found_in_the_cell_with_the_line_to_write():
    report = nl.check_gradients(nl.Recurrent(Careless()), numbers(2, 3, 3))
    (finding,) = report.findings
    assert (finding.mistake, finding.where) == ("wrong-formula", "cell: input 0")
    assert "da = dout * (1 - self.h**2)" in str(report)


def test_a_cell_that_does_not_keep_to_its_states_is_refused():
    x, h = numbers(3, 4, 2), numbers(3, 2)
    with pytest.raises(nl.ShapeError, match="got 1 states, expected 2, as many as the cell returns"):
        nl.Recurrent(Pair()).forward(x, h)
    with pytest.raises(nl.ShapeError, match=r"got state 1 of shape \(2, 2\).*expected 3 rows"):
        nl.Recurrent(Pair()).forward(x, h, h[:2])
    with pytest.raises(nl.ShapeError, match=r"the cell returned arrays of shapes \[\(3, 2\)\], expected.*n_outputs"):
        nl.Recurrent(Pair(returns=1)).forward(x, h, h)
    with pytest.raises(nl.ShapeError, match=r"got x of shape \(3, 0, 2\), expected \(N, T, …\)"):
        nl.Recurrent(Pair()).forward(x[:, :0], h, h)
    for gradients, got in [(2, "2 gradients"), (1, "ndarray")]:
        layer = nl.Recurrent(Pair(gradients=gradients))
        layer.forward(x, h, h)
        with pytest.raises(nl.InvalidTypeError, match=f"backward of the cell returned {got}, expected 3"):
            layer.backward(np.ones((3, 4, 2)))
    affine = nl.Sequential(nl.Concatenate(), nl.Affine(5, 2))
    with pytest.raises(nl.ShapeError, match=r"^Recurrent\.cell\.Sequential\[1\] Affine"):
        nl.Recurrent(affine).forward(x, h)
    with pytest.raises(nl.InvalidTypeError, match="expected a layer"):
        nl.Recurrent(np.tanh)


def test_each_step_of_a_cell_draws_a_mask_of_its_own_and_backward_uses_it():
    x, h = nl.Input("x"), nl.Input("h")
    layer = nl.Recurrent(nl.Graph([x, h], [nl.Dropout(0.5, rng=0)(x) + (h - h)]))
    y = layer.forward(np.ones((4, 30, 5)), np.zeros((4, 5)))
    assert len({y[:, t].tobytes() for t in range(30)}) == 30
    assert np.array_equal(layer.backward(np.ones_like(y))[0], y)


def test_a_watched_cell_has_the_same_gradients_and_each_of_its_steps_is_reported():
    cell = nl.Sequential(nl.Concatenate(), nl.Affine(4, 2, rng=0), nl.Tanh())
    layer, x, h = nl.Recurrent(cell), numbers(3, 5, 2).astype(np.float32), numbers(3, 2).astype(np.float32)
    results, calls, douts = [], [], []
    for watches in (False, True):
        with watch_calls(layer, calls.append, lambda *call: douts.append(call)) if watches else nullcontext():
            y = layer.forward(x, h)
            results.append([y, *layer.backward(np.ones_like(y)), cell[1].weight.grad.copy()])
        layer.zero_grad()
    assert all(map(np.array_equal, *results))
    assert [call.path for call in calls] == [*["cell.0", "cell.1", "cell.2"] * 5, ""]
    assert [path for path, *_ in douts] == ["", *["cell.2", "cell.1", "cell.1", "cell.0"] * 5]  # Affine.backward calls backward_parameters
    assert all(np.array_equal(call.output, y[:, t]) for t, call in enumerate(calls[2:-1:3]))
    assert calls[1].layer is cell[1]


def test_a_cell_goes_on_from_its_states():
    layer = nl.Recurrent(Leaky(2), return_state=True)
    x, h = numbers(3, 5, 2), numbers(3, 2)
    y, _ = layer.forward(x, h)
    (first, after), past = layer.forward_next(None, x[:, :3], h)
    assert np.array_equal(after, first[:, -1])
    (second, _), _ = layer.forward_next(past, x[:, 3:])
    assert np.array_equal(np.concatenate([first, second], axis=1), y)
    assert nl.Recurrent(Leaky(2), return_sequences=False).forward_next(None, x, h) is NotImplemented
