"""Where Python has no threads, as in a browser, netlib does the same, one thing after the other."""

import threading

import numpy as np
import pytest

import netlib as nl
from netlib.training.reading import one_ahead

USES = ("workers", "kernels.threads", "testing.modes")


@pytest.fixture
def no_threads(monkeypatch):
    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    for name in USES:
        monkeypatch.setattr(f"netlib.{name}.HAS_THREADS", False)


def train(path):
    x, t = nl.data.digits()
    np.save(path / "x.npy", x)
    model = nl.Sequential(nl.Affine(64, 8, rng=0), nl.ReLU(), nl.Affine(8, 10, rng=1))
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), nl.Adam(model), callbacks=[nl.Checkpoint(path / "c.npz")], seed=0)
    trainer.fit(np.load(path / "x.npy", mmap_mode="r"), t, epochs=2, batch_size=64, progress=False)
    return model.state_dict()


def test_training_from_disk_with_checkpoints_gives_the_same_numbers(tmp_path, no_threads, monkeypatch):
    without = train(tmp_path)
    monkeypatch.undo()
    threaded = train(tmp_path)
    assert all(np.array_equal(without[name], threaded[name]) for name in threaded)


def test_large_arrays_are_written_and_read_back(tmp_path, no_threads):
    state = {"large": np.arange(3_000_000.0), "small": np.ones(3)}
    nl.save_state(state, tmp_path / "state.npz")
    loaded = nl.load_state(tmp_path / "state.npz")
    assert all(np.array_equal(loaded[name], state[name]) for name in state)


def test_what_preparing_a_batch_raises_arrives_in_its_turn(no_threads):
    def batches():
        yield 1
        raise OSError("the disk is gone")

    ahead = one_ahead(batches())
    assert next(ahead) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(ahead)


def test_the_rule_about_threads_does_not_apply(no_threads):
    outcome = nl.testing.check_layer(nl.Tanh(), np.ones((2, 3)) / 2)
    assert outcome["threads"] == "does not apply: this Python has no threads"
