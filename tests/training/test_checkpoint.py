"""A training that was stopped and resumed equals the one that never stopped, bit for bit."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import netlib as nl
from netlib.training.resuming import excerpts

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


def image():
    return nl.Sequential(nl.Reshape((-1, 1, 2, 3)), nl.Conv2d(1, 4, 2, rng=0), nl.ReLU(), nl.Flatten(), nl.Affine(8, 3, rng=1))


def sequence():
    recurrent = nl.LSTM(2, 4, return_sequences=False, rng=0)
    return nl.Sequential(nl.Reshape((-1, 3, 2)), recurrent, nl.LayerNorm(4), nl.GELU(), nl.Affine(4, 3, rng=1))


MODELS = {
    "image": image,
    "sequence": sequence,
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


@pytest.mark.one_in(3)
@pytest.mark.parametrize("every", [pytest.param(2, marks=pytest.mark.exhaustive), "3 batches"])
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


# -- trainings with everything that may go on besides ------------------------------------------------------------------

X64 = X.astype(np.float64)


class GlobalNoise(nl.Layer):
    """A user's layer that draws from NumPy's global generator, and from one of its class."""

    of_class = np.random.default_rng(8)

    def forward(self, x):
        noise = np.random.standard_normal(x.shape) + self.of_class.standard_normal(x.shape)  # noqa: NPY002 - users do
        return x + noise / 50 if self.training else x

    def backward(self, dout):
        return dout


class Unfreeze(nl.Callback):
    def on_epoch_end(self, trainer):
        if trainer.epoch == 3:
            trainer.model[0].unfreeze()


class Decay(nl.Callback):
    """A user's callback that changes the learning rate, and has a state that is awkward to write."""

    def __init__(self):
        self.factors = np.full((3, 2), 0.9, ">f8").T

    def on_epoch_end(self, trainer):
        self.factors = (self.factors * 0.99).astype(">f8").T
        trainer.optimizer.lr *= self.factors[0, 1]

    def state_dict(self):
        return {"a": {"b": self.factors}, "a.b": -self.factors, "../x\0/": self.factors[:1]}

    def load_state_dict(self, state):
        assert (state["a.b"] == -state["a"]["b"]).all()
        assert (state["../x\0/"] == state["a"]["b"][:1]).all()
        self.factors = state["a"]["b"].astype(">f8")


def twice_as_wide(x, t, rng):
    return np.hstack([x, x + 0.1 * rng.standard_normal(x.shape)]), t


def affine_pair(dtype=np.float32):
    return [nl.Affine(6, 8, rng=0, dtype=dtype), nl.ReLU(), nl.Affine(8, 3, rng=1, dtype=dtype)]


def trained(net, callbacks, lr=0.05, loss=None, parameters=None, seed=0, **options):
    optimizer = nl.SGD(net if parameters is None else parameters, lr=lr, momentum=0.9)
    return nl.Trainer(net, loss or nl.SoftmaxCrossEntropy(), optimizer, callbacks=callbacks, seed=seed, **options)


def one_generator(callbacks):
    rng = np.random.default_rng(4)
    net = nl.Sequential(nl.Affine(6, 8, rng=rng), nl.Dropout(0.3, rng=rng), nl.Affine(8, 3, rng=rng))
    return trained(net, callbacks, seed=rng)


def outside_generators(callbacks):
    np.random.seed(1)  # noqa: NPY002
    GlobalNoise.of_class = np.random.default_rng(8)
    return trained(nl.Sequential(GlobalNoise(), *affine_pair()), callbacks)


def unfreezing(callbacks):
    net = nl.Sequential(*affine_pair())
    net[0].freeze()
    return trained(net, [*callbacks, Unfreeze()])


def two_outputs(callbacks):
    a, b = nl.Input("A"), nl.Input("B")
    h = nl.Affine(6, 4, rng=0)(a) + nl.Affine(6, 4, rng=1)(b)
    net = nl.Graph([a, b], [nl.Affine(4, 3, rng=2)(h), nl.Tanh()(h)])

    class FirstOnly(nl.Layer):
        def __init__(self):
            self.loss = nl.SoftmaxCrossEntropy(reduction="sum")
            self.reduction = "sum"

        def forward(self, y, other, t):
            self.second = np.zeros_like(other)
            return self.loss.forward(y, t)

        def backward(self, dout=1.0):
            return self.loss.backward(dout)[0] if isinstance(self.loss.backward(dout), tuple) else self.loss.backward(dout), self.second

    metric = {"accuracy": lambda y, t: nl.accuracy(y[0], t)}
    return trained(net, callbacks, lr=0.002, loss=FirstOnly(), metrics=metric)


def part_of_the_parameters(callbacks):
    net = nl.Sequential(*affine_pair())
    net[2].weight = nl.Parameter(np.ones((8, 3), np.float32) / np.arange(1, 4, dtype=np.float32))
    return trained(net, callbacks, parameters=net[2])


TRAININGS = {
    "a generator for everything": (one_generator, {}),
    "generators of a class and of NumPy": (outside_generators, {}),
    "frozen until epoch 3": (unfreezing, {}),
    "several inputs and outputs, and a sum": (two_outputs, {"x": (X, X[::-1].copy())}),
    "a part of the parameters": (part_of_the_parameters, {}),
    "float64": (lambda callbacks: trained(nl.Sequential(*affine_pair(np.float64)), callbacks), {"x": X64}),
    "a callback with a state": (lambda callbacks: trained(nl.Sequential(*affine_pair()), [*callbacks, Decay()]), {}),
    "functions in a schedule": (
        lambda callbacks: trained(nl.Sequential(*affine_pair()), callbacks, lr=nl.schedules.Warmup(lambda step: 0.1 / (1 + step), 9)),
        {},
    ),
    "transform": (
        lambda callbacks: trained(nl.Sequential(nl.Affine(12, 3, rng=0)), callbacks),
        {"transform": twice_as_wide},
    ),
    "statistics": (lambda callbacks: trained(nl.Sequential(*affine_pair()), [nl.LayerStatistics(every=3), *callbacks]), {}),
    "early stopping": (
        lambda callbacks: trained(nl.Sequential(*affine_pair()), [*callbacks, nl.EarlyStopping(patience=2)], lr=0.2),
        {"validation": 0.2, "epochs": 8},
    ),
}


def run(trainer, x=X, epochs=6, **options):
    trainer.fit(x, T, epochs=epochs, batch_size=7, progress=False, **options)
    return trainer


def outcome(trainer, x=X, **_):
    """Return everything that must be equal, as bytes and text."""
    history = {name: column for name, column in trainer.history.to_dict().items() if name != "seconds"}
    arrays = {path: array.tobytes() for path, array in trainer.model.state_dict().items()}
    state = {name: value.tobytes() if isinstance(value, np.ndarray) else value for name, value in flat(trainer.optimizer.state_dict())}
    modes = [(layer.training, vars(layer).get("_frozen")) for _, layer in trainer.model.walk()]
    callbacks = [repr([*flat(each.state_dict())]) for each in trainer.callbacks if not isinstance(each, nl.Checkpoint | Cut)]
    return repr(history), arrays, state, modes, callbacks, repr(trainer.rng.bit_generator.state), trainer.epoch, trainer.stop


def flat(value, path=""):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{path}/{key}")
    else:
        yield path, value


def suspend(trainer, batches, path, **options):
    """Train until an exception ends it, after so many batches."""
    trainer.callbacks.append(Cut(batches))
    with pytest.raises(PowerCutError):
        run(trainer, **options, resume=path)
    trainer.callbacks.pop()


@pytest.mark.parametrize("suffix", ["npz", pytest.param("safetensors", marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("name", TRAININGS)
def test_a_resumed_training_equals_one_without_a_stop_whatever_it_consists_of(tmp_path, name, suffix):
    make, options = TRAININGS[name]
    expected = outcome(run(make([]), **options))
    path = tmp_path / f"run.{suffix}"
    suspend(make([nl.Checkpoint(path, every="1 batch")]), 11, path, **options)
    trainer = make([nl.Checkpoint(path, every="2 batches")])
    suspend(trainer, 9 if name == "early stopping" else 33, path, **options)  # in the last epoch
    assert outcome(run(trainer, **options, resume=path)) == expected  # the same trainer
    assert outcome(run(make([]), **options, resume=path)) == expected  # a new one, after the end


def stopping(path, callbacks=(), **options):
    """Return a trainer with early stopping, whose loss rises after a while."""
    return trained(nl.Sequential(*affine_pair()), [nl.Checkpoint(path, **options), nl.EarlyStopping(patience=4), *callbacks], lr=0.9)


def test_training_that_has_ended_is_over_and_goes_on_only_to_more_epochs(tmp_path):
    path = tmp_path / "run.npz"
    whole = run(stopping(tmp_path / "other.npz"), epochs=50, validation=0.3)
    assert len(whole.history) < 50
    assert whole.stop
    run(stopping(path), epochs=4, validation=0.3)
    part = run(stopping(path), epochs=4, validation=0.3, resume=path)
    assert outcome(part) == outcome(run(stopping(tmp_path / "other.npz"), epochs=4, validation=0.3))
    for epochs in (50, 50, 70):  # to the end, and then nothing more
        assert outcome(run(stopping(path), epochs=epochs, validation=0.3, resume=path)) == outcome(whole)
    with pytest.raises(nl.NetlibError, match=r"epochs is 4, but .*run\.npz is in epoch"):
        run(stopping(path), epochs=4, validation=0.3, resume=path)


def test_after_ctrl_c_and_after_a_loss_that_is_not_finite(tmp_path):
    class Interrupt(nl.Callback):
        needed_to_resume = False

        def on_batch_end(self, trainer):
            if (trainer.epoch, trainer.batch) == (3, 4):
                signal.raise_signal(signal.SIGINT)

    class Explode(nl.Callback):
        needed_to_resume = False

        def on_batch_end(self, trainer):
            if (trainer.epoch, trainer.batch) == (4, 3):
                trainer.model[0].weight.value = np.full((6, 8), 3e38)

    path = tmp_path / "run.npz"
    expected = outcome(run(stopping(tmp_path / "other.npz"), validation=0.3))
    interrupted = run(stopping(path, [Interrupt()], every="2 batches"), validation=0.3)
    assert interrupted.history.interrupted
    assert len(interrupted.history) == 2
    with pytest.raises(nl.NonFiniteError):
        run(stopping(path, [Explode()], every="2 batches"), validation=0.3, resume=path)
    assert outcome(run(stopping(path, every="2 batches"), validation=0.3, resume=path)) == expected


# -- refusals ----------------------------------------------------------------------------------------------------------


def constant_graph(numbers):
    x = nl.Input("X")
    return nl.Graph([x], [nl.Affine(6, 3, rng=0)(x) + nl.Constant("C", numbers)])


def simple(net=None, lr=0.05, callbacks=(), **options):
    return trained(net or nl.Sequential(*affine_pair()), list(callbacks), lr=lr, **options)


DEEP = [nl.ReLU() for _ in range(40)]
REFUSED = {
    "model": (
        lambda: simple(nl.Sequential(nl.Affine(6, 3))),
        {},
        r"the model is Sequential\(Affine\(6, 3\)\), and was Sequential\(Affine\(6, 8\),",
    ),
    "optimizer": (
        lambda: nl.Trainer(net := nl.Sequential(*affine_pair()), nl.SoftmaxCrossEntropy(), nl.Adam(net, lr=0.05)),
        {},
        r"the optimizer is Adam\(.*, and was SGD\(momentum=0.9",
    ),
    "part": (lambda: part_of_the_parameters([]), {}, "of 2 parameters, and was .* of 4 parameters"),
    "lr": (lambda: simple(lr=0.1), {}, r"lr is 0.1, and was 0.05\."),
    "schedule": (lambda: simple(lr=nl.schedules.Cosine(0.05, 9)), {}, r"lr is Cosine\(0.05, 9\), and was 0.05"),
    "samples": (
        simple,
        {"x": X[:40], "t": T[:40]},
        r"\(40, 6\) float32, \(40,\) int64, and was \(50, 6\) float32, \(50,\) int64",
    ),
    "batch size": (simple, {"batch_size": 8}, "batch_size is 8, and was 7"),
    "validation": (simple, {"validation": (X[:9], T[:9])}, "validation data is 9 samples, and was none"),
    "accumulate": (lambda: simple(accumulate=2), {}, "accumulate is 2, and was 1"),
    "metrics": (lambda: simple(metrics={"accuracy": nl.accuracy}), {}, "list of metrics is accuracy, and was none"),
    "callback": (
        lambda: simple(callbacks=[nl.EarlyStopping("loss", 9)]),
        {},
        r"is \[EarlyStopping\(monitor='loss', patience=9\)\], and was \[\]",
    ),
    "generator": (lambda: simple(seed=np.random.Generator(np.random.Philox(0))), {}, "generator is Philox, and was PCG64"),
    "deep": (lambda: simple(nl.Sequential(*affine_pair(), *DEEP)), {}, r"ReLU\(…, and was Sequential"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_another_training_is_refused_with_both_and_nothing_changes(tmp_path, name):
    make, options, message = REFUSED[name]
    path = tmp_path / "run.npz"
    run(simple(callbacks=[nl.Checkpoint(path)]), epochs=2)
    trainer = make()
    before = outcome(trainer)
    with pytest.raises(nl.NetlibError, match=message) as refusal:
        trainer.fit(**{"x": X, "t": T, "batch_size": 7, "epochs": 3, "progress": False, "resume": path} | options)
    assert len(str(refusal.value)) < 700
    assert outcome(trainer) == before


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        (("a" * 100, "a" * 99 + "b"), ("a" * 100, "a" * 99 + "b")),
        (("a" * 101, "a" * 100 + "b"), ("…" + "a" * 51, "…" + "a" * 50 + "b")),
        (("a" * 80, "a" * 150), ("…" + "a" * 50, "…" + "a" * 100 + "…")),
        (("a" * 150, "a" * 130), ("…" + "a" * 70, "…" + "a" * 50)),
        (("ab" + "c" * 98, "ac" + "d" * 99), ("ab" + "c" * 98, "ac" + "d" * 98 + "…")),
    ],
)
def test_of_two_long_texts_a_message_shows_up_to_50_characters_before_they_differ_and_100_in_all(texts, shown):
    assert excerpts(*texts) == shown


class Sizes(nl.Identity):
    """Writes down how many samples come in training."""

    seen = []  # noqa: RUF012 - one for all

    def forward(self, x):
        if self.training:
            self.seen.append(len(x))
        return super().forward(x)


@pytest.mark.parametrize(("batches", "rehearsed", "left"), [(3, [7], [7, 7, 7, 7, 1]), (8, [7, 1], []), (11, [7, 1], [7, 7, 7, 7, 1])])
def test_before_a_training_goes_on_its_model_runs_once_on_each_size_of_batch_that_it_had_seen(tmp_path, batches, rehearsed, left):
    path, epochs = tmp_path / "run.npz", -(-batches // 8)
    suspend(simple(nl.Sequential(Sizes(), *affine_pair()), callbacks=[nl.Checkpoint(path, every="1 batch")]), batches, path, epochs=epochs)
    Sizes.seen.clear()
    run(simple(nl.Sequential(Sizes(), *affine_pair())), epochs=epochs, resume=path)
    assert Sizes.seen == rehearsed + left


class Table(nl.Identity):
    """A user's layer with an array among its arguments, of which nan is no number that differs."""

    def __init__(self, numbers):
        self.numbers = numbers


def test_a_model_with_another_constant_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    run(simple(constant_graph([1.0, 2.0, 3.0]), callbacks=[nl.Checkpoint(path)]), epochs=1)
    run(simple(constant_graph([1.0, 2.0, 3.0])), resume=path, epochs=2)
    with pytest.raises(nl.NetlibError, match="an array among the arguments of the model has other numbers"):
        run(simple(constant_graph([1.0, 2.0, 4.0])), resume=path, epochs=2)
    for resume in (None, path):
        run(simple(nl.Sequential(Table(np.array([np.nan, 1.0])), *affine_pair()), callbacks=[nl.Checkpoint(path)]), epochs=2, resume=resume)


def test_a_rate_that_a_callback_replaced_by_a_schedule_is_not_lost(tmp_path):
    class Fall(nl.Callback):
        def on_epoch_end(self, trainer):
            trainer.optimizer.lr = nl.schedules.Exponential(0.05, 0.9)

    path = tmp_path / "run.npz"
    run(simple(callbacks=[Fall(), nl.Checkpoint(path)]), epochs=2)
    with pytest.raises(nl.NetlibError, match=r"lr is 0.05, and was Exponential\(0.05, 0.9\)"):
        run(simple(callbacks=[Fall()]), resume=path)
    resumed = run(simple(lr=nl.schedules.Exponential(0.05, 0.9), callbacks=[Fall()]), resume=path)
    assert outcome(resumed)[:3] == outcome(run(simple(callbacks=[Fall()])))[:3]


def test_what_is_no_checkpoint_is_refused(tmp_path):
    nl.save(nl.Sequential(*affine_pair()), tmp_path / "model.npz")
    with pytest.raises(nl.FormatError, match=r"model.npz: is a saved model, not a checkpoint.*nl.load"):
        run(simple(), resume=tmp_path / "model.npz")
    (tmp_path / "page.npz").write_text("<html>")
    with pytest.raises(nl.FormatError, match="is an HTML page"):
        run(simple(), resume=tmp_path / "page.npz")


def test_a_damaged_checkpoint_changes_nothing(tmp_path):
    from netlib.files.formats import read_contents, write_contents
    from netlib.files.packing import pack, unpack
    from netlib.files.strict_json import read_json, write_json

    path, damaged = tmp_path / "run.npz", tmp_path / "damaged.npz"
    run(stopping(path, every="3 batches"), validation=0.3, epochs=2)
    contents = read_contents(path, "test")
    record = read_json(contents.text, "test")
    training = unpack(record["training"], contents.arrays, "test")
    assert len(training) == 14
    outside = {**training["shared_generators"][0], "state": {**training["shared_generators"][0]["state"], "pos": 10**8}}
    for key in training:
        for value in (None, {"wrong": 1}, [[1, 2], 3], 7.5, [outside]):  # NumPy would read at that position
            if (key, value) in [("progress", None), ("batch_loss", 7.5)]:
                continue  # as they may be
            packed, arrays = pack({**training, key: value}, "__netlib__.training", "test")
            text = write_json(record | {"training": packed})
            write_contents(damaged, contents._replace(arrays=contents.arrays | arrays, text=text), "test")
            trainer = stopping(tmp_path / "new.npz")
            before = outcome(trainer)
            with pytest.raises(nl.NetlibError):
                run(trainer, validation=0.3, epochs=3, resume=damaged)
            after = outcome(trainer)
            assert (after[1:4], after[5]) == (before[1:4], before[5]), key


def test_a_model_or_folder_that_cannot_be_written_is_refused_before_the_first_batch(tmp_path):
    class Function(nl.Layer):
        def __init__(self, f):
            self.f = f

        def forward(self, x):
            return x

        def backward(self, dout):
            return dout

    class Holding(nl.Callback):
        def state_dict(self):
            return {"file": object()}

    def refused(message, net=None, callbacks=(), path=tmp_path / "run.npz"):
        trainer = simple(net, callbacks=[*callbacks, nl.Checkpoint(path)])
        with pytest.raises(nl.NetlibError, match=message):
            run(trainer)
        assert trainer.batch == 0
        assert not path.exists()

    refused(r"Function.*attribute 'f': is a function", nl.Sequential(Function(lambda x: x), *affine_pair()))
    refused(r"Checkpoint\.callbacks\.0\.1\.file: is a object, which cannot be saved", callbacks=[Holding()])
    refused(r"there is no folder '.*none'. Make it: os.makedirs", path=tmp_path / "none" / "run.npz")
    with pytest.raises(nl.NetlibError, match="there is no column 'val_loss', only: epoch, loss"):
        run(simple(callbacks=[nl.Checkpoint(tmp_path / "run.npz", best="val_loss")]))
    for every in (0, "3 hours", "many batches", 1.5):
        with pytest.raises(nl.NetlibError, match="every is"):
            nl.Checkpoint(tmp_path / "run.npz", every=every)


# -- which files there are ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "best"), [(5, 8), (6, 2)])
def test_keep_and_best_keep_what_they_say_also_across_a_resume(tmp_path, seed, best):
    path = tmp_path / "run.npz"

    class Remember(nl.Callback):
        needed_to_resume = False
        models = {}  # noqa: RUF012 - one for all

        def on_epoch_end(self, trainer):
            self.models[trainer.epoch] = trainer.model.predict(X).tobytes()

    def files(folder=tmp_path):
        return sorted(each.name for each in folder.iterdir())

    def make(**options):
        return simple(lr=0.5, callbacks=[Remember(), nl.Checkpoint(path, keep=3, best="val_loss", **options)], seed=seed)

    run(make(), epochs=2, validation=0.3)
    assert files() == ["run-best.npz", "run-epoch-1.npz", "run-epoch-2.npz", "run.npz"]
    suspend(make(), 2 * 5 + 3, path, epochs=9, validation=0.3)
    assert files() == ["run-best.npz", "run-epoch-2.npz", "run-epoch-3.npz", "run-epoch-4.npz", "run.npz"]
    history = run(make(), epochs=9, validation=0.3, resume=path).history
    assert files() == ["run-best.npz", "run-epoch-7.npz", "run-epoch-8.npz", "run-epoch-9.npz", "run.npz"]
    assert history["val_loss"].index(min(history["val_loss"])) == best - 1
    for name, epoch in {"run-best.npz": best, "run-epoch-7.npz": 7, "run-epoch-8.npz": 8, "run.npz": 9}.items():
        assert nl.load(tmp_path / name).predict(X).tobytes() == Remember.models[epoch]
    again = run(make(), epochs=9, validation=0.3, resume=tmp_path / "run-epoch-7.npz")
    assert again.model.predict(X).tobytes() == Remember.models[9]


def test_the_highest_value_is_the_best_with_mode_max(tmp_path):
    path = tmp_path / "run.npz"
    net = nl.Sequential(*affine_pair())
    checkpoint = nl.Checkpoint(path, every=100, best="val_accuracy", mode="max")
    trainer = trained(net, [checkpoint], lr=0.5, metrics={"accuracy": nl.accuracy})
    history = run(trainer, validation=(X[:20], T[:20]), epochs=8).history
    best = nl.load(tmp_path / "run-best.npz")
    assert nl.accuracy(best.predict(X[:20]), T[:20]) == max(history["val_accuracy"]) > min(history["val_accuracy"])


@pytest.mark.parametrize("mode", ["min", "max"])
def test_of_equal_values_the_first_is_the_best(tmp_path, mode):
    checkpoint = nl.Checkpoint(tmp_path / "run.npz", keep=3, best="equal", mode=mode)
    run(simple(callbacks=[checkpoint], metrics={"equal": lambda y, t: 1.0}), epochs=3)
    best, *models = (nl.load(tmp_path / f"run-{name}.npz").predict(X).tolist() for name in ("best", "epoch-1", "epoch-2"))
    assert [best == model for model in models] == [True, False]


# -- a write that fails ------------------------------------------------------------------------------------------------


class Fail(nl.Callback):
    """Let something happen to the disk after the second epoch, before the checkpoint."""

    def __init__(self, what):
        self.what = what

    def on_epoch_end(self, trainer):
        if trainer.epoch == 3:
            self.what()


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_a_full_disk_leaves_the_last_checkpoint_and_a_model_to_use(tmp_path, suffix):
    path = tmp_path / f"run.{suffix}"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    trainer = simple(callbacks=[Fail(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))), nl.Checkpoint(path)])
    try:
        with pytest.raises(OSError, match=r"File too large.*(run\.npz|os error)"):
            run(trainer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    check_that_epoch_2_is_there(trainer, path)


def test_a_vanished_folder_is_named(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    trainer = simple(callbacks=[Fail(lambda: folder.rename(tmp_path / "moved")), nl.Checkpoint(folder / "run.npz")])
    with pytest.raises(FileNotFoundError, match=r"folder/run\.npz"):
        run(trainer)
    check_that_epoch_2_is_there(trainer, tmp_path / "moved" / "run.npz")


def test_ctrl_c_during_a_write_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    def interrupt():
        def twice(*_):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(os, "fsync", twice)

    path = tmp_path / "run.npz"
    trainer = simple(callbacks=[Fail(interrupt), nl.Checkpoint(path)])
    with pytest.raises(KeyboardInterrupt):
        run(trainer)
    monkeypatch.undo()
    check_that_epoch_2_is_there(trainer, path)


def check_that_epoch_2_is_there(trainer, path):
    """Check that the file is whole and alone, and that training can go on from it, or from the model."""
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert outcome(run(simple(), resume=path)) == outcome(run(simple()))
    assert np.isfinite(run(trainer_without_callbacks(trainer), epochs=1).history["loss"]).all()


def trainer_without_callbacks(trainer):
    trainer.callbacks.clear()
    return trainer


READ_ONLY = """
import os, sys
import netlib as nl
model = nl.Sequential(nl.Affine(2, 2))
trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), nl.SGD(model))
trainer.fit([[0.0, 1.0]], [0], progress=False)
if os.geteuid() == 0:
    os.setuid(65534)  # root may write anywhere
trainer.callbacks.append(nl.Checkpoint(sys.argv[1] + "/run.npz"))
try:
    trainer.fit([[0.0, 1.0]], [0], progress=False)
except nl.InvalidValueError as error:
    print(error, trainer.batch)
"""


def test_a_folder_that_cannot_be_written_to_is_refused_before_the_first_batch():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        done = subprocess.run([sys.executable, "-c", READ_ONLY, folder], capture_output=True, text=True, check=True)
    assert done.stdout == f"Checkpoint('{folder}/run.npz'): the folder '{folder}' is read-only 0\n"


@pytest.mark.exhaustive
def test_a_training_survives_ten_kills():
    """``python tests/training/kill.py`` does the same 1,000 times."""
    script = Path(__file__).with_name("kill.py")
    done = subprocess.run([sys.executable, script, "--kills", "10"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert " 10 kills," in done.stdout
    assert done.stdout.endswith("every result as without a kill\n")


@pytest.mark.parametrize(
    ("every", "keep", "epochs", "expected"),
    [
        ("3 batches", 9, 2, ["epoch-1-batch-3", "epoch-2-batch-1", "epoch-2-batch-4", "epoch-2"]),  # across epochs of 5 batches
        ("3 epochs", 2, 8, ["epoch-6", "epoch-8"]),
        ("1 epoch", 1, 3, []),
    ],
)
def test_a_checkpoint_is_written_after_every_so_many_batches_or_epochs_and_the_last_stay(tmp_path, every, keep, epochs, expected):
    (tmp_path / "run-epoch-1.npz").touch()  # of another training
    run(simple(callbacks=[nl.Checkpoint(tmp_path / "run.npz", every=every, keep=keep)]), epochs=epochs, validation=0.3)
    assert {each.name for each in tmp_path.iterdir()} == {"run.npz", *(f"run-{name}.npz" for name in ["epoch-1", *expected])}
