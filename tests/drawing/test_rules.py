"""A rule says what its layer did: read as mathematics, it gives the numbers that flowed."""

import ast
import math
import re
from functools import reduce

import numpy as np
import pytest
import rule_images
from gallery import Scale
from rule_rows import DRAWN_LOSSES, LOSSES, MORE, is_no_formula
from table import ROWS

import netlib as nl
from netlib.containers.container import Container
from netlib.containers.residual import ResidualAdd
from netlib.drawing.elements import Reference
from netlib.drawing.flow import Flow
from netlib.drawing.picture import Picture
from netlib.drawing.rules import rule_of
from netlib.layers.head_attention import HeadAttention

# ---- a reader of rules ---------------------------------------------------------------------------

FORMULA = [  # from the chapter's notation to Python's
    (r"einsum\[([^\]]*)\]", r"einsum('\1')"),
    (r"(\w+)\[(\w+=[^\]]*)\]", r"given(\1, '\2')"),
    (r"\[([^\]<]+) < ([^\]<]+) < ([^\]<]+)\]", r"holds((\1 < \2) & (\2 < \3))"),
    (r"\[(?!:)([^\]]*)\]", r"holds(\1)"),
    (r"\|([^|]+)\|", r"abs(\1)"),
    (r"(\w+(?:\([^()]*\))?)ᵀ", r"turned(\1)"),
    (r"(?<!:)\b([\d.]+) (?=[\w(])", r"\1 * "),
    (r"²", r"**2"),
    (r"\^", r"**"),
    (r"³", r"**3"),
    (r"⊙", r"*"),
    (r"·", r"@"),
    (r"−", r"-"),
    (r"±", r""),
    (r"≤", r"<="),
    (r"≥", r">="),
    (r"≠", r"!="),
]
erf = np.vectorize(math.erf, otypes=[float])


def given(function, text):
    """Return a function with the options that a rule gives it in brackets."""
    options = dict(option.split("=") for option in re.split(r", (?=\w+=)", text))
    if "axis" in options:
        return lambda x: function(x, axis=ast.literal_eval(options["axis"]), keepdims=True)
    return lambda *xs: function(*xs, **options)


def einsum(letters):
    """Return a function that sums products; a letter twice in the result is a diagonal."""
    terms, _, result = letters.partition("→")
    once = "".join(dict.fromkeys(result))

    def apply(*xs):
        y = np.einsum(f"{terms}->{once}", *xs)
        length = dict(zip(once, y.shape, strict=True))
        whole = np.zeros([length[letter] for letter in result])
        for index in np.ndindex(y.shape):
            at = dict(zip(once, index, strict=True))
            whole[tuple(at[letter] for letter in result)] = y[index]
        return whole

    return apply


def softmax(y, mask=True):
    e = np.exp(y) * mask
    return e / np.where(e.any(axis=-1, keepdims=True), e.sum(axis=-1, keepdims=True), 1)


WORDS = {
    "given": given,
    "einsum": einsum,
    "sum": np.sum,
    "mean": np.mean,
    "var": np.var,
    "sqrt": np.sqrt,
    "holds": lambda x: x.astype(float),
    "max": lambda *xs, **options: reduce(np.maximum, xs) if len(xs) > 1 else np.max(*xs, **options),
    "min": lambda *xs, **options: reduce(np.minimum, xs) if len(xs) > 1 else np.min(*xs, **options),
    "onehot": lambda t, n: np.eye(n)[np.asarray(t).astype(int)],
    "arange": np.arange,
    "sin": np.sin,
    "cos": np.cos,
    "row": lambda x: x[..., np.newaxis, :],
    "column": lambda x: x[..., np.newaxis],
    "turned": lambda x: x.swapaxes(-1, -2) if x.ndim >= 2 else x,
    "clip": lambda x, low, high=None: np.clip(x, -low, low) if high is None else np.clip(x, low, high),
    "sign": np.sign,
    "abs": np.abs,
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "softmax": softmax,
    "tri": np.tri,
    "heads": lambda x, n: np.stack(np.split(x, n, axis=-1), axis=-3),
    "joined": lambda x: np.concatenate(np.moveaxis(x, -3, 0), axis=-1),
    "logsoftmax": lambda y: np.log(softmax(y)),
    "σ": lambda x: 1 / (1 + np.exp(-x)),
    "Φ": lambda x: (1 + erf(x / math.sqrt(2))) / 2,
    "φ": lambda x: np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi),
    **rule_images.WORDS,
}


def value(formula, words):
    """Return what a formula comes to; of several comparisons, as in 0 ≤ t ≤ 1, all have to hold."""
    for pattern, replacement in FORMULA:
        formula = re.sub(pattern, replacement, formula)
    if match := re.fullmatch(r"(.+) <= (.+) <= (.+)", formula):
        return value(f"{match[1]} <= {match[2]}", words) & value(f"{match[2]} <= {match[3]}", words)
    return eval(formula.replace(" = ", " == "), {"__builtins__": {}}, {**WORDS, **words})


def shape_of(text):
    return () if text == "scalar" else tuple(map(int, text.split("×")))


def pieces(text):
    """Return what the commas separate that are in no brackets."""
    depth, all = 0, [""]
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        all = [*all, ""] if letter == "," and depth == 0 else [*all[:-1], all[-1] + letter]
    return [piece.strip() for piece in all]


def remarked(x, remark, others):
    """Return what a remark makes of `x`, and of the `others` that were named after it."""
    if match := re.fullmatch(r"reshaped to (\S+)", remark):
        return x.reshape(shape_of(match.group(1)))
    if match := re.fullmatch(r"spread to (\S+)(?: along axis (.+))?", remark):
        shape, axis = shape_of(match.group(1)), ast.literal_eval(match.group(2) or "None")
        return np.broadcast_to(x if axis is None or x.ndim == len(shape) else np.expand_dims(x, axis), shape)
    if match := re.fullmatch(r"its axes in the order \(?([\d, ]+)\)?", remark):
        return x.transpose(ast.literal_eval(f"({match.group(1)},)"))
    if match := re.fullmatch(r"piece (\d+):(\d+) along axis (-?\d+)", remark):
        begin, end, axis = map(int, match.groups())
        return np.take(x, range(begin, end), axis)
    match = re.fullmatch(r"side by side along axis (-?\d+)", remark)
    assert match, remark
    return np.concatenate([x, *others], int(match.group(1)))


WORDS["remarked"] = remarked


def value_of(parts, known, picture):
    """Return the value of the right side of a line; `known` are names beside those of all rules."""
    arrays, text = {}, ""
    for part in parts:
        if isinstance(part, Reference):
            name = f"{'d' if part.is_grad else 'v'}{part.wire}"
            text += f"turned({name})" if part.is_transposed else name
            arrays[name] = np.asarray(picture.wires[part.wire].grad if part.is_grad else picture.wires[part.wire].value)
        else:
            text += part
    return value_of_text(text, arrays, {**known, **arrays})


def value_of_text(text, arrays, words):
    """Return the value of a formula with remarks; in parentheses, there may be more of them."""
    text, _, definitions = text.partition(", where ")
    for definition in reversed(re.split(r", (?=\w+ = )", definitions) if definitions else []):
        name, _, meaning = definition.partition(" = ")
        words[name] = value_of_text(meaning, arrays, words)
    for match in re.finditer(r"(?<![\w\]])\(", text):  # parentheses, not a call
        depths = np.cumsum([(letter == "(") - (letter == ")") for letter in text[match.start() :]])
        inside = text[match.start() + 1 : match.start() + int(np.flatnonzero(depths == 0)[0])]
        if len(pieces(inside)) > 1 and re.search(r"[^\d, −-]", inside):
            name = f"part{len(arrays)}"
            words[name] = arrays[name] = value_of_text(inside, arrays, words)
            return value_of_text(text.replace(f"({inside})", name, 1), arrays, words)
    formula, *remarks = pieces(text)
    x, others = np.asarray(value(formula, words)), []
    for remark in remarks:
        if remark.startswith("for "):
            assert np.all(value(remark.removeprefix("for "), arrays))
        elif re.match("reshaped to|spread to|its axes|piece|side by side", remark):
            x = remarked(x, remark, others)
        else:
            others.append(value(remark, words))
    return x


def assert_same(read, recorded, what):
    recorded = np.asarray(recorded)
    # A sum keeps its axes at length 1 within a formula; the result has the shape of what it is.
    assert [n for n in read.shape if n != 1] == [n for n in recorded.shape if n != 1], what
    np.testing.assert_allclose(read.reshape(recorded.shape), recorded, rtol=1e-12, atol=1e-12, err_msg=what)


def own_words(layer):
    """What a rule names that does not flow: the mask of a dropout, buffers, and arrays."""
    mask = {"mask": layer._cache[2][0] != 0} if isinstance(layer, nl.Dropout) else {}
    if isinstance(layer, nl.ScaledDotProductAttention) and layer.dropout:
        mask = {"kept": layer._cache[2][-1] != 0}
    arrays = {name: each for name, each in vars(layer).items() if isinstance(each, np.ndarray)}
    return mask | arrays | {name: buffer.value for name, buffer in layer.buffers().items()}


def check(layer, inputs, dout=None, open_layers=False):
    """Read all rules in the picture of `layer`, and return how many nodes had one."""
    picture = Picture(Flow(layer, inputs, dout, open_layers))
    read = 0
    for node in picture.nodes:
        if node.kind != "operation":
            continue
        inputs, outputs = [picture.wires[i] for i in node.inputs], [picture.wires[i] for i in node.outputs]
        known = own_words(node.layer)
        for forward, output in zip(node.forward, outputs, strict=True):
            assert forward.result == Reference(output.number, False)
            assert_same(value_of(forward.parts, known, picture), output.value, f"{node.title}: {forward.parts}")
        assert {line.result.wire for line in node.backward} == {wire.number for wire in inputs if wire.grad is not None}
        assert len(node.backward) == sum(wire.grad is not None for wire in inputs)
        for line in node.backward:
            assert line.result.is_grad
            assert not line.result.is_transposed
            assert_same(value_of(line.parts, known, picture), picture.wires[line.result.wire].grad, f"{node.title}: {line.parts}")
        read += 1
    return read


def dout_for(layer, inputs):
    rng = np.random.default_rng(3)
    outputs = layer.forward(*inputs)
    draw = [rng.normal(size=np.shape(y)) for y in (outputs if isinstance(outputs, tuple) else (outputs,))]
    return draw[0] if len(draw) == 1 else tuple(draw)


# ---- the tables ----------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [row for row in ROWS + MORE if not is_no_formula(row)], ids=str)
def test_the_rule_of_a_layer_read_as_mathematics_gives_what_flowed(row):
    layer = row.make(np.float64)
    assert check(layer, row.inputs, dout_for(row.make(np.float64), row.inputs)) >= 1


@pytest.mark.parametrize("row", [row for row in ROWS if "Affine" in str(row) and not is_no_formula(row)], ids=str)
def test_the_rules_of_what_a_layer_is_opened_into_give_what_flowed(row):
    layer = row.make(np.float64)
    assert check(layer, row.inputs, dout_for(row.make(np.float64), row.inputs), open_layers=True) >= 1


@pytest.mark.parametrize("case", LOSSES + DRAWN_LOSSES, ids=str)
def test_the_rule_of_a_loss_read_as_mathematics_gives_what_flowed(case):
    loss, inputs = case.make(), case.inputs(5)
    assert check(loss, inputs, dout_for(loss, inputs)) == 1


def test_every_layer_and_loss_of_netlib_says_its_rule_and_has_a_row_here():
    public = {each for each in (getattr(nl, name) for name in nl.__all__) if isinstance(each, type) and issubclass(each, nl.Layer)}
    public = {each for each in public if not issubclass(each, Container)} - {nl.Layer, nl.Loss}
    made = {type(each) for row in ROWS + MORE for _, each in row.make(np.float64).walk()}
    made |= {type(case.make()) for case in LOSSES + DRAWN_LOSSES}
    assert public | {ResidualAdd} <= made
    assert {kind for kind in public | {ResidualAdd} if not kind.rule} == set()


# ---- what the texts say --------------------------------------------------------------------------


def lines_of(layer, *shapes):
    y = layer.forward(*map(np.zeros, shapes))
    return rule_of(layer, shapes, (y[0] if layer.n_outputs > 1 else y).shape).splitlines()


def test_the_rules_of_the_chapter_are_written_as_in_the_chapter():
    assert lines_of(nl.MatMul(), (2, 2), (2, 3)) == ["y = a·b", "da = dy·bᵀ", "db = aᵀ·dy"]
    assert lines_of(nl.Add(), (2, 3), (1, 3)) == ["y = x1 + x2", "dx1 = dy", "dx2 = sum[axis=0](dy)"]
    assert lines_of(HeadAttention(2, causal=True), (2, 3, 4), (5, 4), (5, 6))[1:] == [
        "dq = joined(ds·K / sqrt(2)), where ds = p ⊙ (dp − sum[axis=-1](p ⊙ dp)), dp = D·Vᵀ, "
        "p = softmax(Q·Kᵀ / sqrt(2), tri(3, 5)), Q = heads(q, 2), K = heads(k, 2), V = heads(v, 2), D = heads(dy, 2)",
        "dk = joined(sum[axis=0](dsᵀ·Q / sqrt(2))), where ds = p ⊙ (dp − sum[axis=-1](p ⊙ dp)), dp = D·Vᵀ, "
        "p = softmax(Q·Kᵀ / sqrt(2), tri(3, 5)), Q = heads(q, 2), K = heads(k, 2), V = heads(v, 2), D = heads(dy, 2)",
        "dv = joined(sum[axis=0](pᵀ·D)), where p = softmax(Q·Kᵀ / sqrt(2), tri(3, 5)), Q = heads(q, 2), K = heads(k, 2), D = heads(dy, 2)",
    ]
    assert lines_of(HeadAttention(1), (1, 4), (1, 4), (1, 4))[0] == (
        "y = joined(p·V), where p = softmax(Q·Kᵀ / sqrt(4)), Q = heads(q, 1), K = heads(k, 1), V = heads(v, 1)"
    )
    assert lines_of(nl.Affine(2, 3), (2, 2)) == ["y = x·weight + bias", "dx = dy·weightᵀ", "dweight = xᵀ·dy", "dbias = sum[axis=0](dy)"]
    assert lines_of(nl.Tanh(), (2, 3)) == ["y = tanh(x)", "dx = dy ⊙ (1 − y²)"]
    assert lines_of(nl.Sum(), (2, 3)) == ["y = sum(x)", "dx = dy, spread to 2×3"]
    assert lines_of(nl.Transpose(), (2, 3)) == lines_of(nl.Transpose(), (3,)) == ["y = xᵀ", "dx = dyᵀ"]


def test_a_rule_says_no_more_than_the_shapes_need():
    assert lines_of(nl.MatMul(), (3,), (3, 2)) == ["y = a·b", "da = row(dy)·bᵀ", "db = row(a)ᵀ·row(dy)"]
    assert lines_of(nl.MatMul(), (4, 3), (3,)) == ["y = a·b", "da = column(dy)·column(b)ᵀ", "db = aᵀ·column(dy)"]
    assert lines_of(nl.Mean(0), (4, 3)) == ["y = sum[axis=0](x) / 4", "dx = dy / 4, spread to 4×3 along axis 0"]
    terms = nl.SoftmaxCrossEntropy(reduction="none")
    assert terms.rule([(3,), ()], ()).endswith("dy = dL ⊙ (softmax(y) − onehot(t, 3))")
    assert terms.rule([(4, 3), (4,)], (4,)).endswith("dy = column(dL) ⊙ (softmax(y) − onehot(t, 3))")


def test_a_layer_with_several_outputs_has_a_line_for_each():
    assert lines_of(nl.Split([1]), (3, 2)) == [
        "y1 = x, piece 0:1 along axis 0",
        "y2 = x, piece 1:3 along axis 0",
        "dx = dy1, dy2, side by side along axis 0",
    ]
    picture = Picture(Flow(nl.Split([1]), [np.ones((3, 2))]))
    (node,) = [node for node in picture.nodes if node.kind == "operation"]
    assert [line.result for line in node.forward] == [Reference(i, False) for i in node.outputs]
    assert node.backward[0].parts[::2] == [Reference(i, True) for i in node.outputs]


def test_the_reductions_say_which_elements_have_a_gradient():
    assert lines_of(nl.Max(1), (2, 3)) == [
        "y = max[axis=1](x)",
        "dx = (dy, spread to 2×3 along axis 1) ⊙ w / sum[axis=1](w), where w = [x = max[axis=1](x)]",
    ]
    assert lines_of(nl.Norm(), (2, 3))[1] == "dx = (dy, spread to 2×3) ⊙ x / n ⊙ [n > 0], where n = sqrt(sum(x²))"
    assert lines_of(nl.CumulativeSum(0), (2, 3)) == ["y = einsum[ab,na→nb](x, tri(2, 2))", "dx = einsum[nb,na→ab](dy, tri(2, 2))"]


def test_an_embedding_is_a_product_with_one_hot_rows():
    def lines(layer, *shape):
        return rule_of(layer, [shape], layer.forward(np.zeros(shape, int)).shape).splitlines()

    assert lines(nl.Embedding(5, 3), 4) == ["y = onehot(ids, 5)·weight", "dweight = onehot(ids, 5)ᵀ·dy"]
    assert lines(nl.Embedding(5, 3, padding=2), 4) == [
        "y = onehot(ids, 5)·weight ⊙ column([ids ≠ 2])",
        "dweight = onehot(ids, 5)ᵀ·(dy ⊙ column([ids ≠ 2]))",
    ]
    assert lines(nl.Embedding(5, 3), 2, 4)[1] == "dweight = onehot(i, 5)ᵀ·g, where i = (ids, reshaped to 8), g = (dy, reshaped to 8×3)"


def test_a_slice_says_no_more_than_the_axes_that_it_cuts_and_a_choice_of_rows_all_lengths():
    assert lines_of(nl.Slice(np.s_[:, 1:]), (2, 3)) == ["y = x, piece 1:3 along axis 1", "dx = pad[widths=0×1:0](dy)"]
    assert lines_of(nl.Slice(np.s_[::2]), (4, 3)) == ["y = x[::2]", "dx = dy at the places of y, 0 elsewhere"]
    assert lines_of(nl.Slice(np.s_[None, 1:]), (4, 3)) == ["y = x[None, 1:]", "dx = dy at the places of y, 0 elsewhere"]
    y, dx = nl.Take(1).rule([(2, 5, 4), (3,)], (2, 3, 4)).splitlines()
    assert y.startswith("y = (onehot(j, 5)·(x, reshaped to 2×5×4)), reshaped to 2×3×4, where")
    assert dx.startswith("dx = (onehot(j, 5)ᵀ·(dy, reshaped to 2×3×4)), reshaped to 2×5×4, where")
    assert "column" not in nl.CosineEmbedding().rule([(3,), (3,), ()], ())


def test_a_learned_position_says_which_rows_it_takes_only_if_they_are_not_all():
    assert lines_of(nl.PositionalEmbedding(3, 2), (4, 3, 2)) == ["y = x + weight", "dx = dy", "dweight = sum[axis=0](dy)"]
    assert lines_of(nl.PositionalEmbedding(5, 2), (3, 2)) == [
        "y = x + (weight, piece 0:3 along axis 0)",
        "dx = dy",
        "dweight = pad[widths=0:2×0](dy)",
    ]


def test_a_convolution_says_what_it_is_and_only_the_options_that_it_has():
    assert lines_of(nl.Conv2d(1, 2, 3, rng=0), (1, 1, 4, 5)) == [
        "y = conv(x, weight) + bias[:, None, None]",
        "dx = conv_transpose[to=4×5](dy, weight)",
        "dweight = conv_weight[kernel=3](x, dy)",
        "dbias = sum[axis=(0, 2, 3)](dy)",
    ]
    conv = nl.Conv1d(2, 2, 2, stride=2, padding=((0, 1),), dilation=3, groups=2, bias=False, rng=0)
    assert lines_of(conv, (1, 2, 6))[0] == "y = conv[stride=2, border=0:1, dilation=3, groups=2](x, weight)"
    assert lines_of(nl.ConvTranspose1d(1, 1, 3, bias=False, rng=0), (1, 1, 4)) == [
        "y = conv_transpose[to=6](x, weight)",
        "dx = conv(dy, weight)",
        "dweight = conv_weight[kernel=3](dy, x)",
    ]


def test_pooling_sends_the_gradient_to_the_winners_or_to_all_alike():
    assert lines_of(nl.MaxPool2d(2), (1, 1, 4, 4)) == ["y = maxpool[kernel=2, stride=2](x)", "dx = to_winners[kernel=2, stride=2](dy, x)"]
    assert lines_of(nl.AvgPool1d(3, stride=1), (1, 1, 4)) == ["y = avgpool[kernel=3](x)", "dx = avgpool_transpose[kernel=3, to=4](dy)"]


def test_a_norm_without_parameters_needs_no_name_but_that_of_its_divisor():
    assert lines_of(nl.LayerNorm(3, affine=False), (2, 3)) == [
        "y = (x − mean[axis=-1](x)) / s, where s = sqrt(var[axis=-1](x) + 1e-05)",
        "dx = (dy − mean[axis=-1](dy) − y ⊙ mean[axis=-1](dy ⊙ y)) / s, where s = sqrt(var[axis=-1](x) + 1e-05)",
    ]
    (y, *_) = lines_of(nl.LayerNorm(3), (2, 3))
    assert y == "y = z ⊙ weight + bias, where z = (x − mean[axis=-1](x)) / s, s = sqrt(var[axis=-1](x) + 1e-05)"


def test_a_users_layer_states_its_rule_in_one_attribute():
    class Gain(Scale):
        rule = "y = x ⊙ weight; dx = dy ⊙ weight\n dweight = sum[axis=0](dy ⊙ x)"

    inputs = [np.array([[1.0, 2.0], [3.0, 4.0]])]
    assert check(Gain(), inputs) == 1
    picture = Picture(Flow(Gain(), inputs))
    (node,) = [node for node in picture.nodes if node.kind == "operation"]
    x, weight, y = (wire.number for wire in picture.wires)
    assert node.forward[0].parts == [Reference(x, False), " ⊙ ", Reference(weight, False)]
    assert node.backward[1].parts == ["sum[axis=0](", Reference(y, True), " ⊙ ", Reference(x, False), ")"]


def test_a_users_layer_states_by_a_method_what_depends_on_shapes():
    class Average(nl.Layer):
        def forward(self, x):
            self.n = len(x)
            return x.mean(axis=0)

        def backward(self, dout):
            return np.tile(dout / self.n, (self.n, 1))

        def rule(self, inputs, output):
            (rows, columns), (same,) = *inputs, output
            return f"y = sum[axis=0](x) / {rows}; dx = dy / {rows}, spread to {rows}×{columns} along axis 0" if same == columns else ""

    assert check(Average(), [np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]])], [0.5, -1.0]) == 1


def test_what_is_no_rule_is_none():
    class Plain(nl.Layer):
        rule = 3

    for layer in (nl.Layer(), Plain()):
        assert rule_of(layer, [(2,)], (2,)) == ""


def test_an_inherited_rule_holds_until_a_method_it_was_written_for_is_overridden():
    class Renamed(nl.ReLU):
        def __init__(self):
            self.another = 1

    class Shifted(nl.ReLU):
        def forward(self, x):
            return super().forward(x) + 1

    class Halved(nl.MeanSquaredError):
        def terms(self, y, t):
            terms, *kept = super().terms(y, t)
            return terms / 2, *kept

    class Stated(Shifted):
        rule = "y = max(0, x) + 1; dx = dy ⊙ [x > 0]"

    assert rule_of(Renamed(), [(2,)], (2,)) == "y = max(0, x)\ndx = dy ⊙ [x > 0]"
    assert rule_of(Shifted(), [(2,)], (2,)) == rule_of(Halved(), [(2,), (2,)], ()) == ""
    assert check(Stated(), [np.array([0.5, -0.5])]) == 1


@pytest.mark.parametrize("formula", ["y²", "y³", "yᵀ", "(y)", "2 y", "y/2", "exp(y)"])
def test_a_name_in_a_formula_is_found_whatever_is_beside_it(formula):
    class Mine(nl.Layer):
        rule = f"z = {formula}"

        def forward(self, y):
            return y * 1

        def backward(self, dout):
            return dout

    picture = Picture(Flow(Mine(), [np.ones((2, 2))]))
    (line,) = picture.nodes[1].forward
    assert Reference(0, False, is_transposed="ᵀ" in formula) in line.parts


@pytest.mark.parametrize("rule", ["y = tanh(x)\ndx = dy ⊙ (1 − y)", "y = tanh(x)", "y = tanh(x)\nis = wrong\ndx = dy ⊙ (1 − y²)"])
def test_the_referee_sees_a_wrong_rule(monkeypatch, rule):
    monkeypatch.setattr(nl.Tanh, "rule", rule)
    with pytest.raises((AssertionError, ValueError)):
        check(nl.Tanh(), [np.array([0.5, -0.5])])


def test_a_line_without_a_name_in_front_stays_whole():
    class Noted(nl.Tanh):
        rule = "with s = 1: y grows; y = tanh(x)"

    picture = Picture(Flow(Noted(), [np.ones(2)]))
    note, line = picture.nodes[1].forward
    assert "".join(part if isinstance(part, str) else picture.wires[part.wire].name for part in note.parts) == "with s = 1: Y grows"
    assert (note.result, line.result) == (None, Reference(1, False))
