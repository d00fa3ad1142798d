"""The texts of reports: numbers, causes, hints, what was compared; plain, coloured and HTML."""

import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from checker.test_mistakes import Dense, Elementwise, Square, changed, elementwise, normal

import netlib as nl
from netlib.checker import Finding, check_gradients


def report_on(layer, *shapes):
    return check_gradients(layer, *(normal(*shape, seed=5 + i) for i, shape in enumerate(shapes)))


def test_a_message_has_both_numbers_with_the_noise_how_many_are_wrong_the_cause_and_the_line_to_write():
    report = report_on(changed(db=lambda s, d: d.mean(axis=0))(), (7, 5))
    (finding,) = report.findings
    yours, measured = finding.evidence.yours, finding.evidence.numeric
    assert np.allclose(measured, 7 * yours)
    i = finding.evidence.worst[0]
    text = str(report)
    assert text.startswith("gradients are wrong: DenseChanged(), 1 mistake")
    assert "wrong-scale in bias" in text
    assert f"worst at bias[{i}]: yours {yours[i]:.6g}, measured {measured[i]:.6g} (noise " in text
    assert "3 of 3 elements are wrong" in text
    assert "only 1/7 of what it should be everywhere, factor 1/7 = 1/N, the batch size" in text
    assert "write instead: self.bias.grad += dout.sum(axis=0)" in text
    assert "compared with central differences in float64: input 0 all 35; weight all 15; bias all 3" in text
    assert finding.message.splitlines()[0].startswith("wrong-scale in bias of DenseChanged(): ")


LINES = {
    "return dout @ self.weight.value.T": changed(Square, dx=lambda s, d: d @ s.weight.value),
    "self.weight.grad += self.x.T @ dout": changed(Square, dw=lambda s, d: d.T @ s.x),
    "self.bias.grad += dout.sum(axis=0)": changed(Square, db=lambda s, d: d),
    "dx = dout * (1 - y**2)": elementwise(lambda s, d: d * (1 - s.x**2)),
}


@pytest.mark.parametrize("line", LINES)
def test_the_line_to_write_instead_is_given(line):
    (finding,) = report_on(LINES[line](), (7, 4)).findings
    assert finding.hint == line


def test_a_derivative_at_the_wrong_variable_is_shown_beside_the_right_one():
    (finding,) = report_on(elementwise(lambda s, d: d * (1 - s.x**2))(), (3, 4)).findings
    assert finding.cause == "it is dout * (1 - x**2), where forward's derivative gives dout * (1 - y**2)"


class Shrunk(nl.Layer):
    def __init__(self, p):
        self.p = p

    def forward(self, x):
        return x * (1 - self.p)

    def backward(self, dout):
        return dout


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (len, "= N, the batch size"),
        (lambda d: 1 / len(d), "= 1/N, the batch size"),
        (lambda d: d.shape[1], "= C, the number of classes or features"),
        (np.size, "= N·C, the number of elements"),
        (lambda d: 2, "factor 2"),
        (lambda d: 0.5, "factor 1/2"),
        (lambda d: 11.3, "factor 11.3"),
    ],
)
def test_a_factor_is_named(factor, said):
    (finding,) = report_on(elementwise(lambda s, d: factor(d) * d * (1 - s.y**2))(), (7, 5)).findings
    assert finding.mistake == "wrong-scale"
    assert finding.cause.endswith(said)


def test_a_factor_made_of_a_number_that_the_layer_keeps_is_named():
    (finding,) = report_on(Shrunk(0.3), (7, 5)).findings
    assert finding.cause.endswith("= 1/(1 − p)")


def test_a_layer_that_is_right_is_told_so_with_what_was_compared():
    report = report_on(Dense(), (7, 5))
    assert report.ok
    assert str(report).startswith("gradients agree: Dense()")
    assert set(report.errors) == {"input 0", "weight", "bias"}
    assert max(report.errors.values()) < 1e-6
    assert report.covered == {"input 0": (35, 35), "weight": (15, 15), "bias": (3, 3)}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_colour_is_for_a_terminal_alone(monkeypatch):
    report = report_on(changed(db=lambda s, d: d)(), (7, 5))
    assert "\x1b" not in str(report)
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, file = Terminal(), io.StringIO()
    report.show(terminal)
    report.show(file)
    assert "\x1b[31m" in terminal.getvalue()
    assert file.getvalue() == str(report) + "\n"
    assert re.sub(r"\x1b\[\d+m", "", terminal.getvalue()) == file.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    report.show(plain)
    assert plain.getvalue() == file.getvalue()


def test_the_page_is_well_formed_and_has_a_square_for_each_element():
    class Odd(Elementwise):
        def __repr__(self):
            return "<Odd & 'strange'>"

        def backward(self, dout):
            return dout * (1 - self.x**2)

    report = report_on(Odd(), (3, 4))
    page = report._repr_html_().replace("<br>", "<br/>")
    tree = ET.fromstring(page)
    assert len(tree.findall(".//rect")) == 12
    assert len(tree.findall(".//circle")) == 12
    low, high, across, *_, upwards = (text.text for text in tree.iter("text"))
    assert (across, upwards) == ("measured", "yours")
    both = np.array([report.findings[0].evidence.yours, report.findings[0].evidence.numeric])
    assert (low, high) == (f"{both.min():.3g}", f"{both.max():.3g}")
    assert "<Odd & 'strange'>" in "".join(tree.itertext())
    ET.fromstring(report_on(Dense(), (7, 5))._repr_html_().replace("<br>", "<br/>"))


def test_a_finding_is_listed_once():
    report = report_on(changed(db=lambda s, d: d)(), (7, 5))
    report.find(Finding("missing-batch-sum", "bias", "again"))
    assert report.mistakes == ["missing-batch-sum"]
