"""What the comparison with PyTorch does not say about pooling."""

import numpy as np
import pytest

import netlib as nl

MAXIMA = [nl.MaxPool1d(3, stride=2, padding=1), nl.AdaptiveMaxPool1d(2), nl.GlobalMaxPool()]


def test_of_equal_numbers_the_first_gets_the_gradient_of_every_window_that_it_wins():
    pool = nl.MaxPool2d(2, stride=1)
    assert pool.forward([[[[1.0, 5.0, 5.0], [5.0, 5.0, 0.0]]]]).tolist() == [[[[5.0, 5.0]]]]
    assert pool.backward([[[[1.0, 10.0]]]]).tolist() == [[[[0.0, 11.0, 0.0], [0.0, 0.0, 0.0]]]]


@pytest.mark.parametrize("pool", MAXIMA, ids=str)
def test_nan_wins_and_the_first_nan_gets_the_gradient(pool):
    x = np.array([[[1.0, np.nan, 3.0, np.nan, 2.0]]])
    y = pool.forward(x)
    assert np.isnan(y).all()
    dx = pool.backward(np.ones_like(y))
    assert dx.sum() == y.size
    assert dx[0, 0, 1] >= 1
    y = pool.forward(np.full((1, 1, 5), np.nan))
    assert np.isnan(y).all()
    assert pool.backward(np.ones_like(y)).sum() == y.size


@pytest.mark.parametrize("pool", MAXIMA, ids=str)
def test_the_border_never_wins_even_against_minus_infinity(pool):
    y = pool.forward(np.full((1, 2, 5), -np.inf))
    assert (y == -np.inf).all()
    dx = pool.backward(np.ones_like(y))
    assert dx.sum() == y.size
    assert (dx[0, 0] == dx[0, 1]).all()
    assert dx[0, 0, 0] >= 1


def test_of_windows_of_minus_infinity_the_first_pixel_inside_the_image_wins():
    pool = nl.MaxPool2d(2, padding=1)
    y = pool.forward(np.full((1, 1, 3, 3), -np.inf))
    assert y.shape == (1, 1, 2, 2)
    assert pool.backward([[[[1.0, 2.0], [3.0, 4.0]]]]).tolist() == [[[[1.0, 2.0, 0.0], [3.0, 4.0, 0.0], [0.0, 0.0, 0.0]]]]


def test_a_border_of_a_max_pool_loses_against_negative_numbers():
    assert nl.MaxPool1d(2, padding=1).forward([[[-3.0, -2.0]]]).tolist() == [[[-3.0, -2.0]]]


@pytest.mark.parametrize("make", [nl.MaxPool1d, nl.AvgPool1d])
def test_ceil_mode_adds_a_last_window_unless_it_begins_in_the_border(make):
    lengths = {n: make(2, stride=3, padding=1, ceil_mode=True).forward(np.ones((1, 1, n))).shape[2] for n in range(1, 8)}
    assert lengths == {1: 1, 2: 1, 3: 2, 4: 2, 5: 2, 6: 3, 7: 3}  # at n = 2 and 5 the next would begin after the image
    lengths = {n: make(3, stride=2, ceil_mode=True).forward(np.ones((1, 1, n))).shape[2] for n in range(3, 8)}
    assert lengths == {3: 1, 4: 2, 5: 2, 6: 3, 7: 3}


def test_means_count_the_border_but_not_what_lies_beyond_it():
    x = np.full((1, 1, 3), 6.0)
    assert nl.AvgPool1d(2, padding=1).forward(x).tolist() == [[[3.0, 6.0]]]
    assert nl.AvgPool1d(3, padding=1, ceil_mode=True).forward(x).tolist() == [[[4.0, 3.0]]]
    assert nl.AvgPool1d(3, padding=1, ceil_mode=True, count_include_pad=False).forward(x).tolist() == [[[6.0, 6.0]]]


@pytest.mark.parametrize("pool", [nl.AvgPool1d(2), nl.AdaptiveAvgPool1d(2), nl.Upsample(2), nl.Pad(1, mode="edge")], ids=str)
def test_an_infinite_or_missing_pixel_stays_in_its_windows(pool):
    for value in (np.inf, np.nan):
        y = pool.forward([[[value, 1.0, 2.0, 3.0]]])
        assert not np.isfinite(y[0, 0, 0])
        assert np.isfinite(y[0, 0, -1])


@pytest.mark.parametrize("kind", [nl.AdaptiveAvgPool1d, nl.AdaptiveMaxPool1d])
def test_adaptive_windows_cover_the_image_also_if_there_are_more_windows_than_pixels(kind):
    pool = kind(5)
    assert pool.forward([[[1.0, 2.0]]])[0, 0, [0, 1, 3, 4]].tolist() == [1.0, 1.0, 2.0, 2.0]
    assert pool.backward(np.ones((1, 1, 5))).sum() == 5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nl.MaxPool2d(2, padding=2), "MaxPool2d: padding is 2, expected less than the kernel_size 2. A window would lie outside"),
        (lambda: nl.AvgPool2d((2, 3), padding=((0, 0), (3, 0))), "expected less than the kernel_size"),
        (lambda: nl.MaxPool1d(2).forward(np.ones((1, 1, 1))), "the kernel covers 2, more than the image with its border, 1"),
        (lambda: nl.MaxPool1d(2, dilation=3, padding=1).forward(np.ones((1, 1, 2))), "covers no pixel"),
        (lambda: nl.MaxPool2d(2).forward(np.ones((3, 4, 4))), r"expected \(N, C, H, W\). For one image, write x\[None\]"),
        (lambda: nl.AvgPool1d(2).forward(np.ones((1, 1, 0))), "An image needs at least one pixel"),
        (lambda: nl.AdaptiveAvgPool2d((1, 0)), "output_size is 0, expected at least 1"),
        (lambda: nl.AdaptiveMaxPool2d(2).forward(np.ones((1, 1, 2))), r"expected \(N, C, H, W\)"),
        (lambda: nl.GlobalMaxPool().forward(np.ones((1, 2, 0))), "An image needs at least one pixel"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(nl.NetlibError, match=message):
        make()
