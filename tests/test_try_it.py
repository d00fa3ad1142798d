"""The page "Try it" without a browser: what its starting points show in ordinary Python."""

import importlib.util
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs/try-it"
STARTING_POINTS = dict(
    re.findall(r'<script type="text/x-python" data-title="([^"]+)">\n(.*?)</script>', (PAGE / "index.html").read_text("utf-8"), re.DOTALL)
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("runner", PAGE / "runner.py")
    runner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(runner)
    monkeypatch.chdir(tmp_path)

    def run(source):
        shown = []
        runner.run(source, lambda *result: shown.append(result))
        return "".join(text for kind, text, *_ in shown if kind == "text"), [each for each in shown if each[0] != "text"]

    return run


@pytest.mark.parametrize("title", STARTING_POINTS)
def test_a_starting_point_ends_with_a_picture_and_its_page(run, title):
    _, [(kind, svg, page, _)] = run(STARTING_POINTS[title])
    assert kind == "picture"
    assert svg.startswith("<svg")
    assert "<!DOCTYPE html>" in page


def test_the_mistake_is_named_with_its_line_and_what_to_write(run):
    text, [(*_, description)] = run(STARTING_POINTS["A layer with a mistake"])
    assert "missing-transpose in input 0" in text
    assert "at your_code.py:21: return dout @ self.weight.value\n" in text
    assert "write instead: return dout @ self.weight.value.T" in text
    assert description.endswith("wrong gradients, in red: input 0")


def test_the_correct_layer_agrees_and_xor_is_learned(run):
    assert "gradients agree" in run(STARTING_POINTS["A correct layer"])[0]
    assert "0 xor 0 = 0\n0 xor 1 = 1\n1 xor 0 = 1\n1 xor 1 = 0" in run(STARTING_POINTS["Train XOR"])[0]


def test_the_value_of_the_last_line_is_shown_as_in_a_notebook(run):
    assert run("a = 2\na + 1") == ("3\n", [])
    assert run("a = 2") == ("", [])
    assert run("") == ("", [])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("if True\n    pass", "SyntaxError: expected ':'"),
        ("def f():\n    return 1 / 0\n\nf()", 'File "your_code.py", line 2, in f'),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import netlib as nl\nnl.Affine(2, 3).forward([[1.0]])", "Affine(2, 3)"),
    ],
)
def test_an_error_shows_the_lines_of_the_user_alone(run, source, message):
    text, [(kind, error)] = run(source)
    assert (text, kind) == ("", "error")
    assert message in error
    assert {*re.findall('File "([^"]+)"', error)} == {"your_code.py"}


def test_a_flood_of_text_ends(run):
    text, _ = run("for i in range(100_000): print(i)")
    assert len(text) < 101_000
    assert text.endswith("what follows is not shown\n")
