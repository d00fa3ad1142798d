"""A recurrent layer is drawn as the graph of its steps, which computes what the layer computes."""

import numpy as np
import pytest

import netlib as nl
from netlib.drawing.flow import Flow
from netlib.drawing.opening import open_layer
from netlib.drawing.picture import Picture

LAYERS = [nl.RNN, lambda *sizes, **options: nl.RNN(*sizes, nonlinearity="relu", **options), nl.LSTM, nl.GRU]


def inputs_for(layer, has_states, n=2, steps=3):
    rng = np.random.default_rng(1)
    states = [rng.normal(size=(n, 2)) for _ in layer.state_names] if has_states else []
    return [rng.normal(size=(n, steps, 3)), *states]


@pytest.mark.parametrize("options", [{}, {"return_sequences": False}])
@pytest.mark.parametrize("has_states", [False, True])
@pytest.mark.parametrize("make", LAYERS, ids=["tanh", "relu", "LSTM", "GRU"])
def test_the_steps_compute_what_the_layer_computes(make, has_states, options):
    layer = make(3, 2, dtype=np.float64, rng=0, **options)
    layer.bias.value = np.linspace(-1, 1, layer.bias.size)
    inputs = inputs_for(layer, has_states)
    steps = open_layer(layer, inputs)
    y = layer.forward(*inputs)
    np.testing.assert_allclose(steps.forward(*inputs), y, rtol=1e-13, atol=1e-14)
    dout = np.random.default_rng(2).normal(size=y.shape)
    for ours, theirs in zip(np.atleast_1d(steps.backward(dout)) if not has_states else steps.backward(dout),
                            np.atleast_1d(layer.backward(dout)) if not has_states else layer.backward(dout), strict=True):  # fmt: skip
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)
    for path, parameter in layer.parameters().items():
        np.testing.assert_allclose(steps.parameters()[path].grad, parameter.grad, rtol=1e-12, atol=1e-14)


def test_a_weight_fans_out_to_the_steps_and_its_gradient_is_the_sum_of_theirs():
    layer = nl.LSTM(3, 2, dtype=np.float64, rng=0)
    picture = nl.draw(nl.Sequential(layer), *inputs_for(layer, False), detail="nodes").picture
    names = {wire.name: wire for wire in picture.wires}
    uses = [names[f"weight_h({t})"].grad for t in (1, 2, 3)]
    np.testing.assert_allclose(names["weight_h"].grad, sum(uses), rtol=1e-13)
    layer.forward(*inputs_for(layer, False))
    layer.backward(np.ones((2, 3, 2)))
    np.testing.assert_allclose(names["weight_h"].grad, layer.weight_h.grad, rtol=1e-12)
    assert {f"{value}{t}" for value in "ifgoch" for t in (1, 2, 3)} <= names.keys()  # all gates and both states of each step
    assert sum(node.symbol == "σ" for node in picture.nodes) == 9


def test_names_of_parameters_are_their_paths_in_the_model():
    model = nl.Sequential(nl.Tanh(), nl.GRU(3, 2, dtype=np.float64, rng=0))
    picture = Picture(Flow(model, inputs_for(model[1], False), open_layers=True))
    assert {node.path for node in picture.nodes if node.kind == "parameter"} == {"1.weight_x", "1.weight_h", "1.bias", "1.bias_h"}


@pytest.mark.parametrize("options", [{"layers": 2}, {"bidirectional": True}, {"return_state": True}])
def test_layers_that_are_more_than_steps_in_a_row_stay_one_node(options):
    layer = nl.LSTM(3, 2, dtype=np.float64, rng=0, **options)
    assert open_layer(layer, inputs_for(layer, False)) is None


def test_a_layer_of_too_many_steps_stays_one_node():
    layer = nl.LSTM(3, 2, dtype=np.float64, rng=0)
    assert open_layer(layer, inputs_for(layer, False, steps=4)) is not None
    assert open_layer(layer, inputs_for(layer, False, steps=5)) is None


def test_a_users_layer_with_the_rule_of_a_step_is_opened_too():
    class Leaky(nl.Layer):
        rule = "in each step, d = tanh(x·weight_x) − h·weight_h, h' = h + rate ⊙ d\ny is the h' of the last step"

        def __init__(self):
            rng = np.random.default_rng(0)
            self.weight_x, self.weight_h = nl.Parameter(rng.normal(size=(3, 2))), nl.Parameter(rng.normal(size=(2, 2)))
            self.rate = nl.Parameter([0.5, 0.1])

        def forward(self, x):
            h = np.zeros((len(x), 2))
            for t in range(x.shape[1]):
                h = h + self.rate.value * (np.tanh(x[:, t] @ self.weight_x.value) - h @ self.weight_h.value)
            return h

    x = np.random.default_rng(3).normal(size=(2, 3, 3))
    np.testing.assert_allclose(open_layer(Leaky(), [x]).forward(x), Leaky().forward(x), rtol=1e-13)
