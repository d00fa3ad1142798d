"""The notebooks show what their pages say and do; exercises are wrong until they are solved."""

import ast
import re

import jupytext
import nbformat
import numpy as np
import pytest

from netlib.grade import grade
from notebooks.build import HERE, SOURCES, read, run

UNSOLVED = {
    "01-from-plus-to-digits": {
        "Times": ["wrong-formula in input 0", "wrong-formula in input 1"],
        "MyAffine": ["missing-gradient in weight", "missing-gradient in bias", "zero-gradient in input 0"],
        "MyReLU": ["missing-mask in input 0"],
    },
    "02-your-own-layer": {
        "MySwish": ["missing-term in input 0"],
        "MyScale": ["missing-gradient in weight"],
        "MyCentre": ["missing-term in input 0"],
        "MyStandardize": ["missing-term in input 0"],
    },
    "03-break-it": {
        "Patient1": ["mutates-upstream in backward"],
        "Patient2": ["missing-term in input 0"],
        "Patient3": ["not-accumulated in weight"],
        "Patient4": ["nondeterministic in input 0"],
        "Patient5": ["wrong-formula in input 0"],
    },
    "04-convolution": {
        "MyConvolution": ["missing-gradient in weight", "zero-gradient in input 0"],
        "MyMaxPool": ["missing-mask in input 0"],
    },
    "05-attention": {
        "MySoftmax": ["diagonal-only in input 0"],
        "MyAttention": ["zero-gradient in input 0", "zero-gradient in input 1"],
    },
}
NUMBER = r"-?\d+\.?\d*(?:e[+-]?\d+)?"

each_notebook = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)


def stored(source):
    """Return the notebook that a reader opens."""
    return nbformat.read(HERE / f"{source.stem}.ipynb", as_version=4)


def printed(notebook):
    """Return all that the cells print."""
    return "".join(output.text for cell in notebook.cells for output in cell.get("outputs", []) if "text" in output)


def classes_in(code):
    """Return the classes that some code defines, by name, each with its source."""
    return {node.name: ast.get_source_segment(code, node) for node in ast.parse(code).body if isinstance(node, ast.ClassDef)}


def test_there_are_five_notebooks_each_with_its_solutions_and_assignment():
    names = [source.stem for source in SOURCES]
    assert names == list(UNSOLVED)
    for folder, suffix in ((".", ".ipynb"), ("solutions", ".py"), ("assignments", ".py")):
        assert sorted(path.stem for path in (HERE / folder).glob(f"*{suffix}") if path.stem != "build") == names


@each_notebook
def test_a_notebook_has_the_cells_of_its_page(source):
    cells = [[(cell.cell_type, cell.source) for cell in notebook.cells] for notebook in (stored(source), read(source))]
    assert cells[0] == cells[1], "run: python -m notebooks.build"


@each_notebook
def test_an_unsolved_exercise_is_wrong_and_the_mistake_has_a_name(source):
    text = printed(stored(source))
    for exercise, mistakes in UNSOLVED[source.stem].items():
        assert re.findall(rf"^{exercise}: (.*? in .*?):", text, re.MULTILINE) == mistakes
        assert f"{exercise}: gradients agree" not in text


@each_notebook
def test_a_solution_changes_backward_and_leaves_the_exercise_its_name_and_rest(source):
    exercises = {}
    for cell in read(source).cells:
        if cell.cell_type == "code":
            exercises |= classes_in(cell.source)
    solutions = classes_in((HERE / f"solutions/{source.stem}.py").read_text(encoding="utf-8"))
    assert list(solutions) == list(UNSOLVED[source.stem])
    for name, solution in solutions.items():
        methods = [
            [node.name for node in ast.parse(code).body[0].body if isinstance(node, ast.FunctionDef)]
            for code in (solution, exercises[name])
        ]
        assert methods[0] == methods[1]
        assert solution != exercises[name]


@pytest.mark.one_in(5)
@each_notebook
def test_the_solutions_pass_the_assignment(source):
    results = grade([str(HERE / f"solutions/{source.stem}.py")], str(HERE / f"assignments/{source.stem}.py"), seconds=60)
    assert [(result.layer, result.mistake) for result in results] == [(name, "ok") for name in UNSOLVED[source.stem]]


@pytest.mark.one_in(5)
@pytest.mark.exhaustive
@each_notebook
def test_a_notebook_handed_in_unsolved_fails_the_assignment_by_the_same_names(source, tmp_path):
    handed_in = tmp_path / "anna.py"
    handed_in.write_text(jupytext.writes(stored(source), fmt="py"), encoding="utf-8")
    results = grade([str(handed_in)], str(HERE / f"assignments/{source.stem}.py"), seconds=300)
    mistakes = {}
    for result in results:
        mistakes.setdefault(result.layer, []).append(f"{result.mistake} in {result.where}")
    assert mistakes == UNSOLVED[source.stem]


@pytest.mark.one_in(5)
@pytest.mark.exhaustive
@each_notebook
def test_a_notebook_shows_what_running_it_shows(source):
    now, then = run(read(source)), stored(source)
    assert [[output.output_type for output in cell.get("outputs", [])] for cell in now.cells] == [
        [output.output_type for output in cell.get("outputs", [])] for cell in then.cells
    ]
    for a, b in zip(texts(now), texts(then), strict=True):
        assert re.sub(NUMBER, "#", a) == re.sub(NUMBER, "#", b), "run: python -m notebooks.build"
        numbers = [np.array([float(n) for n in re.findall(NUMBER, text)]) for text in (a, b)]
        np.testing.assert_allclose(*numbers, rtol=0.1, atol=0.02)


def texts(notebook):
    """Return what the cells show, except pictures of pixels."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            text = output.get("text") or "".join(output.data[kind] for kind in sorted(output.data) if kind != "image/png")
            yield re.sub(r"base64,[^\"]*", "", text)


@pytest.mark.one_in(5)
@pytest.mark.exhaustive
@each_notebook
def test_with_the_solutions_in_it_a_notebook_finds_all_gradients_in_agreement(source):
    solutions = classes_in((HERE / f"solutions/{source.stem}.py").read_text(encoding="utf-8"))
    notebook = read(source)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            for name, code in classes_in(cell.source).items():
                cell.source = cell.source.replace(code, solutions.get(name, code))
    text = printed(run(notebook))
    for exercise in UNSOLVED[source.stem]:
        assert f"{exercise}: gradients agree" in text
    if "digits" in source.stem:
        assert int(re.search(r"your layers: (\d+)%", text)[1]) >= 95
    if "attention" in source.stem:
        assert "[True, True, True]" in text
