"""ONNX's published node cases judge the forward of the recurrent layers."""

import importlib

import numpy as np
import onnx.numpy_helper
import pytest
from onnx import helper
from onnx.backend.test.case.node import _NodeTestCases

import netlib as nl

ORDERS = {"RNN": [0], "LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2]}  # ours among ONNX's: i, o, f, c and z, r, h


class Case:
    """A recurrent node: its attributes, and its inputs and outputs by name, batch first."""

    def __init__(self, case):
        (node,) = case.model.graph.node
        self.op, self.name, self.rtol, self.atol = node.op_type, case.name, case.rtol, case.atol
        self.attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        self.inputs = self.named(node.input, case.data_sets[0][0])
        self.outputs = self.named(node.output, case.data_sets[0][1])
        if not self.attributes.get("layout"):  # steps first, and directions
            self.inputs["X"] = self.inputs["X"].swapaxes(0, 1)
            axes = {"Y": (2, 0, 1, 3), "Y_h": (1, 0, 2), "Y_c": (1, 0, 2)}
            self.outputs = {name: y.transpose(axes[name]) for name, y in self.outputs.items()}

    @staticmethod
    def named(names, values):
        arrays = [np.asarray(v) if isinstance(v, np.ndarray | np.generic) else onnx.numpy_helper.to_array(v) for v in values]
        return dict(zip([name for name in names if name], arrays, strict=True))

    @property
    def direction(self):
        return self.attributes.get("direction", b"forward").decode()

    @property
    def is_inside(self):
        """Whether netlib has it: no peepholes, and no reset gate in front of the product of a GRU.

        In the first step, from a state of zeros, the two kinds of GRU are the same.
        """
        return "P" not in self.inputs and (self.op != "GRU" or self.inputs["X"].shape[1] == 1)

    def layer(self):
        n, order = self.attributes["hidden_size"], ORDERS[self.op]
        is_one_way = self.direction == "forward"
        options = {"bidirectional": not is_one_way, "return_state": True}
        layer = getattr(nl, self.op)(self.inputs["X"].shape[2], n, **options)
        for parameter in layer.parameters().values():
            parameter.value = np.zeros(parameter.shape)
        suffixes = {"forward": [""], "reverse": ["_reverse"], "bidirectional": ["", "_reverse"]}[self.direction]
        for i, suffix in enumerate(suffixes):
            for name, ours in [("W", "weight_x"), ("R", "weight_h")]:
                by_gate = self.inputs[name][i].reshape(len(order), n, -1)[order]
                getattr(layer, ours + suffix).value = by_gate.reshape(len(order) * n, -1).T
            if "B" in self.inputs:
                of_x, of_h = self.inputs["B"][i].reshape(2, len(order), n)[:, order]
                if self.op == "GRU":
                    getattr(layer, "bias_h" + suffix).value = of_h[2]
                    of_h = of_h * [[1], [1], [0]]
                getattr(layer, "bias" + suffix).value = (of_x + of_h).ravel()
        return layer


for module in ("rnn", "lstm", "gru"):
    importlib.import_module(f"onnx.backend.test.case.node.{module}")
CASES = [Case(c) for c in _NodeTestCases if "expanded" not in c.name and c.model.graph.node[0].op_type in ORDERS]
INSIDE = [case for case in CASES if case.is_inside]


def test_14_of_18_cases_are_within_the_options():
    assert (len(INSIDE), len(CASES)) == (14, 18)


@pytest.mark.parametrize("case", INSIDE, ids=lambda case: case.name)
def test_forward_gives_the_published_numbers(case):
    x, n = case.inputs["X"], case.attributes["hidden_size"]
    y, *states = case.layer().forward(x)
    directions = slice(1, None) if case.direction == "reverse" else slice(None)
    got = {"Y": y.reshape(*x.shape[:2], -1, n)[:, :, directions]}
    for name, state in zip(("Y_h", "Y_c"), states, strict=False):
        got[name] = state.reshape(len(x), -1, n)[:, directions]
    assert case.outputs.keys() <= got.keys()
    for name, expected in case.outputs.items():
        assert got[name].shape == expected.shape
        assert np.allclose(got[name], expected, rtol=max(case.rtol, 1e-5), atol=max(case.atol, 1e-6))
