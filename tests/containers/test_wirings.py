"""One network, wired in every way, gives the numbers of its layers called one after the other."""

import copy

import numpy as np
import pytest
from own_layers import Noop, Scale, by_hand, grads
from stateful_layers import Doubles, Exp, Square

import netlib as nl

nl.accelerator()  # compiles, if possible, what recurrent layers and attention need for fused operations

WIDTH = 6
SHAPES = [(5, WIDTH), (5, WIDTH), (1, WIDTH), (2, 3, WIDTH), (3, 1, WIDTH)]
BATCHES = list(zip(SHAPES, [np.float32, np.float64, np.float32, np.float64, np.float32], strict=True))


def affine(seed, dtype, n_in=WIDTH, n_out=WIDTH):
    rng = np.random.default_rng(seed)
    weight, bias = rng.normal(size=(n_in, n_out)) / np.sqrt(n_in), rng.normal(size=n_out)
    return nl.Affine.from_arrays(weight.astype(dtype), bias.astype(dtype))


class Flip(nl.Layer):
    """Gives back a view of what it gets."""

    def forward(self, x):
        return x[..., ::-1]

    def backward(self, dout):
        return dout[..., ::-1]


class Cube(nl.Layer):
    """y = x³, and keeps nothing but the very array that it gets."""

    def forward(self, x):
        self.x = x
        return x * x * x

    def backward(self, dout):
        return 3 * self.x * self.x * dout


def deep(dtype):
    return [affine(0, dtype), nl.ReLU(), affine(1, dtype, WIDTH, 9), nl.ReLU(), affine(2, dtype, 9), nl.ReLU()]


# What the network is made of: parts one after the other, each a list of layers.
PARTS = {
    "affines and ReLUs": lambda dtype: [deep(dtype), [affine(3, dtype), nl.ReLU()], [affine(4, dtype)]],
    "a ReLU first": lambda dtype: [[nl.ReLU(), affine(0, dtype)], [nl.ReLU(), nl.ReLU(), affine(1, dtype)], [nl.ReLU()]],
    "other activations": lambda dtype: [[affine(0, dtype), nl.Tanh()], [affine(1, dtype), nl.Sigmoid(), nl.GELU()], [nl.Softmax()]],
    "random_state": lambda dtype: [[affine(0, dtype), nl.ReLU(), nl.Dropout(0.5, rng=0)], [affine(1, dtype), nl.Dropout(0.3, rng=1)]],
    "users' layers between": lambda dtype: [
        [affine(0, dtype), Scale(np.full(WIDTH, 2, dtype)), nl.ReLU(), Cube()],
        [Noop(), affine(1, dtype), Noop(), nl.ReLU(), Noop(), affine(2, dtype), Flip(), nl.ReLU(), Flip()],
        [Doubles(nl.Sigmoid()), Square(), affine(3, dtype), nl.ReLU(), Doubles(Exp()), nl.Tanh()],
    ],
    "users' layers at both ends": lambda dtype: [
        [Flip(), Cube(), affine(0, dtype)],
        [nl.ReLU(), Noop()],
        [affine(1, dtype), Cube(), Noop()],
    ],
    "attention": lambda dtype: [
        [nl.MultiHeadAttention(WIDTH, 2, causal=True, rng=0, dtype=dtype), nl.ReLU()],
        [affine(0, dtype), nl.MultiHeadAttention(WIDTH, 3, rng=1, dtype=dtype)],
        [nl.Tanh(), nl.MultiHeadAttention(WIDTH, 1, rng=2, dtype=dtype)],
    ],
    "what passes on": lambda dtype: [
        [affine(0, dtype), nl.Identity(), nl.ReLU()],
        [nl.Add(), affine(1, dtype), nl.Concatenate(), nl.ReLU()],
    ],
    "recurrent": lambda dtype: [
        [affine(0, dtype), nl.LSTM(WIDTH, WIDTH, rng=1, dtype=dtype), nl.ReLU()],
        [nl.GRU(WIDTH, WIDTH, rng=2, dtype=dtype)],
        [nl.RNN(WIDTH, 3, bidirectional=True, rng=3, dtype=dtype), nl.Tanh()],
    ],
}


def batches_for(name):
    return [(shape, dtype) for shape, dtype in BATCHES if len(shape) == 3 or name != "recurrent"]


def flat(parts):
    return [layer for part in parts for layer in part]


def as_graph(parts):
    x = h = nl.Input("x")
    for layer in flat(parts):
        h = layer(h)
    return nl.Graph([x], [h])


def as_graph_of_parts(parts):
    x = h = nl.Input("x")
    for part in parts:
        h = nl.Sequential(*part)(h)
    return nl.Sequential(nl.Graph([x], [h]))


WIRINGS = {
    "Sequential": lambda parts: nl.Sequential(*flat(parts)),
    "nested": lambda parts: nl.Sequential(*(nl.Sequential(nl.Sequential(*part)) for part in parts)),
    "right-nested": lambda parts: nl.Sequential(*parts[0], nl.Sequential(*parts[1], nl.Sequential(*flat(parts[2:])))),
    "Graph": as_graph,
    "Graph of Sequentials": as_graph_of_parts,
}


def assert_close(found, wanted):
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    tolerance = 1e-6 if found.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * max(1.0, np.abs(wanted).max(initial=0)))


def assert_steps_alike(model, reference, layers, shape, dtype):
    """Take four steps and two evaluations beside `reference`, which runs `layers` on x and dout."""
    parameters = [parameter for layer in layers for parameter in layer.parameters().values()]
    rng, seen, shared = np.random.default_rng(0), [], []
    for training in (True, True, True, True, False, False):
        x, dout = (rng.normal(size=shape).astype(dtype) for _ in range(2))
        kept = x.copy(), dout.copy()
        model.train(training)
        expected_y, expected_dx = reference(*kept, training)
        y = model.forward(x)
        held = y.copy()
        dx = model.backward(dout)
        assert y.tobytes() == held.tobytes()
        assert_close(y, expected_y)
        assert_close(dx, expected_dx)
        for grad, parameter in zip(grads(model).values(), parameters, strict=True):
            assert_close(grad, parameter.grad)
        model.zero_grad()
        for parameter in parameters:
            parameter.zero_grad()
        seen += [(y, held), (dx, dx.copy()), (x, x.copy()), (dout, dout.copy())]
        assert (x.tobytes(), dout.tobytes()) == tuple(array.tobytes() for array in kept)
        shared += [y, dx]
    for array, before in seen:
        assert array.tobytes() == before.tobytes()
    assert not any(np.shares_memory(a, b) for i, a in enumerate(shared) for b in shared[:i])


@pytest.mark.one_in(2)
@pytest.mark.parametrize("wiring", WIRINGS)
@pytest.mark.parametrize("name", PARTS)
def test_every_wiring_gives_the_numbers_of_the_layers_called_by_hand(name, wiring):
    for shape, dtype in batches_for(name):
        model, layers = WIRINGS[wiring](PARTS[name](dtype)), flat(PARTS[name](dtype))

        def reference(x, dout, training, layers=layers):
            for layer in layers:
                layer.train(training)
            return by_hand(layers, x, dout)

        assert_steps_alike(model, reference, layers, shape, dtype)


def with_residual(parts):
    return nl.Sequential(*parts[0], nl.Residual(nl.Sequential(*parts[1])), *flat(parts[2:]))


def with_residual_in_parts(parts):
    return nl.Sequential(nl.Sequential(*parts[0]), nl.Sequential(nl.Residual(nl.Sequential(nl.Sequential(*parts[1])))), *flat(parts[2:]))


def with_residual_in_a_graph(parts):
    x = h = nl.Input("x")
    for layer in parts[0]:
        h = layer(h)
    around = h
    for layer in parts[1]:
        h = layer(h)
    h = around + h
    for layer in flat(parts[2:]):
        h = layer(h)
    return nl.Graph([x], [h])


def with_residual_class_in_a_graph(parts):
    x = h = nl.Input("x")
    for layer in [*parts[0], nl.Residual(nl.Sequential(*parts[1])), *flat(parts[2:])]:
        h = layer(h)
    return nl.Graph([x], [h])


WIRINGS_WITH_RESIDUAL = {
    "Sequential": with_residual,
    "nested": with_residual_in_parts,
    "Graph": with_residual_in_a_graph,
    "Residual in a Graph": with_residual_class_in_a_graph,
}


def around(before, inner, after):
    """Return the function that runs layers, some of them in a residual block, back and forth."""

    def reference(x, dout, training):
        for layer in (*before, *inner, *after):
            layer.train(training)
        for layer in before:
            x = layer.forward(x)
        y = x
        for layer in inner:
            y = layer.forward(y)
        y = x + y
        for layer in after:
            y = layer.forward(y)
        for layer in reversed(after):
            dout = layer.backward(dout)
        d = dout
        for layer in reversed(inner):
            d = layer.backward(d)
        dout = dout + d
        for layer in reversed(before):
            dout = layer.backward(dout)
        return y, dout

    return reference


@pytest.mark.one_in(4)
@pytest.mark.exhaustive
@pytest.mark.parametrize("wiring", WIRINGS_WITH_RESIDUAL)
@pytest.mark.parametrize("name", PARTS)
def test_with_a_way_around_a_part_too(name, wiring):
    for shape, dtype in batches_for(name):
        model = WIRINGS_WITH_RESIDUAL[wiring](PARTS[name](dtype))
        before, inner, *after = PARTS[name](dtype)
        after = flat(after)
        assert_steps_alike(model, around(before, inner, after), [*before, *inner, *after], shape, dtype)


def test_a_value_with_two_readers_reaches_both_whole():
    """In y = relu(h) + h, two layers read h, so a fused kernel may not swallow it."""
    for kind in (nl.ReLU, nl.Tanh, nl.Sigmoid):
        for order in (0, 1):
            x, first, act = nl.Input("x"), affine(0, "float64"), kind()
            h = first(x, name="h")
            a = act(h)
            model = nl.Graph([x], [a + h if order else h + a])
            hand, twin = affine(0, "float64"), kind()
            for seed in range(4):
                data, dout = np.random.default_rng(seed).normal(size=(2, 5, WIDTH))
                pre = hand.forward(data)
                assert_close(model.forward(data), twin.forward(pre) + pre)
                assert_close(model.backward(dout), hand.backward(twin.backward(dout) + dout))
                assert_close(model.parameters()["h.weight"].grad, hand.weight.grad)


def test_a_value_that_is_an_output_too_is_the_callers_and_whole():
    x, first = nl.Input("x"), affine(0, "float64")
    h = first(x)
    model = nl.Graph([x], [h, nl.ReLU()(h)])
    hand, relu = affine(0, "float64"), nl.ReLU()
    seen = []
    for seed in range(4):
        data, dh, da = np.random.default_rng(seed).normal(size=(3, 5, WIDTH))
        pre = hand.forward(data)
        got_h, got_a = model.forward(data)
        assert_close(got_h, pre)
        assert_close(got_a, relu.forward(pre))
        assert not np.shares_memory(got_h, got_a)
        assert_close(model.backward((dh, da)), hand.backward(dh + relu.backward(da)))
        seen += [(got_h, pre.copy()), (got_a, np.maximum(pre, 0))]
    for array, before in seen:
        np.testing.assert_allclose(array, before, rtol=1e-12, atol=1e-14)


def test_an_optimizer_takes_every_wiring_to_the_same_weights():
    def trained(model):
        optimizer = nl.SGD(model, lr=0.1, momentum=0.9)
        for seed in range(6):
            x, dout = np.random.default_rng(seed).normal(size=(2, 5, WIDTH))
            model.forward(x)
            model.backward_parameters(dout)
            optimizer.step()
        return [parameter.value for parameter in model.parameters().values()]

    layers = flat(PARTS["affines and ReLUs"]("float64"))
    parameters = [parameter for layer in layers for parameter in layer.parameters().values()]
    velocities = [np.zeros(parameter.shape) for parameter in parameters]
    for seed in range(6):
        by_hand(layers, *np.random.default_rng(seed).normal(size=(2, 5, WIDTH)))
        for parameter, velocity in zip(parameters, velocities, strict=True):
            velocity[...] = 0.9 * velocity + parameter.grad
            parameter.value = parameter.value - 0.1 * velocity
            parameter.zero_grad()
    for wire in WIRINGS.values():
        for found, wanted in zip(trained(wire(PARTS["affines and ReLUs"]("float64"))), parameters, strict=True):
            np.testing.assert_allclose(found, wanted.value, rtol=1e-11, atol=1e-12)


def test_a_layer_replaced_by_none_of_its_kind_leaves_no_plan_behind():
    """A plan forgets what it noted about a layer when an attribute of the layer changes."""
    model = nl.Sequential(affine(0, "float64"), nl.ReLU(), affine(1, "float64"))
    x = np.random.default_rng(0).normal(size=(5, WIDTH))
    w0, b0, w1, b1 = (parameter.value.copy() for parameter in model.parameters().values())
    for _ in range(3):
        assert_close(model.forward(x), np.maximum(x @ w0 + b0, 0) @ w1 + b1)
        model.backward(x)
    model[0].bias = None
    for _ in range(3):
        assert_close(model.forward(x), np.maximum(x @ w0, 0) @ w1 + b1)
        assert_close(model.backward(x), (x @ w1.T * (x @ w0 > 0)) @ w0.T)
    model[0].bias = nl.Parameter(2 * b0)
    for n in (1, 2, 3):
        assert_close(model.forward(x), np.maximum(x @ w0 + 2 * b0, 0) @ w1 + b1)
        model.backward(x)
        assert_close(model[0].bias.grad, n * (x @ w1.T * (x @ w0 + 2 * b0 > 0)).sum(axis=0))


class Embedding(nl.Layer):
    """Rows of a table by their numbers, which have no gradient."""

    n_nondifferentiable_inputs = 1

    def __init__(self, table):
        self.table = nl.Parameter(table)

    def forward(self, ids):
        self.ids = np.asarray(ids)
        return self.table.value[self.ids]

    def backward(self, dout):
        np.add.at(self.table.grad, self.ids, dout)
        return ()


TABLE = np.random.default_rng(5).normal(size=(7, WIDTH))
W, B = np.random.default_rng(6).normal(size=(WIDTH, 2)), np.random.default_rng(7).normal(size=2)

EMBEDDED = {
    "Sequential": lambda: nl.Sequential(Embedding(TABLE), nl.Affine.from_arrays(W, B), nl.ReLU()),
    "nested": lambda: nl.Sequential(nl.Sequential(Embedding(TABLE)), nl.Sequential(nl.Affine.from_arrays(W, B), nl.ReLU())),
    "Graph": lambda: (lambda x: nl.Graph([x], [nl.ReLU()(nl.Affine.from_arrays(W, B)(Embedding(TABLE)(x)))]))(nl.Input("ids")),
}


@pytest.mark.parametrize("input_gradient", [True, False])
@pytest.mark.parametrize("wiring", EMBEDDED)
def test_a_first_layer_whose_only_input_has_no_gradient_works_at_every_step(wiring, input_gradient):
    model, rng = EMBEDDED[wiring](), np.random.default_rng(0)
    wanted = np.zeros_like(TABLE)
    for shape in [(4,), (4,), (4,), (3, 2), (3, 2), (4,), (1,), (0,), (4,)]:
        ids = rng.integers(7, size=shape)
        y = model.forward(ids)
        np.testing.assert_allclose(y, np.maximum(TABLE[ids] @ W + B, 0), rtol=1e-12)
        dout = rng.normal(size=y.shape)
        assert model.backward(dout, input_gradient=input_gradient) is None
        for i, row in zip(ids.ravel(), ((dout * (y > 0)) @ W.T).reshape(-1, WIDTH), strict=True):
            wanted[i] += row
        np.testing.assert_allclose(next(iter(model.parameters().values())).grad, wanted, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(model.predict(ids), y, rtol=1e-12)


def test_a_copy_made_between_two_steps_goes_on_alike_and_apart():
    for wire in (*WIRINGS.values(), with_residual):
        model = wire(PARTS["random_state"]("float64") + [[nl.Tanh()]])
        rng = np.random.default_rng(0)
        for _ in range(2):
            model.backward(model.forward(rng.normal(size=(5, WIDTH))))
        twin = copy.deepcopy(model)
        for _ in range(2):
            x = rng.normal(size=(5, WIDTH))
            y = twin.forward(x)
            assert model.forward(x).tolist() == y.tolist()
            assert model.backward(x).tolist() == twin.backward(x).tolist()
        assert [g.tolist() for g in grads(model).values()] == [g.tolist() for g in grads(twin).values()]
