import copy

import numpy as np
import pytest

import netlib as nl


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_what_is_kept_is_divided_by_the_chance_of_being_kept_and_the_rest_is_0(p, dtype):
    y = nl.Dropout(p, rng=0).forward(np.ones((100, 100), dtype))
    assert y.dtype == dtype
    assert set(y.ravel().tolist()) == {0.0, float(dtype(1) / dtype(1 - p))}


def test_a_draw_of_p_itself_is_kept_so_that_the_draws_below_p_have_the_share_p():
    rng = np.random.default_rng(0)
    rng.bit_generator.state |= {"has_uint32": 1, "uinteger": 1 << 31}  # the next 32 bits: a half of all
    assert copy.deepcopy(rng).random(1, np.float32) == 0.5
    assert nl.Dropout(0.5, rng=rng).forward([3.0]) == 6


def test_with_p_0_nothing_is_drawn():
    rng = np.random.default_rng(0)
    assert nl.Dropout(0, rng=rng).forward([3.0]) == 3
    assert rng.random() == np.random.default_rng(0).random()


def test_the_mask_of_backward_is_that_of_forward():
    layer, x = nl.Dropout(0.5, rng=0), np.ones((20, 20))
    y = layer.forward(x)
    assert np.array_equal(layer.backward(3 * x), 3 * y)
    assert np.array_equal(layer.backward(x), y)


def test_every_forward_draws_a_mask_of_its_own():
    layer, x = nl.Dropout(0.5, rng=0), np.ones(100)
    assert not np.array_equal(layer.forward(x), layer.forward(x))


@pytest.mark.parametrize("p", [0.2, 0.5, 0.8])
def test_a_share_p_is_dropped_and_the_mean_stays(p):
    n = 40_000
    y = nl.Dropout(p, rng=1).forward(np.ones(n))
    off_by = np.sqrt(p * (1 - p) / n)  # standard deviation of the share
    assert abs((y == 0).mean() - p) < 4 * off_by
    assert abs(y.mean() - 1) < 4 * off_by / (1 - p)


def test_one_seed_gives_one_sequence_of_masks():
    x = np.ones((3, 50))
    one, same, other = (nl.Dropout(rng=seed) for seed in (5, 5, 6))
    for _ in range(3):
        y = one.forward(x)
        assert np.array_equal(same.forward(x), y)
        assert not np.array_equal(other.forward(x), y)


def test_it_draws_from_the_generator_it_is_given():
    x = np.ones(50)
    assert np.array_equal(nl.Dropout(rng=np.random.default_rng(5)).forward(x), nl.Dropout(rng=5).forward(x))


def test_one_seed_gives_one_mask_in_every_floating_type():
    masks = [nl.Dropout(0.5, rng=3).forward(np.ones(64, dtype)) > 0 for dtype in (np.float16, np.float32, np.float64)]
    assert np.array_equal(masks[0], masks[1])
    assert np.array_equal(masks[0], masks[2])


def test_a_tied_copy_draws_other_masks_than_its_model():
    layer, x = nl.Dropout(0.5, rng=0), np.ones(100)
    twin = layer.tied_copy()
    assert not np.array_equal(layer.forward(x), twin.forward(x))


def test_a_deep_copy_goes_on_with_the_same_masks():
    layer, x = nl.Dropout(0.5, rng=0), np.ones(100)
    twin = copy.deepcopy(layer)
    assert np.array_equal(layer.forward(x), twin.forward(x))


def test_in_evaluation_it_does_nothing_and_draws_nothing():
    layer, x = nl.Dropout(0.5, rng=0), np.arange(6.0)
    layer.eval()
    assert np.array_equal(layer.forward(x), x)
    assert np.array_equal(layer.backward(x), x)
    assert np.array_equal(layer.train().forward(np.ones(100)), nl.Dropout(0.5, rng=0).forward(np.ones(100)))


def test_the_mode_at_forward_decides_backward():
    layer, x = nl.Dropout(0.5, rng=0), np.ones(100)
    y = layer.forward(x)
    assert np.array_equal(layer.eval().backward(x), y)


def test_p_0_keeps_everything():
    assert np.array_equal(nl.Dropout(0, rng=0).forward(np.arange(6.0)), np.arange(6.0))


@pytest.mark.parametrize("p", [1, 1.0, 1.5, -0.1, float("nan"), float("inf"), -float("inf")])
def test_p_outside_0_to_1_is_refused(p):
    with pytest.raises(nl.InvalidValueError, match=r"Dropout: p is .*\[0, 1\)"):
        nl.Dropout(p)


@pytest.mark.parametrize("p", [None, "half", True, [0.5, 0.5]])
def test_p_that_is_no_number_is_refused(p):
    with pytest.raises(nl.InvalidTypeError, match="Dropout: p is"):
        nl.Dropout(p)


@pytest.mark.parametrize("rng", ["seed", 0.5, True, [1]])
def test_an_rng_that_is_neither_a_seed_nor_a_generator_is_refused(rng):
    with pytest.raises(nl.InvalidTypeError, match="rng"):
        nl.Dropout(rng=rng)


def test_numpys_global_random_state_stays():
    before = np.random.get_state()[1].tolist()  # noqa: NPY002  # the state that must not change is the legacy one
    nl.Dropout().forward(np.ones(100))
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_the_repr_of_a_dropout_is_a_call():
    assert repr(nl.Dropout(0.3, rng=0)) == "Dropout(p=0.3)"
