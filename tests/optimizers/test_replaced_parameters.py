"""A parameter that replaces another after the optimizer was made is trained from then on."""

import numpy as np
import pytest

import netlib as nl

X = np.array([[1.0, 2.0], [3.0, -1.0]])
DOUT = np.array([[1.0], [10.0]])
DW = np.array([[31.0], [-8.0]])  # Xᵀ dout
DB = np.array([11.0])
W, B = np.array([[5.0], [7.0]]), np.array([0.5])


class Users(nl.Layer):
    """y = Σ x @ w over weights in a list and a dict, and a layer in a list."""

    def __init__(self):
        self.weights = [nl.Parameter(W), nl.Parameter(2 * W)]
        self.named = {"w": nl.Parameter(3 * W)}
        self.layers = [nl.Affine.from_arrays(W, B)]

    def forward(self, x):
        self.x = x
        return sum(x @ w.value for w in [*self.weights, *self.named.values()]) + self.layers[0].forward(x)

    def backward(self, dout):
        for w in [*self.weights, *self.named.values()]:
            w.grad += self.x.T @ dout
        return self.layers[0].backward(dout)


def affine():
    return nl.Affine.from_arrays(W, B)


def backward(model):
    y = model.forward(X)
    model.backward(DOUT[: len(y)])
    return y


def graph():
    x = nl.Input("x")
    return nl.Graph([x], [affine()(x, name="h")])


WIRINGS = {
    "a lone layer": (affine, lambda model: model),
    "Sequential": (lambda: nl.Sequential(affine()), lambda model: model[0]),
    "nested": (lambda: nl.Sequential(nl.Identity(), nl.Sequential(nl.Sequential(affine()))), lambda model: model[1][0][0]),
    "Graph": (graph, lambda model: dict(model.members())["h"]),
    "a list of a user's layer": (Users, lambda model: model.layers[0]),
    "a user's layer inside": (lambda: nl.Sequential(nl.Identity(), Users()), lambda model: model[1].layers[0]),
}


@pytest.mark.parametrize("wiring", WIRINGS)
@pytest.mark.parametrize("steps_before", [0, 3])
def test_the_new_parameter_takes_the_step_of_paper_and_pencil_and_the_old_one_none(wiring, steps_before):
    make, at = WIRINGS[wiring]
    model = make()
    optimizer = nl.SGD(model, lr=0.5)
    for _ in range(steps_before):
        backward(model)
        optimizer.step()
    old, layer = at(model).weight, at(model)
    held, bias = old.value.copy(), layer.bias.value.copy()
    layer.weight = new = nl.Parameter([[100.0], [200.0]])
    n = len(optimizer.parameters())
    backward(model)
    optimizer.step()
    np.testing.assert_allclose(new.value, [[84.5], [204.0]], rtol=1e-12)
    np.testing.assert_allclose(layer.bias.value, bias - 0.5 * DB, rtol=1e-12)
    assert not new.grad.any()
    assert (old.value == held).all()
    assert any(parameter is new for parameter in optimizer.parameters().values())
    assert not any(parameter is old for parameter in optimizer.parameters().values())
    assert len(optimizer.parameters()) == n == len(model.parameters())
    backward(model)
    optimizer.step()
    np.testing.assert_allclose(new.value, [[69.0], [208.0]], rtol=1e-12)


def test_the_new_parameter_is_in_the_forward_and_gradient_of_every_step():
    model = nl.Sequential(affine())
    optimizer = nl.SGD(model, lr=0.5)
    for i in range(1, 5):
        model[0].weight = nl.Parameter([[float(i)], [0.0]])
        before = model[0].bias.value.copy()
        np.testing.assert_allclose(model.forward(X), i * X[:, :1] + before)
        model.backward(DOUT)
        assert model[0].weight.grad.tolist() == DW.tolist()
        optimizer.step()
        np.testing.assert_allclose(model[0].weight.value, np.array([[i], [0.0]]) - 0.5 * DW)


@pytest.mark.parametrize("place", ["list", "dict", "layer in a list"])
def test_a_parameter_or_layer_in_a_users_collection_is_followed(place):
    model = nl.Sequential(nl.Identity(), Users())
    optimizer = nl.SGD(model, lr=0.5)
    backward(model)
    optimizer.step()
    own, new = model[1], nl.Parameter([[100.0], [200.0]])
    if place == "list":
        own.weights[1] = new
    elif place == "dict":
        own.named["w"] = new
    else:
        own.layers[0] = nl.Affine.from_arrays([[0.0], [0.0]])
        own.layers[0].weight = new
    backward(model)
    optimizer.step()
    np.testing.assert_allclose(new.value, [[84.5], [204.0]], rtol=1e-12)


def test_one_that_comes_into_a_collection_is_trained_and_one_that_leaves_it_is_not():
    model = Users()
    optimizer = nl.SGD(model, lr=0.5)
    backward(model)
    optimizer.step()
    gone = model.weights.pop(0)
    new = nl.Parameter([[100.0], [200.0]])
    model.named["more"] = new
    held = gone.value.copy()
    backward(model)
    optimizer.step()
    np.testing.assert_allclose(new.value, [[84.5], [204.0]], rtol=1e-12)
    assert (gone.value == held).all()
    assert set(optimizer.parameters()) == {"weights.0", "named.w", "named.more", "layers.0.weight", "layers.0.bias"}


def test_an_adam_starts_afresh_for_the_new_one_and_goes_on_for_the_others():
    model, twin = nl.Sequential(affine()), nl.Sequential(affine())
    optimizer, undisturbed = nl.Adam(model, lr=0.1), nl.Adam(twin, lr=0.1)
    for _ in range(3):
        for each, steps in ((model, optimizer), (twin, undisturbed)):
            backward(each)
            steps.step()
    model[0].weight = nl.Parameter([[100.0], [200.0]])
    for each, steps in ((model, optimizer), (twin, undisturbed)):
        each.forward(X)
        each.backward(DOUT)
        steps.step()
    np.testing.assert_allclose(model[0].weight.value, [[99.9], [200.1]], rtol=1e-9)  # a first step is lr · sign(gradient)
    assert model[0].bias.value.tolist() == twin[0].bias.value.tolist()
    state, other = optimizer.state_dict()["parameters"], undisturbed.state_dict()["parameters"]
    assert {path: entry["steps"] for path, entry in state.items()} == {"0.weight": 1, "0.bias": 4}
    for name, slot in state["0.bias"].items():
        assert np.array_equal(slot, other["0.bias"][name])


@pytest.mark.parametrize(
    "make",
    [
        lambda m: nl.SGD(m, lr=0.1, momentum=0.9, nesterov=True),
        lambda m: nl.AdaGrad(m, lr=0.1),
        lambda m: nl.RMSProp(m, lr=0.1),
        lambda m: nl.Adam(m, lr=0.1, weight_decay=0.1),
        lambda m: nl.AdamW(m, lr=0.1),
    ],
)
def test_every_optimizer_treats_it_as_one_that_was_there_from_its_own_beginning(make):
    model, new = nl.Sequential(affine()), nl.Sequential(nl.Affine.from_arrays([[1.0], [2.0]], B))
    optimizer, fresh = make(model), make(new)
    for _ in range(2):
        backward(model)
        optimizer.step()
    model[0].weight = nl.Parameter([[1.0], [2.0]])
    for _ in range(3):
        for each, steps in ((model, optimizer), (new, fresh)):
            backward(each)
            steps.step()
    np.testing.assert_allclose(model[0].weight.value, new[0].weight.value, rtol=1e-12)


@pytest.mark.parametrize("optimizer_after", [False, True])
def test_a_bias_set_to_none_after_two_forwards_is_an_affine_without_bias(optimizer_after):
    model = nl.Sequential(nl.Affine.from_arrays(np.eye(2), [10.0, 20.0]), nl.ReLU(), affine())
    optimizer = nl.SGD(model, lr=0.5)
    for _ in range(2):
        backward(model)
    model[0].bias = None
    optimizer = nl.SGD(model, lr=0.5) if optimizer_after else optimizer
    optimizer.zero_grad()
    assert list(model.parameters()) == ["0.weight", "2.weight", "2.bias"]
    hidden = np.maximum(X, 0)
    for _ in range(2):
        np.testing.assert_allclose(model.forward(X), hidden @ W + B)
    assert model.predict(X).tolist() == (hidden @ W + B).tolist()
    model.backward(DOUT)
    optimizer.step()
    np.testing.assert_allclose(model[0].weight.value, np.eye(2) - 0.5 * X.T @ (DOUT @ W.T * (X > 0)))
    np.testing.assert_allclose(model[2].weight.value, W - 0.5 * hidden.T @ DOUT)
    assert list(optimizer.parameters()) == ["0.weight", "2.weight", "2.bias"]
    backward(model)
    optimizer.step()


def test_a_bias_that_comes_later_is_added_and_trained():
    model = nl.Sequential(nl.Affine.from_arrays(W), nl.Identity())
    optimizer = nl.SGD(model, lr=0.5)
    for _ in range(3):
        assert backward(model).tolist() == (X @ W).tolist()
        optimizer.zero_grad()
    model[0].bias = nl.Parameter([100.0])
    assert backward(model).tolist() == (X @ W + 100).tolist()
    optimizer.step()
    assert model[0].bias.value.tolist() == [94.5]
    np.testing.assert_allclose(model[0].weight.value, W - 0.5 * DW)
    assert list(optimizer.parameters()) == ["0.weight", "0.bias"]


def test_what_is_deleted_is_trained_no_more():
    class Maybe(nl.Layer):
        def __init__(self):
            self.weight, self.extra = nl.Parameter(W), nl.Parameter(2 * W)

        def forward(self, x):
            self.x = x
            return x @ self.weight.value + (x @ self.extra.value if hasattr(self, "extra") else 0)

        def backward(self, dout):
            self.weight.grad += self.x.T @ dout
            if hasattr(self, "extra"):
                self.extra.grad += self.x.T @ dout
            return dout @ self.weight.value.T

    model = nl.Sequential(Maybe())
    optimizer = nl.SGD(model, lr=0.5)
    for _ in range(2):
        backward(model)
    optimizer.zero_grad()
    extra = model[0].extra
    del model[0].extra
    assert backward(model).tolist() == (X @ W).tolist()
    optimizer.step()
    np.testing.assert_allclose(model[0].weight.value, W - 0.5 * DW)
    assert extra.value.tolist() == (2 * W).tolist()
    assert list(optimizer.parameters()) == ["0.weight"]


def test_what_waited_for_the_step_is_used_up_for_the_ones_that_stayed():
    model = nl.Sequential(affine())
    optimizer = nl.SGD(model, lr=0.5)
    backward(model)
    model[0].weight = nl.Parameter(W)
    optimizer.step()
    assert model[0].weight.value.tolist() == W.tolist()
    np.testing.assert_allclose(model[0].bias.value, B - 0.5 * DB)


def test_the_length_of_the_gradient_and_its_clipping_know_the_new_one():
    model = nl.Sequential(affine())
    optimizer = nl.SGD(model, lr=1.0)
    backward(model)
    optimizer.step()
    model[0].weight = new = nl.Parameter([[0.0], [0.0]])
    backward(model)
    norm = np.sqrt((DW**2).sum() + (DB**2).sum())
    assert nl.grad_norm(optimizer) == pytest.approx(norm, rel=1e-6)
    nl.clip_grad_norm(optimizer, norm / 2)
    np.testing.assert_allclose(new.grad, DW / 2, rtol=1e-6)
    optimizer.zero_grad()
    assert not new.grad.any()


def test_a_new_one_that_is_not_trainable_is_left_alone_until_it_is():
    model = nl.Sequential(affine())
    optimizer = nl.SGD(model, lr=0.5)
    model[0].weight = new = nl.Parameter([[100.0], [200.0]], trainable=False)
    backward(model)
    optimizer.step()
    assert new.value.tolist() == [[100.0], [200.0]]
    optimizer.zero_grad()
    new.trainable = True
    backward(model)
    optimizer.step()
    assert new.value.tolist() == [[84.5], [204.0]]


def test_a_tied_copy_keeps_the_old_parameter_and_both_are_trained():
    first = nl.Affine.from_arrays(np.eye(2))
    model = nl.Sequential(first, nl.Identity(), first.tied_copy())
    optimizer = nl.SGD(model, lr=0.5)
    model.backward(model.forward(X))
    optimizer.zero_grad()
    old = first.weight
    first.weight = nl.Parameter(3 * np.eye(2))
    model.forward(X)
    model.backward(np.ones((2, 2)))
    optimizer.step()
    np.testing.assert_allclose(old.value, np.eye(2) - 0.5 * 3 * X.T @ np.ones((2, 2)))
    np.testing.assert_allclose(first.weight.value, 3 * np.eye(2) - 0.5 * X.T @ np.ones((2, 2)))
    assert list(optimizer.parameters()) == ["0.weight", "2.weight"]


def test_a_trainer_trains_the_new_one():
    model = nl.Sequential(affine())
    trainer = nl.Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.05), seed=0)
    x = np.random.default_rng(0).normal(size=(50, 2))
    t = x @ [[1.0], [2.0]] + 3
    trainer.fit(x, t, epochs=1, progress=False)
    model[0].weight = nl.Parameter([[-4.0], [9.0]])
    trainer.fit(x, t, epochs=60, batch_size=10, progress=False)
    np.testing.assert_allclose(model[0].weight.value, [[1.0], [2.0]], atol=1e-6)
