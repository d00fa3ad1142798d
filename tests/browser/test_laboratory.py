"""The laboratory: after any change in the page, its JavaScript agrees with netlib to 1e-9, forward and backward, on every wire."""

import copy

import numpy as np
import pytest

import netlib as nl
from netlib.drawing import numbers
from netlib.drawing.flow import Flow
from netlib.drawing.page import COMPUTED
from netlib.drawing.picture import Picture
from netlib.erf import erfc


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


ONE_INPUT = {
    "Identity": nl.Identity(), "ReLU": nl.ReLU(), "LeakyReLU": nl.LeakyReLU(0.2), "ELU": nl.ELU(0.7), "GELU": nl.GELU(),
    "SiLU": nl.SiLU(), "Sigmoid": nl.Sigmoid(), "Softplus": nl.Softplus(), "Tanh": nl.Tanh(), "Softmax": nl.Softmax(),
    "Softmax of axis 0": nl.Softmax(0), "LogSoftmax": nl.LogSoftmax(), "LogSoftmax of axis 1": nl.LogSoftmax(1), "Sum": nl.Sum(),
    "Sum of axis 1": nl.Sum(1), "Sum of two axes": nl.Sum((0, -1)), "Sum, axes kept": nl.Sum((1, 2), keepdims=True), "Mean": nl.Mean(),
    "Mean of axis -1": nl.Mean(-1), "Mean, axes kept": nl.Mean((0, 1), keepdims=True), "Transpose": nl.Transpose(),
    "Transpose of axes": nl.Transpose((1, -1, 0)), "Reshape": nl.Reshape((4, -1)), "Flatten": nl.Flatten(), "Flatten all": nl.Flatten(0),
}  # fmt: skip
CASES = {name: (nl.Sequential(layer), [(2, 3, 4)]) for name, layer in ONE_INPUT.items()}
CASES |= {
    "Softmax of a vector": (nl.Sequential(nl.Softmax()), [(5,)]),
    "Add": (graph(nl.Add(), 3), [(2, 3), (3,), (2, 1)]),
    "Subtract": (graph(nl.Subtract(), 2), [(3,), (2, 1)]),
    "Multiply": (graph(nl.Multiply(), 2), [(2, 3), (1, 3)]),
    "Multiply by a number": (graph(nl.Multiply(), 2), [(2, 2, 3), ()]),
    "Divide": (graph(nl.Divide(), 2), [(3,), (2, 1, 3)]),
    "MatMul": (graph(nl.MatMul(), 2), [(2, 3), (3, 4)]),
    "MatMul of vectors": (graph(nl.MatMul(), 2), [(3,), (3,)]),
    "MatMul of a row": (graph(nl.MatMul(), 2), [(3,), (3, 2)]),
    "MatMul of a column": (graph(nl.MatMul(), 2), [(2, 3), (3,)]),
    "MatMul of a batch": (graph(nl.MatMul(), 2), [(4, 2, 3), (3, 2)]),
    "MatMul of a row with a batch": (graph(nl.MatMul(), 2), [(3,), (4, 3, 2)]),
    "MatMul of batches, broadcast": (graph(nl.MatMul(), 2), [(2, 1, 2, 3), (3, 3, 2)]),
    "Concatenate": (graph(nl.Concatenate(), 3), [(2, 1), (2, 3), (2, 2)]),
    "Concatenate along axis 0": (graph(nl.Concatenate(0), 2), [(2, 2, 2), (1, 2, 2)]),
    "Affine": (nl.Sequential(affine(3, 2), nl.Tanh(), affine(2, 4, 1)), [(4, 3)]),
    "Affine without bias": (nl.Sequential(affine(3, 2, bias=False)), [(4, 3)]),
    "Affine of a vector": (nl.Sequential(affine(3, 2)), [(3,)]),
    "Affine of three axes": (nl.Sequential(affine(3, 2)), [(2, 2, 3)]),
    "Residual": (nl.Residual(nl.Sequential(affine(3, 3), nl.GELU())), [(2, 3)]),
    "a fan-out": (fan_out(), [(2, 3)]),
    "shared weights": (shared(), [(2, 3)]),
    "two outputs": (two_outputs(), [(2, 3)]),
    "MeanSquaredError": (nl.MeanSquaredError(), [(2, 3), (2, 3)]),
    "MeanSquaredError, summed": (nl.MeanSquaredError("sum"), [(2, 3), (2, 3)]),
    "MeanAbsoluteError, term by term": (nl.MeanAbsoluteError("none"), [(2, 3), (2, 3)]),
    "Huber": (nl.Huber(0.5), [(2, 3), (2, 3)]),
    "Hinge": (nl.Hinge(), [(2, 3), "signs"]),
    "SigmoidCrossEntropy": (nl.SigmoidCrossEntropy(), [(2, 3), "probabilities"]),
    "SoftmaxCrossEntropy": (nl.SoftmaxCrossEntropy(), [(2, 3), "labels"]),
    "SoftmaxCrossEntropy, smoothed": (nl.SoftmaxCrossEntropy(0.1, "sum"), [(2, 3), "labels"]),
    "SoftmaxCrossEntropy of probabilities": (nl.SoftmaxCrossEntropy(0.2), [(2, 3), "probabilities"]),
    "SoftmaxCrossEntropy, sample by sample": (nl.SoftmaxCrossEntropy(reduction="none"), [(2, 3), "labels"]),
}  # fmt: skip


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


def arrays_of(page):
    return [[None if each is None else np.array(each[1], float).reshape(each[0]) for each in half] for half in page.evaluate(READ)]


def assert_agrees(page, picture):
    values, gradients = arrays_of(page)
    for wire, value, gradient in zip(picture.wires, values, gradients, strict=True):
        np.testing.assert_allclose(value, wire.value, rtol=1e-9, atol=1e-9, err_msg=wire.name)
        assert (gradient is None) == (wire.grad is None), wire.name
        if gradient is not None:
            np.testing.assert_allclose(gradient, wire.grad, rtol=1e-9, atol=1e-9, err_msg=f"∂L/∂{wire.name}")


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


def test_the_table_covers_every_layer_of_the_laboratory():
    used = set()
    for model, shapes in CASES.values():
        inputs = [numbers_for(shape, np.random.default_rng(0)) for shape in shapes]
        used |= {type(node.layer) for node in Picture(Flow(model, inputs)).nodes if node.kind == "operation"}
    assert used == set(COMPUTED)


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
        (nl.SoftmaxCrossEntropy(), np.array([0, 2]), "from 0 to 2"),
        (nl.SigmoidCrossEntropy(), np.array([[0.0, 0.5, 1.0]] * 2), "from 0 to 1"),
        (nl.Hinge(), np.array([[1.0, -1.0, 1.0]] * 2), "-1 or 1"),
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


@pytest.mark.parametrize(
    "array",
    [
        X, np.array(0.5), np.array(-0.0), np.array([1.5, -20.0, 0.25]), np.array([[1e-9, 1.0]]), np.array([1e-9, 3e-7]),
        np.array([np.nan, 2.0, -np.inf]), np.array([[1e7, 2.5]]), np.array([[0.03125, 0.09375, -0.03125]]), np.array([1, 20, -3]),
        np.array([0.1, 0.2], np.float32), np.array([2 / 3, 1e5]), np.array([0.99996, 0.12]), np.array([12345678, 1]),
    ],
)  # fmt: skip
def test_panel_and_picture_write_the_same_digits(visit, array):
    page = visit(nl.Sequential(nl.Identity()), X)
    stored = {"shape": array.shape, "dtype": array.dtype.name, "data": [str(x) for x in array.ravel()]}
    data = [x.replace("nan", "NaN").replace("inf", "Infinity") for x in stored["data"]]
    assert page.evaluate("stored => rowsOf(decoded(stored))", stored | {"data": data}) == numbers.rows(array)


def test_the_error_function_is_netlibs_everywhere(visit):
    x = np.concatenate([np.linspace(-6, 6, 2001), [-28.0, 0.46875, 4.0, 26.0]])
    page = visit(nl.Sequential(nl.Identity()), X)
    np.testing.assert_allclose(page.evaluate("xs => xs.map(erfc)", x.tolist()), erfc(x), rtol=1e-12)


def test_new_numbers_keep_to_the_room_of_the_old(visit):
    page = visit(dot(), X)
    page.evaluate("chooseWire(1)")
    room = page.evaluate("view.labels.map(label => label.value.room)")
    page.locator("#wire input").first.fill("-1234.56789")
    widths = page.evaluate("view.wires.map(wire => wire.querySelector('.value').getBBox().width)")
    assert all(width <= had + 15 for width, had in zip(widths, room, strict=True))
    assert not page.locator("#complaint").inner_text()
