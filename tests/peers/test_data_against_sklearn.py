"""Our data against scikit-learn's."""

import numpy as np
import pytest
from sklearn import datasets
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split

import netlib as nl


def test_the_digits_are_scikit_learns_in_the_same_order():
    x, t = nl.data.digits()
    theirs = datasets.load_digits()
    assert (x * 16 == theirs.data).all()
    assert (t == theirs.target).all()


@pytest.mark.parametrize("test", [0.1, 0.2, 0.25, 1 / 3, 0.5, 0.7])
@pytest.mark.parametrize("n", [7, 10, 30, 1797])
def test_a_split_has_as_many_rows_in_each_part_and_in_the_same_order_of_returns(n, test):
    x, t = np.zeros((n, 2)), np.zeros(n)
    ours, theirs = nl.data.train_test_split(x, t, test=test, rng=0), train_test_split(x, t, test_size=test, random_state=0)
    assert [part.shape for part in ours] == [part.shape for part in theirs]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(nl.data.moons, datasets.make_moons), (nl.data.circles, lambda n: datasets.make_circles(n, factor=0.5))],
)
def test_every_point_of_ours_lies_on_their_curve_of_its_class(ours, theirs):
    x, t = ours(100, noise=0, rng=0)
    curve, label = theirs(4000)
    for c in (0, 1):
        distances = np.linalg.norm(x[t == c][:, None] - curve[label == c], axis=2).min(axis=1)
        assert distances.max() < 2e-3  # their points are at most 2 pi / 2000 apart


def test_their_regression_finds_our_line():
    x, t = nl.data.linear(100, weight=(0.5, 2.0), bias=-1.0, noise=0, rng=0)
    found = LinearRegression().fit(x.astype(np.float64), t)
    assert np.allclose(found.coef_, [[0.5, 2.0]], atol=1e-5)
    assert np.allclose(found.intercept_, [-1.0], atol=1e-5)
