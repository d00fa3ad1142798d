"""Graph: any wiring of layers, and gradients that add up where a value goes several ways."""

import copy
import pickle

import numpy as np
import pytest
from numeric import numeric_gradient
from own_layers import Fails, Halves, Noop, Scale, affine, grads

import netlib as nl


def graph(build, *names):
    """Return the Graph of what `build` makes of inputs of these names."""
    inputs = [nl.Input(name) for name in names]
    made = build(*inputs)
    return nl.Graph(inputs, list(made) if isinstance(made, tuple) else [made])


def gradients(model, *xs):
    """Return the output and the gradients for a dout of ones."""
    y = model.forward(*map(np.asarray, xs))
    return y, model.backward(np.ones_like(y))


# ---- fan-out


def test_a_value_that_is_added_to_itself_counts_twice_each_time():
    def build(a):
        b = a + a
        return b + b

    y, da = gradients(graph(build, "a"), 3.0)
    assert (float(y), float(da)) == (12.0, 4.0)


def test_a_value_that_went_two_ways_before_it_met_itself_counts_both():
    # as in Karpathy's micrograd: d = a·b, e = a + b, f = d·e; df/da = b e + d = 2ab + b²
    a, b = -2.0, 3.0
    model = graph(lambda a, b: (a * b) * (a + b), "a", "b")
    y, (da, db) = gradients(model, a, b)
    assert (float(y), float(da), float(db)) == (-6.0, 2 * a * b + b * b, 2 * a * b + a * a)


def test_the_expression_of_micrograds_sanity_check_has_the_derivative_worked_by_hand():
    # z = 2x + 2 + x; q = relu(z) + z x; h = relu(z²); y = h + q + q x, at x = -4
    def build(x):
        two = nl.Constant("two", 2.0)
        z = two * x + two + x
        q = nl.ReLU()(z) + z * x
        h = nl.ReLU()(z * z)
        return h + q + q * x

    y, dx = gradients(graph(build, "x"), -4.0)
    # z = -10, q = 40, h = 100, y = 100 + 40 - 160;
    # dz = 3, dq = 3·(-4) - 10 = -22, dh = 2·(-10)·3 = -60, dy = -60 - 22 + 88 + 40
    assert (float(y), float(dx)) == (-20.0, 46.0)


def test_a_ladder_of_diamonds_doubles_the_gradient_at_each_rung():
    def build(x):
        for _ in range(50):
            x = nl.Identity()(x) + Noop()(x)
        return x

    y, dx = gradients(graph(build, "x"), np.ones(2))
    assert y.tolist() == dx.tolist() == [2.0**50] * 2


def test_one_input_on_both_sides_of_a_node_gets_both_gradients():
    x = np.random.default_rng(0).normal(size=(3, 3))
    y, dx = gradients(graph(lambda x: x @ x, "x"), x)
    ones = np.ones((3, 3))
    np.testing.assert_allclose(y, x @ x, rtol=1e-14)
    np.testing.assert_allclose(dx, ones @ x.T + x.T @ ones, rtol=1e-14)
    y, dx = gradients(graph(lambda x: x * x, "x"), x)
    np.testing.assert_allclose(dx, 2 * x)
    y, dx = gradients(graph(lambda x: x - x, "x"), x)
    assert not y.any()
    assert not dx.any()
    y, dx = gradients(graph(lambda x: x / x, "x"), x)
    np.testing.assert_allclose(dx, 0, atol=1e-15)


def test_gradients_of_a_graph_equal_differences():
    def build(x, z):
        w, b = nl.Weight("W", np.random.default_rng(1).normal(size=(3, 3))), nl.Weight("b", [0.1, 0.2, 0.3])
        h = nl.Tanh()(x @ w + b, name="h")
        k = nl.Sigmoid()(h @ w * z)
        return nl.Concatenate()(h, k) @ nl.Constant("C", np.random.default_rng(2).normal(size=(6, 2))), h * k

    model = graph(build, "x", "z")
    rng = np.random.default_rng(3)
    x, z, d0, d1 = rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=(4, 2)), rng.normal(size=(4, 3))

    def loss():
        y0, y1 = model.forward(x, z)
        return float((y0 * d0).sum() + (y1 * d1).sum())

    loss()
    dx, dz = model.backward((d0, d1))
    found = grads(model)
    np.testing.assert_allclose(dx, numeric_gradient(loss, x), rtol=0, atol=1e-8)
    np.testing.assert_allclose(dz, numeric_gradient(loss, z), rtol=0, atol=1e-8)
    assert list(found) == ["W", "b"]
    for path, parameter in model.parameters().items():
        np.testing.assert_allclose(found[path], numeric_gradient(loss, parameter.value), rtol=0, atol=1e-8)


def test_adding_up_writes_into_nobodys_array():
    kept = []

    class Keeps(Noop):
        def backward(self, dout):
            kept.append((dout, dout.copy()))
            return dout

    model = graph(lambda x: Keeps()(x) + Keeps()(x) + Keeps()(x), "x")
    x, dout = np.ones((1, 3)), np.full((1, 3), 2.0)
    y = model.forward(x)
    dx = model.backward(dout)
    assert y.tolist() == [[3.0] * 3]
    assert dx.tolist() == [[6.0] * 3]
    assert (x == 1).all()
    assert (dout == 2).all()
    assert len(kept) == 3
    assert all((d == before).all() for d, before in kept)


# ---- inputs and outputs


def test_inputs_and_outputs_keep_their_order():
    a, b = nl.Input("a"), nl.Input("b")
    model = nl.Graph(inputs=[b, a], outputs=[a - b, b * b])
    difference, square = model.forward(np.array([1.0]), np.array([10.0]))
    assert (difference.tolist(), square.tolist()) == ([9.0], [1.0])
    db, da = model.backward((np.array([1.0]), np.array([100.0])))
    assert (db.tolist(), da.tolist()) == ([199.0], [1.0])


def test_one_node_may_stand_for_the_list_of_one():
    x = nl.Input("x")
    assert nl.Graph(x, nl.ReLU()(x)).forward(np.array([-1.0, 2.0])).tolist() == [0.0, 2.0]


def test_an_input_straight_to_an_output_is_a_copy():
    model = graph(lambda x: (x, nl.ReLU()(x), x), "x")
    x = np.array([1.0, -2.0])
    ys = model.forward(x)
    assert [y.tolist() for y in ys] == [[1.0, -2.0], [1.0, 0.0], [1.0, -2.0]]
    douts = tuple(np.full(2, d) for d in (1.0, 10.0, 100.0))
    dx = model.backward(douts)
    assert dx.tolist() == [111.0, 101.0]
    assert [d.tolist() for d in douts] == [[1.0] * 2, [10.0] * 2, [100.0] * 2]
    for one, other in [(ys[0], x), (ys[2], x), (ys[0], ys[2]), (dx, douts[0])]:
        assert not np.shares_memory(one, other)
    only = graph(lambda x: x, "x")
    y = only.forward(x)
    dx = only.backward(douts[0])
    assert dx.tolist() == [1.0, 1.0]
    assert not np.shares_memory(dx, douts[0])
    assert not np.shares_memory(y, x)


def test_one_node_may_be_several_outputs_of_separate_memory():
    def build(x):
        h = nl.ReLU()(x)
        return h, h

    model = graph(build, "x")
    one, two = model.forward(np.array([3.0, -1.0]))
    assert one.tolist() == two.tolist() == [3.0, 0.0]
    assert not np.shares_memory(one, two)
    assert model.backward(([1.0, 1.0], [10.0, 10.0])).tolist() == [11.0, 0.0]


def test_a_value_that_is_both_an_output_and_used_gets_both_gradients():
    def build(x):
        h = nl.Identity()(x)
        return h, nl.ReLU()(h)

    model = graph(build, "x")
    model.forward(np.array([2.0, -2.0]))
    assert model.backward((np.array([1.0, 1.0]), np.array([10.0, 10.0]))).tolist() == [11.0, 1.0]


def test_an_unused_output_gets_zeros():
    halves = Halves()
    model = graph(lambda x: nl.ReLU()(halves(x)[1]), "x")
    assert model.forward(np.array([[1.0, 2.0, 3.0, 4.0]])).tolist() == [[3.0, 4.0]]
    assert model.backward(np.array([[5.0, 6.0]])).tolist() == [[0.0, 0.0, 5.0, 6.0]]
    assert [d.tolist() for d in halves.dout] == [[[0.0, 0.0]], [[5.0, 6.0]]]
    assert model.forward(np.ones((3, 2))).shape == (3, 1)
    assert model.backward(np.ones((3, 1))).tolist() == [[0.0, 1.0]] * 3


def test_the_first_of_two_outputs_alone_is_an_array_at_every_step():
    model = graph(lambda x: Halves()(x)[0], "x")
    for _ in range(3):
        assert model.forward(np.array([[1.0, 2.0]])).tolist() == [[1.0]]
        assert model.backward(np.array([[5.0]])).tolist() == [[5.0, 0.0]]


def test_an_output_from_which_no_gradient_comes_back_gets_zeros():
    class Index(nl.Layer):
        def forward(self, x):
            return np.round(x)

        def backward(self, dout):
            return (None,)

    halves = Halves()

    def build(x):
        left, right = halves(x)
        return Index()(left) * right

    model = graph(build, "x")
    model.forward(np.array([[2.0, 3.0]]))
    model.backward(np.array([[1.0]]))
    assert [d.tolist() for d in halves.dout] == [[[0.0]], [[2.0]]]


def test_an_unused_output_of_an_inner_graph_has_no_part_in_the_gradient():
    inner = graph(lambda x: (nl.Identity()(x), x / nl.Constant("zero", 0.0)), "x")
    model = graph(lambda x: inner(x)[0], "x")
    with np.errstate(all="ignore"):  # the unused quotient is infinite
        model.forward(np.array([1.0]))
        assert model.backward(np.array([1.0])).tolist() == [1.0]


def test_several_outputs_need_a_dout_for_each_of_its_own_shape():
    model = graph(lambda x: (Scale(2.0)(x), nl.Sum()(x)), "x")
    with pytest.raises(nl.OrderError):
        model.backward((np.ones(3), 1.0))
    model.forward(np.ones((2, 3)))
    bad = [np.ones((2, 3)), (np.ones((2, 3)),), (np.ones((2, 3)), 1.0, 1.0), (np.ones(3), 1.0), (np.ones((2, 3)), np.ones(1)), 1.0, None]
    for dout in bad:
        with pytest.raises(nl.NetlibError):
            model.backward(dout)
    assert not any(g.any() for g in grads(model).values())


def test_a_dout_that_would_broadcast_onto_a_value_used_elsewhere_is_refused():
    def build(x):
        h = nl.Identity()(x)
        return h, nl.ReLU()(h)

    model = graph(build, "x")
    model.forward(np.ones((2, 3)))
    with pytest.raises(nl.ShapeError, match=r"\(3,\).*\(2, 3\)"):
        model.backward((np.ones(3), np.ones((2, 3))))


def test_nested_graphs_with_several_outputs_equal_the_flat_graph():
    def roots(a, b):
        return a + b, a * b

    def flat(x, z):
        s, p = roots(x, z)
        u, v = roots(p, s)
        return v - u, p

    def nested(x, z):
        s, p = graph(roots, "a", "b")(x, z)
        u, v = graph(roots, "a", "b")(p, s)
        return v - u, p

    x, z = np.array([2.0, 3.0]), np.array([5.0, -1.0])
    d = np.array([1.0, 2.0]), np.array([10.0, 20.0])
    one, two = graph(flat, "x", "z"), graph(nested, "x", "z")
    assert [y.tolist() for y in one.forward(x, z)] == [y.tolist() for y in two.forward(x, z)]
    # v - u = xz(x + z) - (xz + x + z); ∂/∂x = 2xz + z² - z - 1, and z for the product
    dx, dz = one.backward(d)
    assert dx.tolist() == (d[0] * (2 * x * z + z * z - z - 1) + d[1] * z).tolist()
    assert dz.tolist() == (d[0] * (2 * x * z + x * x - x - 1) + d[1] * x).tolist()
    assert [g.tolist() for g in two.backward(d)] == [dx.tolist(), dz.tolist()]


def test_containers_hold_graphs_and_graphs_containers():
    inner = graph(lambda x: nl.Sequential(affine(2, 2, 0), nl.Residual(nl.Tanh()))(x, name="body") * x, "x")
    model = nl.Sequential(nl.Identity(), inner)
    x = np.random.default_rng(0).normal(size=(3, 2))

    def loss():
        return float(model.forward(x).sum())

    loss()
    dx = model.backward(np.ones((3, 2)))
    np.testing.assert_allclose(dx, numeric_gradient(loss, x), rtol=0, atol=1e-8)
    assert list(model.parameters()) == ["1.body.0.weight", "1.body.0.bias"]


# ---- weights and constants


def test_weights_and_constants_keep_their_type_and_are_copies():
    for dtype in (np.float16, np.float32, np.float64):
        array = np.ones((2, 2), dtype)
        w, c = nl.Weight("W", array), nl.Constant("C", array)
        model = graph(lambda x, w=w, c=c: x @ w + c, "x")
        array[:] = 9
        y = model.forward(np.ones((1, 2), dtype))
        assert y.dtype == w.parameter.dtype == dtype
        assert y.tolist() == [[3.0, 3.0], [3.0, 3.0]]
    assert nl.Weight("W", [1, 2]).parameter.dtype == np.float32


def test_a_weight_used_twice_adds_up():
    w = nl.Weight("W", [[2.0]])
    model = graph(lambda x: x @ w @ w, "x")
    assert gradients(model, [[3.0]])[0].tolist() == [[12.0]]
    assert list(model.parameters()) == ["W"]
    assert w.parameter.grad.tolist() == [[12.0]]  # d(x w²)/dw = 2 x w


def test_constants_are_no_parameters_and_a_weight_that_is_not_trainable_is_one():
    w = nl.Weight("W", [2.0])
    w.parameter.trainable = False
    model = graph(lambda x: x * w + nl.Constant("C", [1.0]), "x")
    gradients(model, [3.0])
    assert model.parameters() == {"W": w.parameter}
    assert w.parameter.grad.tolist() == [3.0]


def test_two_graphs_may_share_a_weight():
    w = nl.Weight("W", [[2.0]])
    one, two = graph(lambda x: x @ w, "x"), graph(lambda x: x @ w + x, "x")
    assert gradients(one, [[3.0]])[1].tolist() == [[2.0]]
    assert gradients(two, [[5.0]])[1].tolist() == [[3.0]]
    assert w.parameter.grad.tolist() == [[8.0]]
    w.parameter.value = [[10.0]]
    assert one.forward(np.array([[1.0]])).tolist() == [[10.0]]
    assert two.forward(np.array([[1.0]])).tolist() == [[11.0]]


@pytest.mark.parametrize("kind", [nl.Weight, nl.Constant])
def test_graphs_that_share_a_weight_or_a_constant_may_stand_in_one_model(kind):
    w = kind("W", [[2.0]])
    model = nl.Sequential(graph(lambda x: x @ w, "x"), graph(lambda x: x @ w + x, "x"))
    y, dx = gradients(model, [[3.0]])
    assert (y.tolist(), dx.tolist()) == ([[18.0]], [[6.0]])
    assert len(model.parameters()) == (kind is nl.Weight)


def test_a_constant_in_the_graph_never_changes():
    c = nl.Constant("C", [1.0])
    model = graph(lambda x: nl.ReLU()(x) + c, "x")
    y = model.forward(np.array([1.0]))
    y[:] = 77
    assert model.forward(np.array([1.0])).tolist() == [2.0]


def test_leaving_out_the_input_gradient_gives_none_and_the_same_parameter_gradients():
    def build(x, z):
        w = nl.Weight("W", [[2.0]])
        return nl.Sequential(affine(1, 1, 0))(x, name="a") @ w + affine(1, 1, 1)(z, name="b") * x

    one, two = graph(build, "x", "z"), graph(build, "x", "z")
    for each in (one, two):
        each.forward(np.array([[3.0]]), np.array([[4.0]]))
    assert len(one.backward([[1.0]])) == 2
    assert two.backward([[1.0]], input_gradient=False) is None
    assert {k: g.tolist() for k, g in grads(one).items()} == {k: g.tolist() for k, g in grads(two).items()}
    assert all(g.any() for g in grads(one).values())


def test_no_layer_that_takes_inputs_alone_works_out_the_gradient_that_nobody_asked_for():
    class Dear(Scale):
        def backward(self, dout):
            raise AssertionError("dL/dx was not asked for")

        def backward_parameters(self, dout):
            self.weight.grad += (dout * self.x).sum()

    model = graph(lambda x, z: Dear(2.0)(x, name="a") * Dear(3.0)(z, name="b") + Dear(1.0)(x, name="c"), "x", "z")
    model.forward(np.array([5.0]), np.array([7.0]))
    assert model.backward(np.array([1.0]), input_gradient=False) is None
    assert {path: g.tolist() for path, g in grads(model).items()} == {"a.weight": [105.0], "b.weight": [70.0], "c.weight": [5.0]}


def test_a_loss_in_a_graph_has_a_gradient_for_the_prediction_alone():
    model = graph(lambda x, t: nl.MeanSquaredError()(nl.ReLU()(x), t), "x", "t")
    assert model.forward(np.array([1.0, 3.0]), np.array([0.0, 1.0])) == 2.5
    dx, dt = model.backward(1.0)
    assert dx.tolist() == [1.0, 2.0]
    assert dt is None


# ---- state


def test_backward_belongs_to_the_last_forward_and_adds_up():
    model = graph(lambda x: Scale(2.0)(x, name="s") * x, "x")
    model.forward(np.array([100.0]))
    model.forward(np.array([3.0]))
    assert model.backward(np.array([1.0])).tolist() == [12.0]
    assert model.backward(np.array([1.0])).tolist() == [12.0]
    assert model.parameters()["s.weight"].grad.tolist() == [18.0]


def test_what_was_returned_stays_as_it_was():
    model = graph(lambda x: (x + x, nl.Weight("W", [2.0]) * x, x), "x")
    ys = model.forward(np.array([1.0]))
    dx = model.backward(([1.0], [1.0], [1.0]))
    model.forward(np.array([50.0]))
    model.backward(([9.0], [9.0], [9.0]))
    model.parameters()["W"].value = [0.0]
    assert [y.tolist() for y in ys] == [[2.0], [2.0], [1.0]]
    assert dx.tolist() == [5.0]


def test_the_mode_reaches_the_layers_of_a_graph():
    drop = nl.Dropout(0.5, rng=0)
    model = nl.Sequential(graph(lambda x: nl.Sequential(drop)(x) + x, "x"))
    model.eval()
    assert drop.training is False
    assert model.forward(np.ones(50)).tolist() == [2.0] * 50
    assert set(model.train().forward(np.ones(50)).tolist()) == {1.0, 3.0}


def test_copies_and_pickles_of_a_graph_work_and_are_separate():
    def build(x, z):
        left, right = Halves()(x @ nl.Weight("W", [[1.0, 2.0]]))
        return left * z, right + nl.Dropout(0.5, rng=1)(left)

    model = graph(build, "x", "z")
    args = np.ones((5, 1)), np.array([[3.0]])
    douts = np.ones((5, 1)), np.full((5, 1), 2.0)
    twins = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    ys = model.forward(*args)
    dxs = model.backward(douts)
    for twin in twins:
        assert [y.tolist() for y in twin.forward(*args)] == [y.tolist() for y in ys]
        assert [d.tolist() for d in twin.backward(douts)] == [d.tolist() for d in dxs]
        assert twin.parameters()["W"].grad.tolist() == model.parameters()["W"].grad.tolist()
        twin.parameters()["W"].value *= 0
    assert model.parameters()["W"].value.tolist() == [[1.0, 2.0]]


def test_repr_names_the_nodes():
    x, w = nl.Input("X"), nl.Weight("W", [[1.0]])
    assert repr(nl.Graph([x], [x @ w])) == "Graph(inputs=[Input('X')], outputs=[Node(MatMul())])"
    assert repr(nl.Graph([x], [nl.MatMul()(x, w, name="Y")])) == "Graph(inputs=[Input('X')], outputs=[Node('Y')])"


def test_layers_are_found_by_the_names_of_their_nodes():
    x = nl.Input("x")
    model = nl.Graph([x], [nl.Affine(2, 2)(nl.Affine(2, 2)(nl.Affine(2, 2)(x), name="mid"))])
    assert list(model.parameters()) == [
        "Affine_1.weight",
        "Affine_1.bias",
        "mid.weight",
        "mid.bias",
        "Affine_3.weight",
        "Affine_3.bias",
    ]


# ---- what cannot work


def refusals():
    x, z, w = nl.Input("X"), nl.Input("Z"), nl.Weight("W", [1.0])
    twice, inner = nl.Affine(1, 1), nl.ReLU()
    h = nl.ReLU()(x, name="H")
    return {
        "an output that no input reaches": (
            lambda: nl.Graph([x], [h, w * w]),
            nl.InvalidValueError,
            r"the output .*Node\(Multiply.* depends on no input",
        ),
        "a weight for an output": (lambda: nl.Graph([x], [h, w]), nl.InvalidValueError, r"the output .*Weight\('W'\) depends on no input"),
        "an input nobody uses": (lambda: nl.Graph([x, z], [h]), nl.InvalidValueError, "the input 'Z' is not used"),
        "an input not listed": (lambda: nl.Graph([x], [nl.Add()(h, z, name="S")]), nl.InvalidValueError, r"'S' needs Input\('Z'\)"),
        "an output that is an input not listed": (lambda: nl.Graph([x], [h, z]), nl.InvalidValueError, r"Input\('Z'\)"),
        "a node among the inputs": (
            lambda: nl.Graph([x, h], [h + x]),
            nl.InvalidTypeError,
            r"Node\('H'\) is among .*nl\.Input\(name\)",
        ),
        "a weight among the inputs": (lambda: nl.Graph([x, w], [x * w]), nl.InvalidTypeError, r"Weight\('W'\) is among the inputs"),
        "two inputs of one name": (lambda: nl.Graph([x, y := nl.Input("X")], [x + y]), nl.InvalidValueError, "2 nodes are named 'X'"),
        "an input twice": (lambda: nl.Graph([x, x], [h]), nl.InvalidValueError, "2 nodes are named 'X'"),
        "two nodes of one name": (lambda: nl.Graph([x], [nl.Tanh()(h, name="H")]), nl.InvalidValueError, "2 nodes are named 'H'"),
        "a node named like an input": (lambda: nl.Graph([x], [nl.Tanh()(x, name="X")]), nl.InvalidValueError, "2 nodes are named 'X'"),
        "a layer called twice": (
            lambda: nl.Graph([x], [twice(twice(x, name="A"), name="B")]),
            nl.InvalidValueError,
            r"Graph\['A'\] and at Graph\['B'\].*tied_copy\(\)",
        ),
        "a layer called and held": (
            lambda: nl.Graph([x], [nl.Sequential(nl.Sequential(inner))(inner(x, name="A"), name="B")]),
            nl.InvalidValueError,
            r"Graph\['A'\] and at Graph\['B'\].*tied_copy\(\)",
        ),
        "no inputs": (lambda: nl.Graph([], [h]), nl.InvalidValueError, "Graph: has no inputs"),
        "no outputs": (lambda: nl.Graph([x], []), nl.InvalidValueError, "Graph: has no outputs"),
        "an array for an input": (lambda: nl.Graph([np.ones(2)], [h]), nl.InvalidTypeError, "Graph: inputs is .*expected a list of nodes"),
        "a layer for an output": (lambda: nl.Graph([x], [nl.ReLU()]), nl.InvalidTypeError, "Graph: outputs is .*expected a list of nodes"),
        "a name with a dot": (lambda: nl.Graph([x], [nl.ReLU()(x, name="a.b")]), nl.InvalidValueError, "'a.b' cannot name a node"),
        "a name that is no word": (lambda: nl.Graph([x], [nl.ReLU()(x, name=3)]), nl.InvalidValueError, "3 cannot name a node"),
    }


@pytest.mark.parametrize("case", refusals())
def test_a_graph_that_cannot_work_is_refused_with_the_name_of_the_node(case):
    make, error, message = refusals()[case]
    with pytest.raises(error, match=message):
        make()


def test_a_wrong_number_of_arrays_is_refused_with_the_names_of_the_inputs():
    model = graph(lambda a, b: a + b, "left", "right")
    for arrays in ([], [1.0], [1.0] * 3):
        with pytest.raises(nl.ShapeError, match=f"Graph: got {len(arrays)} arrays, expected 2: left, right"):
            model.forward(*map(np.array, arrays))


def test_a_wrong_number_of_arrays_deep_inside_is_refused_with_the_path():
    model = nl.Sequential(nl.Identity(), nl.Sequential(graph(lambda a, b: a + b, "left", "right")))
    with pytest.raises(nl.ShapeError, match=r"^Sequential\[1\]\.Sequential\[0\] Graph: got 1 arrays, expected 2: left, right"):
        model.forward(np.ones(2))


def test_a_graph_fails_at_the_node_with_its_name():
    model = graph(lambda x: nl.Affine(3, 2)(nl.ReLU()(x), name="head"), "x")
    with pytest.raises(nl.ShapeError, match=r"^Graph\['head'\] Affine\(3, 2\): got x of shape \(2, 4\), expected \(…, 3\)"):
        model.forward(np.ones((2, 4)))


def test_a_refused_forward_leaves_no_half_of_it_to_backward():
    fails = Fails(ValueError("no"))
    fails.armed = False
    model = graph(lambda x: fails(Scale(2.0)(x, name="s")), "x")
    model.forward(np.array([1.0]))
    fails.armed = True
    with pytest.raises(ValueError, match="no"):
        model.forward(np.array([300.0]))
    with pytest.raises(nl.OrderError):
        model.backward(np.array([1.0]))


def test_a_layer_of_several_outputs_must_return_as_many():
    class Liar(Halves):
        def forward(self, x):
            return x

    model = graph(lambda x: Liar()(x)[0], "x")
    with pytest.raises(nl.InvalidTypeError, match=r"Graph\['Liar_1'\] Liar\(\): forward returned ndarray, expected a tuple of 2 arrays"):
        model.forward(np.ones(2))


def test_the_wrong_one_of_several_douts_is_named():
    x = nl.Input("x")
    model = nl.Graph([x], [nl.Tanh()(x), nl.Sigmoid()(x)])
    model.forward(np.ones((2, 3)))
    with pytest.raises(nl.ShapeError, match=r"dout of output 1 has shape \(3,\), expected that of the output, \(2, 3\)"):
        model.backward((np.ones((2, 3)), np.ones(3)))
