"""Splitting: a partition, aligned, by the seed."""

import numpy as np
import pytest

import netlib as nl
from netlib.errors import InvalidTypeError, InvalidValueError


@pytest.mark.parametrize("n", [2, 3, 10, 101])
@pytest.mark.parametrize("test", [0.01, 0.2, 0.5])
def test_every_row_is_in_one_part_once_and_arrays_stay_aligned(n, test):
    x, t = np.arange(2.0 * n).reshape(n, 2), np.arange(n)
    x_train, x_test, t_train, t_test = nl.data.train_test_split(x, t, test=test, rng=0)
    assert sorted([*t_train.tolist(), *t_test.tolist()]) == list(range(n))
    assert (x_train == x[t_train]).all()
    assert (x_test == x[t_test]).all()


@pytest.mark.parametrize(("n", "test", "expected"), [(10, 0.2, 2), (11, 0.2, 3), (1797, 0.2, 360), (2, 0.5, 1), (3, 0.01, 1)])
def test_the_share_is_rounded_up_to_whole_rows(n, test, expected):
    train, held_out = nl.data.train_test_split(np.arange(n), test=test, rng=0)
    assert (len(train), len(held_out)) == (n - expected, expected)


def test_one_array_gives_two_parts_and_three_give_six():
    rows = [1, 2, 3, 4, 5]
    assert len(nl.data.train_test_split(rows, rng=0)) == 2
    assert len(nl.data.train_test_split(rows, rows, rows, rng=0)) == 6


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    first, same, other = (nl.data.train_test_split(np.arange(50), rng=seed)[0].tolist() for seed in (1, 1, 2))
    assert first == same
    assert first != other


def test_without_a_seed_each_draw_is_new_and_numpys_global_state_is_unchanged(global_random_state):
    before = global_random_state()
    assert nl.data.train_test_split(np.arange(50))[0].tolist() != nl.data.train_test_split(np.arange(50))[0].tolist()
    assert global_random_state() == before


def test_the_parts_are_copies_of_the_same_type():
    x, t = np.ones((10, 3), np.float16, order="F"), np.zeros(10, np.int8)
    x.flags.writeable = False
    parts = nl.data.train_test_split(x, t, rng=0)
    assert [part.dtype for part in parts] == [np.float16, np.float16, np.int8, np.int8]
    assert not any(np.shares_memory(part, x) or np.shares_memory(part, t) for part in parts)
    assert all(part.flags.writeable for part in parts)


@pytest.mark.parametrize("test", [0, 1, -0.2, 1.5, 0.0, 1.0, 360, float("nan")])
def test_a_share_outside_0_and_1_is_refused(test):
    with pytest.raises(InvalidValueError, match="test is"):
        nl.data.train_test_split(np.arange(10), test=test)


@pytest.mark.parametrize(("n", "test"), [(0, 0.5), (1, 0.5), (5, 0.9)])
def test_a_part_without_rows_is_refused(n, test):
    with pytest.raises(InvalidValueError, match=f"got {n} rows"):
        nl.data.train_test_split(np.arange(n), test=test)


def test_what_cannot_be_split_is_refused():
    with pytest.raises(nl.ShapeError, match=r"shapes \(4, 2\), \(3,\), expected equally many rows"):
        nl.data.train_test_split(np.ones((4, 2)), np.ones(3))
    with pytest.raises(nl.ShapeError, match="array 1 is a single number"):
        nl.data.train_test_split(np.ones(4), 1.0)
    with pytest.raises(InvalidValueError, match="got no arrays"):
        nl.data.train_test_split()
    with pytest.raises(InvalidTypeError, match="rng is"):
        nl.data.train_test_split(np.ones(4), rng="0")
    with pytest.raises(InvalidTypeError, match="test is"):
        nl.data.train_test_split(np.ones(4), test="0.2")
    with pytest.raises(InvalidTypeError):
        nl.data.train_test_split(["a", "b", "c"])
