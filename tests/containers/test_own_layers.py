"""Users' own layers in containers: a class with forward and backward, and nothing else."""

import numpy as np
import pytest
from own_layers import Noop, Scale, affine, assert_gradients_are_differences, grads

import netlib as nl

X = np.random.default_rng(0).normal(size=(4, 3))


class Perceptron(nl.Layer):
    """Holds layers in a list, a dict and a tuple of lists, and calls them without a container."""

    def __init__(self):
        self.steps = [affine(3, 3, 0), nl.Tanh()]
        self.heads = {"left": affine(3, 2, 1), "right": {"deep": affine(3, 2, 2)}}
        self.scales = ([nl.Parameter(np.array([2.0, 3.0]))], nl.Parameter(np.array([0.5])))
        self.numbers = [1, 2, "three"]

    def forward(self, x):
        for step in self.steps:
            x = step.forward(x)
        self.left, self.right = self.heads["left"].forward(x), self.heads["right"]["deep"].forward(x)
        return self.left * self.scales[0][0].value + self.right * self.scales[1].value

    def backward(self, dout):
        self.scales[0][0].grad += (dout * self.left).sum(axis=0)
        self.scales[1].grad += (dout * self.right).sum(keepdims=True).ravel()
        dx = self.heads["left"].backward(dout * self.scales[0][0].value)
        dx = dx + self.heads["right"]["deep"].backward(dout * self.scales[1].value)
        for step in reversed(self.steps):
            dx = step.backward(dx)
        return dx


PATHS = [
    "scales.0.0",
    "scales.1",
    "steps.0.weight",
    "steps.0.bias",
    "heads.left.weight",
    "heads.left.bias",
    "heads.right.deep.weight",
    "heads.right.deep.bias",
]


def test_parameters_and_layers_in_lists_dicts_and_tuples_are_found_and_trained():
    model = nl.Sequential(affine(3, 3, 3), ("mine", Perceptron()), nl.Sigmoid())
    assert list(model.parameters()) == ["0.weight", "0.bias", *(f"mine.{path}" for path in PATHS)]
    assert_gradients_are_differences(model, X, np.ones((4, 2)))


def test_the_mode_and_zero_grad_reach_all_that_a_users_layer_holds():
    mine = Perceptron()
    mine.heads["drop"] = [(nl.Dropout(),)]
    model = nl.Sequential(mine).eval()
    assert [layer.training for _, layer in model.walk()] == [False] * 7
    for parameter in model.parameters().values():
        parameter.grad += 1
    model.zero_grad()
    assert not any(g.any() for g in grads(model).values())


@pytest.mark.parametrize("make", [nl.Sequential, lambda own: nl.Sequential(nl.Sequential(own), nl.Identity()), nl.Residual])
def test_a_plain_backward_works_where_no_input_gradient_is_asked_for(make):
    own = Scale([1.0, 2.0, 3.0])
    model = make(own)
    y = model.forward(X)
    assert model.backward(np.ones_like(y), input_gradient=False) is None
    np.testing.assert_allclose(own.weight.grad, X.sum(axis=0))


def test_a_layer_for_which_the_input_gradient_is_dear_may_leave_it_out():
    class Dear(Scale):
        def backward(self, dout):
            raise AssertionError("dL/dx was not asked for")

        def backward_parameters(self, dout):
            self.weight.grad += (dout * self.x).sum(axis=0)

    own = Dear([1.0, 2.0, 3.0])
    model = nl.Sequential(nl.Sequential(own), nl.Identity())
    y = model.forward(X)
    model.backward(np.ones_like(y), input_gradient=False)
    np.testing.assert_allclose(own.weight.grad, X.sum(axis=0))


def test_where_none_comes_back_no_gradient_flows():
    class Index(nl.Layer):
        def forward(self, x, i):
            self.x, self.i = x, np.asarray(i).astype(int)
            return x[self.i]

        def backward(self, dout):
            dx = np.zeros_like(self.x)
            np.add.at(dx, self.i, dout)
            return dx, None

    x, i = nl.Input("x"), nl.Input("i")
    model = nl.Graph([x, i], [Index()(Scale([2.0])(x, name="before_x"), Scale([1.0])(i, name="before_i"))])
    assert model.forward(np.array([5.0, 6.0, 7.0]), np.array([2.0, 0.0, 2.0])).tolist() == [14.0, 10.0, 14.0]
    dx, di = model.backward(np.array([1.0, 10.0, 100.0]))
    assert dx.tolist() == [20.0, 0.0, 202.0]
    assert di is None
    assert {path: g.tolist() for path, g in grads(model).items()} == {"before_x.weight": [757.0], "before_i.weight": [0.0]}


class Stop(Noop):
    def backward(self, dout):
        return (None,)


def test_a_layer_through_which_nothing_flows_ends_backward_there():
    chain = nl.Sequential(Scale([3.0]), Stop(), Scale([2.0]))
    chain.forward(np.array([1.0]))
    assert chain.backward(np.array([1.0])) is None
    assert [g.tolist() for g in grads(chain).values()] == [[0.0], [3.0]]
    block = nl.Residual(Stop())
    assert block.forward(np.array([1.0])).tolist() == [2.0]
    assert block.backward(np.array([5.0])).tolist() == [5.0]


def test_a_forgotten_return_is_refused_by_the_layers_name():
    class Forgets(Noop):
        def backward(self, dout):
            pass

    chain = nl.Sequential(Scale([3.0]), Forgets())
    chain.forward(np.array([1.0]))
    with pytest.raises(nl.InvalidTypeError, match=r"^Sequential\[1\] Forgets\(\): backward returned None.*return"):
        chain.backward(np.array([1.0]))


def test_of_two_ways_the_one_that_stops_takes_no_part():
    for first in (Stop(), nl.Identity()):
        x = nl.Input("x")
        ways = [first, nl.Identity() if isinstance(first, Stop) else Stop()]
        model = nl.Graph([x], [ways[0](x) + ways[1](x)])
        model.forward(np.array([1.0]))
        assert model.backward(np.array([5.0])).tolist() == [5.0]


def test_a_layer_that_returns_a_tuple_of_one_is_as_good():
    class One(Noop):
        def backward(self, dout):
            return (3 * dout,)

    model = nl.Sequential(nl.Identity(), One())
    model.forward(np.array([1.0]))
    assert model.backward(np.array([1.0])).tolist() == [3.0]


def test_a_layer_may_return_the_same_array_for_two_gradients():
    class Plus(nl.Layer):
        def forward(self, a, b):
            return a + b

        def backward(self, dout):
            return dout, dout

    a, b = nl.Input("a"), nl.Input("b")
    model = nl.Graph([a, b], [Plus()(a, b) + a])
    model.forward(np.array([1.0]), np.array([2.0]))
    dout = np.array([1.0])
    da, db = model.backward(dout)
    assert (da.tolist(), db.tolist(), dout.tolist()) == ([2.0], [1.0], [1.0])


def test_layers_share_a_parameter_that_is_listed_once_and_adds_up():
    one, two = Scale([2.0]), Scale([0.0])
    two.weight = one.weight
    model = nl.Sequential(one, two)
    assert model.forward(np.array([3.0])).tolist() == [12.0]
    model.backward(np.array([1.0]))
    assert list(model.parameters()) == ["0.weight"]
    assert one.weight.grad.tolist() == [12.0]


def test_a_parameter_may_be_assigned_later_and_replaced():
    own = Scale([2.0])
    model = nl.Sequential(own)
    own.more = nl.Parameter([1.0])
    assert list(model.parameters()) == ["0.weight", "0.more"]
    own.weight = new = nl.Parameter(np.array([7.0]))
    assert model.parameters()["0.weight"] is new
    assert model.forward(np.array([1.0])).tolist() == [7.0]


class Embedding(nl.Layer):
    """Rows of a table by their numbers, which have no gradient."""

    n_nondifferentiable_inputs = 1

    def __init__(self):
        self.table = nl.Parameter(np.arange(6.0).reshape(3, 2))

    def forward(self, ids):
        self.ids = np.array(ids)
        return self.table.value[self.ids]

    def backward(self, dout):
        np.add.at(self.table.grad, self.ids, dout)
        return ()


def test_a_layer_over_numbers_without_a_gradient_works_at_every_step():
    model = nl.Sequential(Embedding(), affine(2, 2, 0), nl.ReLU())
    for step in range(1, 5):
        for ids in ([0, 2, 2], [1, 1]):
            model.forward(np.array(ids))
            assert model.backward(np.zeros((len(ids), 2))) is None
            model.backward(np.ones((len(ids), 2)), input_gradient=False)
        assert (model[0].table.grad != 0).any(axis=1).tolist() == [True, True, True], step
