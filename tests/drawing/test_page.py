"""The page as text: what is in it, and what is not. What it does stands in tests/browser."""

import json
import re
from importlib.resources import files

import numpy as np
import pytest

import netlib as nl
from netlib.drawing.flow import Flow
from netlib.drawing.page import MOST_INSIDE, MOST_NUMBERS, to_html
from netlib.drawing.picture import Picture
from netlib.drawing.svg import STYLE

X = np.array([[0.1, -0.4], [0.7, 0.2]])


def chapter():
    x, w, b = nl.Input("X"), nl.Weight("W", np.array([[0.9, -0.3, 0.5], [-0.6, 0.8, 0.25]])), nl.Weight("B", np.array([[0.2, -0.1, 0.3]]))
    a = nl.MatMul()(x, w, name="XW")
    return nl.Graph(inputs=[x], outputs=[nl.Sum()(nl.Tanh()(nl.Add()(a, b, name="Y")))])


def page_of(model, *inputs, title="a title"):
    return to_html({"layers": Picture(Flow(model, inputs))}, title, "layers")


def data_of(html):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)[1])


def array_of(data, number):
    stored = data["arrays"][number]
    return np.array([float(x) for x in stored["data"]]).reshape(stored["shape"])


def test_the_data_are_the_arrays_to_the_last_digit():
    picture = Picture(Flow(chapter(), [X]))
    data = data_of(to_html({"layers": picture}, "t", "layers"))
    wires = data["views"]["layers"]["wires"]
    assert [wire["name"] for wire in wires] == [wire.name for wire in picture.wires]
    for stored, wire in zip(wires, picture.wires, strict=True):
        assert np.array_equal(array_of(data, stored["value"]), wire.value)
        assert np.array_equal(array_of(data, stored["grad"]), wire.grad)
        assert (stored["source"], stored["target"], stored["path"]) == (wire.source, wire.target, wire.path)


def test_moments_and_rules_are_those_of_the_picture():
    picture = Picture(Flow(chapter(), [X]))
    detail = data_of(to_html({"layers": picture}, "t", "layers"))["views"]["layers"]
    assert detail["moments"] == [[phase, node, wires] for phase, node, wires in picture.moments]
    dot = next(node for node in detail["nodes"] if node["symbol"] == "dot")
    names = [wire.name for wire in picture.wires]
    to_x = dot["backward"][0]
    assert names[to_x["result"]["wire"]] == "X"
    assert to_x["parts"][1] == "·"
    assert to_x["parts"][2] == {"wire": names.index("W"), "grad": False, "turned": True}
    assert to_x["fit"] == "(2×3)(3×2) → (2×2)"


def test_numbers_that_are_none_get_through_as_json():
    data = data_of(page_of(nl.Sequential(nl.Identity()), np.array([np.nan, np.inf, -np.inf, -0.0, 1e-300])))
    numbers = data["arrays"][data["views"]["layers"]["wires"][0]["value"]]["data"]
    assert numbers == ["NaN", "Infinity", "-Infinity", -0.0, 1e-300]


def test_a_gradient_that_was_not_computed_is_null_and_not_zero():
    data = data_of(page_of(nl.MeanSquaredError(), X, X + 1))
    wires = {wire["name"]: wire for wire in data["views"]["layers"]["wires"]}
    assert [name for name, wire in wires.items() if wire["grad"] is None] == ["t"]


def test_an_array_that_several_wires_carry_is_there_once():
    x = nl.Input("X")
    model = nl.Graph(inputs=[x], outputs=[nl.Multiply()(x, x)])
    picture = Picture(Flow(model, [X]))
    data = data_of(to_html({"layers": picture, "nodes": picture}, "t", "layers"))
    assert len({wire["value"] for detail in data["views"].values() for wire in detail["wires"] if wire["name"].startswith("X")}) == 1
    assert len({json.dumps(array) for array in data["arrays"]}) == len(data["arrays"])


def test_a_large_array_is_there_by_its_range_and_a_heat_map():
    x = np.linspace(-1, 3, MOST_NUMBERS + 1).reshape(1, -1)
    data = data_of(page_of(nl.Sequential(nl.Identity()), x))
    stored = data["arrays"][data["views"]["layers"]["wires"][0]["value"]]
    assert "data" not in stored
    assert stored["shape"] == [1, MOST_NUMBERS + 1]
    assert (stored["min"], stored["max"], stored["lost"]) == (-1, 3, 0)
    assert stored["mean"] == pytest.approx(1)
    assert stored["image"].startswith("data:image/png;base64,")


def test_a_large_array_without_one_finite_number_has_no_range():
    data = data_of(page_of(nl.Sequential(nl.Identity()), np.full((40, 40), np.nan)))
    stored = data["arrays"][data["views"]["layers"]["wires"][0]["value"]]
    assert (stored["min"], stored["mean"], stored["max"], stored["lost"]) == ("NaN", "NaN", "NaN", 1600)


def test_the_page_of_a_net_for_digits_is_light():
    model = nl.Sequential(nl.Affine(784, 512, rng=0), nl.ReLU(), nl.Affine(512, 512, rng=1), nl.ReLU(), nl.Affine(512, 10, rng=2))
    x = np.random.default_rng(0).random((128, 784), dtype=np.float32)
    assert len(nl.draw(model, x).html.encode()) < 400_000


def test_the_page_without_its_data_is_small():
    sources = [file.read_bytes() for file in (files("netlib.drawing") / "web").iterdir()]
    assert len(sources) == 8
    assert sum(map(len, sources)) < 100_000


HOSTILE = ["</script><b>", "<!--<script>", "\"'><img src=x onerror=alert(1)>", "${evil}$evil", "]]>", "a" * 500, "&lt;", "\u2028", "\ud800"]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_gets_out_of_its_place(name):
    x = nl.Input(name)
    html = page_of(nl.Graph(inputs=[x], outputs=[nl.Tanh()(x, name=name + "2")]), X, title=name)
    assert html.count("</script") == html.count("<script") == 2
    assert not re.search(r"<(b|img)[\s>]", html)
    assert data_of(html)["views"]["layers"]["wires"][0]["name"] == name
    html.encode("utf-8")


def test_the_page_names_no_address_but_those_of_the_svg_namespace():
    html = page_of(chapter(), X)
    addresses = set(re.findall(r"\w+://[^\s\"'<>)]*", html))
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|url\(|<link(?! rel=\"icon\" href=\"data:,\")|<script src", html)
    assert "default-src 'none'" in html


def test_the_same_picture_gives_the_same_bytes():
    assert page_of(chapter(), X) == page_of(chapter(), X)


def test_page_and_picture_have_the_same_colours():
    css = (files("netlib.drawing") / "web" / "page.css").read_text(encoding="utf-8")
    ours, theirs = (re.findall(r"--(?:paper|ink|faint|line|fill|forward|backward|wrong): ?#\w+", text) for text in (css, STYLE))
    assert [colour.replace(" ", "") for colour in ours] == [colour.replace(" ", "") for colour in theirs[:16]]


def test_the_page_knows_a_node_by_its_rule_alone_whoever_wrote_the_layer():
    class Mine(nl.Layer):
        rule = nl.Tanh.rule
        forward, backward = nl.Tanh.forward, nl.Tanh.backward

    (ours,), (mine,) = (
        [node for node in data_of(page_of(nl.Sequential(layer), X))["views"]["layers"]["nodes"] if node["kind"] == "operation"]
        for layer in (nl.Tanh(), Mine())
    )
    assert ours.pop("title") == "Tanh()"
    assert mine.pop("title") == "Mine()"
    assert ours == mine


def nested(n, depth):
    """Return containers in containers, n in each."""
    return nl.Tanh() if depth == 0 else nl.Sequential(*[nested(n, depth - 1) for _ in range(n)])


def views_of(model, *inputs, **settings):
    return data_of(nl.draw(model, *inputs, **settings).html)["views"]


def test_what_is_inside_each_folded_container_is_in_the_page_level_by_level():
    views = views_of(nested(4, 4), X)
    inside = [name.removeprefix("in ") for name in views if name.startswith("in ")]
    assert inside == [*"0123", *(f"{i}.{j}" for i in range(4) for j in range(4))]
    assert [node["path"] for node in views["in 2"]["nodes"] if node["kind"] == "group"] == ["2.0", "2.1", "2.2", "2.3"]
    assert sum(node["kind"] == "operation" for node in views["in 2.3"]["nodes"]) == 16


def test_a_container_that_is_folded_nowhere_has_no_view_of_its_own():
    assert set(views_of(nl.Sequential(nl.Tanh(), nl.ReLU()), X)) == {"layers"}


@pytest.mark.exhaustive
def test_a_page_of_a_very_large_model_has_the_outer_parts_only():
    views = views_of(nested(12, 3), X)
    n_nodes = sum(len(view["nodes"]) for name, view in views.items() if name.startswith("in "))
    assert MOST_INSIDE < n_nodes < MOST_INSIDE + 20
    assert {f"in {i}" for i in range(12)} < set(views)


def test_a_path_in_the_page_is_text_and_nothing_else():
    evil = 'a"><script>alert(1)</script>'
    html = nl.draw(nl.Sequential((evil, nl.Sequential(nl.Tanh(), nl.Tanh())), ("b", nl.Tanh())), X, detail="folded").html
    assert evil not in html
    assert f"in {evil}" in data_of(html)["views"]
