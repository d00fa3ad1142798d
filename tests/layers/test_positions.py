"""Encodings of positions: worked examples, the published formula, and what is refused."""

import math

import numpy as np
import pytest

import netlib as nl

LAYERS = {
    "learned": lambda: nl.PositionalEmbedding(9, 4, rng=0, dtype=np.float64),
    "waves": lambda: nl.SinusoidalEncoding(4),
    "turns": lambda: nl.RotaryEncoding(4),
    "turns of neighbours": lambda: nl.RotaryEncoding(4, interleaved=True),
}
every_layer = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)


def numbers(*shape):
    return np.random.default_rng(0).normal(size=shape)


# ---- learned -------------------------------------------------------------------------------------


def test_a_row_is_added_at_each_position_and_its_gradient_is_summed_over_the_sequences():
    layer = nl.PositionalEmbedding.from_arrays([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    assert layer.forward(np.zeros((2, 2, 2))).tolist() == [[[1, 10], [2, 20]]] * 2
    dout = np.array([[[1.0, 0], [2, 0]], [[4, 0], [8, 1]]])
    assert np.array_equal(layer.backward(dout), dout)
    assert layer.weight.grad.tolist() == [[5, 0], [10, 1], [0, 0]]


def test_a_sequence_that_is_too_long_is_refused_with_both_lengths():
    layer = nl.PositionalEmbedding(8, 2)
    assert layer.forward(np.zeros((3, 8, 2))).shape == (3, 8, 2)
    with pytest.raises(
        nl.ShapeError, match=r"^PositionalEmbedding\(8, 2\): got a sequence of length 9, expected at most 8\. Make the layer with length=9"
    ):
        layer.forward(np.zeros((3, 9, 2)))


# ---- waves ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("features", [1, 2, 3, 4, 7, 16])
def test_waves_are_those_of_the_published_formula(features):
    e = nl.SinusoidalEncoding(features).forward(np.zeros((50, features)))
    for t in range(50):
        for i in range(features):  # PE(pos, 2i) = sin(pos / 10000^(2i / d)), PE(pos, 2i + 1) = cos(pos / 10000^(2i / d))
            angle = t / 10000 ** ((i - i % 2) / features)
            assert math.isclose(e[t, i], math.cos(angle) if i % 2 else math.sin(angle), abs_tol=1e-12)


def test_numbers_of_the_paper_by_hand():
    e = nl.SinusoidalEncoding(4).forward(np.zeros((3, 4)))
    assert np.allclose(e, [[0, 1, 0, 1], [0.8414709848, 0.5403023059, 0.0099998333, 0.9999500004],
                           [0.9092974268, -0.4161468365, 0.0199986667, 0.9998000067]], atol=1e-9)  # fmt: skip


def test_a_shift_of_the_positions_turns_each_pair_of_waves_alike():
    e = nl.SinusoidalEncoding(6).forward(np.zeros((30, 6)))
    for pair in range(3):
        waves = e[:, 2 * pair : 2 * pair + 2]
        turn = np.linalg.lstsq(waves[:25], waves[5:], rcond=None)[0]
        assert np.allclose(waves[:25] @ turn, waves[5:])


# ---- turns ---------------------------------------------------------------------------------------


def test_the_second_position_is_turned_by_one_radian_and_the_third_by_two():
    x = np.array([[3.0, 4.0]] * 3)
    y = nl.RotaryEncoding(2).forward(x)
    assert np.allclose(y, [[3 * math.cos(t) - 4 * math.sin(t), 4 * math.cos(t) + 3 * math.sin(t)] for t in range(3)])


def test_pairs_are_halves_or_neighbours():
    x, base = np.array([[0.0, 0, 0, 0], [1.0, 2, 3, 4]]), 100.0
    (a, b), (c, d) = ((math.cos(angle), math.sin(angle)) for angle in (1, 0.1))
    halves, neighbours = nl.RotaryEncoding(4, base=base), nl.RotaryEncoding(4, base=base, interleaved=True)
    assert np.allclose(halves.forward(x)[1], [1 * a - 3 * b, 2 * c - 4 * d, 3 * a + 1 * b, 4 * c + 2 * d])
    assert np.allclose(neighbours.forward(x)[1], [1 * a - 2 * b, 2 * a + 1 * b, 3 * c - 4 * d, 4 * c + 3 * d])


@pytest.mark.parametrize("interleaved", [False, True])
def test_the_product_of_a_query_and_a_key_depends_on_their_distance_alone(interleaved):
    rotary, (q, k) = nl.RotaryEncoding(8, interleaved=interleaved), numbers(2, 8)
    turned_q, turned_k = (rotary.forward(np.tile(each, (20, 1))) for each in (q, k))
    scores = turned_q @ turned_k.T
    for distance in range(-10, 11):
        assert np.ptp(np.diagonal(scores, distance)) < 1e-12
    assert np.ptp(scores) > 0.1
    assert np.allclose(np.linalg.norm(turned_q, axis=-1), np.linalg.norm(q))


def test_angles_fall_from_pair_to_pair_by_a_power_of_10000_or_of_the_base():
    x = np.tile([0.0, 1, 0, 0], (3, 1))
    assert np.allclose(nl.RotaryEncoding(4).forward(x)[2], [0, math.cos(0.02), 0, math.sin(0.02)], rtol=1e-14, atol=0)
    assert np.allclose(nl.RotaryEncoding(4, base=1).forward(x)[2], [0, math.cos(2), 0, math.sin(2)])
    with pytest.raises(nl.InvalidValueError, match=r"base is 0\.5, expected a finite number of at least 1"):
        nl.RotaryEncoding(4, base=0.5)


def test_an_odd_number_of_features_has_no_pairs():
    with pytest.raises(nl.InvalidValueError, match=r"^RotaryEncoding: features is 5, expected an even number$"):
        nl.RotaryEncoding(5)


# ---- all -----------------------------------------------------------------------------------------


@every_layer
@pytest.mark.parametrize("shape", [(4,), (3, 5), (2, 3, 3), ()])
def test_an_x_without_positions_or_with_other_features_is_refused(make, shape):
    layer = make()
    with pytest.raises(nl.ShapeError, match=rf"^{type(layer).__name__}\(.*\): got x of shape .*, expected \(…, T, 4\)$"):
        layer.forward(np.zeros(shape))


@every_layer
def test_positions_that_come_one_after_the_other_get_what_they_get_at_once(make):
    layer, x = make(), numbers(2, 9, 4)
    whole, past, parts = layer.forward(x), None, []
    for start, stop in [(0, 4), (4, 5), (5, 5), (5, 9)]:
        y, past = layer.forward_next(past, x[:, start:stop])
        parts.append(y)
    assert np.array_equal(np.concatenate(parts, axis=1), whole)
    assert past == 9
    assert layer._cache is not None  # that of forward alone


def test_positions_after_the_last_row_are_refused_when_they_come_one_after_the_other_too():
    layer = nl.PositionalEmbedding(3, 4)
    _, past = layer.forward_next(None, np.zeros((1, 3, 4)))
    with pytest.raises(nl.ShapeError, match="got a sequence of length 4, expected at most 3"):
        layer.forward_next(past, np.zeros((1, 1, 4)))


@every_layer
def test_no_positions_and_no_sequences_give_nothing(make):
    for shape in [(0, 4), (2, 0, 4), (0, 3, 4)]:
        layer = make()
        assert layer.forward(np.zeros(shape)).shape == layer.backward(np.ones(shape)).shape == shape


@pytest.mark.parametrize(("kind", "x"), [(nl.SinusoidalEncoding, [0.0, 0, 0, 0]), (nl.RotaryEncoding, [1.0, 0, 0, 1])])
def test_angles_of_far_positions_keep_their_digits_in_a_short_type(kind, x):
    long, short = (kind(4).forward(np.tile(np.array(x, dtype), (20_000, 1))) for dtype in (np.float64, np.float32))
    assert short.dtype == np.float32
    assert np.allclose(short, long, atol=1e-6)
