"""What flowed is noted as it was, and whoever is watched does not notice."""

import pickle

import numpy as np
import pytest
from own_layers import Fails, Halves, Scale, affine
from stateful_layers import Overwrites

import netlib as nl
from netlib.drawing.flow import Flow
from netlib.random_state import generators, global_generator, state

# ---- the chapter by hand -------------------------------------------------------------------------

X = np.array([[1.0, 2.0], [3.0, -1.0]])
W = np.array([[1.0, 0.0, -2.0], [3.0, 1.0, 0.5]])
B = np.array([[10.0, 20.0, 30.0]])
DOUT = np.array([[1.0, 0.0, 2.0], [-1.0, 1.0, 0.0]])
BY_HAND = {
    "X": ([[1, 2], [3, -1]], [[-3, 4], [-1, -2]]),
    "W": ([[1, 0, -2], [3, 1, 0.5]], [[-2, 3, 2], [3, -1, 4]]),
    "B": ([[10, 20, 30]], [[0, 1, 2]]),
    "XW": ([[7, 2, -1], [0, -1, -6.5]], [[1, 0, 2], [-1, 1, 0]]),
    "Y": ([[17, 22, 29], [10, 19, 23.5]], [[1, 0, 2], [-1, 1, 0]]),
}


def chapter():
    """Fig. 1.8 as far as Y."""
    x, w, b = nl.Input("X"), nl.Weight("W", W), nl.Weight("B", B)
    return nl.Graph([x], [nl.Add()(nl.MatMul()(x, w, name="XW"), b, name="Y")])


def by_name(flow):
    return {value.name: value for value in flow.values}


def test_the_numbers_of_the_chapters_graph_are_those_worked_by_hand():
    values = by_name(Flow(chapter(), [X], DOUT))
    assert set(values) == set(BY_HAND)
    for name, (array, grad) in BY_HAND.items():
        assert values[name].array.tolist() == array
        assert values[name].grad.tolist() == grad


def test_an_opened_affine_has_the_numbers_of_the_chapter_and_the_column_of_ones():
    flow = Flow(nl.Sequential(nl.Affine.from_arrays(W, B[0])), [X], DOUT, open_layers=True)
    a, d, db = (value for value in flow.values if value.name in ("A", "D", "DB"))
    weight, bias = (value for value in flow.values if value.kind == "parameter")
    assert (a.array.tolist(), a.grad.tolist()) == BY_HAND["XW"]
    assert (d.kind, d.array.tolist(), d.grad) == ("constant", [[1], [1]], None)
    assert (db.array.tolist(), db.grad.tolist()) == ([[10, 20, 30]] * 2, DOUT.tolist())
    assert (weight.array.tolist(), weight.grad.tolist()) == BY_HAND["W"]
    assert (bias.array.tolist(), bias.grad.tolist()) == BY_HAND["B"]
    assert (weight.path, bias.path) == ("0.weight", "0.bias")
    assert [operation.path for operation in flow.operations] == ["0.A", "0.DB", "0.Add_1"]
    assert flow.values[flow.outputs[0]].array.tolist() == BY_HAND["Y"][0]


def test_each_operation_says_what_it_took_and_what_it_sent_to_whom():
    flow = Flow(chapter(), [X], DOUT)
    dot, add = flow.operations
    numbers = {value.name: i for i, value in enumerate(flow.values)}
    assert dot.inputs == [numbers["X"], numbers["W"]]
    assert (dot.parameters, dot.targets, dot.roles, dot.path) == ([], [numbers["XW"]], ["a", "b"], "XW")
    assert [d.tolist() for d in dot.gradients] == [BY_HAND["X"][1], BY_HAND["W"][1]]
    assert [d.tolist() for d in add.gradients] == [DOUT.tolist(), BY_HAND["B"][1]]
    assert (flow.inputs, flow.outputs) == ([numbers["X"]], [numbers["Y"]])
    assert [seed.tolist() for seed in flow.seeds] == [DOUT.tolist()]


# ---- what is not touched -------------------------------------------------------------------------


class Chancy(nl.Layer):
    """Draws from its own generator, one of its class and NumPy's global one, in both passes."""

    of_the_class = np.random.default_rng(1)

    def __init__(self, fails_in=""):
        self.own = np.random.default_rng(2)
        self.old = np.random.RandomState(3)
        self.book = ["begun"]
        self.running = np.zeros(2)
        self.fails_in = fails_in

    def draw(self):
        return self.own.normal() + self.of_the_class.normal() + self.old.normal() + np.random.random()  # noqa: NPY002

    def forward(self, x):
        self.book.append("forward")
        self.running += 1
        self.factor = self.draw()
        if self.fails_in == "forward":
            raise RuntimeError("forward")
        return x * self.factor

    def backward(self, dout):
        self.book.append("backward")
        self.draw()
        if self.fails_in == "backward":
            raise RuntimeError("backward")
        return dout * self.factor


def everything(model):
    """Return all that can be told of a model and of chance, as bytes."""
    parts = []
    for path, layer in model.walk():
        held = {key: value for key, value in vars(layer).items() if key not in ("_cached", "_run")}
        if "_cache" in held:
            held["_cache"] = held["_cache"][:3]  # without the operation that ran the layer
        parts.append((path, held, layer.training))
    chance = [state(g) for g in [*generators(model), global_generator()]]
    grads = {path: (p.value, p.grad, p.trainable) for path, p in model.parameters().items()}
    return pickle.dumps((parts, chance, grads))


def prepared(fails_in=""):
    """Return a model that has run, with a dropout in evaluation mode and a frozen weight."""
    np.random.seed(5)  # noqa: NPY002
    model = nl.Sequential(
        ("first", nl.Affine(2, 2, rng=0)), nl.Dropout(0.5, rng=1), nl.Residual(nl.Sequential(nl.Tanh(), nl.Dropout(0.5, rng=2)))
    )
    model[1].eval()
    model.append(Chancy())
    model.parameters()["first.bias"].trainable = False
    for _ in range(3):  # by a plan, too
        model.forward(np.ones((3, 2), np.float32))
        model.backward(np.ones((3, 2), np.float32))
    model[-1].fails_in = fails_in
    return model


@pytest.mark.parametrize("open_layers", [False, True])
def test_a_model_is_bit_for_bit_as_before(open_layers):
    model = prepared()
    before = everything(model)
    Flow(model, [np.ones((4, 2))], open_layers=open_layers)
    assert everything(model) == before


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_a_model_is_bit_for_bit_as_before_when_a_pass_fails(where):
    model = prepared(fails_in=where)
    before = everything(model)
    with pytest.raises(RuntimeError, match=where):
        Flow(model, [np.ones((4, 2))])
    assert everything(model) == before


def test_a_backward_after_the_recording_is_that_of_the_forward_before_it():
    model = nl.Sequential(affine(2, 3, 0), nl.Tanh())
    model.forward(X)
    Flow(model, [10 * X], np.ones((2, 3)))
    dx = model.backward(DOUT)
    reference = nl.Sequential(affine(2, 3, 0), nl.Tanh())
    reference.forward(X)
    assert dx.tolist() == reference.backward(DOUT).tolist()


def test_inputs_and_dout_are_not_changed_and_not_held():
    x, dout = X.copy(), DOUT.copy()
    flow = Flow(chapter(), [x], dout)
    assert (x.tolist(), dout.tolist()) == (X.tolist(), DOUT.tolist())
    x += 1
    dout += 1
    assert flow.values[flow.inputs[0]].array.tolist() == X.tolist()
    assert flow.values[flow.outputs[0]].grad.tolist() == flow.seeds[0].tolist() == DOUT.tolist()


def test_later_changes_of_the_model_do_not_change_the_recording():
    model = nl.Sequential(affine(2, 3, 0))
    flow = Flow(model, [X])
    (weight,) = (value for value in flow.values if value.path == "0.weight")
    before = weight.array.copy()
    model.parameters()["0.weight"].value += 1
    assert weight.array.tolist() == before.tolist()


def test_a_layer_that_writes_into_what_it_is_given_does_not_spoil_the_recording():
    flow = Flow(nl.Sequential(nl.Identity(), Overwrites(), nl.Identity()), [X], X)
    assert [value.array.tolist() for value in flow.values] == [X.tolist(), X.tolist(), (2 * X).tolist(), (2 * X).tolist()]
    assert [value.grad.tolist() for value in flow.values] == [(2 * X).tolist(), (2 * X).tolist(), X.tolist(), X.tolist()]


class Hoards(nl.Layer):
    """Gives away the arrays that it keeps, and changes them later."""

    def forward(self, x):
        self.y = x + 1
        return self.y

    def backward(self, dout):
        self.y[...] = np.nan
        self.dx = dout.copy()
        return self.dx


def test_a_layer_that_changes_what_it_gave_does_not_spoil_the_recording():
    flow = Flow(nl.Sequential(Hoards(), nl.Identity()), [X])
    assert flow.values[1].array.tolist() == (X + 1).tolist()


class Reuses(nl.Layer):
    """Sends back the same array every time, whichever of its kind it is."""

    dx = np.empty_like(X)

    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        np.multiply(dout, 2, out=self.dx)
        return self.dx


def test_layers_that_send_back_one_and_the_same_array_do_not_spoil_the_recording():
    flow = Flow(nl.Sequential(Reuses(), Reuses()), [X])
    assert [value.grad[0, 0] for value in flow.values] == [4, 2, 1]
    assert [operation.gradients[0][0, 0] for operation in flow.operations] == [4, 2]


def test_gradients_are_arrays_also_where_numbers_meet():
    x = nl.Input("X")
    flow = Flow(nl.Graph([x], [x * x]), [3.0])
    assert [type(value.grad) for value in flow.values] == [np.ndarray] * 2
    assert flow.values[0].grad.tolist() == 6.0


# ---- not computed is not zero --------------------------------------------------------------------


def test_targets_constants_and_unused_outputs_have_no_gradient_rather_than_zeros():
    x, t = nl.Input("X"), nl.Input("T")
    left, _ = Halves()(x, name="H")
    c = nl.Constant("C", [[2.0]])
    flow = Flow(nl.Graph([x, t], [nl.MeanSquaredError()(left * c, t, name="L")]), [X, np.zeros((2, 1))])
    grads = {}
    for value in flow.values:
        grads.setdefault(value.name, []).append(value.grad)
    assert grads["T"] == grads["C"] == [None]
    assert grads["H"][0] is not None
    assert grads["H"][1] is None
    loss = flow.operations[-1]
    assert loss.gradients[0] is not None
    assert loss.gradients[1] is None
    # the layer with the unused output got zeros for it, and sends zeros
    assert by_name(flow)["X"].grad[:, 1].tolist() == [0.0, 0.0]


class Stops(nl.Layer):
    """Lets no gradient through: says None for its input."""

    def forward(self, x):
        return x + 0

    def backward(self, dout):
        return (None,)


def test_what_lies_before_a_layer_that_lets_nothing_through_is_not_computed():
    flow = Flow(nl.Sequential(affine(2, 3, 0), nl.Tanh(), Stops(), nl.Sigmoid()), [X])
    named = {value.path: value.grad for value in flow.values if value.kind != "input"}
    assert [path for path, grad in named.items() if grad is None] == ["0.weight", "0.bias", "0", "1"]
    assert flow.values[flow.inputs[0]].grad is None
    assert flow.operations[0].gradients == [None, None, None]


class Lookup(nl.Layer):
    """Takes row numbers, which have no gradient, so that backward returns none."""

    def __init__(self):
        self.table = nl.Parameter(np.arange(6.0).reshape(3, 2))

    def forward(self, i):
        self.i = i
        return self.table.value[i]

    def backward(self, dout):
        np.add.at(self.table.grad, self.i, dout)


def test_a_first_layer_whose_backward_returns_nothing_is_taken_as_a_container_takes_it():
    for model in (Lookup(), nl.Sequential(Lookup(), nl.Tanh())):
        flow = Flow(model, [np.array([2, 0, 2])])
        assert flow.values[flow.inputs[0]].grad is None
        (table,) = (value for value in flow.values if value.kind == "parameter")
        assert table.grad[1].tolist() == [0.0, 0.0]
        assert table.grad[2].any()


# ---- sharing, several outputs, dout --------------------------------------------------------------


@pytest.mark.parametrize("open_layers", [False, True])
def test_a_shared_parameter_is_one_value_whose_shares_are_seen_one_by_one(open_layers):
    encode = affine(2, 2, 0)
    model = nl.Sequential(encode, nl.Tanh(), encode.tied_copy())
    flow = Flow(model, [X], open_layers=open_layers)
    parameters = {value.path: i for i, value in enumerate(flow.values) if value.kind == "parameter"}
    assert list(parameters) == ["0.weight", "0.bias"]
    model.forward(X)
    model.backward(np.ones((2, 2)))
    for path, number in parameters.items():
        shares = [d for op in flow.operations for i, d in zip(op.sources, op.gradients, strict=True) if i == number]
        assert len(shares) == 2
        assert not np.allclose(shares[0], shares[1])
        np.testing.assert_allclose(sum(shares), flow.values[number].grad, rtol=1e-14)
        np.testing.assert_allclose(
            flow.values[number].grad.reshape(model.parameters()[path].shape), model.parameters()[path].grad, rtol=1e-12
        )


def test_a_bias_that_is_shared_by_a_layer_that_opens_and_one_that_does_not_is_a_row_and_a_vector():
    layer, x = affine(2, 2, 0), nl.Input("X")
    flow = Flow(nl.Graph([x], [layer(x), nl.Sum()(layer.tied_copy()(nl.Sum(axis=0)(x)))]), [X], open_layers=True)
    shapes = {value.array.shape: value.grad.shape for value in flow.values if value.path.endswith("bias")}
    assert shapes == {(1, 2): (1, 2), (2,): (2,)}


class OwnAffine(nl.Layer):
    """A user's own affine layer, with the rule of netlib's, and a bias that was assigned first."""

    rule = "y = x·w + b; dx = dy·wᵀ; dw = xᵀ·dy; db = sum[axis=0](dy)"
    share = 1.0

    def __init__(self):
        self.b, self.w = nl.Parameter([0.5, -1.0, 2.0]), nl.Parameter([[1.0, 2.0, 3.0], [4.0, 5.0, 7.0]])

    def forward(self, x):
        self.x = np.array(x)
        return self.x @ self.w.value + self.b.value

    def backward(self, dout):
        self.w.grad += self.x.T @ dout
        self.b.grad += self.share * dout.sum(axis=0)
        return dout @ self.w.value.T


def test_any_layer_with_the_rule_of_an_affine_transformation_opens_into_its_nodes():
    drawing = nl.draw(nl.Sequential(OwnAffine(), nl.Tanh()), X, detail="nodes")
    assert [node.symbol for node in drawing.picture.nodes if node.kind == "operation"] == ["dot", "dot", "+", "tanh"]
    wires = {wire.name: wire for wire in drawing.picture.wires}
    assert np.array_equal(wires["w"].value, OwnAffine().w.value)
    assert wires["b"].value.shape == (1, 3)


def test_a_layer_whose_backward_is_not_what_its_rule_says_stays_closed():
    class Halved(OwnAffine):
        share = 0.5

    drawing = nl.draw(Halved(), X, detail="nodes")
    (node,) = [node for node in drawing.picture.nodes if node.kind == "operation"]
    assert node.title == "Halved()"
    assert not Flow(Halved(), [X], open_layers=True).agrees_with(Flow(Halved(), [X]))


def test_many_opened_layers_do_not_mix_up_their_parameters():
    model = nl.Sequential(*[affine(3, 3, i) for i in range(30)])
    flow = Flow(model, [np.ones((2, 3))], open_layers=True)
    held = {value.path: value.array for value in flow.values if value.kind == "parameter"}
    assert set(held) == set(model.parameters())
    for path, parameter in model.parameters().items():
        assert held[path].reshape(parameter.shape).tolist() == parameter.value.tolist()


def test_an_opened_model_flows_as_the_model_itself():
    model = nl.Sequential(affine(2, 3, 0), nl.Tanh(), nl.Residual(affine(3, 3, 1)), nl.Affine(3, 2, bias=False, rng=0, dtype="float64"))
    opened, closed = Flow(model, [X], open_layers=True), Flow(model, [X])
    assert len(opened.operations) == len(closed.operations) + 4
    for a, b in [(opened.outputs, closed.outputs), (opened.inputs, closed.inputs)]:
        np.testing.assert_allclose(opened.values[a[0]].array, closed.values[b[0]].array, rtol=1e-13)
        np.testing.assert_allclose(opened.values[a[0]].grad, closed.values[b[0]].grad, rtol=1e-13)


def two_in_two_out():
    x, z = nl.Input("X"), nl.Input("Z")
    h = nl.Multiply()(x, z, name="H")
    return nl.Graph([x, z], [h, nl.Sum()(h, name="S")])


def test_several_outputs_have_a_seed_each():
    flow = Flow(two_in_two_out(), [[1.0, 2.0], [3.0, 4.0]], ([10.0, 20.0], 5.0))
    values = by_name(flow)
    assert [seed.tolist() for seed in flow.seeds] == [[10.0, 20.0], 5.0]
    assert values["H"].grad.tolist() == [15.0, 25.0]
    assert values["S"].grad.tolist() == 5.0
    assert values["X"].grad.tolist() == [45.0, 100.0]
    assert [flow.values[i].name for i in flow.outputs] == ["H", "S"]


def test_without_a_dout_the_seeds_are_ones():
    flow = Flow(two_in_two_out(), [[1.0, 2.0], [3.0, 4.0]])
    assert [seed.tolist() for seed in flow.seeds] == [[1.0, 1.0], 1.0]
    assert by_name(flow)["H"].grad.tolist() == [2.0, 2.0]


def test_an_output_that_is_an_input_or_comes_twice_is_that_value_and_no_node():
    x = nl.Input("X")
    h = nl.Tanh()(x, name="H")
    flow = Flow(nl.Graph([x], [x, h, h]), [X], (X, 2 * X, 3 * X))
    assert [type(operation.layer).__name__ for operation in flow.operations] == ["Tanh"]
    assert [flow.values[i].name for i in flow.outputs] == ["X", "H", "H"]
    np.testing.assert_allclose(by_name(flow)["H"].grad, 5 * X)
    np.testing.assert_allclose(by_name(flow)["X"].grad, X + 5 * X * (1 - np.tanh(X) ** 2))


def test_a_container_of_nothing_flows():
    flow = Flow(nl.Sequential(), [X])
    assert (flow.inputs, flow.outputs, flow.operations) == ([0], [0], [])
    assert flow.values[0].grad.tolist() == np.ones_like(X).tolist()


def test_an_identity_that_somebody_put_there_is_an_operation():
    assert [operation.path for operation in Flow(nl.Sequential(nl.Identity(), nl.Tanh()), [X]).operations] == ["0", "1"]


# ---- paths and names -----------------------------------------------------------------------------


def nested():
    x = nl.Input("X")
    block = nl.Residual(nl.Sequential(("inner 'q'", affine(2, 2, 0)), nl.ReLU()))
    graph = nl.Graph([x], [nl.Tanh()(block(x, name="it's [a] block")) * nl.Weight("scale", [1.0, 2.0])])
    return nl.Sequential(("a", graph), nl.Sequential(nl.Sequential(affine(2, 3, 1))), Scale(np.ones(3)))


def test_paths_are_those_of_walk_and_of_parameters():
    model = nested()
    flow = Flow(model, [X])
    layers = dict(model.walk())
    for operation in flow.operations:
        assert type(layers[operation.path]) is type(operation.layer)
        assert flow.layers[operation.path] is operation.layer
    assert len({operation.path for operation in flow.operations}) == len(flow.operations) == 7
    parameters = {value.path: value for value in flow.values if value.kind == "parameter"}
    assert set(parameters) == set(model.parameters())
    for path, parameter in model.parameters().items():
        assert parameters[path].array.tolist() == parameter.value.tolist()


class Twice(nl.Layer):
    """A user's layer with layers inside, one of them in a list."""

    def __init__(self):
        self.first = Scale(np.array([2.0, 3.0]))
        self.rest = [nl.Sequential(nl.Tanh(), affine(2, 2, 0))]

    def forward(self, x):
        return self.rest[0].forward(self.first.forward(x))

    def backward(self, dout):
        return self.first.backward(self.rest[0].backward(dout))


@pytest.mark.parametrize(("wrap", "prefix"), [(lambda layer: layer, ""), (nl.Sequential, "0."), (nl.Residual, "layer.")])
def test_a_users_layer_with_layers_inside_is_one_operation_with_all_their_parameters(wrap, prefix):
    model = wrap(Twice())
    flow = Flow(model, [X])
    operation = flow.operations[0]
    assert operation.roles == ["x", "first.weight", "rest.0.1.weight", "rest.0.1.bias"]
    assert [flow.values[i].path for i in operation.parameters] == [prefix + role for role in operation.roles[1:]]
    model.forward(X)
    model.backward(np.ones((2, 2)))
    for number in operation.parameters:
        value = flow.values[number]
        np.testing.assert_allclose(value.grad, model.parameters()[value.path].grad, rtol=1e-13)


def test_a_container_with_a_forward_of_its_own_is_one_operation():
    class Shifted(nl.Sequential):
        def forward(self, *inputs):
            return super().forward(*inputs) + 1

    flow = Flow(Shifted(nl.Tanh(), affine(2, 2, 0)), [X])
    assert [operation.path for operation in flow.operations] == [""]
    assert [value.path for value in flow.values if value.kind == "parameter"] == ["1.weight", "1.bias"]


def test_names_are_those_that_somebody_gave():
    x = nl.Input("x")
    graph = nl.Graph([x], [nl.Tanh()(nl.Sigmoid()(x, name="Sigmoid's [1]")) * nl.Weight("'w'", [1.0, 2.0]) + nl.Constant("c", 1.0)])
    assert [value.name for value in Flow(graph, [X]).values] == ["x", "Sigmoid's [1]", "", "'w'", "", "c", ""]
    assert [value.name for value in Flow(nl.MeanSquaredError(), [X, X]).values] == ["y", "t", ""]


# ---- refusals ------------------------------------------------------------------------------------


def refusal(model, *inputs, dout=None):
    with pytest.raises(nl.NetlibError) as caught:
        Flow(model, inputs, dout)
    return str(caught.value)


def test_a_refusal_says_where_in_the_model():
    model = nl.Sequential(nl.Tanh(), nl.Residual(nl.Sequential(("wide", affine(3, 3, 0)))))
    with pytest.raises(nl.NetlibError) as caught:
        model.forward(X)
    assert refusal(model, X) == str(caught.value)
    assert refusal(model, X).startswith("Sequential[1].Residual.layer.Sequential['wide'] Affine(3, 3")
    assert refusal(affine(3, 3, 0), X).startswith("Affine(3, 3")


def test_a_refusal_inside_a_users_layer_is_that_of_its_forward():
    broken = Twice()
    broken.rest[0].append(affine(3, 3, 0))
    with pytest.raises(nl.NetlibError) as caught:
        broken.forward(X)
    assert refusal(broken, X) == str(caught.value)
    assert str(caught.value).startswith("Sequential[2]")


def test_an_opened_layer_refuses_in_its_own_words():
    with pytest.raises(nl.NetlibError, match=r"^Sequential\[0\] Affine\(3, 3.*expected \(…, 3\)"):
        Flow(nl.Sequential(affine(3, 3, 0)), [X], open_layers=True)


def test_a_wrong_dout_a_ragged_list_and_the_wrong_number_of_inputs_are_refused():
    assert "expected that of the output, (2, 3)" in refusal(chapter(), X, dout=np.ones((3, 2)))
    assert "expected a tuple of 2 arrays" in refusal(two_in_two_out(), X, X, dout=X)
    assert "not an array" in refusal(nl.Tanh(), [[1.0], [1.0, 2.0]])
    assert "got 2 arrays, expected 1: X" in refusal(chapter(), X, X)


class Unfit(nl.Layer):
    """Sends back a gradient of another shape than its input, or gives what is no array."""

    def __init__(self, y=None, dx=None):
        self.y, self.dx = y, dx

    def forward(self, x):
        return x if self.y is None else self.y

    def backward(self, dout):
        return self.dx


@pytest.mark.parametrize("y", ["text", 1j, object()])
def test_a_forward_that_gives_no_array_is_refused_with_its_place(y):
    assert refusal(nl.Sequential(nl.Tanh(), Unfit(y)), X).startswith("Sequential[1] Unfit(")


def test_a_gradient_that_does_not_fit_its_input_is_refused_with_its_place():
    said = refusal(nl.Sequential(nl.Tanh(), Unfit(dx=np.ones(3))), X)
    assert said.startswith("Sequential[1] Unfit(")
    assert "shape (3,)" in said
    assert "(2, 2)" in said
    assert "backward returned None" in refusal(nl.Sequential(nl.Tanh(), Unfit()), X)


def test_a_layer_with_several_outputs_that_gives_another_number_is_refused_with_its_place():
    class Three(Halves):
        def forward(self, x):
            return (*super().forward(x), x)

    x = nl.Input("X")
    left, right = Three()(x, name="T")
    assert "expected a tuple of 2 arrays" in refusal(nl.Graph([x], [left + right]), X)


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_an_error_of_a_users_layer_comes_through_with_its_place(where):
    model = nl.Sequential(nl.Tanh(), nl.Sequential(Fails(KeyError("mine"), where)))
    with pytest.raises(KeyError, match="mine") as caught:
        Flow(model, [X])
    assert "Sequential[1].Sequential[0]" in caught.value.__notes__[0]


def test_a_model_that_cannot_be_copied_is_refused():
    class Locked(nl.Layer):
        def __init__(self):
            self.generator = (i for i in range(3))

        def forward(self, x):
            return x

        def backward(self, dout):
            return dout

    assert "cannot be deep-copied" in refusal(Locked(), X)


# ---- depth ---------------------------------------------------------------------------------------


def deep_chain(n):
    return nl.Sequential(*[nl.Affine(2, 2, rng=i) if i % 2 else nl.Tanh() for i in range(n)])


def deep_nest(n):
    model = nl.Tanh()
    for _ in range(n):
        model = nl.Residual(model)
    return model


@pytest.mark.one_in(2)
@pytest.mark.parametrize("n", [1000, 3000])
def test_deep_models_flow(n):
    assert len(Flow(deep_chain(n), [X]).operations) == n


def test_deeply_nested_models_flow():
    flow = Flow(deep_nest(1000), [1e-300 * X])
    assert len(flow.operations) == 1001
    assert flow.operations[0].path.count(".") == 999
