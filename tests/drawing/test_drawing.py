import sys

import numpy as np
import pytest
from gallery import chapter_graph, digits_net, residual, xor_net

import netlib as nl


def test_a_drawing_says_what_it_shows():
    assert repr(nl.draw(*xor_net())) == "Drawing of Sequential(Affine(2, 3), Tanh(), Affine(3, 1), Sigmoid()): 10 nodes, 9 edges"


def test_dout_enters_at_the_right():
    drawing = nl.draw(nl.MatMul(), [[1.0, 2.0]], [[3.0], [4.0]], dout=[[10.0]])
    da, db, dy = (wire.grad for wire in drawing.picture.wires)
    assert (da.tolist(), db.tolist(), dy.tolist()) == ([[30.0, 40.0]], [[10.0], [20.0]], [[10.0]])


def test_ones_enter_where_no_dout_is_given():
    drawing = nl.draw(nl.Tanh(), [[0.0, 0.0]])
    assert [wire.grad.tolist() for wire in drawing.picture.wires] == [[[1.0, 1.0]], [[1.0, 1.0]]]


def test_a_container_is_one_node_when_folded_and_an_affine_several_when_opened():
    titles = {
        detail: [node.title for node in nl.draw(*residual(), detail=detail).picture.nodes] for detail in ("folded", "layers", "nodes")
    }
    assert "Residual" in titles["folded"]
    assert "Affine(3, 3)" not in titles["folded"]
    assert "Affine(3, 3)" in titles["layers"]
    assert titles["nodes"].count("MatMul()") == 4


def test_a_later_change_of_the_model_does_not_change_the_drawing():
    model, x = xor_net()
    before = nl.draw(model, x).svg
    drawing = nl.draw(model, x)
    model.parameters()["0.weight"].value = np.zeros((2, 3))
    assert drawing.svg == before


@pytest.mark.parametrize(
    ("suffix", "begin"),
    [
        (".svg", b"<svg "),
        (".html", b"<!doctype html>"),
        (".png", b"\x89PNG\r\n\x1a\n"),
        (".dot", b"digraph"),
        (".mermaid", b"flowchart LR"),
        (".SVG", b"<svg "),
    ],
)
def test_the_suffix_decides_the_format(tmp_path, suffix, begin):
    nl.draw(*chapter_graph()).save(tmp_path / f"graph{suffix}")
    assert (tmp_path / f"graph{suffix}").read_bytes()[: len(begin)].lower() == begin.lower()


def test_an_unknown_suffix_is_refused_and_nothing_written(tmp_path):
    with pytest.raises(nl.NetlibError, match=r"'graph.pdf' has no known format, expected the suffix .svg, "):
        nl.draw(*chapter_graph()).save(tmp_path / "graph.pdf")
    assert list(tmp_path.iterdir()) == []


def test_saving_needs_no_path_object(tmp_path):
    nl.draw(*chapter_graph()).save(f"{tmp_path}/graph.svg")
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8") == nl.draw(*chapter_graph()).svg


def test_a_notebook_shows_the_svg():
    drawing = nl.draw(*chapter_graph())
    assert drawing._repr_svg_() == drawing.svg


def test_without_its_library_the_error_of_png_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(nl.MissingError, match=r"pip install 'netlib\[draw\]'"):
        nl.draw(*chapter_graph()).png


@pytest.mark.parametrize("kind", ["svg", "html", "dot", "mermaid"])
def test_other_formats_need_no_extra(monkeypatch, kind):
    for library in ("graphlay", "resvg_py"):
        monkeypatch.setitem(sys.modules, library, None)
    assert "XW" in getattr(nl.draw(*chapter_graph()), kind)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nl.draw(np.tanh, [1.0]), "draw: got <ufunc 'tanh'>, expected a layer"),
        (lambda: nl.draw(nl.Tanh(), [1.0], detail="all"), "draw: detail is 'all', expected one of folded, layers, nodes"),
        (lambda: nl.draw(nl.Sequential(nl.Affine(2, 3)), [[1.0] * 3]), r"Sequential\[0\] Affine\(2, 3\): got x of shape .1, 3., expected"),
        (lambda: nl.draw(nl.Tanh(), [[1.0, 2.0]], dout=[1.0]), "dout has shape .1,., expected that of the output, .1, 2."),
        (lambda: nl.draw(nl.Sequential(nl.Tanh())), "got no inputs, expected at least one array"),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(nl.NetlibError, match=message):
        call()


def test_a_loss_is_drawn_by_itself_and_its_target_has_no_gradient():
    wires = nl.draw(nl.SoftmaxCrossEntropy(), [[0.0, 0.0]], [1]).picture.wires
    assert [wire.name for wire in wires] == ["y", "t", "L"]
    assert wires[0].grad.tolist() == [[0.5, -0.5]]
    assert wires[1].grad is None


def test_the_digits_net_is_a_light_file_and_a_deep_net_does_not_fall_over():
    assert len(nl.draw(*digits_net()).svg) < 400_000
    deep = nl.Sequential(*(layer for i in range(500) for layer in (nl.Affine(2, 2, rng=i), nl.ReLU())))
    drawing = nl.draw(deep, [[1.0, -1.0]])
    assert "980 layers" in [node.title for node in drawing.picture.nodes]
    assert len(drawing.svg) < 400_000


def test_a_part_is_drawn_by_its_path_at_any_detail():
    model = nl.Sequential(("stem", nl.Affine(2, 2, rng=0)), ("block", nl.Residual(nl.Sequential(nl.Affine(2, 2, rng=1), nl.Tanh()))))
    drawings = {detail: nl.draw(model, [[1.0, 2.0]], detail=detail, within="block") for detail in ("folded", "layers", "nodes")}
    titles = {detail: [node.title for node in drawing.picture.nodes] for detail, drawing in drawings.items()}
    assert titles["folded"] == ["H1", "H1", "Sequential", "ResidualAdd()", "Y"]
    assert "Affine(2, 2)" in titles["layers"]
    assert titles["nodes"].count("MatMul()") == 2
    assert "from stem" in drawings["layers"].svg
    assert drawings["layers"].title == f"block of {model!r}"
    assert "H1 comes into this part." in drawings["layers"].svg
    assert "Y goes out of this part." in drawings["layers"].svg


def test_a_path_at_which_nothing_ran_is_refused_with_those_there_are():
    model = nl.Sequential(*[nl.Tanh() for _ in range(14)])
    with pytest.raises(nl.NetlibError, match=r"nothing ran within '14'. Use the path of a layer: 0, 1, .*, 11, …, or of one inside\."):
        nl.draw(model, [1.0], within="14")
