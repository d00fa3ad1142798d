"""Symbolic nodes: what a graph is written with."""

import operator

import numpy as np
import pytest

import netlib as nl

A, B = np.array([[6.0, 8.0], [1.0, 2.0]]), np.array([[2.0, 4.0], [5.0, 0.5]])


@pytest.mark.parametrize("op", [operator.add, operator.sub, operator.mul, operator.truediv, operator.matmul])
def test_arithmetic_on_nodes_is_numpys(op):
    a, b = nl.Input("a"), nl.Input("b")
    model = nl.Graph([a, b], [op(a, b)])
    assert model.forward(A, B).tolist() == op(A, B).tolist()


def test_signs_powers_and_indices_on_nodes_are_numpys():
    a, b = nl.Input("a"), nl.Input("b")
    model = nl.Graph([a, b], [-a, a**b, a**2, a[1:, ::-1], a[0]])
    for ours, numpys in zip(model.forward(A, B), [-A, A**B, A**2, A[1:, ::-1], A[0]], strict=True):
        assert ours.tolist() == numpys.tolist()
    with pytest.raises(TypeError, match="not iterable"):
        iter(a)


def test_calling_a_layer_on_nodes_gives_a_node_and_on_arrays_an_array():
    x, layer = nl.Input("x"), nl.ReLU()
    assert isinstance(layer(x), nl.Node)
    assert layer(np.array([-1.0, 1.0])).tolist() == [0.0, 1.0]


def test_a_layer_of_several_outputs_gives_as_many_nodes():
    a, b = nl.Input("a"), nl.Input("b")
    both = nl.Graph([a, b], [a + b, a - b])
    x, y = nl.Input("x"), nl.Input("y")
    made = both(x, y)
    assert isinstance(made, tuple)
    assert len(made) == 2
    model = nl.Graph([x, y], [made[1]])
    assert model.forward(A, B).tolist() == (A - B).tolist()


def test_nodes_show_their_names_or_what_makes_them():
    x = nl.Input("X")
    assert repr(x) == "Input('X')"
    assert repr(nl.Weight("W", [1.0])) == "Weight('W')"
    assert repr(nl.Constant("C", [1.0])) == "Constant('C')"
    assert repr(nl.Affine(2, 3)(x)) == "Node(Affine(2, 3))"
    assert repr(nl.Affine(2, 3)(x, name="Y")) == "Node('Y')"


NUMBERS = [lambda x: x + 1, lambda x: 1 - x, lambda x: x - 0.1, lambda x: 0.5 * x, lambda x: x / 3, lambda x: 2 / x, lambda x: 2**x,
           lambda x: (1 - x) ** 2 / 2 + 1e-3 * x, lambda x: x * 0 + 3]  # fmt: skip


@pytest.mark.parametrize("formula", NUMBERS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_a_number_in_a_formula_follows_the_array_as_in_numpy(formula, dtype):
    x = nl.Input("x")
    model = nl.Graph([x], [formula(x)])
    for given in [A.astype(dtype), B.astype(dtype), A[0].astype(dtype)]:  # the second run of a shape is a planned one
        y = model.forward(given)
        assert y.dtype == formula(given).dtype == dtype
        assert y.tolist() == formula(given).tolist()
        assert model.predict(given).tolist() == y.tolist()
    assert nl.Graph([x], [formula(x)]).forward(A.astype(int)).dtype == np.float32


def test_the_gradient_of_a_formula_with_numbers_is_that_on_paper():
    x = nl.Input("x")
    model = nl.Graph([x], [(1 - x) ** 2 / 2 + 3 / x + 2**x])
    assert nl.check_gradients(model, A).ok
    model.forward(A)
    np.testing.assert_allclose(model.backward(np.ones_like(A)), A - 1 - 3 / A**2 + np.log(2) * 2**A, rtol=1e-14)


def test_numbers_stand_in_pictures_files_and_trained_graphs(tmp_path):
    x = nl.Input("x")
    h = nl.Affine(2, 3, rng=0)(x, name="h")
    model = nl.Graph([x], [0.25 * nl.Tanh()(1 - h) + 7])
    assert list(model.parameters()) == ["h.weight", "h.bias"]
    given = A.astype(np.float32)
    nl.save(model, tmp_path / "model.npz")
    assert nl.load(tmp_path / "model.npz").forward(given).tolist() == model.forward(given).tolist()
    drawing = nl.draw(model, given)
    constants = [node for node in drawing.picture.nodes if node.kind == "constant"]
    assert sorted(float(drawing.picture.wires[node.outputs[0]].value) for node in constants) == [0.25, 1.0, 7.0]
    assert all(not node.inputs for node in constants)
    assert all(wire.value.dtype == np.float32 for wire in drawing.picture.wires)
    loss, optimizer = nl.MeanSquaredError(), nl.SGD(model, lr=0.1)
    before = loss.forward(model.forward(given), np.full((2, 3), 7.0, np.float32))
    model.backward(loss.backward(), input_gradient=False)
    optimizer.step()
    assert loss.forward(model.forward(given), np.full((2, 3), 7.0, np.float32)) < before


def test_a_number_and_a_truth_value_are_not_the_same():
    x = nl.Input("x")
    for formula in [lambda: x + True, lambda: False * x, lambda: x**True, lambda: x @ 2, lambda: 2 @ x, lambda: nl.Scalar(np.ones(2))]:
        with pytest.raises(nl.InvalidTypeError):
            formula()


@pytest.mark.parametrize("other", [True, np.ones(2), [1.0], np.float64(3.0), np.float32(3.0), None])
@pytest.mark.parametrize("op", [operator.add, operator.sub, operator.mul, operator.truediv, operator.matmul])
def test_a_node_beside_an_array_is_refused_with_the_way_out_on_either_side(op, other):
    x = nl.Input("x")
    for left, right in [(x, other), (other, x)]:
        with pytest.raises(nl.InvalidTypeError, match=r"got nodes together with .*nl\.Constant\('name', array\)"):
            op(left, right)


def test_a_layer_of_nodes_and_arrays_is_refused_by_the_layers_name():
    x = nl.Input("x")
    for args in [(x, np.ones(2)), (np.ones(2), x)]:
        with pytest.raises(nl.InvalidTypeError, match=r"^Add\(\): got nodes together with ndarray"):
            nl.Add()(*args)


def test_a_node_is_no_array():
    x = nl.Input("x")
    for forward in (nl.ReLU().forward, nl.Sequential(nl.ReLU()).forward, nl.Affine(2, 2).forward):
        with pytest.raises(nl.InvalidTypeError):
            forward(x)


@pytest.mark.parametrize("make", [nl.Input, lambda name: nl.Weight(name, [1.0]), lambda name: nl.Constant(name, [1.0])])
@pytest.mark.parametrize("name", ["", "a.b", 3, None, ["x"]])
def test_a_name_is_a_word_without_dots(make, name):
    with pytest.raises(nl.InvalidValueError, match="cannot name a node"):
        make(name)


@pytest.mark.parametrize("make", [nl.Weight, nl.Constant])
@pytest.mark.parametrize("value", [["a"], [[1.0], [1.0, 2.0]], None, [1j]])
def test_the_value_of_a_weight_or_constant_is_made_of_real_numbers(make, value):
    with pytest.raises(nl.NetlibError):
        make("W", value)


def test_a_node_belongs_to_as_many_graphs_as_name_it():
    x = nl.Input("x")
    h = nl.Tanh()(x)
    inner, outer = nl.Graph([x], [h]), nl.Graph([x], [h * h])
    assert outer.forward(A).tolist() == (inner.forward(A) ** 2).tolist()
