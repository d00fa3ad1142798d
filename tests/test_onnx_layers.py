"""The layers of the ONNX room keep what every layer of netlib keeps, and `nl.save` opens them again."""

import numpy as np
import pytest

import netlib as nl
from netlib.onnx.layers import (
    Cast,
    Compress,
    CumulativeProduct,
    Determinant,
    Discrete,
    Elementwise,
    GatherElements,
    GatherND,
    Late,
    Modulo,
    OnIntegers,
    Product,
    ReverseSequence,
    ScatterElements,
    ScatterND,
    Tile,
    TopK,
    Triangle,
)
from netlib.onnx.layers.discrete import FUNCTIONS as DISCRETE
from netlib.onnx.layers.elementwise import FUNCTIONS as ELEMENTWISE

X = np.random.default_rng(0).uniform(0.1, 0.9, (3, 4))
INSIDE = {"acosh": X + 1, "sign": X - 0.5, "round": X}
ROWS = {
    **{f"elementwise {name}": (Elementwise(name), INSIDE.get(name, X)) for name in ELEMENTWISE},
    "cumulative product": (CumulativeProduct(0), X),
    "product": (Product(1), X),
    "product of all": (Product(keepdims=True), X),
    "determinant": (Determinant(), X[:, :3] + np.eye(3)),
    "modulo": (Modulo(), X + 3, X[0]),
    "modulo, truncated": (Modulo(truncate=True), X - 2, X[0]),
    "gather elements": (GatherElements(1), X, np.array([[0, -1], [2, 2]])),
    "gather nd": (GatherND(), X, np.array([[0, -1], [2, 2]])),
    "gather nd, batch": (GatherND(batch_dims=1), X, np.array([[0], [-1], [2]])),
    "scatter elements": (ScatterElements(1), X, X[:, :2] + 1, np.array([[0, 0], [-1, 2], [1, 3]])),
    "scatter elements, added": (ScatterElements(0, add=True), X, X[:2] + 1, np.array([[0, 0, 0, 0], [0, 1, 2, 2]])),
    "scatter nd": (ScatterND(), X, X[:2] + 1, np.array([[2], [0]])),
    "compress": (Compress(1), X, np.array([True, False, True])),
    "compress flat": (Compress(), X, np.array([False, True, True, False, True])),
    "reverse": (ReverseSequence(), X, np.array([4, 1, 2])),
    "tile": (Tile((2, 3)), X),
    "triangle": (Triangle(upper=False, k=1), X),
}
WITHOUT_ROWS = {
    "scatter nd, added": (ScatterND(add=True), X, X[:2, 0] + 1, np.array([[2, 1], [2, 1]])),
    "scatter elements, twice": (ScatterElements(0), X, X[:2] + 1, np.array([[0, 0, 0, 0], [0, 1, 2, 2]])),
    "late reshape": (Late("reshape"), X, np.array([0, 2, -1])),
    "late reshape to": (Late("reshape to"), X, np.array([2, -1])),
    "late flatten": (Late("flatten"), X, np.array([1])),
    "late expand": (Late("expand"), X, np.array([2, 3, 1])),
    "late tile": (Late("tile"), X, np.array([1, 2])),
    "late slice": (Late("slice"), X, np.array([1]), np.array([9]), np.array([-1]), np.array([2])),
    "late pad": (Late("pad"), X, np.array([1, 2]), np.array([1])),
}  # their other inputs have no row for each row of x


@pytest.mark.one_in(3)
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_layer_keeps_the_rules_of_layers(row):
    layer, *inputs = row
    nl.testing.check_layer(layer, *inputs)


@pytest.mark.parametrize("row", WITHOUT_ROWS.values(), ids=WITHOUT_ROWS)
def test_backward_is_the_derivative_of_forward(row):
    layer, *inputs = row
    report = nl.check_gradients(layer, *inputs)
    assert report.ok, str(report)


def test_the_largest_numbers_have_the_gradient():
    graph = nl.Graph([x := nl.Input("x"), k := nl.Input("k")], [TopK(1)(x, k)[0]])
    assert nl.check_gradients(graph, X, np.array([2])).errors["input 0"] < 1e-6


def test_a_cast_rounds_the_value_and_the_gradient_has_the_type_of_x():
    cast = Cast("float32")
    y = cast.forward(X)
    assert y.dtype == np.float32
    assert np.array_equal(y, X.astype(np.float32))
    assert cast.backward(np.ones((3, 4))).dtype == np.float64


def test_no_gradient_flows_through_whole_numbers_and_booleans():
    x = nl.Input("x")
    mask = Discrete("greater")(x, nl.Constant("half", 0.5))
    graph = nl.Graph([x], [nl.Where()(x, x + x, mask), OnIntegers(nl.Sum(1), "int64")(Discrete("cast")(x))])
    y, n = graph.forward(X)
    assert n.dtype == np.int64
    assert np.array_equal(y, np.where(X > 0.5, X, 2 * X))
    dx = graph.backward((np.ones((3, 4)), np.ones(3)))
    assert np.array_equal(dx, np.where(X > 0.5, 1.0, 2.0))


def test_unknown_functions_are_named_with_those_that_there_are():
    for make, known in [(Discrete, DISCRETE), (Elementwise, ELEMENTWISE), (Late, {"reshape": None})]:
        with pytest.raises(nl.InvalidValueError, match=next(iter(known))):
            make("nothing")


@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (GatherElements(), (X, [[9]])),
        (GatherND(), (X, [[0, 9]])),
        (ScatterND(), (X, [1.0], [[9, 0]])),
        (ScatterND(), (X, [1.0], [[0, 0, 0]])),
        (ScatterElements(), (X, [1.0], [0])),
        (ScatterElements(), (X, [[1.0, 2.0]], [[0]])),
        (Compress(0), (X, [False, False, False, True])),
        (TopK(), (X, [9])),
        (Tile((2,)), (X,)),
        (Discrete("and"), (np.ones(2), np.ones(3))),
    ],
    ids=lambda each: repr(each) if isinstance(each, nl.Layer) else "",
)
def test_inputs_that_do_not_fit_are_refused(layer, inputs):
    with pytest.raises((nl.ShapeError, nl.InvalidValueError)):
        layer.forward(*map(np.asarray, inputs))
