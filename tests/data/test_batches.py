"""Minibatches: every row once, in order or by chance, checked at the call."""

import numpy as np
import pytest

import netlib as nl
from netlib.errors import InvalidTypeError, InvalidValueError


@pytest.mark.parametrize(("n", "size", "sizes"), [(7, 3, [3, 3, 1]), (6, 3, [3, 3]), (2, 3, [2]), (3, 1, [1, 1, 1]), (0, 3, [])])
@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_hold_every_row_once_and_arrays_stay_aligned(n, size, sizes, shuffle):
    x, t = np.arange(2 * n).reshape(n, 2), np.arange(n)
    found = list(nl.data.batches(x, t, batch_size=size, shuffle=shuffle))
    assert [len(tb) for _, tb in found] == sizes
    assert sorted(row for _, tb in found for row in tb.tolist()) == list(range(n))
    assert all((xb == x[tb]).all() for xb, tb in found)


def test_rows_come_in_their_own_order_unless_shuffled():
    assert [b.tolist() for b in nl.data.batches([5, 3, 4], batch_size=2)] == [[5, 3], [4]]
    shuffled = np.concatenate(list(nl.data.batches(np.arange(100), batch_size=32, shuffle=True, rng=0)))
    assert shuffled.tolist() != list(range(100))


def order(rng):
    return np.concatenate(list(nl.data.batches(np.arange(50), batch_size=8, shuffle=True, rng=rng))).tolist()


def test_a_seed_gives_one_order_and_a_generator_a_new_one_each_time():
    rng = np.random.default_rng(1)
    assert order(1) == order(1) != order(2)
    assert order(1) == order(rng) != order(rng)


def test_without_a_seed_each_draw_is_new_and_numpys_global_state_is_unchanged(global_random_state):
    before = global_random_state()
    assert order(None) != order(None)
    assert global_random_state() == before


def test_one_array_comes_bare_and_several_as_a_tuple():
    x = np.ones((4, 3))
    assert next(nl.data.batches(x, batch_size=2)).shape == (2, 3)
    several = next(nl.data.batches(x, x, x, batch_size=2))
    assert isinstance(several, tuple)
    assert [b.shape for b in several] == [(2, 3)] * 3


@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_are_copies_of_the_same_type(shuffle):
    x = np.zeros((4, 2), np.float16)
    for batch in nl.data.batches(x, batch_size=4, shuffle=shuffle):
        assert batch.dtype == np.float16
        batch[:] = 1
    assert not x.any()


@pytest.mark.parametrize(
    ("size", "error"),
    [(0, InvalidValueError), (-1, InvalidValueError), (2.0, InvalidTypeError), (True, InvalidTypeError), (None, InvalidTypeError)],
)
def test_an_invalid_batch_size_is_refused_at_the_call(size, error):
    with pytest.raises(error, match="batches: batch_size is"):
        nl.data.batches(np.arange(4), batch_size=size)


def test_what_cannot_be_batched_is_refused_at_the_call():
    with pytest.raises(nl.ShapeError, match=r"shapes \(4,\), \(5,\)"):
        nl.data.batches(np.ones(4), np.ones(5), batch_size=2)
    with pytest.raises(nl.ShapeError, match="array 0 is a single number"):
        nl.data.batches(3.0, batch_size=2)
    with pytest.raises(InvalidValueError, match="got no arrays"):
        nl.data.batches(batch_size=2)
    with pytest.raises(InvalidValueError, match="shuffle=True"):
        nl.data.batches(np.ones(4), batch_size=2, rng=0)
    with pytest.raises(InvalidTypeError, match="rng is"):
        nl.data.batches(np.ones(4), batch_size=2, shuffle=True, rng="0")
    with pytest.raises(InvalidTypeError):
        nl.data.batches(["a", "b"], batch_size=2)


def test_a_refused_call_draws_nothing():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    with pytest.raises(InvalidValueError):
        nl.data.batches(np.ones(4), batch_size=0, shuffle=True, rng=rng)
    assert rng.bit_generator.state == before
