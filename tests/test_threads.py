"""One model, many threads: each gets its own right answer."""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import numpy as np
import pytest
from own_layers import Scale
from stateful_layers import Diary, Square

import netlib as nl

N_THREADS, N_CALLS = 8, 200


@pytest.fixture(autouse=True)
def _many_switches():
    """Let threads switch as often as Python can, with compiled kernels where there are any."""
    nl.SGD(nl.Affine(1, 1))  # an optimizer brings them in
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_threads(*jobs):
    """Run each job in a thread, all at once, and return what they return, or raise their error."""
    start = Barrier(len(jobs))

    def run(job):
        start.wait()
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return [future.result() for future in [pool.submit(run, job) for job in jobs]]


RNG = np.random.default_rng(0)
W1, B1, W2, B2, W3 = (RNG.normal(size=shape).astype(np.float32) for shape in [(6, 16), (16,), (16, 5), (5,), (5, 5)])


def chain():
    layers = nl.Affine.from_arrays(W1, B1), nl.ReLU(), nl.Affine.from_arrays(W2, B2), nl.Tanh(), nl.Affine.from_arrays(W3)
    return nl.Sequential(*layers)


def residual():
    first = nl.Sequential(nl.Affine.from_arrays(W1, B1), nl.ReLU(), nl.Affine.from_arrays(W2, B2), nl.Tanh())
    return nl.Sequential(first, nl.Residual(nl.Sequential(nl.Affine.from_arrays(W3), nl.ReLU())), Square())


def graph():
    x = nl.Input("x")
    h = nl.ReLU()(nl.Affine.from_arrays(W1, B1)(x))
    h = nl.Tanh()(nl.Affine.from_arrays(W2, B2)(h))
    return nl.Graph([x], [h * nl.Affine.from_arrays(W3)(h)])


def hidden(x):
    return np.tanh(np.maximum(x @ W1 + B1, 0) @ W2 + B2)


MODELS = {
    "chain": (chain, lambda x: hidden(x) @ W3),
    "residual": (residual, lambda x: (hidden(x) + np.maximum(hidden(x) @ W3, 0)) ** 2),
    "graph": (graph, lambda x: hidden(x) * (hidden(x) @ W3)),
}


def inputs(thread, rows):
    return [np.random.default_rng([thread, i]).normal(size=(rows, 6)).astype(np.float32) for i in range(20)]


def assert_each_gets_its_own(call, expected, rows):
    def job(thread):
        xs = inputs(thread, rows(thread))
        wanted = [expected(x) for x in xs]

        def run():
            return [(call(xs[i % 20]), wanted[i % 20]) for i in range(N_CALLS)]

        return run

    for answers in in_threads(*map(job, range(N_THREADS))):
        for y, wanted in answers:  # looked at when all is over: nobody has written into an answer since
            np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-5)


ROWS = {"same shape": lambda thread: 4, "a shape each": lambda thread: 1 + thread}


WAYS = {
    "predict": lambda model: model.predict,
    "predict in batches": lambda model: lambda x: model.predict(x, batch_size=3),
    "forward in training": lambda model: model.forward,
    "forward in evaluation": lambda model: model.eval().forward,
}


@pytest.mark.one_in(5)
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MODELS)
def test_each_thread_gets_its_own_right_answer(name, way, rows):
    make, expected = MODELS[name]
    model = make()
    assert_each_gets_its_own(WAYS[way](model), expected, ROWS[rows])
    assert [layer.training for _, layer in model.walk()] == [way != "forward in evaluation"] * len([*model.walk()])


@pytest.mark.parametrize("layer", [nl.ReLU(), nl.Tanh(), nl.Sigmoid(), nl.Softmax(), nl.Affine.from_arrays(W1, B1), Square()])
def test_a_layer_by_itself_serves_all_threads_too(layer):
    references = {"ReLU": lambda x: np.maximum(x, 0), "Tanh": np.tanh, "Sigmoid": lambda x: 1 / (1 + np.exp(-x)), "Square": np.square}
    references["Softmax"] = lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)
    references["Affine"] = lambda x: x @ W1 + B1
    for call in (layer.forward, layer.predict):
        assert_each_gets_its_own(call, references[type(layer).__name__], ROWS["a shape each"])


def test_users_layers_that_keep_what_they_like_predict_in_all_threads():
    class Roundabout(nl.Layer):
        def forward(self, x):
            self.x = x
            self.twice = self.x + self.x
            self.y = self.twice + self.x
            return self.y

        def backward(self, dout):
            return 3 * dout

    model = nl.Sequential(Roundabout(), Scale(np.float32(2.0)), Diary(), Roundabout())
    assert_each_gets_its_own(model.predict, lambda x: 3 * 10 * 2 * 3 * x, ROWS["a shape each"])
    assert model[2].calls == 0
    assert not hasattr(model[0], "x")


def test_a_forward_in_one_thread_and_its_backward_are_undisturbed_by_predictions_in_others():
    model = nl.Sequential(nl.Affine.from_arrays(np.eye(6)), nl.Dropout(0.5, rng=0), nl.Residual(nl.Dropout(0.5, rng=1)))
    xs = [np.random.default_rng(i).uniform(1, 2, size=(4, 6)) for i in range(20)]
    done = Event()

    def train():
        dropped = 0
        try:
            for i in range(N_CALLS):
                x = xs[i % 20]
                y = model.forward(x)
                ratio = y / x  # (0 or 2) · (1 + (0 or 2))
                assert np.isin(ratio.round(9), [0, 2, 6]).all()
                dropped += int((ratio == 0).any())
                np.testing.assert_allclose(model.backward(np.ones((4, 6))), ratio, rtol=1e-12)
        finally:
            done.set()
        return dropped

    def predict():
        n = 0
        while n < N_CALLS or not done.is_set():
            x = xs[n % 20]
            assert model.predict(x).tolist() == (2 * x).tolist()
            n += 1
        return n

    dropped, *counts = in_threads(train, *[predict] * (N_THREADS - 1))
    assert dropped == N_CALLS
    assert min(counts) >= N_CALLS
    assert all(layer.training for _, layer in model.walk())


def test_predictions_while_another_thread_fits_leave_the_training_as_it_is_alone():
    x, t = np.random.default_rng(0).normal(size=(64, 6)), np.zeros((64, 1))

    def trained(others):
        model = nl.Sequential(
            nl.Affine(6, 8, rng=0, dtype="float64"), nl.ReLU(), nl.Dropout(0.5, rng=1), nl.Affine(8, 1, rng=2, dtype="float64")
        )
        trainer = nl.Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.01), seed=0)
        done = Event()

        def fit():
            try:
                return trainer.fit(x, t, epochs=10, batch_size=8, progress=False)["loss"]
            finally:
                done.set()

        def predict():
            while not done.is_set():
                trainer.predict(x, batch_size=20)
                trainer.evaluate(x, t)

        losses, *_ = in_threads(fit, *[predict] * others)
        assert model.training
        return losses, {path: parameter.value.tolist() for path, parameter in model.parameters().items()}

    assert trained(others=3) == trained(others=0)


def test_an_error_in_one_thread_is_that_threads_alone():
    model = chain()

    def wrong():
        for _ in range(N_CALLS):
            with pytest.raises(nl.ShapeError, match=r"^Sequential\[0\] Affine"):
                model.predict(np.ones((2, 5)))

    def right():
        x = inputs(0, 3)[0]
        for _ in range(N_CALLS):
            np.testing.assert_allclose(model.predict(x), hidden(x) @ W3, rtol=1e-4, atol=1e-5)

    in_threads(*[wrong, right] * 4)
    assert model.training
