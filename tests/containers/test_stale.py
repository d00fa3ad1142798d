"""One layer in two models: a backward that would use another model's forward is refused."""

import numpy as np
import pytest
from own_layers import Halves, Scale, affine, grads
from stateful_layers import Doubles, Square

import netlib as nl
from netlib.containers.program import Program

X, OTHER = np.random.default_rng(0).normal(size=(2, 4, 3))
DOUT = np.random.default_rng(1).normal(size=(4, 3))

SHARED = {
    "Affine": lambda: affine(3, 3, 9),
    "ReLU": nl.ReLU,
    "Tanh": nl.Tanh,
    "Softmax": nl.Softmax,
    "Dropout": lambda: nl.Dropout(0.5, rng=0),
    "a user's layer with remember": Square,
    "a user's plain layer": lambda: Scale([1.0, 2.0, 3.0]),
    "a user's composite": lambda: Doubles(nl.Tanh()),
    "Sequential": lambda: nl.Sequential(affine(3, 3, 9), nl.Tanh()),
    "Residual": lambda: nl.Residual(affine(3, 3, 9)),
}
OURS = [name for name in SHARED if name not in ("a user's plain layer", "a user's composite")]


def graph_of(layer):
    x = nl.Input("x")
    return nl.Graph([x], [nl.Tanh()(layer(affine(3, 3, 1)(x), name="h"))])


HOLDERS = {
    "first": (lambda layer: nl.Sequential(layer, affine(3, 3, 1)), r"^Sequential\[0\]"),
    "middle": (lambda layer: nl.Sequential(affine(3, 3, 1), layer, affine(3, 3, 2)), r"^Sequential\[1\]"),
    "before a ReLU": (lambda layer: nl.Sequential(affine(3, 3, 1), layer, nl.ReLU()), r"^Sequential\[1\]"),
    "named": (lambda layer: nl.Sequential(("hidden", layer), affine(3, 3, 1)), r"^Sequential\['hidden'\]"),
    "nested": (lambda layer: nl.Sequential(nl.Tanh(), nl.Sequential(nl.Tanh(), layer)), r"^Sequential\[1\]\.Sequential\[1\]"),
    "Residual": (lambda layer: nl.Sequential(nl.Residual(layer), nl.Tanh()), r"^Sequential\[0\]\.Residual\.layer"),
    "Graph": (graph_of, r"^Graph\['h'\]"),
}

ONE_EVERYWHERE = ["Affine", "a user's plain layer", "Sequential"]
PLACES = [(name, "middle") for name in SHARED] + [(name, holder) for name in ONE_EVERYWHERE for holder in HOLDERS if holder != "middle"]


def pair(name, holder):
    """Return two models that hold one layer, that layer, and the path of it in the first model."""
    shared, (make, path) = SHARED[name](), HOLDERS[holder]
    return make(shared), nl.Sequential(nl.Identity(), shared, nl.Tanh()), shared, path


def assert_refused(a, path):
    with pytest.raises(nl.OrderError, match=path):
        a.backward(DOUT)


@pytest.mark.parametrize(("name", "holder"), PLACES)
def test_a_backward_after_the_forward_of_another_model_is_refused_by_path(name, holder):
    a, b, shared, path = pair(name, holder)
    for _ in range(3):
        a.forward(X)
        b.forward(OTHER)
        b.backward(DOUT)
        before = grads(shared)
        assert_refused(a, path)
        assert {p: g.tolist() for p, g in grads(shared).items()} == {p: g.tolist() for p, g in before.items()}


@pytest.mark.parametrize("name", SHARED)
def test_it_is_refused_also_where_the_other_has_not_gone_backward(name):
    a, b, _, path = pair(name, "middle")
    for _ in range(3):
        a.forward(X)
        b.forward(OTHER)
        assert_refused(a, path)
        b.backward(DOUT)


@pytest.mark.parametrize(("name", "holder"), [place for place in PLACES if place[0] in OURS])
def test_it_is_refused_where_the_layer_was_run_by_itself_in_between(name, holder):
    a, _, shared, path = pair(name, holder)
    for _ in range(3):
        a.forward(X)
        shared.forward(OTHER)
        assert_refused(a, path)


def test_a_refused_backward_leaves_the_gradients_of_the_layers_it_has_not_reached():
    shared = affine(3, 3, 9)
    a, b = nl.Sequential(affine(3, 3, 0), nl.ReLU(), shared, nl.Tanh()), nl.Sequential(shared)
    for _ in range(3):
        a.forward(X)
        b.forward(OTHER)
        b.backward(DOUT)
        before = grads(a)
        assert_refused(a, r"^Sequential\[2\] Affine\(3, 3")
        assert {path: g.tolist() for path, g in grads(a).items()} == {path: g.tolist() for path, g in before.items()}


@pytest.mark.parametrize(("name", "holder"), [place for place in PLACES if place[0] != "Dropout"])
def test_models_that_take_turns_are_never_refused(name, holder):
    a, b, _, path = pair(name, holder)
    alone = HOLDERS[holder][0](SHARED[name]())  # a model of its own, whose layers nobody shares
    y, dx = alone.forward(X), alone.backward(DOUT)
    for step in range(3):
        a.zero_grad()
        np.testing.assert_allclose(a.forward(X), y, rtol=1e-12)
        for n_backward in (1, 2):
            np.testing.assert_allclose(a.backward(DOUT), dx, rtol=1e-12, atol=1e-14)
            for p, gradient in grads(alone).items():
                np.testing.assert_allclose(grads(a)[p], n_backward * gradient, rtol=1e-12, atol=1e-13)
        b.forward(OTHER)
        b.backward(DOUT)
        if step == 1:
            assert_refused(a, path)  # and the next step is as good as any


@pytest.mark.parametrize("name", SHARED)
def test_a_prediction_in_between_is_no_forward_in_between(name):
    a, b, shared, _ = pair(name, "middle")
    for _ in range(3):
        y = a.forward(X)
        first = a.backward(DOUT)
        shared.predict(OTHER)
        b.predict(OTHER, batch_size=2)
        a.predict(OTHER)
        assert a.backward(DOUT).tolist() == first.tolist()
        assert y.shape == first.shape


@pytest.mark.parametrize("name", SHARED)
def test_of_two_forwards_of_one_model_the_last_counts(name):
    a, _, _, _ = pair(name, "first")
    b, _, _, _ = pair(name, "first")
    for _ in range(3):
        a.forward(X)
        b.forward(X)
        a.forward(OTHER)
        b.forward(OTHER)
        assert a.backward(DOUT).tolist() == b.backward(DOUT).tolist()


def test_the_forwards_of_a_model_and_of_a_part_of_it_are_not_confused():
    model = nl.Sequential(affine(3, 3, 0), nl.Tanh(), affine(3, 3, 1), nl.Tanh())
    part = model[:2]
    for _ in range(3):
        model.forward(X)
        part.forward(OTHER)
        with pytest.raises(nl.OrderError, match=r"^Sequential\[1\] Tanh"):
            model.backward(DOUT)
        assert part.backward(DOUT).shape == (4, 3)
        model.forward(X)
        assert model.backward(DOUT).shape == (4, 3)


def test_the_forwards_of_a_layer_with_several_outputs_are_not_confused():
    shared = Halves()
    a, b = nl.Sequential(affine(3, 4, 0), shared, nl.Add()), nl.Sequential(shared, nl.Multiply())
    for _ in range(3):
        y = a.forward(X)
        b.forward(np.ones((2, 6)))
        with pytest.raises(nl.OrderError, match=r"^Sequential\[1\] Halves"):
            a.backward(np.ones_like(y))
        b.backward(np.ones((2, 3)))


def test_an_optimizer_step_between_forward_and_backward_is_no_forward():
    model = nl.Sequential(affine(3, 3, 0), nl.ReLU(), affine(3, 3, 1))
    optimizer = nl.SGD(model, lr=0.1)
    for _ in range(3):
        model.forward(X)
        model.backward(DOUT)
        optimizer.step()
        assert model.backward(DOUT).shape == (4, 3)


@pytest.mark.parametrize("i", [0, 1, 2])
def test_a_backward_after_a_layer_has_forgotten_its_forward_is_refused_by_path(i):
    model = nl.Sequential(affine(3, 3, 0), nl.ReLU(), affine(3, 3, 1))
    for _ in range(3):
        model.forward(X)
        model[i].forget()
        assert_refused(model, rf"^Sequential\[{i}\]")


def test_a_backward_is_still_that_of_the_forward_after_a_layer_was_exchanged_for_a_prediction_and_put_back():
    model, x = nl.MultiHeadAttention(2, 1, rng=0), np.ones((1, 3, 2), np.float32)
    expected = model.backward(model.forward(x))
    y, output = model.forward(x), model.output
    model.output = nl.Affine(2, 2, rng=1)
    model.predict(x)
    model.output = output
    assert model.backward(y).tolist() == expected.tolist()


def test_programs_are_wired_alike_if_the_same_layers_read_the_same_values():
    a, b = nl.Tanh(), nl.Sigmoid()

    def wired(*layers):
        return Program(nl.Sequential(*layers), 1)

    def branched(after):
        x = nl.Input("x")
        h = a(x)
        return Program(nl.Graph([x], [h, b(h if after else x)]), 1)

    assert wired(a, b).is_wired_as(wired(a, b))
    assert branched(after=True).is_wired_as(branched(after=True))
    for other in (wired(b, a), wired(a), wired(a, nl.Sigmoid()), wired(a, b, nl.Tanh())):
        assert not wired(a, b).is_wired_as(other)
    assert not branched(after=True).is_wired_as(branched(after=False))
