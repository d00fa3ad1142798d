"""Watching a model run, and running it without leaving a trace."""

import numpy as np
import pytest

import netlib as nl
from netlib import Layer, Parameter
from netlib.recording import record_calls
from netlib.restoring import preserve_modes, preserve_state


class Scale(Layer):
    def __init__(self, factor):
        self.weight = Parameter(np.array([factor]))

    def forward(self, x):
        self.x = x
        return x * self.weight.value

    def backward(self, dout):
        self.weight.grad += (dout * self.x).sum()
        return dout * self.weight.value


class Twice(Layer):
    """A user's layer out of layers, one of them a container."""

    def __init__(self):
        self.first = Scale(2.0)
        self.rest = [nl.Sequential(nl.ReLU(), Scale(3.0))]

    def forward(self, x):
        return self.rest[0].forward(self.first(x))

    def backward(self, dout):
        return self.first.backward(self.rest[0].backward(dout))


class SplitInTwo(Layer):
    n_outputs = 2

    def forward(self, x):
        self.width = x.shape[1] // 2
        return x[:, : self.width].copy(), x[:, self.width :].copy()

    def backward(self, dout):
        return np.concatenate(dout, axis=1)


def test_every_forward_is_noted_with_its_path_what_it_took_and_what_it_gave():
    model = nl.Sequential(("double", Scale(2.0)), nl.Residual(nl.ReLU()))
    with record_calls(model) as calls:
        y = model.forward(np.array([[-1.0, 4.0]]))
    by_path = {call.path: call for call in calls}
    assert by_path["double"].inputs[0].tolist() == [[-1.0, 4.0]]
    assert by_path["double"].output.tolist() == [[-2.0, 8.0]]
    assert by_path["1.layer"].output.tolist() == [[0.0, 8.0]]
    assert y.tolist() == [[-2.0, 16.0]]


def test_the_layers_inside_a_users_layer_are_noted_too_and_end_before_it():
    model = nl.Sequential(Twice())
    with record_calls(model) as calls:
        model.forward(np.array([1.0]))
    assert [(call.path, call.output.tolist()) for call in calls] == [
        ("0.first", [2.0]),
        ("0.rest.0.0", [2.0]),
        ("0.rest.0.1", [6.0]),
        ("0", [6.0]),
    ]


def test_a_model_that_is_no_container_is_noted_with_an_empty_path():
    layer = Scale(2.0)
    with record_calls(layer) as calls:
        layer(np.array([3.0]))
        layer.forward(np.array([4.0]))
    assert [(call.path, call.layer, call.output.tolist()) for call in calls] == [("", layer, [6.0]), ("", layer, [8.0])]


def test_the_calls_of_a_graph_go_by_the_names_of_its_nodes_with_several_inputs_and_outputs():
    x = nl.Input("X")
    a, b = SplitInTwo()(x, name="parts")
    graph = nl.Graph(inputs=[x], outputs=[nl.Multiply()(a, b, name="product")])
    with record_calls(graph) as calls:
        graph.forward(np.array([[2.0, 5.0]]))
    parts, product = calls
    assert [parts.path, product.path] == ["parts", "product"]
    assert [y.tolist() for y in parts.output] == [[[2.0]], [[5.0]]]
    assert [x.tolist() for x in product.inputs] == [[[2.0]], [[5.0]]]


def test_afterwards_no_layer_is_watched_any_more_even_after_an_error():
    model = nl.Sequential(Twice(), nl.Affine(3, 2))
    before = [dict(vars(layer)).keys() for _, layer in model.walk()]
    with pytest.raises(nl.ShapeError), record_calls(model) as calls:
        model.forward(np.ones((1, 2)))
    assert [call.path for call in calls] == ["0.first", "0.rest.0.0", "0.rest.0.1", "0"]
    assert all("forward" not in vars(layer) for _, layer in model.walk())
    assert all(set(old) <= set(vars(layer)) for old, (_, layer) in zip(before, model.walk(), strict=True))


def test_two_watchers_at_once_both_see_and_a_replaced_forward_is_restored():
    layer = Scale(2.0)
    own = layer.forward = lambda x: x + 1.0
    with record_calls(layer) as outer:
        with record_calls(layer) as inner:
            layer(np.array([1.0]))
        layer(np.array([2.0]))
    assert [call.output.tolist() for call in outer] == [[2.0], [3.0]]
    assert [call.output.tolist() for call in inner] == [[2.0]]
    assert layer.forward is own


def test_backward_works_while_watched_and_afterwards():
    model = nl.Sequential(Twice())
    with record_calls(model):
        model.forward(np.array([1.0]))
        assert model.backward(np.array([1.0])).tolist() == [6.0]
    assert model.backward(np.array([1.0])).tolist() == [6.0]


def with_an_output_that_nobody_uses():
    x = nl.Input("X")
    first, _ = SplitInTwo()(x)
    return nl.Graph(inputs=[x], outputs=[nl.Tanh()(first)])


MODELS = {
    "affine": lambda: nl.Affine(4, 4, dtype="float64", rng=0),
    "chain": lambda: nl.Sequential(nl.Affine(4, 3, rng=0, dtype="float64"), nl.Tanh(), nl.Dropout(0.5, rng=0)),
    "residual": lambda: nl.Residual(nl.Affine(4, 4, rng=0, dtype="float64")),
    "users": lambda: nl.Sequential(Twice(), Scale(0.5)),
    "several outputs": with_an_output_that_nobody_uses,
}


@pytest.mark.parametrize("name", MODELS)
def test_a_forward_in_between_does_not_disturb_the_backward_of_another(name):
    x, other = np.random.default_rng(0).normal(size=(3, 4)), np.ones((7, 4))
    undisturbed, disturbed = MODELS[name](), MODELS[name]()
    y = undisturbed.forward(x)
    wanted = undisturbed.backward(np.ones_like(y))
    disturbed.forward(x)
    disturbed.predict(other)
    assert np.array_equal(disturbed.backward(np.ones_like(y)), wanted)


@pytest.mark.parametrize("name", MODELS)
def test_nothing_is_kept_of_a_forward_that_is_not_to_leave_a_trace(name):
    model = MODELS[name]()
    before = [dict(vars(layer)) for _, layer in model.walk()]
    model.predict(np.ones((7, 4)))
    after = [dict(vars(layer)) for _, layer in model.walk()]
    assert [attributes.keys() for attributes in after] == [attributes.keys() for attributes in before]
    assert all(new[key] is old[key] for new, old in zip(after, before, strict=True) for key in old)


def test_attributes_come_back_after_an_error_too():
    layer = Scale(2.0)
    layer.forward(np.array([5.0]))

    def broken_off():
        with preserve_state(layer):
            layer.x = None
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken_off()
    assert layer.x.tolist() == [5.0]


def test_modes_come_back_layer_by_layer():
    model = nl.Sequential(nl.Sequential(nl.Dropout(), nl.Dropout()), nl.Dropout())
    model[0][1].eval()
    with preserve_modes(model):
        model.train()
        model[1].eval()
    assert [layer.training for _, layer in model.walk()] == [True, True, True, False, True]
