"""The five steps of CONTRIBUTING.md, followed in a copy of the package, are all a layer takes."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

import netlib as nl

ROOT = Path(__file__).parents[1]
STEPS = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Add a layer in five steps")[2].partition("\n## ")[0]
PAGE = dedent(re.search(r"^   ```python\n(.*?)^   ```$", STEPS, re.DOTALL | re.MULTILINE)[1])
LINE = re.search(r"`(from \.\w+ import \w+ as \w+)`", STEPS)[1]
ROW = re.search(r"`(fixed\(nl\.\w+, .*?\))`", STEPS)[1]


@pytest.fixture
def house(tmp_path):
    """Return a copy of netlib and of the tests of the table, with the new layer and its name."""
    shutil.copytree(ROOT / "netlib", tmp_path / "netlib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in (
        "table.py",
        "numeric.py",
        "layers/test_table.py",
        "drawing/test_rules.py",
        "drawing/rule_images.py",
        "drawing/rule_rows.py",
        "drawing/gallery.py",
    ):
        (tmp_path / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "tests" / name, tmp_path / "tests" / name)
    (tmp_path / "netlib/layers/cube.py").write_text(PAGE, encoding="utf-8")
    with (tmp_path / "netlib/layers/__init__.py").open("a", encoding="utf-8") as file:
        file.write(f"{LINE}\n")
    return tmp_path


def add_the_row(house):
    table = house / "tests/table.py"
    table.write_text(table.read_text(encoding="utf-8").replace("ROWS = [", f"ROWS = [\n    {ROW},"), encoding="utf-8")


PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "markers=exhaustive")


def run(house, *arguments):
    """Run Python in the copy, and return whether it went well, and what it wrote."""
    path = os.pathsep.join(str(house / each) for each in (".", "tests", "tests/drawing"))
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=house, env={"PATH": "", "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode == 0, done.stdout + done.stderr


USE = """
import netlib as nl, numpy as np
from netlib.testing import check_layer
assert nl.Cube is nl.layers.Cube and "Cube" in nl.__all__ and "Cube" in dir(nl)
x = np.array([[0.5, -2.0], [1.0, 3.0]])
check_layer(nl.Cube(), x)
(cube,) = [node for node in nl.draw(nl.Sequential(nl.Cube()), x).picture.nodes if node.kind == "operation"]
assert (cube.title, len(cube.forward), len(cube.backward)) == ("Cube()", 1, 1)
"""


def test_a_page_and_a_line_make_a_layer_that_is_exported_checked_and_drawn(house):
    went_well, text = run(house, "-c", USE)
    assert went_well, text


@pytest.mark.exhaustive
def test_without_its_row_the_suite_says_which_layer_is_missing(house):
    where = "tests/layers/test_table.py::test_every_public_layer_is_in_the_table"
    went_well, text = run(house, *PYTEST, where)
    assert not went_well
    assert "'Cube'" in text
    add_the_row(house)
    went_well, text = run(house, *PYTEST, where)
    assert went_well, text


@pytest.mark.exhaustive
def test_a_row_buys_the_generic_tests_and_that_of_the_rule(house):
    add_the_row(house)
    went_well, text = run(house, *PYTEST, "-k", "Cube", "tests/layers/test_table.py", "tests/drawing/test_rules.py")
    assert went_well, text
    assert int(re.search(r"(\d+) passed", text)[1]) > 8


# ---- nothing else knows a layer by its name ------------------------------------------------------

MADE = {  # the nodes that others are opened into; what a graph puts in itself
    "opening.py": {"Add", "MatMul"},
    "attention.py": {"Add", "Divide", "MatMul", "Reshape", "Softmax", "Transpose"},
    "steps.py": {"Add", "MatMul", "Multiply", "ReLU", "Sigmoid", "Slice", "Stack", "Subtract", "Tanh"},
    "flow.py": {"Identity", "Scalar"},
}
LAYERS = {name for name in nl.__all__ if isinstance(kind := getattr(nl, name), type) and issubclass(kind, nl.Layer)}
LAYERS -= {"Layer", "Sequential", "Residual", "Graph", "Constant", "Input", "Weight"}


def names_in(path):
    """Return every name in the code and the texts of a file, but not in docstrings and comments."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)}
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                found.add(name)
            case ast.Constant(value=str(text)) if id(node) not in texts:
                found |= set(re.findall(r"\w+", text))
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "netlib/drawing").rglob("*.py")), ids=lambda path: path.name)
def test_drawing_knows_no_layer_by_its_name(path):
    assert names_in(path) & LAYERS == MADE.get(path.name, set())


@pytest.mark.parametrize("path", sorted((ROOT / "netlib/drawing/web").glob("*.js")), ids=lambda path: path.name)
def test_the_page_knows_no_layer_by_its_name(path):
    assert set(re.findall(r"\w+", path.read_text(encoding="utf-8"))) & LAYERS == set()
