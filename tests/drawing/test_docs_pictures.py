"""The pictures of the pages are what their code draws, and show the chapter worked by hand."""

import re
import runpy
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import netlib as nl

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
MAKE = runpy.run_path(str(PICTURES / "make.py"))
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def drawings():
    return {name: drawing for page in MAKE["PAGES"] for name, drawing in MAKE["drawings"](page)}


def without_heat(svg):
    return re.sub(r"data:image/png;base64,[\w+/=]*", "", svg)  # its bytes depend on the version of zlib


def matrix(rows):
    """Read rows of numbers, or those of a large array: its minimum, mean and maximum."""
    return np.array([[float(number) for number in row.replace("…", "").split()] for row in rows])


def at_wires(name):
    """Return the value and gradient at each wire of a picture, and the source of the gradient."""
    found = {}
    for group in ET.parse(PICTURES / f"{name}.svg").getroot().iter(f"{SVG}g"):
        if group.get("class") == "wire":
            half = {g.get("class"): list(g.iter(f"{SVG}text")) for g in group.iter(f"{SVG}g")}
            rows = {kind: matrix([t.text for t in texts if t.get("class") == "row"]) for kind, texts in half.items()}
            heading = "".join(t.text for t in half["grad"] if t.get("class") != "row")
            found[half["value"][0].text] = rows["value"], rows["grad"], heading
    return found


def rules(name):
    """Read the rules at the nodes of a file."""
    texts = ET.parse(PICTURES / f"{name}.svg").getroot().iter(f"{SVG}text")
    return [t.text.strip() for t in texts if t.get("class") in ("forward small", "backward small", "faint small")]


def test_the_committed_pictures_are_those_that_the_code_of_the_pages_draws(drawings):
    committed = {path.stem: without_heat(path.read_text(encoding="utf-8")) for path in PICTURES.glob("*.svg")}
    assert committed == {name: without_heat(drawing.svg) for name, drawing in drawings.items()}


def test_every_figure_of_the_chapter_has_its_picture():
    assert {f"fig-1-{i}" for i in range(1, 9)} <= {path.stem for path in PICTURES.glob("*.svg")}


def test_every_drawing_that_a_page_makes_is_shown_there():
    for page in MAKE["PAGES"]:
        text = page.read_text(encoding="utf-8")
        assert "nl.draw(" in text
        made = {name for line in re.findall(r"^([\w, ]+?) = .*nl\.draw\(", text, re.MULTILINE) for name in line.split(", ")}
        assert made == {name.replace("-", "_") for name in re.findall(r"\(pictures/(.+?)\.svg\)", text)}


def test_figure_1_1_the_plus_node_sends_what_comes_to_both():
    at = at_wires("fig-1-1")
    assert (at["x1"][0], at["x2"][0], at["y"][0]) == (0.2, 0.9, 1.1)
    assert at["f(y)"][0] == 0.8005  # tanh 1.1
    assert at["y"][1] == at["x1"][1] == at["x2"][1] == 0.3592  # 1 - 0.8005²


def test_figure_1_2_is_the_chapters_forward_in_numbers():
    at = at_wires("fig-1-2")
    np.testing.assert_array_equal(at["XW"][0], [[0.57, -0.04, -0.1]])  # 0.5·0.3 + 0.6·0.7, -0.5·0.2 + 0.6·0.1, 0.5·0.4 - 0.6·0.5
    np.testing.assert_array_equal(at["Y"][0], [[0.87, 0.66, -0.5]])
    np.testing.assert_array_equal(at["L"][0], [[0.7014, 0.5784, -0.4621]])
    assert list(at) == ["X", "W", "XW", "B", "Y", "L"]


def test_figures_1_4_and_1_5_each_show_one_way_back():
    # with ∂L/∂Y = (0.5081 0.6655 0.7864):
    # (0.3·0.5081 - 0.2·0.6655 + 0.4·0.7864, 0.7·0.5081 + 0.1·0.6655 - 0.5·0.7864)
    x, w = at_wires("fig-1-4")["X"], at_wires("fig-1-4")["W"]
    assert (x[2], w[2]) == ("∂L/∂X = ∂L/∂Y·Wᵀ", "∂L/∂W not computed")
    np.testing.assert_array_equal(x[1], [[0.3339, 0.029]])

    x, w = at_wires("fig-1-5")["X"], at_wires("fig-1-5")["W"]
    assert (x[2], w[2]) == ("∂L/∂X not computed", "∂L/∂W = Xᵀ·∂L/∂Y")
    np.testing.assert_array_equal(w[1], [[0.254, 0.3327, 0.3932], [0.3048, 0.3993, 0.4719]])


@pytest.mark.parametrize("name", ["fig-1-6", "fig-1-7"])
def test_figures_1_6_and_1_7_copy_b_into_each_row_by_a_column_of_ones_and_add_up_on_the_way_back(name):
    at = at_wires(name)
    np.testing.assert_array_equal(at["A"][0], [[0.57, -0.04, -0.1], [0.58, 0.01, -0.23]])
    np.testing.assert_array_equal(at["DB"][0], [[0.3, 0.7, -0.4], [0.3, 0.7, -0.4]])
    np.testing.assert_array_equal(at["Y"][0], [[0.87, 0.66, -0.5], [0.88, 0.71, -0.63]])
    assert at["B"][2] == "∂L/∂B = Dᵀ·∂L/∂DB"
    np.testing.assert_allclose(at["B"][1], at["Y"][1].sum(axis=0, keepdims=True), atol=1e-4)


def test_figure_1_8_has_every_term_of_the_chapters():
    at = at_wires("fig-1-8")
    assert (at["L"][0], at["L"][1]) == (1.5767, 1)
    assert {name: heading for name, (_, _, heading) in at.items() if name in "X W B XW"} == {
        "X": "∂L/∂X = ∂L/∂XW·Wᵀ",
        "W": "∂L/∂W = Xᵀ·∂L/∂XW",
        "B": "∂L/∂B = sum[axis=0](∂L/∂Y)",
        "XW": "∂L/∂XW = ∂L/∂Y",
    }
    np.testing.assert_array_equal(at["Y"][1], [[0.5081, 0.6655, 0.7864], [0.5010, 0.6271, 0.6886]])
    np.testing.assert_array_equal(at["XW"][1], at["Y"][1])
    np.testing.assert_array_equal(at["B"][1], [[1.0090, 1.2926, 1.4750]])
    np.testing.assert_array_equal(at["X"][1], [[0.3339, 0.0290], [0.3003, 0.0691]])
    np.testing.assert_array_equal(at["W"][1], [[0.4043, 0.5209, 0.5998], [0.6555, 0.8382, 0.9539]])


def test_the_example_draws_figure_1_8(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["chapter.py", "--draw", str(tmp_path / "chapter.svg")])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "examples" / "chapter.py"), run_name="__main__")
    assert ended.value.code == 0
    capsys.readouterr()
    _, *drawn = ET.parse(tmp_path / "chapter.svg").getroot().iter(f"{SVG}text")
    _, *wanted = ET.parse(PICTURES / "fig-1-8.svg").getroot().iter(f"{SVG}text")  # all but the title
    assert [ET.tostring(text) for text in drawn] == [ET.tostring(text) for text in wanted]


@pytest.fixture(scope="module")
def chapter():
    affine = nl.Affine.from_arrays([[0.3, -0.2, 0.4], [0.7, 0.1, -0.5]], [0.3, 0.7, -0.4])
    return affine, nl.Sequential(affine, nl.Tanh()), np.array([0.5, 0.6])


def test_the_jacobian_by_x_is_that_by_y_times_w_transposed(chapter):
    _, network, x = chapter
    at = at_wires("jacobian-x")
    np.testing.assert_allclose(at["X"][1], nl.jacobian(network, x), atol=6e-5)
    np.testing.assert_allclose(at["X"][1], at["Y"][1] @ at["W"][0].T, atol=1e-4)
    np.testing.assert_array_equal(at["Y"][1], np.diag([0.5081, 0.6655, 0.7864]))
    assert {"dX = dXW·Wᵀ", "(3×3)(3×2) → (3×2)"} <= set(rules("jacobian-x"))


def test_the_jacobian_of_y_by_x_is_w_transposed(chapter):
    affine, _, x = chapter
    at = at_wires("jacobian-y-x")
    np.testing.assert_array_equal(at["X"][1], [[0.3, 0.7], [-0.2, 0.1], [0.4, -0.5]])
    np.testing.assert_array_equal(at["X"][1], nl.jacobian(affine, x))


def test_the_three_pictures_of_the_jacobian_by_w_are_its_three_matrices(chapter):
    _, network, x = chapter
    below_w = [at_wires(f"jacobian-w-{i}")["W"][1] for i in (1, 2, 3)]
    np.testing.assert_allclose(below_w, nl.jacobian(network, x, wrt="0.weight"), atol=6e-5)
    np.testing.assert_array_equal(below_w[0], [[0.2540, 0, 0], [0.3048, 0, 0]])  # x_j ∂L1/∂y1, and δ
    np.testing.assert_array_equal(at_wires("jacobian-w-2")["Y"][1], [[0, 0.6655, 0]])


def test_the_xor_net_knows_xor():
    at = at_wires("xor")
    np.testing.assert_array_equal(at["Y"][0].ravel(), np.logical_xor(*at["X"][0].T))


def test_a_value_used_twice_gets_the_sum():
    at = at_wires("fan-out")
    assert (at["a"][1], at["a(1)"][1], at["a(2)"][1]) == (4, 2, 2)


def test_each_weight_of_the_rnn_gets_the_sum_over_its_three_steps():
    at = at_wires("rnn-steps")
    assert [at[h][0] for h in ("h1", "h2", "h3")] == [1, 4, 11]
    assert [at[h][1] for h in ("h1", "h2", "h3")] == [4, 2, 1]
    assert [at[f"weight_x({t})"][1] for t in (1, 2, 3)] == [1 * 4, 2 * 2, 3 * 1]
    assert [at[f"weight_h({t})"][1] for t in (1, 2, 3)] == [0 * 4, 1 * 2, 4 * 1]
    assert [at[name][1] for name in ("weight_x", "weight_h", "B")] == [11, 6, 7]


def test_the_lstm_has_its_gates_and_both_states_in_each_of_three_steps():
    at = at_wires("lstm-steps")
    assert {f"{name}{t}" for name in "ifgoch" for t in (1, 2, 3)} <= at.keys()
    for t in (1, 2, 3):
        i, f, g, o, c, h, c_before = (at[name][0] for name in (f"i{t}", f"f{t}", f"g{t}", f"o{t}", f"c{t}", f"h{t}", f"c{t - 1}"))
        np.testing.assert_allclose(c, f * c_before + i * g, atol=2e-4)
        np.testing.assert_allclose(h, o * np.tanh(c), atol=2e-4)


def test_the_attention_head_is_that_worked_by_hand():
    at = at_wires("attention-head")
    np.testing.assert_array_equal(at["P"][0], [[1, 0], [0.25, 0.75]])
    np.testing.assert_array_equal(at["Y"][0], [[4], [7]])
    np.testing.assert_array_equal(at["P"][1], [[0, 0], [4, 8]])
    np.testing.assert_array_equal(at["S"][1], [[0, 0], [-0.75, 0.75]])
    np.testing.assert_array_equal(at["v"][1], [[0.25], [0.75]])
    np.testing.assert_array_equal(at["q"][1], [[0], [0.824]])  # 0.75 log 3


def test_the_readme_shows_the_picture_whose_code_stands_there(drawings):
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## See it")[1].split("\n## ")[0]
    (name,) = re.findall(r"!\[.+?\]\(docs/pictures/(.+?)\.svg\)", section)
    shown = {"nl": nl}
    exec(re.search(r"```python\n(.*?)```", section, re.DOTALL)[1], shown)
    shown["drawing"].title = drawings[name].title
    assert shown["drawing"].svg == drawings[name].svg
