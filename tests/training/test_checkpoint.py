"""A training that was stopped and resumed equals the one that never stopped, bit for bit."""

import numpy as np
import pytest

import netlib as nl

RNG = np.random.default_rng(0)
X = RNG.standard_normal((50, 6)).astype(np.float32)
T = RNG.integers(0, 3, 50)


class Noise(nl.Layer):
    """A user's layer with a generator, a buffer, and a counter."""

    def __init__(self, features):
        self.features = features
        self.mean = nl.Buffer(np.zeros(features, np.float32))
        self.calls = 0
        self._noise = np.random.default_rng(3)

    def forward(self, x):
        if self.training:
            self.calls += 1
            self.mean.value = 0.9 * self.mean.value + 0.1 * x.mean(axis=0)
            x = x + self._noise.standard_normal(x.shape, np.float32) / (10 + self.calls)
        return self.remember(x - self.mean.value)

    def backward(self, dout):
        (dout,) = self.recall(dout)
        return dout


def tied():
    encode = nl.Affine(6, 6, rng=0)
    return nl.Sequential(encode, nl.Tanh(), encode.tied_copy(), nl.Affine(6, 3, rng=1))


def graph():
    x = nl.Input("X")
    h = nl.Affine(6, 8, rng=0)(x, name="hidden")
    y = nl.Affine(8, 3, rng=1)(nl.Dropout(0.3, rng=2)(h) * nl.Sigmoid()(h))
    return nl.Graph([x], [y + x @ nl.Weight("W", np.ones((6, 3), np.float32))])


MODELS = {
    "dropout": lambda: nl.Sequential(nl.Affine(6, 8, rng=0), nl.ReLU(), nl.Dropout(0.4, rng=5), nl.Affine(8, 3, rng=1)),
    "user's layer": lambda: nl.Sequential(nl.Affine(6, 8, rng=0), Noise(8), nl.Recompute(nl.Dropout(0.2, rng=1)), nl.Affine(8, 3, rng=1)),
    "tied": tied,
    "graph": graph,
    "frozen": lambda: nl.Sequential(nl.Affine(6, 8, rng=0).freeze(), nl.ReLU(), nl.Affine(8, 3, rng=1)),
}
OPTIMIZERS = {
    "sgd": lambda model: nl.SGD(model, lr=0.1, momentum=0.9),
    "adam with a schedule": lambda model: nl.Adam(model, lr=nl.schedules.Cosine(0.01, steps=40)),
    "adamw with a function": lambda model: nl.AdamW(model, lr=lambda step: 0.01 / (1 + step)),
    "rmsprop": lambda model: nl.RMSProp(model, lr=0.01, weight_decay=1e-3),
    "adagrad": lambda model: nl.AdaGrad(model, lr=0.1),
}
SETTINGS = {
    "plain": ({}, {}),
    "validation": ({"metrics": {"accuracy": nl.accuracy}}, {"validation": 0.3}),
    "accumulated": ({"accumulate": 3, "clip_norm": 0.5, "metrics": {"accuracy": nl.accuracy}}, {}),
    "unshuffled": ({}, {"shuffle": False}),
}


class PowerCutError(Exception):
    """Ends a training anywhere."""


class Cut(nl.Callback):
    """Raise after so many batches."""

    needed_to_resume = False  # after the checkpoint

    def __init__(self, batches):
        self.left = batches

    def on_batch_end(self, trainer):
        self.left -= 1
        if not self.left:
            raise PowerCutError

    def on_epoch_end(self, trainer):
        if self.left == 1:
            raise PowerCutError


def make(model, optimizer, settings, callbacks=(), seed=0):
    net = MODELS[model]()
    return nl.Trainer(net, nl.SoftmaxCrossEntropy(), OPTIMIZERS[optimizer](net), callbacks=callbacks, seed=seed, **SETTINGS[settings][0])


def fit(trainer, settings, epochs=8, **options):
    return trainer.fit(X, T, epochs=epochs, batch_size=7, progress=False, **SETTINGS[settings][1], **options)


def results(trainer):
    """Return everything that must be equal, as bytes."""
    history = {name: column for name, column in trainer.history.to_dict().items() if name != "seconds"}
    state = {path: (array.dtype.str, array.tobytes()) for path, array in trainer.model.state_dict().items()}
    return repr(history), state, trainer.predict(X).tobytes(), trainer.model.forward(X).tobytes(), trainer.rng.random()


CASES = [
    *((model, "adam with a schedule", "plain") for model in MODELS),
    *(("dropout", optimizer, "validation") for optimizer in OPTIMIZERS),
    *(("dropout", "sgd", settings) for settings in SETTINGS),
]


@pytest.mark.parametrize("every", [1, 2, "1 batch", "4 batches"])
@pytest.mark.parametrize(("model", "optimizer", "settings"), CASES)
def test_a_resumed_training_equals_one_without_a_stop(tmp_path, model, optimizer, settings, every):
    whole = make(model, optimizer, settings)
    fit(whole, settings)
    expected = results(whole)
    path = tmp_path / "run.npz"
    for batches in (20, 5, 3):
        cut = make(model, optimizer, settings, [nl.Checkpoint(path, every=every), Cut(batches)], seed=None if path.exists() else 0)
        with pytest.raises(PowerCutError):
            fit(cut, settings, resume=path)
        assert path.exists()
    resumed = make(model, optimizer, settings, [nl.Checkpoint(path, every=every)], seed=None)
    fit(resumed, settings, resume=path)
    assert results(resumed) == expected
