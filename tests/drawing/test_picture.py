"""Nodes and wires: what is drawn is what flowed, and the way through it leaves nothing out."""

import numpy as np
import pytest
from own_layers import Halves, Scale, affine

import netlib as nl
from netlib.drawing.elements import Line, Reference
from netlib.drawing.flow import Flow
from netlib.drawing.parts import MOST_NODES
from netlib.drawing.picture import Picture

X = np.array([[1.0, 2.0], [3.0, -1.0]])


def drawn(model, *inputs, dout=None, folded=False, open_layers=False):
    picture = Picture(Flow(model, inputs or (X,), dout, open_layers), folded)
    assert_sound(picture)
    return picture


def assert_sound(picture):
    """Check what holds for every picture."""
    nodes, wires = picture.nodes, picture.wires
    assert [node.number for node in nodes] == list(range(len(nodes)))
    assert [wire.number for wire in wires] == list(range(len(wires)))
    for wire in wires:
        assert wire.source < wire.target  # so the nodes are in topological order
        assert nodes[wire.source].outputs.count(wire.number) == 1
        assert nodes[wire.target].inputs.count(wire.number) == 1
        assert wire.grad is None or (type(wire.grad) is np.ndarray and wire.grad.shape == wire.value.shape)
    assert sorted(i for node in nodes for i in node.inputs) == sorted(i for node in nodes for i in node.outputs) == list(range(len(wires)))
    assert all(wire.name for wire in wires)
    assert all(node.title for node in nodes)
    names = [wire.name for wire in wires]
    assert len(set(names)) == len(names)
    for node in nodes:
        if node.kind == "fan-out":
            assert_sum(picture, node)
        for line in node.forward + node.backward:
            mentioned = [part for part in [line.result, *line.parts] if isinstance(part, Reference)]
            assert all(each.wire in node.inputs + node.outputs for each in mentioned)
            assert all(picture.wires[each.wire].grad is not None for each in mentioned if each.is_grad)
    assert_way(picture)


def assert_sum(picture, node):
    (trunk,), branches = [picture.wires[i] for i in node.inputs], [picture.wires[i] for i in node.outputs]
    assert len(branches) > 1
    assert all(branch.value is trunk.value for branch in branches)
    assert [branch.name for branch in branches] == [f"{trunk.name}({i})" for i in range(1, len(branches) + 1)]
    shares = [branch for branch in branches if branch.grad is not None]
    if not shares:
        assert trunk.grad is None
        assert node.backward == []
        return
    np.testing.assert_allclose(trunk.grad, sum(branch.grad for branch in shares), rtol=1e-13)
    (line,) = node.backward
    assert line.result == Reference(trunk.number, True)
    assert [part for part in line.parts if isinstance(part, Reference)] == [Reference(branch.number, True) for branch in shares]
    assert {part for part in line.parts if isinstance(part, str)} <= {" + "}


def assert_way(picture):
    forward = [moment for moment in picture.moments if moment.phase == "forward"]
    backward = [moment for moment in picture.moments if moment.phase == "backward"]
    assert picture.moments == forward + backward
    assert [moment.node for moment in forward] == [node.number for node in picture.nodes if node.kind not in ("output", "exit", "unused")]
    assert sorted(i for moment in forward for i in moment.wires) == list(range(len(picture.wires)))
    assert [moment.node for moment in backward] == sorted((moment.node for moment in backward), reverse=True)
    with_gradient = [wire.number for wire in picture.wires if wire.grad is not None]
    assert sorted(i for moment in backward for i in moment.wires) == with_gradient


def titles(picture):
    return [f"{node.kind} {node.title}" for node in picture.nodes]


def names(picture):
    return [wire.name for wire in picture.wires]


def ends(picture):
    return {wire.name: (picture.nodes[wire.source].title, picture.nodes[wire.target].title) for wire in picture.wires}


# ---- the chapter ---------------------------------------------------------------------------------


def test_the_chapters_graph_has_the_nodes_and_wires_of_fig_1_8():
    x, w, b = nl.Input("X"), nl.Weight("W", np.ones((2, 3))), nl.Weight("B", np.ones((1, 3)))
    picture = drawn(nl.Graph([x], [nl.Sum()(nl.Tanh()(nl.Add()(nl.MatMul()(x, w, name="XW"), b, name="Y")))]))
    assert [node.symbol for node in picture.nodes] == ["", "", "dot", "", "+", "tanh", "Σ", ""]
    assert [node.kind for node in picture.nodes] == ["input", "parameter", "operation", "parameter", *["operation"] * 3, "output"]
    assert ends(picture) == {
        "X": ("X", "MatMul()"),
        "W": ("W", "MatMul()"),
        "XW": ("MatMul()", "Add()"),
        "B": ("B", "Add()"),
        "Y": ("Add()", "Tanh()"),
        "H": ("Tanh()", "Sum()"),
        "L": ("Sum()", "L"),
    }
    dot = picture.nodes[2]
    at = {wire.name: wire.number for wire in picture.wires}
    assert dot.roles == ["a", "b"]
    assert dot.forward == [Line(Reference(at["XW"], False), [Reference(at["X"], False), "·", Reference(at["W"], False)])]
    assert dot.backward == [
        Line(Reference(at["X"], True), [Reference(at["XW"], True), "·", Reference(at["W"], False, True)]),
        Line(Reference(at["W"], True), [Reference(at["X"], False, True), "·", Reference(at["XW"], True)]),
    ]
    assert picture.nodes[4].backward[1] == Line(Reference(at["B"], True), ["sum[axis=0](", Reference(at["Y"], True), ")"])


def test_an_opened_affine_has_the_nodes_of_figs_1_6_and_1_7():
    picture = drawn(nl.Sequential(affine(2, 3, 0)), open_layers=True)
    assert ends(picture) == {
        "X": ("X", "MatMul()"),
        "W": ("W", "MatMul()"),
        "A": ("MatMul()", "Add()"),
        "D": ("D", "MatMul()"),
        "B": ("B", "MatMul()"),
        "DB": ("MatMul()", "Add()"),
        "Y": ("Add()", "Y"),
    }
    assert [node.kind for node in picture.nodes if node.title == "D"] == ["constant"]
    assert next(wire for wire in picture.wires if wire.name == "D").grad is None
    assert [wire.path for wire in picture.wires if wire.name in "WB"] == ["0.weight", "0.bias"]


def test_shared_weights_that_are_opened_are_one_parameter_with_a_fan_out():
    encode = affine(2, 2, 0)
    for open_layers in (False, True):
        picture = drawn(nl.Sequential(encode, nl.Tanh(), encode.tied_copy()), open_layers=open_layers)
        assert [node.title for node in picture.nodes if node.kind == "parameter"] == ["W", "B"]
        assert [node.title for node in picture.nodes if node.kind == "fan-out"] == ["W", "B"]


# ---- fan-out -------------------------------------------------------------------------------------


def test_a_value_with_several_uses_goes_through_a_fan_out_with_a_branch_for_each():
    x = nl.Input("X")
    picture = drawn(nl.Graph([x], [nl.Tanh()(x) + nl.Sigmoid()(x) + nl.Identity()(x)]))
    (fan_out,) = [node for node in picture.nodes if node.kind == "fan-out"]
    assert [picture.nodes[picture.wires[i].target].title for i in fan_out.outputs] == ["Tanh()", "Sigmoid()", "Identity()"]
    trunk = picture.wires[fan_out.inputs[0]]
    s = 1 / (1 + np.exp(-X))
    np.testing.assert_allclose(trunk.grad, (1 - np.tanh(X) ** 2) + s * (1 - s) + 1)


def test_x_times_x_takes_x_twice():
    x = nl.Input("X")
    picture = drawn(nl.Graph([x], [x * x]))
    assert names(picture) == ["X", "X(1)", "X(2)", "Y"]
    trunk, first, second, _ = picture.wires
    assert first.grad.tolist() == second.grad.tolist() == X.tolist()
    assert trunk.grad.tolist() == (2 * X).tolist()
    times = picture.nodes[first.target]
    assert times.backward[0] == Line(Reference(first.number, True), [Reference(3, True), " ⊙ ", Reference(second.number, False)])


def test_an_output_that_is_used_inside_too_has_a_branch_to_the_output_that_carries_the_seed():
    x = nl.Input("X")
    h = nl.Tanh()(x, name="H")
    picture = drawn(nl.Graph([x], [h, nl.Sum()(h)]), dout=(5 * np.ones_like(X), 2.0))
    branches = {picture.nodes[wire.target].kind: wire for wire in picture.wires if wire.name.startswith("H(")}
    assert branches["output"].grad.tolist() == (5 * np.ones_like(X)).tolist()
    assert branches["operation"].grad.tolist() == (2 * np.ones_like(X)).tolist()
    assert [node.title for node in picture.nodes if node.kind == "output"] == ["H", "L"]


def test_a_share_that_was_not_computed_is_no_term_of_the_sum():
    x = nl.Input("X")
    picture = drawn(nl.Graph([x], [nl.MeanSquaredError()(nl.Tanh()(x), x)]))
    (fan_out,) = [node for node in picture.nodes if node.kind == "fan-out"]
    assert [picture.wires[i].grad is None for i in fan_out.outputs] == [False, True]
    assert len(fan_out.backward[0].parts) == 1


def test_targets_used_twice_have_no_sum():
    x, t = nl.Input("X"), nl.Input("T")
    picture = drawn(nl.Graph([x, t], [nl.MeanSquaredError()(x, t) + nl.Huber()(x, t)]), X, X + 1)
    fan_out = next(node for node in picture.nodes if node.kind == "fan-out" and node.title == "T")
    assert fan_out.backward == []


# ---- what is not used ----------------------------------------------------------------------------


def test_an_unused_output_ends_visibly_and_without_a_gradient():
    x = nl.Input("X")
    left, _ = Halves()(x, name="H")
    picture = drawn(nl.Graph([x], [nl.Tanh()(left)]))
    (unused,) = [node for node in picture.nodes if node.kind == "unused"]
    (wire,) = [picture.wires[i] for i in unused.inputs]
    assert wire.grad is None
    assert picture.nodes[wire.source].title == "Halves()"
    assert names(picture) == ["X", "H1", "H2", "Y"]


def test_a_container_of_nothing_is_an_input_and_an_output():
    picture = drawn(nl.Sequential())
    assert titles(picture) == ["input X", "output X"]
    assert picture.wires[0].grad.tolist() == np.ones_like(X).tolist()


def test_a_layer_without_a_rule_or_with_several_outputs_has_none():
    x = nl.Input("X")
    left, right = Halves()(x)
    picture = drawn(nl.Graph([x], [Scale(1.0)(left) + right]))
    without = [type(node.layer) for node in picture.nodes if node.kind == "operation" and node.forward == node.backward == []]
    assert without == [Halves, Scale]


# ---- names ---------------------------------------------------------------------------------------


def test_made_up_names_are_the_chapters_letters_with_numbers_where_several_would_have_one():
    model = nl.Sequential(affine(2, 3, 0), nl.Tanh(), affine(3, 1, 1))
    assert names(drawn(model)) == ["X", "W1", "B1", "H1", "H2", "W2", "B2", "Y"]
    assert names(drawn(nl.Tanh())) == ["X", "Y"]
    assert names(drawn(nl.MeanSquaredError(), X, X)) == ["y", "t", "L"]
    assert names(drawn(nl.MeanSquaredError(reduction="none"), X, X)) == ["y", "t", "L"]
    assert names(drawn(nl.Sequential(nl.Add()), X, X)) == ["X1", "X2", "Y"]


def test_only_what_a_loss_made_and_single_numbers_are_called_l():
    x, t = nl.Input("X"), nl.Input("T")
    h = nl.Tanh()(x)
    picture = drawn(nl.Graph([x, t], [h, nl.MeanSquaredError(reduction="none")(h, t), nl.Sum()(h)]), X, X)
    assert [node.title for node in picture.nodes if node.kind == "output"] == ["Y", "L1", "L2"]


def test_given_names_are_kept_and_others_make_way():
    x = nl.Input("W")
    h = nl.Tanh()(affine(2, 2, 0)(x, name="H1"), name="Y")
    picture = drawn(nl.Graph([x], [nl.Sigmoid()(nl.ReLU()(nl.ReLU()(nl.Identity()(h)))) * nl.Weight("bias", [1.0, 2.0])]))
    assert names(picture) == ["W", "W1", "B", "H1", "Y", "H2", "H3", "H4", "H5", "bias", "Y1"]


def test_names_are_unique_also_where_a_numbered_name_was_given():
    x = nl.Input("H2")
    h = nl.Tanh()(x, name="H11")
    for _ in range(14):
        h = nl.Tanh()(h)
    drawn(nl.Graph([x], [h]))
    graphs = [nl.Graph([z := nl.Input("z")], [nl.Tanh()(z, name=name)]) for name in ["A1", "A1", *["A"] * 12]]
    assert len(set(names(drawn(nl.Sequential(*graphs))))) == 15
    inner = [nl.Graph([z := nl.Input("z")], [nl.Tanh()(nl.Sigmoid()(z, name="a"), name="a1")]) for _ in range(3)]
    assert names(drawn(nl.Sequential(*inner))) == ["X", "a1", "a11", "a2", "a12", "a3", "a13"]


# ---- folding -------------------------------------------------------------------------------------


def test_a_folded_container_is_one_node_that_takes_and_sends_what_the_layers_inside_do():
    block = nl.Residual(nl.Sequential(affine(2, 2, 0), nl.Tanh()))
    model = nl.Sequential(nl.Tanh(), block, nl.Sum())
    picture = drawn(model, folded=True)
    assert titles(picture) == ["input X", "operation Tanh()", "group Residual", "operation Sum()", "output L"]
    group = picture.nodes[2]
    assert (group.folds, group.path, type(group.layer)) == (3, "1", nl.Residual)
    into, out = picture.wires[group.inputs[0]], picture.wires[group.outputs[0]]
    reference = nl.Sequential(block)
    np.testing.assert_allclose(out.value, reference.forward(np.tanh(X)), rtol=1e-14)
    np.testing.assert_allclose(into.grad, reference.backward(np.ones((2, 2))), rtol=1e-14)  # the sum over both ways through the block


def test_two_uses_inside_a_folded_container_are_one_wire_into_it():
    x = nl.Input("x")
    square = nl.Graph([x], [x * x])
    picture = drawn(nl.Sequential(("square", square), nl.Identity()), folded=True)
    assert titles(picture) == ["input X", "group Graph", "operation Identity()", "output Y"]
    assert picture.wires[0].grad.tolist() == (2 * X).tolist()


def test_parameters_and_constants_of_a_folded_container_are_folded_into_it():
    x = nl.Input("x")
    graph = nl.Graph([x], [x @ nl.Weight("W", np.ones((2, 2))) + nl.Constant("c", 1.0)])
    assert titles(drawn(nl.Sequential(graph, affine(2, 2, 0)), folded=True)) == [
        "input X",
        "group Graph",
        "parameter W1",
        "parameter B",
        "operation Affine(2, 2, dtype='float64')",
        "output Y",
    ]


def test_a_parameter_that_is_shared_with_a_layer_outside_is_drawn_and_its_shares_add_up():
    encode = affine(2, 2, 0)
    model = nl.Sequential(nl.Sequential(encode, nl.Tanh()), nl.ReLU(), encode.tied_copy(), encode.tied_copy())
    picture = drawn(model, folded=True)
    assert [node.title for node in picture.nodes if node.kind == "fan-out"] == ["W", "B"]
    group = next(node for node in picture.nodes if node.kind == "group")
    assert [picture.wires[i].name for i in group.inputs] == ["X", "W(1)", "B(1)"]
    model.forward(X)
    model.backward(np.ones((2, 2)))
    trunk = next(wire for wire in picture.wires if wire.name == "W")
    np.testing.assert_allclose(trunk.grad, model.parameters()["0.0.weight"].grad, rtol=1e-13)


def test_a_value_read_inside_and_outside_a_folded_container_comes_out_of_it():
    x = nl.Input("x")
    h = nl.Tanh()(x, name="h")
    inner = nl.Graph([x], [h, nl.Sigmoid()(h, name="s")])
    picture = drawn(nl.Sequential(("inner", inner), nl.Add()), folded=True)
    assert titles(picture) == ["input X", "group Graph", "operation Add()", "output Y"]
    assert [picture.wires[i].name for i in picture.nodes[1].outputs] == ["h", "s"]


def test_what_comes_out_of_a_folded_container_collects_the_gradients_from_outside_alone():
    x = nl.Input("x")
    h = nl.Tanh()(x, name="h")
    inner = nl.Graph([x], [h, nl.Sigmoid()(h, name="s")])
    y = nl.Input("y")
    first, second = inner(y, name="inner")
    picture = drawn(nl.Graph([y], [first * first + second]), folded=True)
    trunk = next(wire for wire in picture.wires if wire.name == "h")
    np.testing.assert_allclose(trunk.grad, 2 * np.tanh(X))


def test_an_output_that_nobody_uses_inside_a_folded_container_is_folded_away():
    x = nl.Input("x")
    left, _ = Halves()(x)
    model = nl.Sequential(nl.Graph([x], [nl.Tanh()(left)]), nl.Identity())
    assert "unused not used" in titles(drawn(model))
    assert titles(drawn(model, folded=True)) == ["input X", "group Graph", "operation Identity()", "output Y"]


def chain(n):
    return nl.Sequential(*[affine(2, 2, i) if i % 2 else nl.Tanh() for i in range(n)])


def test_a_model_of_a_few_layers_is_not_folded():
    picture = drawn(chain(MOST_NODES))
    assert sum(node.kind == "operation" for node in picture.nodes) == MOST_NODES


@pytest.mark.one_in(2)
@pytest.mark.parametrize("n", [MOST_NODES + 1, 1000, 3000])
def test_a_long_chain_is_drawn_at_its_ends_and_folded_between(n):
    picture = drawn(chain(n))
    drawn_nodes = [node for node in picture.nodes if node.kind in ("operation", "group")]
    assert len(drawn_nodes) <= 45
    (group,) = [node for node in drawn_nodes if node.kind == "group"]
    assert group.folds == n - (len(drawn_nodes) - 1)
    assert group.title == f"{group.folds} layers"
    assert (len(group.inputs), len(group.outputs)) == (1, 1)
    assert drawn_nodes[0].path == "0"
    assert drawn_nodes[-1].path == str(n - 1)
    assert len(picture.nodes) < 90


def test_long_chains_of_containers_and_of_skips_stay_small():
    blocks = nl.Sequential(*[nl.Residual(nl.Sequential(affine(2, 2, i), nl.Tanh())) for i in range(300)])
    for folded in (False, True):
        picture = drawn(blocks, folded=folded)
        assert sum(node.kind in ("operation", "group") for node in picture.nodes) <= 45
    x = nl.Input("x")
    h = nl.Tanh()(x, name="first")
    last = h
    for _ in range(200):
        last = nl.Tanh()(last)
    picture = drawn(nl.Graph([x], [last + h]))
    assert sum(node.kind in ("operation", "group") for node in picture.nodes) <= 45
    assert [picture.nodes[wire.target].title for wire in picture.wires if wire.name.startswith("first(")] == ["Tanh()", "Add()"]


# ---- all sorts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(30))
def test_random_graphs_are_sound_however_they_are_drawn(seed):
    rng = np.random.default_rng(seed)
    x, z = nl.Input("X"), nl.Input("Z")
    nodes = [x, z, nl.Weight("V", rng.normal(size=(2, 2))), nl.Constant("C", rng.normal(size=2))]
    shared = affine(2, 2, seed)
    for i in range(int(rng.integers(3, 25))):
        a, b = (nodes[int(j)] for j in rng.integers(len(nodes), size=2))
        makers = [
            lambda a=a, b=b: nl.Add()(a, b),
            lambda a=a, b=b: a * b,
            lambda a=a: nl.Tanh()(a),
            lambda a=a: nl.Residual(nl.Sequential(affine(2, 2, 1), nl.ReLU()))(a),
            lambda a=a: shared.tied_copy()(a),
            lambda a=a, b=b: nl.Concatenate()(*Halves()(a)) + b,
            lambda a=a, i=i: nl.Sigmoid()(a, name=f"n{i}"),
        ]
        nodes.append(makers[int(rng.integers(len(makers)))]())
    outputs = [nl.Add()(x, z, nodes[-1]), nl.Multiply()(nodes[-1], x)]
    graph = nl.Graph([x, z], outputs)
    for folded in (False, True):
        for open_layers in (False, True):
            drawn(graph, X, X + 1, folded=folded, open_layers=open_layers)


# the inside of a part


def blocks():
    x = nl.Input("x")
    residual = nl.Residual(nl.Sequential(affine(2, 2, 1), nl.Tanh()))
    return nl.Sequential(("stem", affine(2, 2, 0)), ("block", residual), ("end", nl.Graph([x], [x * x])))


def part(model, within, *inputs, **options):
    picture = Picture(Flow(model, inputs or (X,)), within=within, **options)
    assert_sound(picture)
    return picture


def test_a_part_shows_what_comes_in_and_what_goes_on_with_the_gradients_of_the_whole():
    model = blocks()
    picture, whole = part(model, "block"), drawn(model)
    assert titles(picture) == [
        "entry H1", "fan-out H1", "parameter W2", "parameter B2", "operation Affine(2, 2, dtype='float64')", "operation Tanh()",
        "operation ResidualAdd()", "exit H4",
    ]  # fmt: skip
    assert picture.nodes[0].path == "stem"
    there = {wire.name: wire for wire in whole.wires}
    for wire in picture.wires:
        if wire.name != "H4":
            np.testing.assert_array_equal(wire.value, there[wire.name].value)
            np.testing.assert_array_equal(wire.grad, there[wire.name].grad)
    last = picture.wires[-1]
    y = model[1].forward(model[0].forward(X))
    np.testing.assert_allclose(last.value, y, rtol=1e-14)
    np.testing.assert_allclose(last.grad, 2 * y, rtol=1e-14)  # of Σ y², which is what the rest makes of it
    np.testing.assert_allclose(picture.wires[0].grad, model[1].backward(2 * y), rtol=1e-13)


def test_of_what_a_part_makes_and_uses_too_only_the_share_of_the_rest_comes_back_at_the_exit():
    x, z = nl.Input("x"), nl.Input("z")
    h = nl.Tanh()(z, name="h")
    a, b = nl.Graph([z], [h, h * h])(x)
    model = nl.Graph([x], [a + b + b])
    path = next(node.path for node in drawn(model, folded=True).nodes if node.kind == "group")
    picture = part(model, path)
    fan = next(node for node in picture.nodes if node.kind == "fan-out")
    h = np.tanh(X)
    np.testing.assert_allclose(picture.wires[fan.inputs[0]].grad, 1 + 4 * h, rtol=1e-14)
    to_exit = [picture.wires[i] for i in fan.outputs if picture.nodes[picture.wires[i].target].kind == "exit"]
    assert [wire.grad.tolist() for wire in to_exit] == [np.ones((2, 2)).tolist()]


def test_the_path_of_a_single_layer_shows_that_layer_alone():
    picture = part(nl.Sequential(nl.Tanh(), affine(2, 2, 0), nl.ReLU()), "1")
    assert titles(picture) == ["entry H1", "parameter W", "parameter B", "operation Affine(2, 2, dtype='float64')", "exit H2"]


def test_a_path_that_only_begins_alike_is_outside():
    model = nl.Sequential(*[nl.Sequential(nl.Tanh()) for _ in range(11)])
    assert sum(node.kind == "operation" for node in part(model, "1").nodes) == 1


def test_a_value_has_the_same_name_in_every_picture_of_a_model():
    model = nl.Sequential(affine(2, 2, 0), nl.Sequential(affine(2, 2, 1), nl.Tanh()), nl.Residual(nl.Sequential(affine(2, 2, 2))))
    flow = Flow(model, [X])
    names = {}
    for picture in [Picture(flow), Picture(flow, folded=True), Picture(flow, within="1"), Picture(flow, within="2.layer")]:
        for wire in picture.wires:
            name = wire.name.partition("(")[0]
            assert names.setdefault(name, wire.value).tobytes() == wire.value.tobytes()


def test_a_large_part_is_folded_where_there_are_containers_in_it():
    model = nl.Sequential(nl.Sequential(*[nl.Sequential(*[nl.Tanh() for _ in range(10)]) for _ in range(5)]))
    picture = part(model, "0")
    assert [node.path for node in picture.nodes if node.kind == "group"] == [f"0.{i}" for i in range(5)]
    assert [node.kind for node in picture.part("0.3").nodes].count("operation") == 10


def test_the_seed_enters_a_part_at_the_end_of_the_model():
    picture = Picture(Flow(nl.Sequential(nl.Tanh(), nl.ReLU()), [X], 3 * X), within="1")
    assert picture.wires[-1].grad.tolist() == (3 * X).tolist()
