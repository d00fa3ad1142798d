"""A learning rate that falls on a plateau."""

from types import SimpleNamespace

import numpy as np
import pytest

import netlib as nl
from netlib import InvalidValueError, MissingError
from netlib.training import Checkpoint, History, ReduceOnPlateau, Trainer

X = np.linspace(-1, 1, 20)[:, None]


def rates(callback, values, lr=1.0):
    """Return the learning rate after each epoch with these values."""
    history = History(["score"])
    trainer = SimpleNamespace(history=history, optimizer=nl.SGD(nl.Parameter([0.0]), lr=lr))
    callback.on_fit_begin(trainer)
    seen = []
    for value in values:
        history.append({"score": value})
        callback.on_epoch_end(trainer)
        seen.append(trainer.optimizer.lr)
    return seen


def plateau(**options):
    return ReduceOnPlateau("score", **{"factor": 0.5, "patience": 1, **options})


@pytest.mark.parametrize(
    ("options", "values", "expected"),
    [
        ({}, [5, 5, 5, 5, 5], [1, 1, 0.5, 0.5, 0.25]),
        ({}, [5, 5, 4, 4, 4], [1, 1, 1, 1, 0.5]),
        ({"cooldown": 2}, [5, 5, 5, 5, 5, 5, 5], [1, 1, 0.5, 0.5, 0.5, 0.5, 0.25]),
        ({"threshold": 0.1}, [5, 4.6, 4.5, 4.4, 4.4], [1, 1, 0.5, 0.5, 0.5]),
        ({"threshold": 0.1, "mode": "max"}, [5, 5.5, 5.4, 6.1, 6.2, 6.3], [1, 1, 0.5, 0.5, 0.5, 0.25]),
        ({"min_lr": 0.3}, [5] * 6, [1, 1, 0.5, 0.5, 0.3, 0.3]),
        ({"min_lr": 3.0}, [5] * 3, [1, 1, 1]),
        ({"patience": 0}, [float("nan")] * 2, [0.5, 0.25]),
    ],
)
def test_the_rate_falls_after_more_bad_epochs_than_patience(options, values, expected):
    assert rates(plateau(**options), values) == expected


def test_a_new_training_begins_anew():
    callback = plateau()
    assert rates(callback, [1, 1]) == rates(callback, [2, 2]) == [1, 1]


@pytest.mark.parametrize("interval", ["3 epochs", "7 batches"])
def test_a_resumed_training_reduces_at_the_same_epochs(tmp_path, interval):
    def train(epochs, *more, **options):
        model = nl.Sequential(nl.Affine(1, 1, rng=0))
        callbacks = [ReduceOnPlateau("loss", factor=0.5, patience=1, threshold=0.9), *more]
        trainer = Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.1), callbacks=callbacks, seed=0)
        return trainer.fit(X, 2 * X, epochs=epochs, batch_size=5, progress=False, **options)["lr"]

    whole, path = train(10), tmp_path / "run.npz"
    train(4, Checkpoint(path, every=interval))
    assert train(10, resume=path) == whole
    assert len(set(whole)) > 3


def test_what_it_cannot_watch_is_refused():
    for options, said in (({"factor": 1.0}, "factor"), ({"patience": -1}, "patience"), ({"mode": "low"}, "mode"),
                          ({"threshold": -1}, "threshold"), ({"cooldown": -1}, "cooldown"), ({"min_lr": -1}, "min_lr")):  # fmt: skip
        with pytest.raises(InvalidValueError, match=said):
            ReduceOnPlateau(**options)
    with pytest.raises(InvalidValueError, match="schedule"):
        rates(plateau(), [], lr=nl.optimizers.schedules.Cosine(1.0, 10))
    with pytest.raises(MissingError, match="Pass validation"):
        rates(ReduceOnPlateau(), [])
