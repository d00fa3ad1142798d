"""The moving average of the weights."""

import numpy as np
import pytest

import netlib as nl
from netlib import InvalidValueError, OrderError
from netlib.training import Callback, Checkpoint, Trainer, WeightAverage

X = np.linspace(-1, 1, 20)[:, None]


class Diary(Callback):
    def __init__(self):
        self.weights = []

    def on_batch_end(self, trainer):
        self.weights.append(trainer.model[0].weight.value.copy())


def train(average, *more, epochs=3, accumulate=1, **options):
    model = nl.Sequential(nl.Affine(1, 1, rng=0, dtype="float64"), nl.BatchNorm(1, dtype="float64"))
    optimizer = nl.SGD(model, lr=0.1)
    trainer = Trainer(model, nl.MeanSquaredError(), optimizer, callbacks=[average, *more], seed=0, accumulate=accumulate)
    trainer.fit(X, 2 * X, epochs=epochs, batch_size=5, progress=False, **options)
    return trainer


@pytest.mark.parametrize("accumulate", [1, 2])
def test_it_is_the_sum_of_the_weights_that_decay(accumulate):
    average, diary = WeightAverage(decay=0.75), Diary()
    train(average, diary, accumulate=accumulate)
    expected, *rest = diary.weights[accumulate - 1 :: accumulate]
    for weight in rest:
        expected = 0.75 * expected + 0.25 * weight
    np.testing.assert_allclose(average.average["0.weight"], expected, rtol=1e-12)


def test_inside_a_block_the_model_has_the_average_and_afterwards_its_own_weights():
    average = WeightAverage(decay=0.9)
    model = train(average).model
    own, buffer = model[0].weight.value.copy(), model[1].state_dict()
    with average.applied(model):
        np.testing.assert_array_equal(model[0].weight.value, average.average["0.weight"])
        assert (own != model[0].weight.value).all()
    np.testing.assert_array_equal(model[0].weight.value, own)
    with pytest.raises(ZeroDivisionError), average.applied(model):
        raise ZeroDivisionError
    np.testing.assert_array_equal(model[0].weight.value, own)
    with pytest.raises(InvalidValueError), average.applied(nl.Affine(2, 2)):
        pass
    for name, array in model[1].state_dict().items():
        np.testing.assert_array_equal(array, buffer[name])


def test_a_resumed_training_has_the_same_average(tmp_path):
    whole, part = WeightAverage(0.9), WeightAverage(0.9)
    train(whole, epochs=5)
    train(WeightAverage(0.9), Checkpoint(tmp_path / "run.npz", every="3 batches"), epochs=2)
    train(part, epochs=5, resume=tmp_path / "run.npz")
    assert whole.average.keys() == part.average.keys()
    for path, array in whole.average.items():
        np.testing.assert_array_equal(part.average[path], array)


def test_a_training_begins_with_its_own_first_weights():
    average = WeightAverage(0.0)
    train(average)
    trainer = train(average)
    np.testing.assert_array_equal(average.average["0.weight"], trainer.model[0].weight.value)


def test_there_must_be_an_average_and_a_decay_below_1():
    with pytest.raises(OrderError), WeightAverage().applied(nl.Affine(1, 1)):
        pass
    with pytest.raises(InvalidValueError, match="decay"):
        WeightAverage(1.0)
