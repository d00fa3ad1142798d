"""Prediction: evaluation mode for one call, after which everything is as it was."""

import threading

import numpy as np
import pytest
from own_layers import Fails, Halves, Noop, Scale, affine
from stateful_layers import Centre, Diary, Doubles, Exp, Square

import netlib as nl

X = np.random.default_rng(0).normal(size=(7, 3))
OTHER = np.random.default_rng(1).normal(size=(5, 3))


class Ensemble(nl.Layer):
    """A user's composite: calls layers from a list and a dict, and adds attributes in forward."""

    def __init__(self):
        self.parts = [affine(3, 3, 0), Diary()]
        self.more = {"drop": nl.Dropout(0.5, rng=0), "centre": Centre(3, start=2.0)}
        self.lock = threading.Lock()
        self.function = lambda x: x + 1

    def forward(self, x):
        self.first = x
        if not hasattr(self, "n_calls"):
            self.n_calls = 0
        self.n_calls += 1
        for part in self.parts:
            x = part.forward(x)
        self.middle = x
        with self.lock:
            return self.function(self.more["centre"].forward(self.more["drop"].forward(x)))

    def backward(self, dout):
        dx = self.more["drop"].backward(self.more["centre"].backward(dout))
        for part in reversed(self.parts):
            dx = part.backward(dx)
        return dx


def graph():
    x, z = nl.Input("x"), nl.Input("z")
    h = affine(3, 4, 0)(x, name="h")
    return nl.Graph([x, z], [Diary()(h + affine(3, 4, 1)(z), name="left"), nl.Dropout(0.5, rng=0)(h, name="right")])


LAYERS = {
    "Affine": lambda: affine(3, 2, 0),
    "Tanh": nl.Tanh,
    "Dropout": lambda: nl.Dropout(0.5, rng=0),
    "a user's Scale": lambda: Scale([1.0, 2.0, 3.0]),
    "a user's Noop": Noop,
    "a user's Diary": Diary,
    "a user's Square": Square,
    "a user's Centre": lambda: Centre(3, start=2.0),
    "a user's composite": Ensemble,
    "a user's writer": lambda: Doubles(nl.Tanh()),
    "Sequential": lambda: nl.Sequential(affine(3, 4, 0), nl.ReLU(), nl.Dropout(0.5, rng=0), Diary(), affine(4, 3, 1), Centre()),
    "nested": lambda: nl.Sequential(nl.Sequential(affine(3, 3, 0), nl.ReLU()), nl.Residual(nl.Sequential(Ensemble(), nl.Tanh()))),
    "Residual": lambda: nl.Residual(nl.Sequential(affine(3, 3, 0), Diary(), Exp())),
    "two outputs": lambda: nl.Sequential(affine(3, 4, 0), nl.Dropout(0.5, rng=0), Halves()),
}


def outside(layer):
    """Return every attribute of every layer inside, as an object and as its contents."""
    seen = [(path, name, value, written(value)) for path, each in layer.walk() for name, value in vars(each).items()]
    arrays = {**layer.parameters(), **layer.buffers()}
    return seen, {path: (array, array.value, written(array.value)) for path, array in arrays.items()}


def written(value):
    """Return what would differ if somebody wrote into `value`."""
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, list | tuple):
        return [written(each) for each in value]
    if isinstance(value, dict):
        return [(key, written(each)) for key, each in value.items()]
    if isinstance(value, np.random.Generator):
        return repr(value.bit_generator.state)
    return id(value)


def assert_untouched(layer, before):
    now = outside(layer)
    assert [(path, name) for path, name, *_ in now[0]] == [(path, name) for path, name, *_ in before[0]]
    for (path, name, value, held), (_, _, value_now, held_now) in zip(before[0], now[0], strict=True):
        assert value_now is value, f"{path}.{name} is another object"
        assert held_now == held, f"{path}.{name} was written into"
    for path, (array, value, held) in before[1].items():
        assert now[1][path][0] is array, path
        assert now[1][path][1] is value, path
        assert now[1][path][2] == held, path


def as_tuple(y):
    return y if isinstance(y, tuple) else (y,)


def evaluated(make, *inputs):
    """Return what a new layer gives in evaluation mode."""
    return as_tuple(make().eval().forward(*inputs))


@pytest.mark.parametrize("batch_size", [None, 3])
@pytest.mark.parametrize("name", LAYERS)
def test_it_is_a_forward_in_evaluation_mode_that_touches_nothing(name, batch_size):
    layer = LAYERS[name]()
    expected = evaluated(LAYERS[name], X)
    for forwards in range(3):
        before, x = outside(layer), X.copy()
        for _ in range(2):
            ys = as_tuple(layer.predict(x, batch_size=batch_size))
            for y, wanted in zip(ys, expected, strict=True):
                if forwards == 0 or name not in ("a user's Centre", "a user's composite", "Sequential", "nested"):
                    np.testing.assert_allclose(y, wanted, rtol=1e-12)  # later the running mean has moved
        assert_untouched(layer, before)
        assert x.tolist() == X.tolist()
        layer.forward(X)


@pytest.mark.parametrize("name", LAYERS)
def test_a_backward_after_it_is_that_of_the_forward_before_it(name):
    layer, twin = LAYERS[name](), LAYERS[name]()
    for _ in range(3):
        ys = as_tuple(layer.forward(X))
        twin.forward(X)
        kept = [y.copy() for y in ys]
        layer.predict(OTHER)
        layer.predict(X * 9, batch_size=2)
        douts = tuple(np.cos(y) for y in kept)
        dout = douts if len(douts) > 1 else douts[0]
        assert layer.backward(dout).tolist() == twin.backward(dout).tolist()
        assert [y.tolist() for y in ys] == [y.tolist() for y in kept]
    for path, parameter in layer.parameters().items():
        assert parameter.grad.tolist() == twin.parameters()[path].grad.tolist()


@pytest.mark.parametrize("name", ["Affine", "Tanh", "Dropout", "a user's Square", "Sequential", "nested", "Residual"])
def test_it_is_no_forward_that_a_backward_could_follow(name):
    layer = LAYERS[name]()
    y = layer.predict(X)
    with pytest.raises(nl.OrderError):
        layer.backward(np.ones_like(y))


def test_every_layer_inside_is_in_evaluation_mode_and_afterwards_in_its_own():
    model = nl.Sequential(Diary(), nl.Sequential(Diary(), nl.Residual(Diary())), Doubles(Diary()))
    model[1][0].eval()
    modes = [layer.training for _, layer in model.walk()]
    # Diary gives 10 x where it is not trained: 10 · 10 · (1 + 10) · 10 · 2
    assert model.predict(np.ones((1, 1))).tolist() == [[22000.0]]
    assert [layer.training for _, layer in model.walk()] == modes


def test_a_forward_that_predicts_inside_stays_in_its_own_mode():
    class Teacher(nl.Layer):
        def __init__(self):
            self.inner = Diary()

        def forward(self, x):
            first = self.training
            return np.hstack([self.inner.predict(x), self.inner.forward(x), np.full_like(x, first), np.full_like(x, self.training)])

        def backward(self, dout):
            return dout

    teacher = nl.Sequential(Teacher())
    assert teacher.forward(np.ones((1, 1))).tolist() == [[10.0, 1.0, 1.0, 1.0]]
    assert teacher.predict(np.ones((1, 1))).tolist() == [[10.0, 10.0, 0.0, 0.0]]
    assert teacher.forward(np.ones((1, 1))).tolist() == [[10.0, 1.0, 1.0, 1.0]]


@pytest.mark.parametrize("error", [RuntimeError("oh"), nl.ShapeError("oh")])
def test_after_an_error_inside_all_is_as_before_and_the_message_says_where(error):
    model = nl.Sequential(Diary(), nl.Sequential(affine(3, 3, 0), Fails(error)))
    model[1][1].armed = False
    model.forward(X)
    model[1][1].armed = True
    before = outside(model)
    with pytest.raises(type(error)) as caught:
        model.predict(OTHER)
    assert "Sequential[1].Sequential[1]" in str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
    assert_untouched(model, before)
    assert model.training
    assert model.backward(np.ones((7, 3))).shape == (7, 3)


def test_it_draws_no_mask():
    model, twin = nl.Sequential(nl.Dropout(0.5, rng=0)), nl.Sequential(nl.Dropout(0.5, rng=0))
    assert model.predict(np.ones(50)).tolist() == [1.0] * 50
    assert model.forward(np.ones(50)).tolist() == twin.forward(np.ones(50)).tolist()


def test_a_buffer_that_moves_in_either_mode_is_unchanged_by_a_prediction():
    class Counter(nl.Layer):
        def __init__(self):
            self.count = nl.Buffer(0)

        def forward(self, x):
            self.count.value = self.count.value + 1
            return x + self.count.value

        def backward(self, dout):
            return dout

    model = nl.Sequential(Counter(), Counter())
    assert [model.predict(np.zeros(1)).tolist() for _ in range(3)] == [[2.0]] * 3
    assert [int(buffer.value) for buffer in model.buffers().values()] == [0, 0]


def test_a_running_mean_is_used_and_not_moved():
    layer = Centre(3)
    layer.forward(np.array([[2.0, 4.0, 6.0]]))
    assert layer.predict(np.array([[2.0, 4.0, 6.0]])).tolist() == [[1.0, 2.0, 3.0]]
    assert layer.mean.value.tolist() == [1.0, 2.0, 3.0]
    assert layer.batches.value == 1


@pytest.mark.parametrize("batch_size", [1, 2, 3, 6, 7, 8, 1000])
@pytest.mark.parametrize("name", LAYERS)
def test_the_size_of_batches_changes_no_row(name, batch_size):
    layer = LAYERS[name]()
    ys, wholes = as_tuple(layer.predict(X, batch_size=batch_size)), as_tuple(layer.predict(X))
    for y, whole in zip(ys, wholes, strict=True):
        assert (y.shape, y.dtype) == (whole.shape, whole.dtype)
        np.testing.assert_allclose(y, whole, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("batch_size", [None, 1, 5])
def test_no_rows_in_are_no_rows_out(batch_size):
    model = nl.Sequential(affine(3, 4, 0), nl.ReLU(), nl.Dropout(), affine(4, 2, 1))
    assert model.predict(np.zeros((0, 3)), batch_size=batch_size).shape == (0, 2)
    left, right = graph().predict(np.zeros((0, 3)), np.zeros((0, 3)), batch_size=batch_size)
    assert (left.shape, right.shape) == ((0, 4), (0, 4))


@pytest.mark.parametrize("batch_size", [None, 1, 4, 9])
def test_several_inputs_are_cut_alike_and_several_outputs_come_as_a_tuple(batch_size):
    a, b = np.random.default_rng(2).normal(size=(2, 7, 3))
    assert nl.Subtract().predict(a, b, batch_size=batch_size).tolist() == (a - b).tolist()
    y = graph().predict(a, b, batch_size=batch_size)
    assert isinstance(y, tuple)
    for found, wanted in zip(y, evaluated(graph, a, b), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize("batch_size", [None, 2])
def test_it_takes_whatever_forward_takes(batch_size):
    model = nl.Sequential(nl.Affine.from_arrays([[1.0], [10.0]], [5.0]))
    for x in ([[1, 2], [3, 4], [5, 6]], np.array([[1, 2], [3, 4], [5, 6]]), np.array([[1, 2], [3, 4], [5, 6]], np.float32)):
        assert model.predict(x, batch_size=batch_size).tolist() == [[26.0], [48.0], [70.0]]


def test_without_a_size_whatever_forward_gives_is_fine():
    assert nl.Sum().predict([[1.0, 2.0], [3.0, 4.0]]) == 10.0
    assert nl.Sum(axis=0).predict([[1.0, 2.0], [3.0, 4.0]]).tolist() == [4.0, 6.0]
    assert nl.Sequential(nl.Transpose()).predict(X).tolist() == X.T.tolist()
    loss = nl.MeanSquaredError()
    assert loss.predict([[1.0], [2.0]], [[3.0], [2.0]]) == 2.0
    with pytest.raises(nl.OrderError):
        loss.backward()


@pytest.mark.parametrize("layer", [nl.Sum(axis=0), nl.Sum(), nl.Sequential(nl.Transpose()), nl.Reshape(-1)])
def test_in_batches_a_layer_that_changes_the_number_of_rows_is_refused(layer):
    with pytest.raises(nl.NetlibError, match=r"(?s)row|batch"):
        layer.predict(X[:4], batch_size=2)


def test_inputs_of_different_lengths_are_refused_with_both():
    with pytest.raises(nl.ShapeError, match=r"(?s)4.*3"):
        nl.Add().predict(np.ones((4, 2)), np.ones((3, 2)), batch_size=2)
    with pytest.raises(nl.ShapeError, match=r"(?s)7.*1"):
        nl.Add().predict(np.ones((7, 2)), np.ones((1, 2)), batch_size=100)


@pytest.mark.parametrize(("size", "error"), [(0, nl.InvalidValueError), (-1, nl.InvalidValueError), (1.5, nl.InvalidTypeError)])
def test_a_size_that_cannot_work_is_refused_by_its_name(size, error):
    with pytest.raises(error, match="batch_size"):
        nl.Sequential(nl.ReLU()).predict(X, batch_size=size)


@pytest.mark.parametrize("batch_size", [None, 3, 100])
def test_what_comes_back_is_the_callers(batch_size):
    model = nl.Sequential(Noop(), affine(3, 3, 0), nl.ReLU(), Noop())
    ys = [model.predict(X, batch_size=batch_size) for _ in range(4)]
    kept = [y.copy() for y in ys]
    ys[0][...] = 5
    model.forward(OTHER)
    model.predict(9 * X, batch_size=batch_size)
    assert [y.tolist() for y in ys[1:]] == [y.tolist() for y in kept[1:]]
    arrays = [*ys, X]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


def test_it_is_silent_unless_asked_and_progress_changes_no_number(capsys):
    model = nl.Sequential(affine(3, 2, 0))
    quiet = model.predict(X, batch_size=2)
    assert capsys.readouterr() == ("", "")
    assert model.predict(X, batch_size=2, progress=True).tolist() == quiet.tolist()


def test_a_users_own_container_keeps_its_own_forward():
    class Scaled(nl.Sequential):
        def forward(self, x):
            self.seen = x
            return 3 * super().forward(x)

        def backward(self, dout):
            return super().backward(3 * dout)

    model = nl.Sequential(Scaled(Diary()))
    assert model.predict(np.ones((1, 1))).tolist() == [[30.0]]
    assert not hasattr(model[0], "seen")
    assert model.forward(np.ones((1, 1))).tolist() == [[3.0]]


def test_a_trainer_predicts_and_evaluates_without_touching_anything():
    model = nl.Sequential(affine(3, 3, 0), Ensemble(), Diary(), affine(3, 2, 1))
    loss = nl.MeanSquaredError()
    trainer = nl.Trainer(model, loss, nl.SGD(model), seed=0)
    t = np.ones((7, 2))
    y = model.forward(X)
    first = loss.forward(y, t)
    before, before_loss = outside(model), outside(loss)
    predicted = trainer.predict(X, batch_size=3)
    measured = trainer.evaluate(X, t, batch_size=3)["loss"]
    assert_untouched(model, before)
    assert_untouched(loss, before_loss)
    np.testing.assert_allclose(predicted, model.predict(X), rtol=1e-12)
    assert measured == pytest.approx(((predicted - t) ** 2).mean(), rel=1e-12)
    assert measured != pytest.approx(first)
    assert model.backward(loss.backward()).shape == X.shape
