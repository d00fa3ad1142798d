"""The last batch of an epoch, if it has a single sample and the model has a batch norm."""

import numpy as np
import pytest

import netlib as nl


@pytest.mark.parametrize(("n", "batch_size"), [(9, 4), (7, 3), (5, 4), (13, 4)])
def test_a_last_batch_of_one_sample_joins_the_batch_before_if_a_batch_norm_needs_more(n, batch_size):
    sizes = []

    class Counting(nl.Layer):
        def forward(self, x):
            sizes.append(len(x))
            return x

        def backward(self, dout):
            return dout

    def steps(layers, accumulate):
        sizes.clear()
        model = nl.Sequential(nl.Affine(2, 2, rng=0, dtype="float64"), Counting(), *layers)
        optimizer = nl.SGD(model, lr=0.1)
        trainer = nl.Trainer(model, nl.MeanSquaredError(), optimizer, accumulate=accumulate, seed=0)
        x = np.random.default_rng(0).normal(size=(n, 2))
        trainer.fit(x, x, epochs=1, batch_size=batch_size, progress=False)
        return optimizer.state_dict()["steps"], [size for size in sizes if size]

    whole = n // batch_size
    for layers, accumulate, n_steps in [
        ([nl.BatchNorm(2, dtype="float64")], 1, whole),
        ([nl.BatchNorm(2, dtype="float64")], 2, -(-whole // 2)),
    ]:
        made, seen = steps(layers, accumulate)
        assert made == n_steps
        assert seen[-whole:] == [batch_size] * (whole - 1) + [batch_size + 1]
    made, seen = steps([], 1)
    assert made == whole + 1
    assert seen[-whole - 1 :] == [batch_size] * whole + [1]


def test_a_single_sample_is_refused_with_a_hint_and_nothing_is_trained():
    model = nl.Sequential(nl.Affine(2, 2, rng=0), nl.BatchNorm(2))
    before = model.state_dict()
    trainer = nl.Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.1), seed=0)
    for n, batch_size in [(1, 4), (6, 1)]:
        with pytest.raises(nl.ShapeError, match=r"one number per channel.*Use batches of several samples"):
            trainer.fit(np.ones((n, 2)), np.ones((n, 2)), batch_size=batch_size, progress=False)
    assert all(np.array_equal(model.state_dict()[path], value) for path, value in before.items())


def test_a_last_batch_of_two_samples_is_one_of_its_own():
    model = nl.Sequential(nl.BatchNorm(2))
    optimizer = nl.SGD(model, lr=0.1)
    nl.Trainer(model, nl.MeanSquaredError(), optimizer).fit(np.eye(6)[:, :2], np.eye(6)[:, :2], batch_size=4, progress=False)
    assert optimizer.steps == 2
