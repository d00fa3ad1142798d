"""The page in a browser: what it shows at each step equals NumPy, by keyboard alone, on a narrow screen, in the dark."""

import re

import numpy as np
import pytest

import netlib as nl
from netlib.drawing import numbers

X = np.array([[0.1, -0.4], [0.7, 0.2]])
W = np.array([[0.9, -0.3, 0.5], [-0.6, 0.8, 0.25]])
B = np.array([[0.2, -0.1, 0.3]])


def chapter():
    x = nl.Input("X")
    a = nl.MatMul()(x, nl.Weight("W", W), name="XW")
    y = nl.Add()(a, nl.Weight("B", B), name="Y")
    return nl.Graph(inputs=[x], outputs=[nl.Sum()(nl.Tanh()(y, name="F"), name="L")])


def residual():
    x = nl.Input("X")
    h = nl.MatMul()(x, nl.Weight("W", np.array([[0.9, -0.3], [-0.6, 0.8]])), name="H")
    return nl.Graph(inputs=[x], outputs=[nl.Add()(x, nl.Tanh()(h, name="A"), h, name="Y")])


class Scale(nl.Layer):
    def __init__(self):
        self.weight = nl.Parameter(np.array([2.0, 3.0]))

    def forward(self, x):
        self.x = np.asarray(x)
        return self.x * self.weight.value

    def backward(self, dout):
        self.weight.grad += (dout * self.x).sum(axis=0)
        return dout * self.weight.value


DY = 1 - np.tanh(X @ W + B) ** 2  # of L = Σ tanh(Y)
CHAPTER = {
    "X": X, "W": W, "B": B, "XW": X @ W, "Y": X @ W + B, "F": np.tanh(X @ W + B), "L": np.tanh(X @ W + B).sum(),
    "dL": np.array(1.0), "dF": np.ones((2, 3)), "dY": DY, "dXW": DY, "dX": DY @ W.T, "dW": X.T @ DY, "dB": DY.sum(axis=0, keepdims=True),
    "Wᵀ": W.T, "Xᵀ": X.T,
}  # fmt: skip

READ_MATRICES = """root => [...root.querySelectorAll("table")].map(table => [
    table.getAttribute("aria-label").split(", ")[0],
    [...table.rows].map(row => [...row.cells].map(cell => cell.firstChild.value ?? cell.dataset.number)),
    Boolean(table.closest(".result"))])"""


def matrices(page, where):
    """Return what stands in a part of the page: name, numbers, and whether it is a result."""
    return [(name, np.array(rows, float), is_result) for name, rows, is_result in page.locator(where).evaluate(READ_MATRICES)]


def results(page):
    return {name: array for name, array, is_result in matrices(page, "#step") if is_result}


def status(page):
    return page.locator("#status").text_content()


def texts(page, selector):
    return [each.text_content() for each in page.locator(selector).all()]


def wire(page, name):
    """Return the wire of that name as an element of the page."""
    return page.locator(f'.wire[aria-label^="{name}, "]')


def n_steps(page):
    return int(page.locator("#slider").get_attribute("max"))


def test_every_number_of_the_panel_is_numpys_at_every_step(visit):
    page = visit(chapter(), X)
    seen = set()
    for step in range(1, n_steps(page) + 1):
        page.keyboard.press("ArrowRight")
        assert status(page).startswith(f"step {step} of {n_steps(page)}, ")
        for name, array, is_result in matrices(page, "#step"):
            np.testing.assert_allclose(array, CHAPTER[name].reshape(array.shape), rtol=1e-9, atol=1e-9, err_msg=name)
            seen |= {name} if is_result else set()
    assert seen == set(CHAPTER) - {"Wᵀ", "Xᵀ"}


def test_the_dot_node_shows_the_rule_the_shapes_and_both_transposed_matrices(visit):
    page = visit(chapter(), X)
    page.keyboard.press("End")
    while "dX" not in results(page):
        page.keyboard.press("ArrowLeft")
    assert status(page).endswith("backward")
    assert [text.split() for text in texts(page, "#step .rule")] == [
        ["dX", "=", "dXW·Wᵀ(2×3)(3×2)", "→", "(2×2)"],
        ["dW", "=", "Xᵀ·dXW(2×2)(2×3)", "→", "(2×3)"],
    ]
    names = [(name, array.shape) for name, array, _ in matrices(page, "#step")]
    assert names == [("dXW", (2, 3)), ("Wᵀ", (3, 2)), ("dX", (2, 2)), ("Xᵀ", (2, 2)), ("dXW", (2, 3)), ("dW", (2, 3))]


def test_the_bias_is_told_of_the_sum_over_the_rows(visit):
    page = visit(chapter(), X)
    page.keyboard.press("End")
    while "dB" not in results(page):
        page.keyboard.press("ArrowLeft")
    assert any("dB = sum[axis=0](dY)" in text for text in texts(page, "#step .rule"))
    np.testing.assert_allclose(results(page)["dB"], CHAPTER["dB"], rtol=1e-9)


def test_what_is_not_computed_yet_is_hidden_and_comes_step_by_step(visit):
    page = visit(chapter(), X)
    count = lambda kind: page.locator(f".wire.{kind}").count()  # noqa: E731
    assert (count("value-yet"), count("grad-yet")) == (0, 0)
    page.keyboard.press("ArrowRight")
    n = page.locator(".wire").count()
    assert (count("value-yet"), count("grad-yet")) == (n - 1, n)
    shown = [(count("value-yet"), count("grad-yet"))]
    while page.locator("#next").is_enabled():
        page.keyboard.press("ArrowRight")
        shown.append((count("value-yet"), count("grad-yet")))
    assert shown == sorted(shown, reverse=True)
    assert shown[-1] == (0, 0)


def test_a_number_that_is_not_there_yet_cannot_be_seen(visit):
    page = visit(chapter(), X)
    row, slot = wire(page, "Y").locator(".value .row").first, wire(page, "Y").locator(".value .slot")
    assert row.is_visible()
    assert not slot.is_visible()
    page.keyboard.press("ArrowRight")
    assert not row.is_visible()
    assert slot.is_visible()
    assert "not yet" in slot.text_content()


def test_not_computed_not_yet_and_zero_are_three_different_things(visit):
    y, t = np.array([[1.0, 2.0]]), np.array([[1.0, 3.0]])
    page = visit(nl.MeanSquaredError(reduction="none"), y, t, dout=np.zeros((1, 2)))
    page.keyboard.press("ArrowRight")
    names = [label.split(",")[0] for label in page.locator(".wire").evaluate_all("all => all.map(each => each.getAttribute('aria-label'))")]
    told = {}
    for name in names:
        wire(page, name).focus()
        told[name] = page.locator('#wire [data-half="gradient"] .whole').inner_text().strip()
    assert sorted(told.values()) == ["not computed", "not yet", "not yet"]
    page.keyboard.press("End")
    for name in names:
        wire(page, name).focus()
        told[name] = page.locator('#wire [data-half="gradient"] .whole').inner_text().split()
    assert sorted(told.values()) == [["0", "0"], ["0", "0"], ["not", "computed"]]


def test_the_active_node_and_its_wires_are_lit(visit):
    page = visit(chapter(), X)
    page.keyboard.press("End")
    assert page.locator(".node.lit-backward").get_attribute("aria-label") == "dot, MatMul()"
    assert page.locator(".node.lit-forward").count() == 0
    lit = page.locator(".wire.lit-backward").evaluate_all("all => all.map(each => each.getAttribute('aria-label').split(',')[0])")
    assert sorted(lit) == ["W", "X", "XW"]
    page.keyboard.press("Home")
    assert page.locator(".lit-backward, .lit-forward").count() == 0


def test_at_a_fan_out_the_sum_grows(visit):
    page = visit(residual(), X)
    page.keyboard.press("End")
    while not page.locator(".meeting").count() or "went 2 ways" not in page.locator(".meeting").first.inner_text():
        page.keyboard.press("ArrowLeft")
    wires = page.evaluate("view.picture.wires.map((wire, w) => [wire.name, view.gradients[w] && [...view.gradients[w].data]])")
    gradients = dict(wires)
    stories = []
    page.keyboard.press("Home")
    while page.locator("#next").is_enabled():
        page.keyboard.press("ArrowRight")
        for part in page.locator(".meeting").all():
            text, so_far = part.inner_text(), part.evaluate(READ_MATRICES)[-1]
            stories.append((so_far[0], text.count("not yet"), np.array(so_far[1], float)))
    of_x = [(missing, total) for name, missing, total in stories if name == "dX"]
    assert [missing for missing, _ in of_x] == [1, 0, 0]
    first, *others = of_x
    np.testing.assert_allclose(first[1].ravel(), gradients["X(2)"], rtol=1e-12)
    for _, total in others:
        np.testing.assert_allclose(total.ravel(), np.add(gradients["X(1)"], gradients["X(2)"]), rtol=1e-12)
        np.testing.assert_allclose(total.ravel(), gradients["X"], rtol=1e-12)


def test_the_whole_way_by_keys_there_and_back(visit):
    page = visit(chapter(), X)
    assert status(page) == "the whole picture"
    n = n_steps(page)
    there = []
    for _ in range(n):
        page.keyboard.press("ArrowRight")
        there.append((status(page), page.locator("#step").inner_text()))
    page.keyboard.press("ArrowRight")
    assert status(page) == there[-1][0]
    for expected in reversed(there):
        assert (status(page), page.locator("#step").inner_text()) == expected
        page.keyboard.press("ArrowLeft")
    assert status(page) == "the whole picture"
    page.keyboard.press("End")
    assert status(page) == there[-1][0]
    page.keyboard.press("Home")
    assert status(page) == "the whole picture"


def test_buttons_and_slider_go_the_same_way_and_say_so(visit):
    page = visit(chapter(), X)
    n = n_steps(page)
    page.click("#next")
    assert status(page) == f"step 1 of {n}, forward"
    page.click("#last")
    assert status(page) == f"step {n} of {n}, backward"
    assert page.locator("#last").is_disabled()
    page.click("#back")
    assert status(page) == f"step {n - 1} of {n}, backward"
    page.locator("#slider").fill("2")
    assert status(page) == f"step 2 of {n}, forward"
    assert page.locator("#slider").get_attribute("aria-valuetext") == status(page)
    page.click("#first")
    assert status(page) == "the whole picture"


def test_each_step_is_announced(visit):
    page = visit(chapter(), X)
    page.keyboard.press("End")
    said = page.locator("#live").text_content()
    assert "backward: dot, MatMul(). dX = dXW·Wᵀ(2×3)(3×2) → (2×2)" in said
    assert page.locator("#live").get_attribute("aria-live") == "polite"


def test_play_goes_on_by_itself_and_stops_when_asked(visit, browser):
    page = visit(chapter(), X)
    page.clock.install()
    page.keyboard.press(" ")
    assert status(page).startswith("step 1 ")
    page.clock.run_for(4100)
    assert status(page).startswith("step 3 ")
    page.keyboard.press(" ")
    page.clock.run_for(10_000)
    assert status(page).startswith("step 3 ")
    page.click("#play")
    page.clock.run_for(100_000)
    assert status(page).startswith(f"step {n_steps(page)} ")
    assert page.locator("#play").get_attribute("aria-label") == "Play"


def test_tab_reaches_each_control_and_then_nodes_and_wires_in_the_order_of_the_flow(visit):
    page = visit(chapter(), X, detail="layers")
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.textContent")
        reached.append(name.split(",")[0])
    begin = reached.index("X")
    assert reached[:begin] == ["Play", "A step on", "The last step", "Step", "Smaller", "fit", "Larger"]
    assert reached[begin : begin + 15] == ["X", "X", "W", "W", "dot", "XW", "B", "B", "+", "Y", "tanh", "F", "Σ", "L", "L"]
    assert reached[begin + 15 : begin + 19] == ["X", "W", "B", "dout"]


def test_what_has_the_focus_can_be_seen(visit):
    page = visit(chapter(), X)
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    while page.evaluate("!document.activeElement.matches('.wire')"):
        page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement.querySelector('rect.reach')).strokeWidth") == "2.5px"


@pytest.mark.parametrize("way", ["hover", "focus", "click"])
def test_a_wire_shows_its_whole_array_and_gradient(visit, way):
    page = visit(chapter(), X)
    target = wire(page, "XW")
    if way == "focus":
        target.focus()
    else:
        getattr(target.locator(".label"), way)(force=True)
    (_, value, _), (_, gradient, _) = matrices(page, "#wire")
    np.testing.assert_allclose(value, X @ W, rtol=1e-12)
    np.testing.assert_allclose(gradient, DY, rtol=1e-12)
    facts = page.locator("#wire h2").inner_text()
    assert "2×3" in facts
    assert "float64" in facts


def test_what_was_clicked_stays_while_the_pointer_goes_elsewhere_and_escape_lets_it_go(visit):
    page = visit(chapter(), X)
    wire(page, "XW").locator(".label").click(force=True)
    wire(page, "Y").locator(".label").hover(force=True)
    assert page.locator("#wire h2").inner_text().startswith("Y")
    page.locator("#status").hover()
    assert page.locator("#wire h2").inner_text().startswith("XW")
    page.keyboard.press("Escape")
    assert page.locator("#wire h2").count() == 0


def test_a_click_on_a_node_goes_to_its_step(visit):
    page = visit(chapter(), X)
    page.locator('.node[aria-label^="tanh"]').click(force=True)
    assert page.locator("#step h2").inner_text().startswith("forward")
    assert list(results(page)) == ["F"]
    page.keyboard.press("End")
    page.locator('.node[aria-label^="tanh"]').press("Enter")
    assert list(results(page)) == ["dY"]


def view_box(page):
    return [float(x) for x in page.locator("#canvas > svg").get_attribute("viewBox").split()]


def test_keys_wheel_and_drag_zoom_and_move(visit):
    page = visit(chapter(), X)
    x, y, width, height = view_box(page)
    page.keyboard.press("+")
    assert view_box(page)[2] == pytest.approx(width / 1.25, rel=1e-3)
    page.keyboard.press("-")
    assert view_box(page) == pytest.approx([x, y, width, height], abs=0.1)
    page.keyboard.press("Shift+ArrowRight")
    assert view_box(page)[0] > x
    page.keyboard.press("0")
    assert view_box(page) == pytest.approx([x, y, width, height], abs=0.1)
    box = page.locator("#canvas").bounding_box()
    place = box["x"] + box["width"] / 4, box["y"] + box["height"] / 2
    page.mouse.move(*place)
    page.mouse.wheel(0, -100)
    assert view_box(page) == pytest.approx([x, y, width, height], abs=0.1)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    page.wait_for_function(f"view.drawing.viewBox.baseVal.width < {width - 1}")
    zoomed = view_box(page)
    assert zoomed[0] + zoomed[2] / 4 == pytest.approx(x + width / 4, abs=1)  # what is under the pointer stays
    label = wire(page, "XW").locator(".label").bounding_box()
    place = label["x"] + label["width"] / 2, label["y"] + 20
    page.mouse.move(*place)
    page.mouse.down()
    page.mouse.move(place[0] - 60, place[1], steps=4)
    page.mouse.up()
    assert view_box(page)[0] > zoomed[0]
    assert page.locator(".wire.chosen").count() == 0  # that was no click
    page.mouse.move(place[0] - 60, place[1])
    page.mouse.down()
    page.mouse.up()
    assert page.locator(".wire.chosen").count() == 1
    page.keyboard.press("Escape")
    page.click("#fit")
    assert view_box(page) == pytest.approx([x, y, width, height], abs=0.1)


def test_at_the_start_the_picture_fits_and_a_long_one_is_then_shown_from_near(visit):
    layers = [layer for i in range(8) for layer in (nl.Affine(2, 2, rng=i, dtype="float64"), nl.Tanh())]
    page = visit(nl.Sequential(*layers), X)
    whole = page.evaluate("[view.width, view.height]")
    x, _, width, _ = view_box(page)
    assert x <= 0.01
    assert x + width >= whole[0] - 0.01
    for step in (1, 12, n_steps(page)):
        page.evaluate(f"go({step})")
        x, _, width, _ = view_box(page)
        assert width < whole[0] / 2
        box = page.evaluate(
            "(box => [box.x, box.x + box.width])(document.querySelector('.node:is(.lit-forward, .lit-backward)').getBBox())"
        )
        assert x <= box[0] < box[1] <= x + width
    page.keyboard.press("Home")
    assert view_box(page)[2] >= whole[0] - 0.01


@pytest.mark.parametrize("model", [chapter, residual], ids=["chapter", "residual"])
def test_nothing_runs_over_at_400_px(visit, model):
    page = visit(model(), X, viewport={"width": 400, "height": 800}, has_touch=True)
    for _ in range(n_steps(page) + 1):
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        page.keyboard.press("ArrowRight")
    wire(page, "W").press("Enter")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    step, carried = page.locator("#step").bounding_box(), page.locator("#wire").bounding_box()
    assert carried["y"] >= step["y"] + step["height"] - 1


def test_a_page_without_room_as_in_a_hidden_tab_does_not_complain(visit):
    page = visit(chapter(), X)
    page.evaluate("document.getElementById('canvas').style.display = 'none'")
    page.set_viewport_size({"width": 900, "height": 700})
    page.evaluate("document.getElementById('canvas').style.display = ''")
    page.set_viewport_size({"width": 1000, "height": 700})
    assert "NaN" not in page.locator("#canvas > svg").get_attribute("viewBox")


def test_touch_chooses_a_wire(visit):
    page = visit(chapter(), X, viewport={"width": 400, "height": 800}, has_touch=True)
    box = wire(page, "XW").locator(".label").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)
    assert page.locator("#wire h2").inner_text().startswith("XW")


def test_light_and_dark(visit):
    colours = {}
    for scheme in ("light", "dark"):
        page = visit(chapter(), X, color_scheme=scheme)
        style = "getComputedStyle(document.querySelector"
        colours[scheme] = page.evaluate(f"[{style}('body')).backgroundColor, {style}('.paper')).fill, {style}('body')).color]")
    assert colours["light"] == ["rgb(255, 255, 255)", "rgb(255, 255, 255)", "rgb(27, 35, 48)"]
    assert colours["dark"] == ["rgb(18, 22, 29)", "rgb(18, 22, 29)", "rgb(232, 235, 240)"]


def test_motion_is_only_where_it_is_welcome(visit):
    def moves(page):
        css = page.evaluate("getComputedStyle(document.querySelector('.wire .line')).transitionDuration")
        page.evaluate("zoom(2)")
        stays_at_first = """() => {
            const box = () => document.querySelector("#canvas > svg").getAttribute("viewBox"), before = box();
            fit();
            return box() === before;
        }"""  # in one turn of the page, before any frame
        return css, page.evaluate(stays_at_first)

    assert moves(visit(chapter(), X, reduced_motion="reduce")) == ("0s", False)
    assert moves(visit(chapter(), X, reduced_motion="no-preference")) == ("0.2s, 0.2s, 0.2s", True)


def test_print_shows_picture_and_panel_without_controls(visit):
    page = visit(chapter(), X)
    page.keyboard.press("End")
    page.emulate_media(media="print")
    assert not page.locator(".bar").is_visible()
    assert page.locator("#canvas > svg").is_visible()
    assert page.locator("#step").is_visible()


def test_details_can_be_switched(visit):
    model = nl.Sequential(nl.Affine(2, 3, rng=0, dtype="float64"), nl.Sequential(nl.Tanh(), nl.Affine(3, 2, rng=1, dtype="float64")))
    page = visit(model, X)
    assert texts(page, "#details button") == ["folded", "layers", "nodes"]
    counts = {}
    for detail in ("nodes", "folded", "layers"):
        page.click(f"#details button:text-is('{detail}')")
        assert page.locator("#details [aria-pressed=true]").text_content() == detail
        page.keyboard.press("End")
        assert status(page).startswith(f"step {n_steps(page)} ")
        counts[detail] = page.locator(".node").count()
    assert counts["folded"] < counts["layers"] < counts["nodes"]


def test_a_users_layer_is_read_only_and_named(visit):
    page = visit(nl.Sequential(nl.Affine(2, 2, rng=0, dtype="float64"), Scale()), X)
    assert "This page cannot compute Scale() itself: it has no rule." in page.locator("#step").inner_text()
    wire(page, "X").press("Enter")
    assert page.locator("#wire input").count() == 0
    (_, value, _), _ = matrices(page, "#wire")
    assert np.array_equal(value, X)
    page.keyboard.press("End")
    page.locator('.node[aria-label^="Scale"]').press("Enter")
    assert "no rule of its own" in page.locator("#step").inner_text()
    assert [name for name, _, _ in matrices(page, "#step")] == ["dY", "dH", "dW2"]


def test_a_large_array_is_read_by_its_range_and_its_heat_map(visit):
    x = np.random.default_rng(0).standard_normal((64, 40))
    page = visit(nl.Sequential(nl.Affine(40, 30, rng=0), nl.ReLU()), x)
    assert "too large to be computed here" in page.locator("#step").inner_text()
    wire(page, "X").focus()
    text = page.locator("#wire").inner_text()
    assert "64×40" in text
    assert " … ".join(numbers.number(float(n)) for n in (x.min(), x.mean(), x.max())) in text
    assert page.locator("#wire img").first.get_attribute("src").startswith("data:image/png;base64,")
    page.keyboard.press("End")


HOSTILE = ["</script><b id=evil>", "<!--<script>", "\"'><img src=x onerror=evil=1>", "a" * 300, "${evil=1}", "]]>&lt;"]


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_only_names(visit, name):
    class Odd(nl.Layer):
        rule = f"y = x + {name}"

        def forward(self, x):
            return np.asarray(x) + 0.0

        def backward(self, dout):
            return dout

        def __repr__(self):
            return name

    x = nl.Input(name)
    page = visit(nl.Graph(inputs=[x], outputs=[Odd()(nl.Tanh()(x, name=name + "2"))]), X)
    for _ in range(n_steps(page)):
        page.keyboard.press("ArrowRight")
    page.locator(".wire").first.press("Enter")
    assert page.evaluate("typeof evil") == "undefined"
    assert page.locator("#evil, #step img, #wire img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("#wire h2").inner_text().startswith(name if len(name) < 28 else name[:14])


def test_screenshots_for_human_eyes(visit, screenshot):
    page = visit(chapter(), X)
    screenshot(page, "chapter-whole")
    for step, name in ((3, "forward"), (10, "backward"), (n_steps(page), "end")):
        page.evaluate(f"go({step})")
        screenshot(page, f"chapter-{name}")
    page.evaluate("chooseWire(1)")
    screenshot(page, "chapter-laboratory")
    page = visit(residual(), X, color_scheme="dark")
    page.keyboard.press("End")
    while "went 2 ways" not in page.locator("#step").inner_text():
        page.keyboard.press("ArrowLeft")
    screenshot(page, "residual-dark-fan-out")
    page = visit(chapter(), X, viewport={"width": 400, "height": 800})
    screenshot(page, "narrow-whole")
    page.keyboard.press("End")
    screenshot(page, "narrow-end")


def deep():
    """Return a model of so many layers that it is folded: blocks with a residual block in each."""
    blocks = [
        nl.Sequential(nl.Residual(nl.Sequential(nl.Affine(2, 2, rng=i, dtype="float64"), nl.Tanh())), *[nl.Tanh() for _ in range(6)])
        for i in range(5)
    ]
    return nl.Sequential(("stem", nl.Affine(2, 2, rng=9, dtype="float64")), *[(f"block{i}", block) for i, block in enumerate(blocks)])


def go_to(page, title):
    """Step on until the panel tells of a node with this title."""
    for _ in range(n_steps(page)):
        page.keyboard.press("ArrowRight")
        if page.locator("#step h2").text_content().endswith(title):
            return
    raise AssertionError(title)


def test_a_folded_node_can_be_looked_into_and_left_again_by_keyboard(visit):
    model = deep()
    page = visit(model, X)
    go_to(page, "block3")
    before = status(page)
    page.locator("#inside").focus()
    page.keyboard.press("Enter")
    assert page.locator("#step h2").text_content() == "What is inside block3 Sequential"
    assert page.locator("#out").text_content() == "out of block3 Sequential"
    page.keyboard.press("End")
    assert status(page).startswith(f"step {n_steps(page)} ")
    first = model[0].forward(X)
    h = model[3].forward(model[2].forward(model[1].forward(first)))
    model.forward(X)
    model.backward(np.ones((2, 2)))
    shown = {name: array for name, array, _ in matrices(page, "#step")}
    (entering,) = [array for name, array in shown.items() if re.fullmatch(r"dH\d+", name)]
    rest = nl.Sequential(model[4], model[5])
    rest.forward(h)
    np.testing.assert_allclose(entering, rest.backward(np.ones((2, 2))), atol=1e-9)
    page.keyboard.press("Escape")
    assert status(page) == before
    assert not page.locator("#out").is_visible()


def test_a_second_click_on_a_folded_node_looks_inside(visit):
    page = visit(deep(), X)
    node = page.locator(".node.group").nth(1)
    node.click()
    assert page.locator("#step h2").text_content().endswith("block1")
    node.click()
    assert page.locator("#step h2").text_content() == "What is inside block1 Sequential"
    page.click("#out")
    assert page.locator("#step h2").text_content().endswith("block1")


def test_the_numbers_of_a_part_are_read_only_and_it_says_why(visit):
    page = visit(deep(), X)
    go_to(page, "block0")
    page.click("#inside")
    assert "This is a part, and hangs on the rest." in page.locator("#step").text_content()
    page.keyboard.press("ArrowRight")
    assert "comes into this part from stem" in page.locator("#step").text_content()
    page.keyboard.press("End")
    assert page.locator("input.number").count() == 0


def test_what_was_left_out_of_the_page_is_said_with_the_line_that_draws_it(visit):
    def nested(depth):
        return nl.Tanh() if depth == 0 else nl.Sequential(*[nested(depth - 1) for _ in range(12)])

    page = visit(nested(3), X)
    go_to(page, "5")
    page.click("#inside")
    go_to(page, "5.7")
    assert page.locator("#inside").count() == 0
    assert page.locator("#step code").text_content() == 'nl.draw(model, …, within="5.7")'
    page.click("#out")
    assert page.locator("#step h2").text_content().endswith("5")


def test_the_folded_middle_of_a_chain_has_no_inside_and_says_nothing_of_one(visit):
    page = visit(nl.Sequential(*[nl.Tanh() for _ in range(60)]), X)
    page.locator(".node.group").click()
    assert page.locator("#step h2").text_content().endswith("…")
    assert page.locator("#inside").count() == 0
    assert "null" not in page.locator("#step").text_content()
