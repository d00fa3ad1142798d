import xml.etree.ElementTree as ET

import numpy as np
import pytest
from gallery import chapter_graph, residual

import netlib as nl
from netlib.drawing.drawing import Drawing
from netlib.drawing.marking import wires_at


def names(picture, *places):
    return [picture.wires[i].name for i in wires_at(picture, places)]


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("input 0", "X"),
        ("0.weight", "W1"),
        ("0: weight", "W1"),
        ("0: input 0", "X"),
        ("1.layer.0: bias", "B2"),
        ("1.layer.1: input 0", "H2"),
        ("1.add: input 1", "H3"),
    ],
)
def test_a_place_is_the_wire_that_brings_its_gradient(place, name):
    assert names(nl.draw(*residual()).picture, place) == [name]


def test_a_place_without_a_single_gradient_is_all_that_the_layer_sends():
    assert names(nl.draw(*residual()).picture, "1.layer.0: backward") == ["H1(1)", "W2", "B2"]


def test_a_bare_layers_place_has_no_path():
    picture = nl.draw(nl.Affine(2, 3), [[1.0, 2.0]]).picture
    assert names(picture, "input 0", "bias") == ["X", "B"]
    assert names(picture, "backward") == ["X", "W", "B"]


def test_what_is_folded_away_is_not_marked():
    assert names(nl.draw(*residual(), detail="folded").picture, "1.layer.0: bias") == []


def test_the_wrong_wires_are_red_in_the_svg_and_in_the_page():
    drawn = nl.draw(*chapter_graph())
    drawing = Drawing(drawn.pictures, drawn.title, wrong=["W"])
    red = [g for g in ET.fromstring(drawing.svg).iter("{http://www.w3.org/2000/svg}g") if g.get("class") == "wire wrong"]
    assert [drawn.picture.wires[int(g.get("data-wire"))].name for g in red] == ["W"]
    assert '<g class="wire wrong"' in drawing.html
    assert "wire wrong" not in drawn.svg
    np.testing.assert_array_equal(drawing.picture.wires[0].value, [[1.0, -2.0], [0.5, 0.25]])
