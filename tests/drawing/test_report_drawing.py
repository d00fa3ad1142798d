"""What the checker found, in the picture."""

import xml.etree.ElementTree as ET

import numpy as np

import netlib as nl


class MeanForSum(nl.Layer):
    def __init__(self):
        self.weight = nl.Parameter(np.array([[1.0, 2.0], [-1.0, 0.5], [0.25, 3.0]]))

    def forward(self, x):
        self.x = np.array(x)
        return x @ self.weight.value

    def backward(self, dout):
        self.weight.grad += self.x.T @ dout / len(dout)
        return dout @ self.weight.value.T


def red(drawing):
    groups = ET.fromstring(drawing.svg).iter("{http://www.w3.org/2000/svg}g")
    return [drawing.picture.wires[int(g.get("data-wire"))].name for g in groups if g.get("class") == "wire wrong"]


def test_the_wrong_gradient_of_a_layer_inside_is_red_and_no_other():
    model = nl.Sequential(nl.Affine(2, 3, rng=0), nl.Tanh(), MeanForSum())
    report = nl.check_gradients(model, np.random.default_rng(0).normal(size=(4, 2)))
    drawing = report.draw()
    assert red(drawing) == ["W2"]
    assert drawing.title.endswith(": wrong-scale")
    x = drawing.picture.wires[0].value
    wrong = next(wire for wire in drawing.picture.wires if wire.name == "W2").grad
    np.testing.assert_allclose(wrong, np.tanh(model[0].forward(x)).T @ np.ones((4, 2)) / 4, rtol=1e-6)  # as the layer gives it


def test_a_sound_layer_is_drawn_without_red():
    drawing = nl.check_gradients(nl.Affine(2, 3, rng=0), np.ones((4, 2))).draw(detail="nodes")
    assert red(drawing) == []
    assert drawing.title == "Affine(2, 3): sound"
