"""The SVG is read as a reader of the picture would: by what stands where."""

import hashlib
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import combinations

import numpy as np
import pytest
from gallery import GALLERY, chapter_graph, random_graph

import netlib as nl
from netlib.drawing.flow import Flow
from netlib.drawing.picture import Picture
from netlib.drawing.svg import to_svg

SVG = "{http://www.w3.org/2000/svg}"


def svg_of(model, *inputs, folded=False, open_layers=False, title="a title", **options):
    return to_svg(Picture(Flow(model, inputs, open_layers=open_layers, **options), folded=folded), title)


def texts(svg):
    """Return every text with its box, for the advance of DejaVu Sans Mono: 0.602 em."""
    for element in ET.fromstring(svg).iter(f"{SVG}text"):
        letters, kind = "".join(element.itertext()), element.get("class", "")
        size = 15 if "symbol" in kind else 10.5 if "small" in kind else 12
        begin = len(letters) - len(letters.lstrip())
        x, y = float(element.get("x")) + begin * 0.602 * size, float(element.get("y"))
        if letters.strip():
            yield letters.strip(), (x, y - 0.75 * size, x + len(letters.strip()) * 0.602 * size, y + 0.2 * size)


def overlapping(svg):
    return [
        (a, b)
        for (a, (x1, y1, x2, y2)), (b, (u1, v1, u2, v2)) in combinations(list(texts(svg)), 2)
        if min(x2, u2) - max(x1, u1) > 0.5 and min(y2, v2) - max(y1, v1) > 0.5
    ]


def wires(svg):
    """What stands at each wire: its name, and the text above and below the line."""
    found = {}
    for group in ET.fromstring(svg).iter(f"{SVG}g"):
        if group.get("class", "").startswith("wire"):
            parts = {g.get("class"): ["".join(t.itertext()) for t in g.iter(f"{SVG}text")] for g in group.iter(f"{SVG}g")}
            found[parts["value"][0]] = parts["value"], parts["grad"]
    return found


def squeezed(lines):
    return [re.sub(r"\s+", " ", line.strip()) for line in lines]


def test_the_numbers_names_and_shapes_of_the_chapter_are_drawn_at_their_edges():
    # X W = [1 2; 0 1] [1 0 2; -1 1 0] = [-1 2 2; -1 1 0]; B = [10 20 30] is added to each row;
    # L = Σ Y².
    # So dY = 2 Y, dX = dY Wᵀ, dW = Xᵀ dY, dB = the sum of dY over its rows.
    x, w, b = nl.Input("X"), nl.Weight("W", [[1.0, 0.0, 2.0], [-1.0, 1.0, 0.0]]), nl.Weight("B", [[10.0, 20.0, 30.0]])
    y = nl.Add()(nl.MatMul()(x, w, name="XW"), b, name="Y")
    at = wires(svg_of(nl.Graph([x], [nl.Sum()(y * y, name="L")]), [[1.0, 2.0], [0.0, 1.0]]))

    assert squeezed(at["XW"][0]) == ["XW", "2×3", "-1 2 2", "-1 1 0"]
    assert squeezed(at["Y"][0]) == ["Y", "2×3", "9 22 32", "9 21 30"]
    assert squeezed(at["Y"][1])[-2:] == ["18 44 64", "18 42 60"]
    assert squeezed(at["X"][0]) == ["X", "2×2", "1 2", "0 1"]
    assert squeezed(at["X"][1]) == ["∂L/∂X", "= ∂L/∂XW·Wᵀ", "146 26", "138 24"]
    assert squeezed(at["W"][1]) == ["∂L/∂W", "= Xᵀ·∂L/∂XW", "18 44 64", "54 130 188"]
    assert squeezed(at["B"][1]) == ["∂L/∂B", "= sum[axis=0](∂L/∂Y)", "36 86 124"]
    assert squeezed(at["L"][1]) == ["∂L/∂L", "= dout", "1"]
    assert squeezed(at["B"][0]) == ["B", "1×3", "10 20 30"]


def test_the_rules_at_the_nodes_are_the_chapters_with_shapes_that_fit():
    svg = svg_of(*chapter_graph())
    lines = {letters for letters, _ in texts(svg)}
    assert {"dX = dXW·Wᵀ", "(2×3)(3×2) → (2×2)", "dW = Xᵀ·dXW", "(2×2)(2×3) → (2×3)"} <= lines
    assert {"Y = XW + B", "dB = sum[axis=0](dY)", "(2×3) → (1×3)"} <= lines


@pytest.mark.parametrize("name", GALLERY)
@pytest.mark.parametrize("detail", ["layers", "folded", "nodes"])
def test_no_two_texts_of_the_gallery_overlap(name, detail):
    svg = svg_of(*GALLERY[name](), folded=detail == "folded", open_layers=detail == "nodes")
    assert not overlapping(svg)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("seed", range(50))
def test_no_two_texts_of_a_random_graph_overlap(seed):
    assert not overlapping(svg_of(*random_graph(seed)))


def test_two_texts_on_top_of_each_other_are_found():
    svg = svg_of(*chapter_graph())
    moved = svg.replace("</svg>", '<text x="20" y="30">here</text><text x="30" y="31">there</text></svg>')
    assert ("here", "there") in overlapping(moved)


def test_the_same_picture_is_the_same_bytes_in_another_process():
    code = "from gallery import GALLERY; from test_svg import svg_of; import hashlib; "
    code += "print(hashlib.sha256(svg_of(*GALLERY['residual']()).encode()).hexdigest())"
    paths = [path for path in sys.path if path]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}; {code}"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == hashlib.sha256(svg_of(*GALLERY["residual"]()).encode()).hexdigest()


def test_what_is_not_computed_is_said_and_zero_is_a_number():
    y, t = nl.Input("y"), nl.Input("t")
    graph = nl.Graph([y, t], [nl.MeanSquaredError()(y, t)])
    at = wires(svg_of(graph, [[1.0, 2.0]], [[1.0, 2.0]]))
    assert squeezed(at["t"][1]) == ["∂L/∂t", "not computed"]
    assert squeezed(at["y"][1])[-1] == "0 0"
    assert svg_of(graph, [[1.0, 2.0]], [[1.0, 2.0]]).count('class="back"') == 2  # of y and L, none of t


def test_a_fan_out_shows_its_sum():
    x = nl.Input("X")
    at = wires(svg_of(nl.Graph([x], [x * x]), [[3.0]]))
    assert squeezed(at["X"][1]) == ["∂L/∂X", "= ∂L/∂X(1) + ∂L/∂X(2)", "6"]
    assert squeezed(at["X(1)"][0]) == ["X(1)", "= X"]
    assert squeezed(at["X(2)"][1])[-1] == "3"


def test_large_arrays_are_a_range_and_a_heat_map():
    rng = np.random.default_rng(0)
    layers = [nl.Affine(784, 512, rng=rng), nl.ReLU(), nl.Affine(512, 512, rng=rng), nl.ReLU(), nl.Affine(512, 10, rng=rng)]
    x = rng.normal(size=(128, 784)).astype(np.float32)
    svg = svg_of(nl.Sequential(*layers), x)
    assert len(svg.encode()) < 400_000
    assert wires(svg)["X"][0][:2] == ["X", "  128×784"]
    low, mean, high = map(float, wires(svg)["X"][0][2].split(" … "))
    np.testing.assert_allclose([low, mean, high], [x.min(), x.mean(), x.max()], rtol=1e-3, atol=1e-6)
    assert svg.count("data:image/png;base64,") >= 12


def test_names_are_text_and_never_markup():
    x = nl.Input("<b>&\"'")
    svg = svg_of(nl.Graph([x], [nl.Tanh()(x, name="</text><script>alert(1)</script>")]), [[1.0]], title="<i>&</i>")
    root = ET.fromstring(svg)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg",
        "title",
        "desc",
        "style",
        "rect",
        "text",
        "g",
        "path",
        "circle",
    }
    assert root.find(f"{SVG}title").text == "<i>&</i>"
    assert "<b>&\"'" in {letters for letters, _ in texts(svg)}


def test_a_screen_reader_hears_the_title_and_the_rules():
    root = ET.fromstring(svg_of(*chapter_graph(), title="Fig. 1.8"))
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text == "Fig. 1.8"
    heard = root.find(f"{SVG}desc").text
    assert "X is an input." in heard
    assert "takes X, W and gives XW of shape 2×3: XW = X·W; dX = dXW·Wᵀ; dW = Xᵀ·dXW." in heard


def test_a_wrong_gradient_is_marked():
    picture = Picture(Flow(*split(chapter_graph())))
    svg = to_svg(picture, "", wrong=[1])
    marked = [group.get("data-wire") for group in ET.fromstring(svg).iter(f"{SVG}g") if "wrong" in group.get("class", "").split()]
    assert marked == ["1"]


def test_nothing_outside_is_asked_for():
    svg = svg_of(*chapter_graph())
    assert [address for address in re.findall(r"https?://[^\"'\s<]+", svg) if "w3.org/2000/svg" not in address] == []


def split(model_and_inputs):
    model, *inputs = model_and_inputs
    return model, inputs
