"""The memory of models, in activations: during prediction and training, afterwards, and pickled."""

import gc
import pickle
import tracemalloc

import numpy as np
import pytest
from stateful_layers import Square

import netlib as nl

ROWS, WIDTH, PAIRS = 2000, 100, 20
ACTIVATION = ROWS * WIDTH * 8
SOME_OBJECTS = 50_000  # bytes of Python's own, such as the steps of a program: a thirtieth of an activation


def pairs(n, seed=0):
    layers = []
    for i in range(n):
        layers += [nl.Affine(WIDTH, WIDTH, dtype="float64", rng=seed + i), nl.Tanh()]
    return layers


def chain():
    return nl.Sequential(*pairs(PAIRS))


def nested():
    return nl.Sequential(*(nl.Sequential(nl.Sequential(*pairs(5, 5 * i))) for i in range(4)))


def graph():
    x = h = nl.Input("x")
    for layer in pairs(PAIRS):
        h = layer(h)
    return nl.Graph([x], [h])


def recomputed():
    return nl.Sequential(*(nl.Recompute(nl.Sequential(*pairs(5, 5 * i))) for i in range(4)))


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(ROWS, WIDTH))


def import_all(*uses):
    """Let every module be there before anything is counted."""
    small = nl.Sequential(nl.Affine(1, 1), nl.Tanh())
    for use in uses:
        use(small)


def step(model):
    model.backward(model.forward(np.ones((2, 1))))


def prediction(model):
    model.predict(np.ones((2, 1)))
    model.predict(np.ones((2, 1)), batch_size=1)


class Counted:
    """Counts the bytes allocated since entering: at the peak since `again`, and now."""

    def __enter__(self):
        gc.collect()
        gc.freeze()  # or every look at what is kept would go through all that was there before
        tracemalloc.start()
        self.start = tracemalloc.get_traced_memory()[0]
        return self

    def __exit__(self, *error):
        tracemalloc.stop()

    def again(self):
        tracemalloc.reset_peak()

    @property
    def peak(self):
        return tracemalloc.get_traced_memory()[1] - self.start

    @property
    def kept(self):
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - self.start


@pytest.mark.parametrize("make", [chain, nested, graph])
def test_a_prediction_holds_two_activations_at_its_peak_and_only_its_answer_afterwards(make, x):
    model = make()
    import_all(prediction)
    with Counted() as counted:
        for _ in range(3):
            counted.again()
            y = model.predict(x)
            assert counted.peak <= 2.1 * ACTIVATION
            assert counted.kept <= y.nbytes + SOME_OBJECTS
            del y
            assert counted.kept <= SOME_OBJECTS


def test_a_prediction_in_batches_holds_its_answer_and_little_more(x):
    model = chain()
    import_all(prediction)
    with Counted() as counted:
        y = model.predict(x, batch_size=100)
        assert counted.peak <= 2.1 * ACTIVATION
        assert counted.kept <= y.nbytes + SOME_OBJECTS


def test_a_prediction_through_recomputed_blocks_holds_its_input_and_two_activations(x):
    model = recomputed()
    import_all(prediction)
    with Counted() as counted:
        y = model.predict(x)
        assert counted.peak <= 3.1 * ACTIVATION  # who calls a block holds its input meanwhile
        del y
        assert counted.kept <= SOME_OBJECTS


def test_a_prediction_between_forward_and_backward_adds_two_activations(x):
    model = chain()
    dout = np.ones_like(model.forward(x))
    import_all(prediction)
    with Counted() as counted:
        model.predict(x)
        assert counted.peak <= 2.1 * ACTIVATION
        assert counted.kept <= SOME_OBJECTS
    model.backward(dout)


def test_evaluating_keeps_nothing(x):
    model = chain()
    trainer = nl.Trainer(model, nl.MeanSquaredError(), nl.SGD(model))
    trainer.evaluate(x[:2], x[:2])
    trainer.predict(x[:2])
    with Counted() as counted:
        trainer.evaluate(x, x, batch_size=500)
        assert counted.kept <= SOME_OBJECTS
        trainer.predict(x, batch_size=500)
        assert counted.kept <= SOME_OBJECTS


def assert_a_step_peaks_at(model, activations, x):
    dout = np.ones_like(x)
    import_all(step, step)
    with Counted() as counted:
        for _ in range(3):
            counted.again()
            y = model.forward(x)
            dx = model.backward(dout)
            assert counted.peak <= activations * ACTIVATION
            assert y.shape == dx.shape == x.shape
            del y, dx


@pytest.mark.parametrize("make", [chain, nested, graph])
def test_a_training_step_of_twenty_pairs_peaks_at_45_activations(make, x):
    assert_a_step_peaks_at(make(), 45, x)


def test_a_training_step_of_four_recomputed_blocks_peaks_at_20_activations(x):
    assert_a_step_peaks_at(recomputed(), 20, x)


@pytest.mark.exhaustive
def test_a_training_step_of_a_hundred_layers_in_blocks_of_ten_peaks_at_28_activations(x):
    blocks = [nl.Recompute(nl.Sequential(*pairs(10, 10 * i))) for i in range(10)]
    assert_a_step_peaks_at(nl.Sequential(*blocks), 28, x)


# What a pickle holds ------------------------------------------------------------------------------

MANY = np.random.default_rng(0).normal(size=(50_000, 4)).astype(np.float32)


def branching():
    x = nl.Input("x")
    h = nl.Affine(4, 4, rng=0)(x)
    return nl.Graph([x], [nl.Softmax()(h) * nl.Sigmoid()(h)])


MODELS = {
    "Affine": lambda: nl.Affine(4, 4, rng=0),
    "Tanh": nl.Tanh,
    "Dropout": lambda: nl.Dropout(0.5, rng=0),
    "Softmax": nl.Softmax,
    "a user's layer with remember": Square,
    "Sequential": lambda: nl.Sequential(nl.Affine(4, 8, rng=0), nl.ReLU(), nl.Dropout(0.5, rng=0), nl.Affine(8, 4, rng=1)),
    "Residual": lambda: nl.Residual(nl.Sequential(nl.Affine(4, 4, rng=0), nl.Tanh())),
    "Graph": branching,
    "Recompute": lambda: nl.Sequential(nl.Recompute(nl.Sequential(nl.Affine(4, 4, rng=0), nl.Tanh())), nl.Affine(4, 4, rng=1)),
}


def evaluate(model):
    whole = nl.Sequential(nl.Affine(4, 4, rng=0), model)
    nl.Trainer(whole, nl.MeanSquaredError(), nl.SGD(whole)).evaluate(MANY, MANY)


def train(model):
    for _ in range(3):
        y = model.forward(MANY)
        model.backward(y)


USES = {
    "predict": lambda model: model.predict(MANY),
    "evaluate": evaluate,
    "forward": lambda model: model.forward(MANY),
    "forward in evaluation": lambda model: model.eval().forward(MANY),
    "training": train,
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", MODELS)
def test_a_used_model_makes_no_larger_pickle_and_the_copy_answers_alike(name, use):
    model = MODELS[name]()
    before = len(pickle.dumps(model.train(use != "forward in evaluation")))
    USES[use](model)
    data = pickle.dumps(model)
    assert len(data) <= before + 50  # the state of a generator may take a few digits more
    copy = pickle.loads(data)
    assert copy.predict(MANY[:9]).tolist() == model.predict(MANY[:9]).tolist()
    with pytest.raises(nl.OrderError):
        copy.backward(np.ones((50_000, 4), np.float32))


@pytest.mark.parametrize("loss", [nl.MeanSquaredError(), nl.SoftmaxCrossEntropy(), nl.Huber()])
def test_a_used_loss_makes_no_larger_pickle(loss):
    before = len(pickle.dumps(loss))
    loss.forward(MANY, np.abs(MANY))
    assert len(pickle.dumps(loss)) <= before
    with pytest.raises(nl.OrderError):
        pickle.loads(pickle.dumps(loss)).backward()
