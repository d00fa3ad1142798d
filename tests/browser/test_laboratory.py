"""The laboratory: after any change in the page, its JavaScript agrees with netlib to 1e-9, forward and backward, on every wire."""

import copy
import math
import re
from pathlib import Path

import numpy as np
import pytest
from rule_rows import DRAWN_LOSSES, LOSSES, MORE, is_no_formula
from table import ROWS

import netlib as nl
from netlib.drawing import numbers
from netlib.drawing.flow import Flow
from netlib.drawing.page import to_data
from netlib.drawing.picture import Picture
from netlib.layers.head_attention import HeadAttention


def graph(layer, n):
    xs = [nl.Input(f"X{i}") for i in range(n)]
    return nl.Graph(inputs=xs, outputs=[layer(*xs)])


def affine(n, m, rng=0, **settings):
    return nl.Affine(n, m, rng=rng, dtype="float64", **settings)


def fan_out():
    x = nl.Input("X")
    h = nl.Tanh()(x, name="H")
    return nl.Graph(inputs=[x], outputs=[nl.Add()(nl.Multiply()(x, h), nl.Multiply()(h, h), x, name="Y")])


def two_outputs():
    x, w = nl.Input("X"), nl.Weight("W", np.ones((3, 2)))
    h = nl.MatMul()(x, w, name="H")
    return nl.Graph(inputs=[x], outputs=[nl.Sigmoid()(h, name="P"), nl.Sum(axis=0)(h, name="S")])


def shared():
    first = affine(3, 3)
    return nl.Sequential(first, nl.Tanh(), first.tied_copy())


class Gain(nl.Layer):
    """A user's own layer with a rule, written with the signs that are on every keyboard."""

    rule = "y = 2 x * weight - 1; dx = 2 dy * weight; dweight = sum[axis=0](2 dy * x)"

    def __init__(self):
        self.weight = nl.Parameter(np.array([2.0, -1.0, 0.5]))

    def forward(self, x):
        self.x = np.array(x)
        return 2 * self.x * self.weight.value - 1

    def backward(self, dout):
        self.weight.grad += (2 * dout * self.x).sum(axis=0)
        return 2 * dout * self.weight.value


CASES = {
    "Softmax": (nl.Sequential(nl.Softmax()), [(2, 5)]),
    "Add": (graph(nl.Add(), 3), [(2, 3), (3,), (2, 1)]),
    "Affine": (nl.Sequential(affine(3, 2), nl.Tanh(), affine(2, 4, 1)), [(4, 3)]),
    "Residual": (nl.Residual(nl.Sequential(affine(3, 3), nl.GELU())), [(2, 3)]),
    "a fan-out": (fan_out(), [(2, 3)]),
    "shared weights": (shared(), [(2, 3)]),
    "two outputs": (two_outputs(), [(2, 3)]),
    "Huber": (nl.Huber(0.5), [(2, 3), (2, 3)]),
    "Hinge": (nl.Hinge(), [(2, 3), "signs"]),
    "SoftmaxCrossEntropy": (nl.SoftmaxCrossEntropy(), [(2, 3), "labels"]),
    "a user's layer": (nl.Sequential(Gain(), nl.Tanh(), Gain()), [(4, 3)]),
}


def numbers_for(shape, rng):
    if shape == "labels":
        return rng.integers(0, 3, 2)
    if shape == "signs":
        return rng.choice([-1.0, 1.0], (2, 3))
    if shape == "probabilities":
        return rng.random((2, 3))
    return rng.uniform(0.3, 2.0, shape) * rng.choice([-1.0, 1.0], shape)


CHANGE = """([wire, isGradient, data]) => {
    chooseWire(wire);
    const fields = document.querySelectorAll(`#wire [data-half=${isGradient ? "gradient" : "value"}] input`);
    if (fields.length !== data.length) throw new Error(`${fields.length} fields for ${data.length} numbers`);
    fields.forEach((field, i) => { field.value = String(data[i]); field.dispatchEvent(new Event("input")); });
}"""
READ = "['values', 'gradients'].map(which => view[which].map(array => array && [array.shape, [...array.data].map(String)]))"


def assert_agrees(page, picture):
    assert_same(*map(read, page.evaluate(READ)), picture)


def assert_same(values, gradients, picture):
    for wire, value, gradient in zip(picture.wires, values, gradients, strict=True):
        np.testing.assert_allclose(value, wire.value, rtol=1e-9, atol=1e-9, err_msg=wire.name)
        assert (gradient is None) == (wire.grad is None), wire.name
        if gradient is not None:
            np.testing.assert_allclose(gradient, wire.grad, rtol=1e-9, atol=1e-9, err_msg=f"∂L/∂{wire.name}")


# ---- every layer of the table, and every loss ----------------------------------------------------------------------------------

NOT_COMPUTED = {
    nl.Dropout: "“mask” in its rule is neither a function nor an array here",
    nl.ScaledDotProductAttention: "“kept” in its rule is neither a function nor an array here",
    HeadAttention: "“kept” in its rule is neither a function nor an array here",
    nl.Recompute: "its rule has no line for dW",
}
"""Layers whose rules speak of what lies on no wire, a mask drawn anew or a layer inside; and what the page says of it."""


@pytest.fixture(scope="module")
def laboratory(browser, tmp_path_factory):
    """A page whose functions are called with pictures of others."""
    path = tmp_path_factory.mktemp("laboratory") / "page.html"
    nl.draw(nl.Sequential(nl.Identity()), [1.0]).save(path)
    page = browser.new_page()
    page.goto(path.as_uri())
    yield page
    page.close()


WORK = """([{ views: { it: { nodes, wires } }, arrays }, values, gradients]) => {
  const all = arrays.map(decoded), layers = nodes.filter(node => node.kind === "operation");
  const first = [wires.map(wire => all[wire.value]), wires.map(wire => (wire.grad === null ? null : all[wire.grad]))];
  const gaps = layers.map(node => gapOf(node, wires)).filter(Boolean);
  if (gaps.length) return { gaps };
  const fresh = (given, had) => had.map((array, i) => (given[i] ? { ...array, data: Float64Array.from(given[i], Number) } : array));
  const got = computed({ nodes, wires }, fresh(values, first[0]), fresh(gradients, first[1]));
  const untrue = layers.filter(node => !isTrue(node, wires, ...first)).map(node => node.title);
  return { gaps, untrue, got: got.map(half => half.map(array => array && [array.shape, [...array.data].map(String)])) };
}"""


def digits_of(array):
    return [repr(x) for x in np.asarray(array, float).ravel().tolist()]


def read(half):
    return [None if each is None else np.array(each[1], float).reshape(each[0]) for each in half]


def work(laboratory, layer, inputs, new_inputs, open_layers=False):
    """Have the page compute the picture of `layer` for new inputs and a random dout; return what it says and what is right."""
    y = copy.deepcopy(layer).forward(*new_inputs)
    rng = np.random.default_rng(4)
    dout = tuple(rng.normal(size=each.shape) for each in y) if isinstance(y, tuple) else rng.normal(size=np.shape(y))
    before, after = Picture(Flow(layer, inputs, None, open_layers)), Picture(Flow(layer, new_inputs, dout, open_layers))
    values = [digits_of(wire.value) if before.nodes[wire.source].kind == "input" else None for wire in after.wires]
    gradients = [digits_of(wire.grad) if before.nodes[wire.target].kind == "output" else None for wire in after.wires]
    return laboratory.evaluate(WORK, [to_data({"it": before}, "it"), values, gradients]), after


def assert_works(laboratory, layer, inputs, new_inputs, open_layers=False):
    said, picture = work(laboratory, layer, inputs, new_inputs, open_layers)
    assert said["gaps"] == []
    assert said["untrue"] == []
    assert_same(*map(read, said["got"]), picture)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("row", [*ROWS, *MORE], ids=str)
def test_the_page_computes_every_layer_of_the_table_as_netlib_does(laboratory, row):
    layer, new_inputs = row.make(np.float64), row.drawn(9)
    dropping = [each for _, each in layer.walk() if type(each) in NOT_COMPUTED and getattr(each, "p", getattr(each, "dropout", True))]
    if is_no_formula(row) and not isinstance(layer, nl.Recompute):
        assert work(laboratory, layer, row.inputs, new_inputs)[0]["gaps"]
    elif dropping and layer.training:
        said, _ = work(laboratory, layer, row.inputs, new_inputs)
        assert set() < set(said["gaps"]) <= {NOT_COMPUTED[type(each)] for each in dropping}
    else:
        assert_works(laboratory, layer, row.inputs, new_inputs)


@pytest.mark.parametrize("make", [nl.ScaledDotProductAttention, lambda **options: HeadAttention(2, **options)], ids=["alone", "heads"])
def test_the_page_computes_masked_attention_even_for_a_query_that_may_look_nowhere(laboratory, make):
    rng = np.random.default_rng(11)
    mask = np.array([[True, False, True], [False, False, False]])
    inputs, others = ([rng.normal(size=shape) for shape in [(2, 2, 4), (2, 3, 4), (2, 3, 2)]] for _ in range(2))
    assert_works(laboratory, make(mask=True), [*inputs, mask], [*others, mask])
    assert_works(laboratory, make(mask=True, causal=True), [*inputs, mask], [*(1e4 * x for x in others), mask])


OPENED = [
    (nl.RNN(2, 3, nonlinearity="relu", dtype=np.float64, rng=0), [(1, 3, 2)]),
    (nl.LSTM(2, 2, dtype=np.float64, rng=0), [(2, 3, 2)]),
    (nl.GRU(2, 2, dtype=np.float64, rng=0), [(1, 3, 2)]),
    (nl.ScaledDotProductAttention(causal=True), [(3, 2), (4, 2), (4, 3)]),
    (nl.MultiHeadAttention(4, 2, causal=True, dtype=np.float64, rng=0), [(1, 3, 4)]),
]


@pytest.mark.parametrize(("layer", "shapes"), OPENED, ids=lambda each: repr(each) if isinstance(each, nl.Layer) else "")
def test_the_page_computes_the_nodes_of_recurrent_layers_and_attention(laboratory, layer, shapes):
    rng = np.random.default_rng(5)
    inputs, others = ([rng.normal(size=shape) for shape in shapes] for _ in range(2))
    assert_works(laboratory, layer, inputs, others, open_layers=True)


def test_the_page_computes_a_split_of_which_one_piece_is_not_used(laboratory):
    x = nl.Input("x")
    left, _, right = nl.Split(3, axis=1)(x)
    rng = np.random.default_rng(6)
    assert_works(laboratory, nl.Graph([x], [left * right]), [rng.normal(size=(2, 3))], [rng.normal(size=(2, 3))])


def test_every_exported_layer_and_loss_has_its_row():
    public = {each for each in (getattr(nl, name) for name in nl.__all__) if isinstance(each, type) and issubclass(each, nl.Layer)}
    worked = {type(each) for row in [*ROWS, *MORE] for _, each in row.make(np.float64).walk()} | {
        type(case.make()) for case in LOSSES + DRAWN_LOSSES
    }
    assert public - worked == {nl.Layer, nl.Loss}


@pytest.mark.parametrize("case", DRAWN_LOSSES, ids=str)
def test_the_page_computes_losses_of_every_argument(laboratory, case):
    assert_works(laboratory, case.make(), case.inputs(0), case.inputs(1))


FAR_OUT = np.array([[-1e4, 1e4, 0.0], [1e4, 1e4, -1e4], [-800.0, -745.0, 700.0], [-37.0, 1e-8, 40.0]])


@pytest.mark.parametrize("row", [row for row in ROWS if row.shapes == ((4, 3),) and not row.draws], ids=str)
def test_far_out_where_exp_overflows_the_page_agrees_too(laboratory, row):
    layer = row.make(np.float64)
    if type(layer) not in NOT_COMPUTED:
        with np.errstate(over="ignore"):  # of Exp itself
            assert_works(laboratory, layer, row.inputs, [FAR_OUT])


@pytest.mark.one_in(2)
@pytest.mark.parametrize("case", LOSSES, ids=str)
def test_the_page_computes_every_loss_as_netlib_does(laboratory, case):
    y, t = case.inputs(1)
    assert_works(laboratory, case.make(), case.inputs(0), [y, t])
    assert_works(laboratory, case.make(), case.inputs(0), [y * 1e4, t])


def test_far_out_an_elu_that_falls_on_the_left_agrees_too(laboratory):
    assert_works(laboratory, nl.ELU(-0.7), [np.ones((4, 3))], [FAR_OUT])


# ---- the language ----------------------------------------------------------------------------------------------------------------

FORMULAS = {  # of x = [[1, -2, 3], [4, 5, -6]], v = [2, 3, 4] and n = 2
    "x + v - n": lambda x, v, n: x + v - n,
    "x − v − n": lambda x, v, n: x - v - n,
    "x / v * n": lambda x, v, n: x / v * n,
    "-x² ⊙ v": lambda x, v, n: -(x**2) * v,
    "v ⊙ −x": lambda x, v, n: -v * x,
    "x³ − x^2": lambda x, v, n: x**3 - x**2,
    "v^n": lambda x, v, n: v**n,
    "2 x + 3 (v − 1) − 0.5e1 [x > 0]": lambda x, v, n: 2 * x + 3 * (v - 1) - 5 * (x > 0),
    "1 / 2 x": lambda x, v, n: x / 2,
    "2 exp(v) / 3": lambda x, v, n: 2 * np.exp(v) / 3,
    "|x − 2| ⊙ |v|": lambda x, v, n: abs(x - 2) * v,
    "[0 <= x ≤ 4] + [x = 5] + [v ≠ 3] + [x < n] + [x ≥ n]": lambda x, v, n: (
        1.0 * ((x >= 0) & (x <= 4)) + (x == 5) + (v != 3) + (x < n) + (x >= n)
    ),
    "xᵀ·x": lambda x, v, n: x.T @ x,
    "(x·xᵀ)ᵀ": lambda x, v, n: x @ x.T,
    "x @ v": lambda x, v, n: x @ v,
    "v·xᵀ": lambda x, v, n: v @ x.T,
    "v·v": lambda x, v, n: v @ v,
    "column(v)·row(v)": lambda x, v, n: np.outer(v, v),
    "row(v)ᵀ·row(v)": lambda x, v, n: np.outer(v, v),
    "einsum[ij,j→ji](x, v)": lambda x, v, n: (x * v).T,
    "einsum[i→ii](v)": lambda x, v, n: np.diag(v),
    "einsum[ii,jk,→](einsum[i→ii](v), x, n)": lambda x, v, n: v.sum() * x.sum() * n,
    "einsum[ij,ij→i](x, row(v))": lambda x, v, n: x @ v,
    "sum(x) + sum(v)": lambda x, v, n: [[x.sum() + v.sum()]],
    "x / sum[axis=-1](|x|)": lambda x, v, n: x / abs(x).sum(axis=-1, keepdims=True),
    "sum[axis=(0, 1)](x)": lambda x, v, n: x.sum(keepdims=True),
    "sum[axis=()](x)": lambda x, v, n: x,
    "mean[axis=0](x) − mean(x)": lambda x, v, n: x.mean(axis=0, keepdims=True) - x.mean(),
    "max[axis=1](x) + min[axis=(1,)](x)": lambda x, v, n: x.max(axis=1, keepdims=True) + x.min(axis=1, keepdims=True),
    "max(x) − min(x)": lambda x, v, n: [[x.max() - x.min()]],
    "max(0, x, v) + min(x, 1)": lambda x, v, n: np.maximum(0, np.maximum(x, v)) + np.minimum(x, 1),
    "clip(x, ±2) + clip(x, 0, n + 1)": lambda x, v, n: np.clip(x, -2, 2) + np.clip(x, 0, n + 1),
    "sqrt(v) + sign(x) + sin(x) ⊙ cos(x) + tanh(x)": lambda x, v, n: np.sqrt(v) + np.sign(x) + np.sin(x) * np.cos(x) + np.tanh(x),
    "σ(x) + softmax(x) + exp(logsoftmax[axis=0](x))": lambda x, v, n: (
        1 / (1 + np.exp(-x)) + np.exp(x) / np.exp(x).sum(-1, keepdims=True) + np.exp(x) / np.exp(x).sum(0)
    ),
    "Φ(0 x) + φ(0 x)": lambda x, v, n: 0 * x + 0.5 + 1 / np.sqrt(2 * np.pi),
    "onehot(v, 5)": lambda x, v, n: np.eye(5)[v.astype(int)],
    "arange(3) ⊙ v + 0.5 arange(1)": lambda x, v, n: np.arange(3) * v,
    "x, reshaped to 3×2": lambda x, v, n: x.reshape(3, 2),
    "n, reshaped to 1×1": lambda x, v, n: [[n]],
    "v·v, reshaped to scalar": lambda x, v, n: v @ v,
    "v, spread to 2×3": lambda x, v, n: np.tile(v, (2, 1)),
    "v, spread to 3×2 along axis -1": lambda x, v, n: np.tile(v[:, None], (1, 2)),
    "n, spread to 2×2 along axis (0, 1)": lambda x, v, n: np.full((2, 2), n),
    "x, its axes in the order (1, 0)": lambda x, v, n: x.T,
    "x, piece 1:3 along axis 1": lambda x, v, n: x[:, 1:3],
    "x, 2 x, x, side by side along axis 0": lambda x, v, n: np.concatenate([x, 2 * x, x]),
    "x, piece 0:2 along axis -1, reshaped to 4": lambda x, v, n: x[:, :2].ravel(),
    "v, for 0 < v < 9": lambda x, v, n: v,
    "var[axis=1](x) + var(v)": lambda x, v, n: x.var(axis=1, keepdims=True) + v.var(),
    "v[:, None] + v[:]": lambda x, v, n: v[:, None] + v,
    "xᵀ + v[:, None]": lambda x, v, n: x.T + v[:, None],
    "(x, reshaped to 3×2) + (v, its axes in the order 0)[:, None]": lambda x, v, n: x.reshape(3, 2) + v[:, None],
    "2 m − s, where m = mean(v) / s, s = sum(v)": lambda x, v, n: [2 * v.mean() / v.sum() - v.sum()],
    "(x, reshaped to 1×2×3), its axes in the order (2, 0, 1), reshaped to 6": lambda x, v, n: x.T.ravel(),
    "exp(1000 v) / sum(exp(1000 v))": lambda x, v, n: [0, 0, 1],
    "log(1 + exp(1000 x))": lambda x, v, n: np.maximum(1000 * x, 0) + np.log1p(np.exp(-abs(1000 * x))),
    "log(exp(1000 v) + exp(1000 v)) / 1000": lambda x, v, n: v + np.log(2) / 1000,
    "log(0.5 exp(1000 v)² / 2)": lambda x, v, n: 2000 * v - np.log(4),
    "exp(1000 x) ⊙ [x < 0] + log(x − 1) ⊙ [x > 1]": lambda x, v, n: np.where(x > 1, np.log(np.maximum(x - 1, 1e-9)), 0),
}
X_V_N = {"x": np.array([[1.0, -2, 3], [4, 5, -6]]), "v": np.array([2.0, 3, 4]), "n": np.array(2.0)}


IMAGES = {  # of a = [1, -2, 3] and [4, 5, -6], two images with one channel; of b, without their last pixel; and of k = [2, 3, 4]
    "conv(a, k)": [[[8]], [[-1]]],
    "conv[border=1](a, k)": [[[-5, 8, 5]], [[32, -1, -8]]],
    "conv[stride=2, border=1](a, k)": [[[-5, 5]], [[32, -8]]],
    "conv[border=0:1](a, k)": [[[8, 5]], [[-1, -8]]],
    "conv[dilation=2, border=2:1](a, k)": [[[15, -6]], [[-12, 15]]],
    "conv_transpose[to=3, border=1](a, k)": [[[-1, 4, 1]], [[22, 19, 2]]],
    "conv_weight[kernel=2](a, b)": [[[46, -18]]],
    "maxpool[kernel=2](a)": [[[1, 3]], [[5, 5]]],
    "to_winners[kernel=2](b, a)": [[[1, 0, -2]], [[0, 9, 0]]],
    "to_winners[windows=1](b, 0 a), where b = (n, spread to 2×1×1)": [[[2, 0, 0]], [[2, 0, 0]]],
    "maxpool[windows=2](a)": [[[1, 3]], [[5, 5]]],
    "avgpool[kernel=2, border=1](a)": [[[0.5, -0.5, 0.5, 1.5]], [[2, 4.5, -0.5, -3]]],
    "avgpool[kernel=2, outside=1](a)": [[[1, -0.5, 0.5, 3]], [[4, 4.5, -0.5, -6]]],
    "avgpool_transpose[windows=2, to=3](b)": [[[0.5, -0.5, -1]], [[2, 4.5, 2.5]]],
    "upsample[scale=2](k)": [[[2, 2, 3, 3, 4, 4]]],
    "upsample[scale=2, mode=linear](k)": [[[2, 2.25, 2.75, 3.25, 3.75, 4]]],
    "upsample_transpose[scale=1.5, to=2](k)": [[[5, 4]]],
    "pad[widths=1:2, mode=reflect](k)": [[[3, 2, 3, 4, 3, 2]]],
    "pad[widths=2:1, mode=reflect](s), where s = (n, reshaped to 1×1×1)": [[[2, 2, 2, 2]]],
    "pad[widths=1:2, mode=edge](k)": [[[2, 2, 3, 4, 4, 4]]],
    "pad[widths=1:2, mode=wrap](k)": [[[4, 2, 3, 4, 2, 3]]],
    "pad[widths=0×1:0, value=-1](k)": [[[-1, 2, 3, 4]]],
    "pad_transpose[widths=1, mode=edge, to=1](k)": [[[9]]],
}
DEFINITIONS = ", where k = row(row(v)), a = (x, reshaped to 2×1×3), b = (x, piece 0:2 along axis 1, reshaped to 2×1×2)"


@pytest.mark.parametrize("formula", IMAGES)
def test_a_word_for_images_gives_what_one_computes_by_hand(laboratory, formula):
    definitions = DEFINITIONS.rpartition(", b =")[0].replace(", where", ",") if ", where" in formula else DEFINITIONS
    np.testing.assert_allclose(value_of(laboratory, formula + definitions), IMAGES[formula], rtol=0, atol=1e-13)


def parts_of(formula):
    """Return a formula as pictures have it: text, and references in the place of x, v and n."""
    pieces = re.split(r"(?<!\w)([xvn])(ᵀ?)(?![^\W²³])", formula)
    parts = []
    for i, piece in enumerate(pieces):
        if i % 3 == 1:
            parts.append({"wire": "xvn".index(piece), "grad": False, "turned": pieces[i + 1] == "ᵀ"})
        elif i % 3 == 0 and piece:
            parts.append(piece)
    return parts


def value_of(laboratory, formula):
    arrays = [{"shape": array.shape, "data": digits_of(array)} for array in X_V_N.values()]
    code = """([parts, arrays]) => {
      const all = arrays.map(decoded), y = new Reader(parts, [{ name: "x" }, { name: "v" }, { name: "n" }]).line()(({ wire }) => all[wire]);
      return [y.shape, [...y.data].map(String)];
    }"""
    return read([laboratory.evaluate(code, [parts_of(formula), arrays])])[0]


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_means_what_it_means_in_numpy(laboratory, formula):
    got, wanted = value_of(laboratory, formula), np.asarray(FORMULAS[formula](**X_V_N))
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    ("formula", "told"),
    [
        ("", "ends too early"),
        ("x +", "ends too early"),
        ("(x", r"expected \)"),
        ("x)", r"\) follows"),
        ("x v", "a name follows"),
        ("2 3", "3 follows"),
        ("|x", r"expected \|"),
        ("[x]", "comparison"),
        ("[x > 0", r"expected \]"),
        ("noise(x)", "“noise” in its rule is neither"),
        ("x ⊙ mask", "“mask” in its rule is neither"),
        ("exp x", r"expected \("),
        ("sum[axis=1.5](x)", "whole number"),
        ("sum[axis=(0 1)](x)", "comma"),
        ("x, upside down", "“upside” in its rule is neither"),
        ("x, v", "several formulas"),
        ("x, reshaped to 7", "cannot be reshaped"),
        ("x, reshaped to x", "whole number"),
        ("x·x", "do not fit"),
        ("x·2", "no matrix product"),
        ("x, spread to 2×4", "do not broadcast"),
        ("x + column(v)", "do not broadcast"),
        ("v, for v < 3", "its rule holds for v < 3"),
        ("onehot(x, 3)", "from 0 to 2"),
        ("constructor(x)", "“constructor” in its rule is neither"),
        ("x, piece 0:1", "expected along axis"),
        ("#", "“#” in its rule is neither"),
        ("a + x, where b = 2", "“a” in its rule is neither"),
        ("x, where a 2", "expected ="),
        ("sum[over=1](x)", "“over” is no option"),
        ("pad[widths=x](x)", "expected a number"),
        ("pad[mode=edge](x)", r"needs \[widths=…\]"),
        ("avgpool_transpose[windows=2](x)", r"needs \[to=…\]"),
        ("v[:, 0]", "expected ]"),
        ("einsum[ij,j→i](x)", "2 groups of letters do not fit 1 arrays"),
        ("einsum[i→i](x)", "do not fit"),
        ("einsum[ij,i→j](x, x)", "do not fit"),
        ("einsum[ij,ji→i](x, x)", "has lengths"),
        ("einsum[ij", "an einsum consists of letters"),
        ("einsum[2→i](x)", "an einsum consists of letters"),
        ("conv(x, v)", "do not fit"),
        ("conv_transpose[to=9](a, a), where a = (x, reshaped to 2×1×3)", "does not come"),
        ("maxpool[kernel=4]((x, reshaped to 2×1×3))", "larger than the image"),
    ],
)
def test_a_formula_that_cannot_be_read_says_why(laboratory, formula, told):
    with pytest.raises(Exception, match=told):
        value_of(laboratory, formula)


# ---- a user's layer ---------------------------------------------------------------------------------------------------------------


class Twice(nl.Layer):
    """y = 2 x; what its rule says of that is up to the tests."""

    def forward(self, x):
        return 2 * np.asarray(x)

    def backward(self, dout):
        return 2 * dout


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("", "This page cannot compute Twice() itself: it has no rule."),
        ("x is doubled", "This page cannot compute Twice() itself: it has no rule."),
        ("y = 2 x; y = x + x; dx = 2 dy", "This page cannot compute Twice() itself: it has no rule."),
        ("y = 2 x", "This page cannot compute Twice() itself: its rule has no line for dX."),
        (
            "y = twice(x); dx = 2 dy",
            "This page cannot compute Twice() itself: “twice” in its rule is neither a function nor an array here.",
        ),
        ("y = 3 x; dx = 2 dy", "The rule of Twice() gives other numbers than the layer did."),
        ("y = 2 x; dx = dy", "The rule of Twice() gives other numbers than the layer did."),
        ("y = 2 x; dx = sum(dy)", "The rule of Twice() gives other numbers than the layer did."),
    ],
)
def test_a_rule_that_cannot_be_read_or_is_not_true_makes_the_page_read_only_and_is_told(visit, monkeypatch, rule, told):
    monkeypatch.setattr(Twice, "rule", rule)
    page = visit(nl.Sequential(Twice(), nl.Tanh()), X)
    assert told in page.locator("#step").inner_text()
    assert choose(page, "X").count() == 0


def test_a_rule_that_is_a_little_off_is_told_however_small_the_gradients(visit, monkeypatch):
    monkeypatch.setattr(Twice, "rule", "y = 2 x; dx = 2.1 dy")
    page = visit(nl.Sequential(Twice()), X.astype(np.float32), dout=np.full((2, 2), 1e-4, np.float32))
    assert "The rule of Twice() gives other numbers than the layer did." in page.locator("#step").inner_text()


def test_a_rule_in_words_and_formulas_is_computed_by_its_formulas(visit, monkeypatch):
    monkeypatch.setattr(Twice, "rule", "twice as much; y = 2 x; dx = 2 dy")
    page = visit(nl.Sequential(Twice()), X)
    choose(page, "X").first.fill("3")
    assert_agrees(page, Picture(Flow(nl.Sequential(Twice()), [np.where(X == 0.1, 3, X)])))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_what_a_smaller_float_rounds_is_no_other_rule(visit, dtype):
    model = nl.Sequential(nl.Affine(2, 3, rng=0, dtype=dtype), nl.Softmax(), nl.LogSoftmax())
    page = visit(model, X.astype(dtype) * 10)
    assert "Change a number" in page.locator("#step").inner_text()


def test_the_layer_of_contributing_is_drawn_and_computed_as_soon_as_it_is_written(visit):
    page = re.search(r"```python\n(.*?)```", (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)[1]
    written = {}
    exec("\n".join(line.removeprefix("   ") for line in page.splitlines()), written)
    model = nl.Sequential(written["Cube"]())
    page = visit(model, X)
    choose(page, "X").first.fill("3")
    assert_agrees(page, Picture(Flow(model, [np.where(X == 0.1, 3, X)])))


# ---- the page --------------------------------------------------------------------------------------------------------------------


@pytest.mark.one_in(6)
@pytest.mark.parametrize(("name", "detail"), [*((name, "layers") for name in CASES), ("Affine", "nodes"), ("Residual", "nodes")])
def test_after_every_number_was_changed_the_page_agrees_with_netlib(visit, name, detail):
    model, shapes = CASES[name]
    rng = np.random.default_rng(0)
    inputs = [numbers_for(shape, rng) for shape in shapes]
    page = visit(model, *inputs, detail=detail)
    before = Picture(Flow(model, inputs, open_layers=detail == "nodes"))

    changed, new_inputs, seeds = copy.deepcopy(model), [numbers_for(shape, rng) for shape in shapes], []
    fresh = iter(new_inputs)
    for node in before.nodes:
        if node.kind == "input":
            page.evaluate(CHANGE, [node.outputs[0], False, next(fresh).ravel().tolist()])
        elif node.kind == "parameter":
            new = rng.standard_normal(before.wires[node.outputs[0]].value.shape)
            page.evaluate(CHANGE, [node.outputs[0], False, new.ravel().tolist()])
            parameter = changed.parameters()[node.path]
            parameter.value = new.reshape(parameter.shape)
        elif node.kind == "output":
            seeds.append(rng.standard_normal(before.wires[node.inputs[0]].value.shape))
            page.evaluate(CHANGE, [node.inputs[0], True, seeds[-1].ravel().tolist()])
    dout = seeds[0] if len(seeds) == 1 else tuple(seeds)
    after = Picture(Flow(changed, new_inputs, dout, open_layers=detail == "nodes"))
    assert_agrees(page, after)
    assert page.locator("#complaint").inner_text() == ""

    page.click("#reset")
    assert_agrees(page, before)
    assert page.locator("#reset").is_hidden()


X = np.array([[0.1, -0.4], [0.7, 0.2]])
W = np.array([[0.9, -0.3, 0.5], [-0.6, 0.8, 0.25]])


def dot():
    x = nl.Input("X")
    return nl.Graph(inputs=[x], outputs=[nl.Tanh()(nl.MatMul()(x, nl.Weight("W", W), name="H"), name="Y")])


def choose(page, name):
    page.locator(f'.wire[aria-label^="{name}, "]').press("Enter")
    return page.locator("#wire input")


def with_weight(weight):
    model = dot()
    model.parameters()["W"].value = weight
    return Picture(Flow(model, [X]))


def test_a_number_typed_by_keys_alone_changes_picture_and_panel_at_once(visit):
    page = visit(dot(), X)
    page.keyboard.press("End")
    fields = choose(page, "W")
    assert [fields.nth(i).input_value() for i in range(6)] == ["0.9", "-0.3", "0.5", "-0.6", "0.8", "0.25"]
    page.keyboard.press("Tab")
    page.keyboard.press("Control+a")
    page.keyboard.type("1.25")
    weight = W.copy()
    weight[0, 1] = 1.25
    picture = with_weight(weight)
    assert_agrees(page, picture)
    for wire in picture.wires:
        for half, array in (("value", wire.value), ("grad", wire.grad)):
            rows = page.locator(f'[data-wire="{wire.number}"] .{half} .row')
            assert [row.text_content() for row in rows.all()] == numbers.rows(array)
    shown = page.locator("#step .result td").evaluate_all("all => all.map(each => Number(each.dataset.number))")
    np.testing.assert_allclose(shown, np.concatenate([wire.grad.ravel() for wire in picture.wires[:2]]), rtol=1e-9)
    carried = page.locator('#wire [data-half="gradient"] td').evaluate_all("all => all.map(each => Number(each.dataset.number))")
    np.testing.assert_allclose(carried, picture.wires[1].grad.ravel(), rtol=1e-9)
    assert page.evaluate("document.activeElement.value") == "1.25"  # and one can type on


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("key", "number"), [("ArrowUp", 1.0), ("ArrowDown", 0.8), ("Shift+ArrowUp", 1.9), ("Shift+ArrowDown", -0.1)])
def test_arrow_keys_nudge_a_number(visit, key, number):
    page = visit(dot(), X)
    choose(page, "W")
    step = page.locator("#status").text_content()
    page.keyboard.press(key)
    assert float(page.evaluate("document.activeElement.value")) == number
    weight = W.copy()
    weight[0, 0] = number
    assert_agrees(page, with_weight(weight))
    assert page.locator("#status").text_content() == step


def test_a_pointer_that_passes_takes_no_field_from_the_hands(visit):
    page = visit(dot(), X)
    choose(page, "W")
    page.locator('.wire[aria-label^="H, "] .label').hover(force=True)
    page.keyboard.press("Control+a")
    page.keyboard.type("0.7")
    assert_agrees(page, with_weight(np.where(W == 0.9, 0.7, W)))


@pytest.mark.one_in(2)
@pytest.mark.parametrize("text", ["", "-", "one", "1e999", "0x"])
def test_what_is_no_number_changes_nothing_and_is_told(visit, text):
    page = visit(dot(), X)
    field = choose(page, "W").first
    field.fill(text)
    assert page.locator("#complaint").inner_text() == "A number, please."
    assert field.get_attribute("aria-invalid") == "true"
    assert_agrees(page, with_weight(W))
    field.fill("0,5")
    assert page.locator("#complaint").inner_text() == ""
    assert field.get_attribute("aria-invalid") == "false"
    assert_agrees(page, with_weight(np.where(W == 0.9, 0.5, W)))


@pytest.mark.parametrize(
    ("loss", "target", "told"),
    [
        (nl.SoftmaxCrossEntropy(), np.array([0, 2]), "SoftmaxCrossEntropy(): classes are whole numbers from 0 to 2."),
        (nl.SigmoidCrossEntropy(), np.array([[0.0, 0.5, 1.0]] * 2), "SigmoidCrossEntropy(): its rule holds for 0 ≤ t ≤ 1."),
        (nl.Hinge(), np.array([[1.0, -1.0, 1.0]] * 2), "Hinge(): its rule holds for |t| = 1."),
    ],
    ids=["labels", "probabilities", "signs"],
)
def test_a_target_that_netlib_would_refuse_is_refused(visit, loss, target, told):
    y = np.array([[0.1, 0.2, 0.3], [1.0, -1.0, 0.5]])
    page = visit(loss, y, target)
    field = choose(page, "t").first
    field.fill("7")
    assert told in page.locator("#complaint").inner_text()
    assert_agrees(page, Picture(Flow(loss, [y, target])))
    good = target.copy()
    good[0] = good[1]
    for i, number in enumerate(good[0].ravel()):
        page.locator("#wire input").nth(i).fill(str(number))
    assert page.locator("#complaint").inner_text() == ""
    field.fill("7")
    assert told in page.locator("#complaint").inner_text()
    choose(page, "y").first.fill("0.75")  # and what was changed before is kept
    assert_agrees(page, Picture(Flow(loss, [np.where(y == 0.1, 0.75, y), good])))


def test_the_gradient_that_enters_can_be_changed(visit):
    page = visit(dot(), X)
    page.click(".chip:text-is('dout')")
    page.locator("#wire [data-half=gradient] input").first.fill("-3")
    seed = np.ones((2, 3))
    seed[0, 0] = -3
    assert_agrees(page, Picture(Flow(dot(), [X], seed)))


def test_a_branch_of_a_fan_out_leads_to_the_number_itself(visit):
    page = visit(fan_out(), X)
    choose(page, "X(2)").first.fill("2")
    assert_agrees(page, Picture(Flow(fan_out(), [np.where(X == 0.1, 2, X)])))


def test_changes_stay_when_the_detail_changes_where_it_can_be_computed(visit):
    model = nl.Sequential(affine(2, 3), nl.Sequential(nl.Tanh(), affine(3, 2)))
    page = visit(model, X)
    choose(page, "X").first.fill("2")
    choose(page, "B1").first.fill("-3")
    changed, changed_x = copy.deepcopy(model), np.where(X == 0.1, 2, X)
    changed.parameters()["0.bias"].value = [-3, 0, 0]
    page.click("#details button:text-is('nodes')")
    assert_agrees(page, Picture(Flow(changed, [changed_x], open_layers=True)))
    page.click("#details button:text-is('folded')")
    assert_agrees(page, Picture(Flow(model, [X]), folded=True))
    assert "other numbers" in page.locator("#step").inner_text()
    page.click("#details button:text-is('layers')")
    assert_agrees(page, Picture(Flow(changed, [changed_x])))
    page.click("#reset")
    assert_agrees(page, Picture(Flow(model, [X])))


def test_a_convolution_follows_a_change_of_its_kernel_and_shows_images(visit, screenshot):
    x = np.random.default_rng(0).normal(size=(1, 1, 4, 4))
    model = nl.Sequential(
        nl.Conv2d(1, 2, 3, padding=1, rng=0, dtype="float64"), nl.BatchNorm(2, dtype="float64"), nl.ReLU(), nl.MaxPool2d(2)
    )
    page = visit(model, x)
    images = page.locator(".label image")
    before = [image.get_attribute("href") for image in images.all()]
    choose(page, "W1").first.fill("-3")
    changed = copy.deepcopy(model)
    changed[0].weight.value = np.concatenate([[-3.0], model[0].weight.value.ravel()[1:]]).reshape(2, 1, 3, 3)
    assert_agrees(page, Picture(Flow(changed, [x])))
    after = [image.get_attribute("href") for image in images.all()]
    assert len(after) == 2 * 6  # value and gradient of X, W1, and four maps
    assert sum(a != b for a, b in zip(before, after, strict=True)) >= 9
    page.evaluate("chooseNode(view.picture.nodes.findIndex(node => node.title.startsWith('MaxPool2d')))")
    assert page.locator("#step .summary img").count() == 2
    screenshot(page, "convolution")


PIXELS_OF_IMAGE = """async image => {
  await image.decode();
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  const pen = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
  pen.drawImage(image, 0, 0);
  return [...pen.getImageData(0, 0, width, height).data];
}"""


def is_orange(page, i):
    """Whether each number of image `i` of the step, 1×1×n×n, is tinted."""
    pixels = np.reshape(page.locator("#step .summary img").nth(i).evaluate(PIXELS_OF_IMAGE), (32, 32, 4))
    assert (pixels[..., 3] == 255).all()
    return pixels[4::8, 4::8, 0] > pixels[4::8, 4::8, 2] + 20


def test_the_winners_of_a_max_pool_are_orange_in_the_image_of_its_input_alone(visit):
    x = np.array([[[[1.0, 7.0, 0.0, 0.0], [7.0, 2.0, 0.0, 9.0], [5.0, 5.0, 3.0, 4.0], [5.0, 6.0, 8.0, 4.0]]]])
    page = visit(nl.MaxPool2d(2), x, dout=np.array([[[[0.0, 1.0], [0.0, 0.0]]]]))
    inputs = choose(page, "X")
    page.evaluate("chooseNode(view.picture.nodes.findIndex(node => node.title.startsWith('MaxPool2d')))")
    np.testing.assert_array_equal(is_orange(page, 0), [[0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 1, 0]])
    assert not is_orange(page, 1).any()
    assert "Orange: the largest number under each window." in page.locator("#step").inner_text()
    inputs.first.fill("7.5")
    np.testing.assert_array_equal(is_orange(page, 0), [[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 1, 0]])


def test_the_input_of_an_average_pool_has_no_winners(visit):
    page = visit(nl.AvgPool2d(2), np.arange(16.0).reshape(1, 1, 4, 4))
    page.evaluate("chooseNode(view.picture.nodes.findIndex(node => node.title.startsWith('AvgPool2d')))")
    assert not is_orange(page, 0).any()
    assert "Orange" not in page.locator("#step").inner_text()


def test_a_batch_norm_in_evaluation_mode_computes_with_its_running_statistics(visit):
    x = np.random.default_rng(0).normal(1.0, 2.0, (4, 3))
    norm = nl.BatchNorm(3, dtype="float64")
    norm.forward(x)
    page = visit(nl.Sequential(norm.eval()), x)
    choose(page, "X").first.fill("7")
    x[0, 0] = 7
    assert_agrees(page, Picture(Flow(norm, [x])))


def test_a_middling_array_that_was_changed_tells_its_new_range(visit):
    x = np.random.default_rng(0).standard_normal((9, 8))
    page = visit(nl.Sequential(nl.Tanh()), x)
    row, image = (page.locator('[data-wire="1"] .value').locator(each) for each in (".row", "image"))
    before = image.get_attribute("href")
    assert [row.text_content()] == numbers.summary(np.tanh(x))
    choose(page, "X").first.fill("-5")
    x[0, 0] = -5
    assert [row.text_content()] == numbers.summary(np.tanh(x))
    assert image.get_attribute("href") != before
    assert image.get_attribute("href").startswith("data:image/png;base64,")


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    "array",
    [
        X, np.array(0.5), np.array(-0.0), np.array([1.5, -20.0, 0.25]), np.array([[1e-9, 1.0]]), np.array([1e-9, 3e-7]),
        np.array([np.nan, 2.0, -np.inf]), np.array([[1e7, 2.5]]), np.array([[0.03125, 0.09375, -0.03125]]), np.array([1, 20, -3]),
        np.array([0.1, 0.2], np.float32), np.array([0.5, 7.0, 6e4], np.float16),
        np.array([2 / 3, 1e5]), np.array([0.99996, 0.12]), np.array([12345678, 1]),
    ],
)  # fmt: skip
def test_panel_and_picture_write_the_same_digits(visit, array):
    page = visit(nl.Sequential(nl.Identity()), X)
    stored = {"shape": array.shape, "dtype": array.dtype.name, "data": [str(x) for x in array.ravel()]}
    data = [x.replace("nan", "NaN").replace("inf", "Infinity") for x in stored["data"]]
    assert page.evaluate("stored => rowsOf(decoded(stored))", stored | {"data": data}) == numbers.rows(array)


PIXELS = """([stored, urls]) => Promise.all([imageOf(stored, false), imageOf(stored, true), ...urls].map(async url => {
  const image = new Image();
  image.src = url;
  await image.decode();
  const canvas = make("canvas", { width: image.width, height: image.height }), pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0);
  return [image.height, image.width, [...pen.getImageData(0, 0, image.width, image.height).data]];
}))"""


@pytest.mark.one_in(3)
@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (2, 3, 4, 5), (5, 1, 3, 3), (1, 2, 33, 70), (30, 1, 1, 2), (2, 16, 3, 3), (9, 7)])
def test_panel_and_picture_draw_the_same_images(laboratory, shape):
    array = np.random.default_rng(0).normal(size=shape)
    array[..., 0, 0] = 0
    stored = {"shape": shape, "dtype": "float64", "data": array.ravel().tolist()}
    value = numbers.grey_image(array) if len(shape) == 4 else numbers.heat_image(array)
    of_value, of_gradient, *drawn = laboratory.evaluate(PIXELS, [stored, [value, numbers.heat_image(array)]])
    for ours, theirs in zip(drawn, (of_value, of_gradient), strict=True):
        assert ours[:2] == theirs[:2]
        np.testing.assert_allclose(ours[2], theirs[2], rtol=0, atol=1)
    assert laboratory.evaluate("rangeOf", stored) == numbers.summary(array)


def test_the_error_function_is_netlibs_everywhere(visit):
    x = np.concatenate([np.linspace(-6, 6, 2001), [-28.0, 0.46875, 4.0, 26.0]])
    page = visit(nl.Sequential(nl.Identity()), X)
    np.testing.assert_allclose(page.evaluate("xs => xs.map(erfc)", x.tolist()), [math.erfc(each) for each in x], rtol=1e-12)


def test_new_numbers_keep_to_the_room_of_the_old(visit):
    page = visit(dot(), X)
    page.evaluate("chooseWire(1)")
    room = page.evaluate("view.labels.map(label => label.value.room)")
    page.locator("#wire input").first.fill("-1234.56789")
    widths = page.evaluate("view.wires.map(wire => wire.querySelector('.value').getBBox().width)")
    assert all(width <= had + 15 for width, had in zip(widths, room, strict=True))
    assert not page.locator("#complaint").inner_text()
