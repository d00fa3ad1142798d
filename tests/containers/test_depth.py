"""Depth needs no recursion: more layers and more nested containers than Python allows calls, and ten thousand."""

import copy
import pickle
import sys

import numpy as np
import pytest

import netlib as nl

DEEP = sys.getrecursionlimit() + 100
WAYS_AND_DEPTHS = [
    ("layer by layer", DEEP),
    ("by plan", DEEP),
    pytest.param("by plan", 10_000, marks=pytest.mark.exhaustive),
    pytest.param("on two cores", DEEP, marks=pytest.mark.exhaustive),
]


class Times(nl.Layer):
    """A user's layer: y = factor x."""

    def __init__(self, factor):
        self.factor = factor

    def forward(self, x):
        return self.factor * x

    def backward(self, dout):
        return self.factor * dout


def weight():
    return nl.Affine.from_arrays([[1.5]])


def chain(n):
    return nl.Sequential(weight(), *(nl.Identity() for _ in range(n)))


def nested(container, layer, n):
    for _ in range(n):
        layer = container(layer)
    return layer


def graph_around(layer):
    x = nl.Input("x")
    return nl.Graph([x], [layer(x)])


def one_graph(n):
    first = value = nl.Input("x")
    value = weight()(value, name="first")
    for _ in range(n):
        value = nl.Identity()(value)
    return nl.Graph([first], [value])


MODELS = {
    "layers in a row": (chain, lambda n: "0.weight"),
    "sequentials in sequentials": (lambda n: nested(nl.Sequential, weight(), n), lambda n: "0." * n + "weight"),
    "residuals in residuals": (lambda n: nl.Sequential(weight(), nested(nl.Residual, Times(1 - n), n)), lambda n: "0.weight"),
    "graphs in graphs": (lambda n: nested(graph_around, weight(), n), lambda n: "Graph_1." * (n - 1) + "Affine_1.weight"),
    "one graph": (one_graph, lambda n: "first.weight"),
}


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("way", "n"), WAYS_AND_DEPTHS, indirect=["way"])
@pytest.mark.parametrize("case", MODELS)
def test_depth_meets_no_recursion_limit(case, n):
    make, path = MODELS[case]
    model, x, path = make(n), np.array([[2.0]]), path(n)
    assert model.forward(x).tolist() == [[3.0]]
    assert model.backward([[10.0]]).tolist() == [[15.0]]
    assert list(model.parameters()) == [path]
    assert model.parameters()[path].grad.tolist() == [[20.0]]
    assert model.eval().training is False
    assert not any(layer.training for _, layer in model.walk())
    assert repr(model).startswith(f"{type(model).__name__}(")
    model.zero_grad()
    assert model.forward(x).tolist() == [[3.0]]
    assert model.backward([[1.0]], input_gradient=False) is None
    assert model.parameters()[path].grad.tolist() == [[2.0]]


def test_residuals_in_residuals_meet_no_recursion_limit():
    n = DEEP
    model = nested(nl.Residual, nl.Affine.from_arrays([[-1.0]]), n)  # -x, then n times + x
    assert model.forward(np.array([[2.0]])).tolist() == [[2.0 * (n - 1)]]
    assert model.backward([[1.0]]).tolist() == [[n - 1.0]]
    ((path, parameter),) = model.parameters().items()
    assert path == "layer." * n + "weight"
    assert parameter.grad.tolist() == [[2.0]]
    assert repr(model).startswith("Residual(Residual(")
    assert not any(layer.training for _, layer in model.eval().walk())


def test_an_error_at_the_bottom_comes_up_with_its_path():
    model = nested(nl.Sequential, nl.Affine(3, 2), DEEP)
    with pytest.raises(nl.ShapeError) as caught:
        model.forward(np.ones((1, 4)))
    assert str(caught.value).startswith("Sequential[0]." * (DEEP - 1) + "Sequential[0] Affine(3, 2): got x of shape (1, 4)")


def test_the_same_object_at_the_bottom_is_found():
    layer = nl.ReLU()
    with pytest.raises(nl.InvalidValueError, match="tied_copy"):
        nl.Sequential(nested(nl.Sequential, layer, DEEP), layer)


@pytest.mark.exhaustive
@pytest.mark.parametrize("way", ["by plan"], indirect=True)
@pytest.mark.parametrize("case", MODELS)
def test_copies_of_deep_models_meet_no_recursion_limit(case):
    make, path = MODELS[case]
    model, x, path = make(1000), np.array([[2.0]]), path(1000)
    tied = model.tied_copy()
    assert tied.forward(x).tolist() == [[3.0]]
    assert tied.parameters()[path] is model.parameters()[path]
    twin = copy.deepcopy(model)
    assert twin.forward(x).tolist() == [[3.0]]
    assert twin.parameters()[path] is not model.parameters()[path]
    assert nl.jacobian(model, x, wrt=path).tolist() == [[[[2.0]]]]


def test_a_graph_of_a_thousand_nodes_survives_pickling():
    twin = pickle.loads(pickle.dumps(one_graph(1000)))
    assert twin.forward(np.array([[2.0]])).tolist() == [[3.0]]


def test_the_recursion_limit_is_left_as_it_is():
    before = sys.getrecursionlimit()
    chain(DEEP).forward(np.array([[2.0]]))
    assert sys.getrecursionlimit() == before
