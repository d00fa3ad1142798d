"""Files of students, good and bad ones, each with what a teacher should read about it."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import numpy as np
import pytest

import netlib as nl
from netlib.grade import Exercise, Result, grade, submission
from netlib.grade.__main__ import main
from netlib.grade.grading import short_names
from netlib.grade.tables import as_csv, as_html, as_text

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
STUDENTS, ASSIGNMENT = HERE / "students", str(HERE / "assignment.py")
RIGHT = ["MyAffine ok", "MyReLU ok"]
FOUND = {
    "anna": RIGHT,
    "asks": [" raises import"],
    "ben": ["MyAffine missing-batch-sum bias", "MyReLU mutates-upstream backward"],
    "borrows": ["MyAffine missing-layer", "MyReLU missing-layer"],
    "carla": ["MyAffine wrong-output forward", "MyReLU ok"],
    "crashes": ["MyAffine ok", "MyReLU crashes check"],
    "dan": [" syntax-error line 15"],
    "eva": ["MyAffine ok", "MyReLU time-out check"],
    "exits": ["MyAffine exits check", "MyReLU exits check"],
    "exits_on_import": [" exits import"],
    "fakes_results": ["MyAffine missing-layer", "MyReLU missing-layer"],
    "floods": ["MyAffine ok", "MyReLU too-much-output check"],
    "instance": ["MyAffine ok", "MyReLU missing-layer"],
    "leaves_a_process": RIGHT,
    "leaves_a_thread": RIGHT,
    "missing_class": ["MyAffine ok", "MyReLU missing-layer"],
    "out_of_memory": ["MyAffine out-of-memory input 0", "MyReLU out-of-memory check"],
    "raises_on_import": [" raises import", "MyAffine ok"],
    "strange_error": [" raises import"],
}


def paths(*names):
    return [str(STUDENTS / f"{name}.py") for name in names]


def in_short(results):
    """Return the results of each file, without the messages."""
    files = {}
    for result in results:
        files.setdefault(result.file.removesuffix(".py"), []).append(f"{result.layer} {result.mistake} {result.where}".rstrip())
    return files


# ---- what is found -------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("ben", "fakes_results")])
def test_a_mistake_has_the_checkers_name_and_what_a_file_prints_is_no_result(names):
    assert in_short(grade(paths(*names), ASSIGNMENT)) == {name: FOUND[name] for name in names}


@pytest.mark.exhaustive
def test_each_file_of_the_folder_is_judged_alone_whatever_the_others_do():
    assert sorted(path.stem for path in STUDENTS.glob("*.py")) == sorted(FOUND)
    assert in_short(grade(paths(*FOUND), ASSIGNMENT, seconds=10)) == FOUND


@pytest.mark.exhaustive
def test_a_layer_that_hangs_is_stopped_and_the_next_one_is_checked(tmp_path):
    (tmp_path / "hangs.py").write_text(
        "import netlib as nl\n"
        "class Hangs(nl.Layer):\n"
        "    def forward(self, x):\n"
        "        while True: pass\n"
        "class Doubles(nl.Layer):\n"
        "    def forward(self, x): return 2 * x\n"
        "    def backward(self, dout): return 2 * dout\n"
        "class Needs(nl.Layer):\n"
        "    def __init__(self, features): pass\n"
    )
    found = in_short(grade([str(tmp_path / "hangs.py")], seconds=3))
    assert found == {"hangs": ["Hangs time-out check", "Doubles ok", "Needs not-checked constructor"]}


@pytest.mark.exhaustive
def test_without_an_assignment_layers_are_checked_that_need_no_arguments_and_whose_inputs_can_be_guessed():
    results = {result.layer: result.mistake for result in grade([str(ROOT / "examples/broken_layers.py")])}
    assert results["Affine1"] == "missing-transpose"
    assert results["Scale2"] == "stale-cache"  # shows only in a layer that has not run before
    assert results["Product1"] == "swapped"
    assert results["Embedding1"] == "not-checked"


@pytest.mark.exhaustive
def test_a_file_does_not_see_the_files_beside_it_and_writes_nothing_there(tmp_path):
    (tmp_path / "secret.py").write_text("answer = 42\n")
    (tmp_path / "peeks.py").write_text("open('new.txt', 'w').close()\nimport secret\n")
    (result,) = grade([str(tmp_path / "peeks.py")])
    assert (result.mistake, result.message) == ("raises", "ModuleNotFoundError: No module named 'secret' (line 2)")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["peeks.py", "secret.py"]


@pytest.mark.exhaustive
def test_what_a_file_has_started_ends_with_it(tmp_path):
    later = f"import time; time.sleep(2); open({str(tmp_path / 'later')!r}, 'w')"
    (tmp_path / "starts.py").write_text(f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {later!r}])\n")
    grade([str(tmp_path / "starts.py")])
    time.sleep(3)
    assert not (tmp_path / "later").exists()


@pytest.mark.exhaustive
def test_the_same_file_has_the_same_result_again(tmp_path):
    (tmp_path / "hashes.py").write_text("raise ValueError(hash('a'))")
    path = str(tmp_path / "hashes.py")
    assert grade([path]) == grade([path])


def test_files_of_one_name_are_told_apart_by_their_folders():
    assert short_names(["class/anna/layers.py", "class/ben/layers.py"]) == [
        os.path.join("anna", "layers.py"),
        os.path.join("ben", "layers.py"),
    ]


# ---- one file, in this process ------------------------------------------------------------------


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Return a function that runs code as a file, and returns what is found in its layers."""

    def check(code, *exercises):
        module = ModuleType(submission.MODULE)
        monkeypatch.setitem(sys.modules, submission.MODULE, module)
        path = tmp_path / "file.py"
        path.write_text("import numpy as np\nimport netlib as nl\n" + dedent(code), encoding="utf-8")
        assert submission.run_file(str(path), module) == []
        tasks = submission.assigned_layers(module, exercises, is_whole=True) if exercises else submission.layers_of(module)
        return {name: submission.guarded(task, "check") for name, task in tasks}

    return check


SQUARE = """
class Square(nl.Layer):
    def forward(self, x):
        self.x = np.array(x)
        return x * x

    def backward(self, dout):
        return dout * 2 * self.x
"""
X = np.random.default_rng(0).normal(size=(5, 4))


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda layer, x: x**2, None),
        (lambda layer, x: (x**2).astype(np.float32), None),
        (lambda layer, x: x**2 + (x == x[1, 2]), f"y[1, 2] is {X[1, 2] ** 2:.6g}, expected {X[1, 2] ** 2 + 1:.6g}; 1 of 20"),
        (lambda layer, x: (x**2).T, "y has shape (5, 4), expected (4, 5)"),
        (lambda layer, x: (x, x), "forward returns 1 arrays, expected 2"),
        (lambda layer, x: layer.weight.value * x, "the assignment computes the output from the layer, and raises AttributeError"),
    ],
)
def test_forward_must_return_what_the_assignment_computes(check, forward, message):
    found = check(SQUARE, Exercise("Square", X, forward=forward))["Square"]
    assert (found[0].mistake == "ok") if message is None else found[0].message.startswith(message)


def test_a_layer_with_a_wrong_forward_is_not_ok_though_its_backward_agrees_with_it(check):
    assert [found.mistake for found in check(SQUARE, Exercise("Square", X, forward=lambda layer, x: x))["Square"]] == ["wrong-output"]


def test_a_wrong_forward_hides_no_wrong_backward(check):
    found = check(SQUARE.replace("* 2", "* -2"), Exercise("Square", X, forward=lambda layer, x: x))["Square"]
    assert [each.mistake for each in found] == ["wrong-output", "wrong-sign"]


def test_a_file_runs_as_if_it_stood_alone(tmp_path, monkeypatch):
    module = ModuleType(submission.MODULE)
    monkeypatch.setitem(sys.modules, submission.MODULE, module)
    (tmp_path / "file.py").write_text("def f(x: nobody): pass")  # an error without the future import of netlib's own files
    ((mistake, where, message, _),) = submission.run_file(str(tmp_path / "file.py"), module)
    assert (mistake, where, message) == ("raises", "import", "NameError: name 'nobody' is not defined (line 1)")


@pytest.mark.parametrize(
    ("exercise", "found"),
    [
        (Exercise("Cube", X), ("missing-layer", "")),
        (Exercise("nl", X), ("missing-layer", "")),
        (Exercise("Square", X, make=lambda Square: Square(3)), ("raises", "constructor")),
        (Exercise("Square", X, make=lambda Square: Square), ("raises", "assignment")),
        (Exercise("Square", X, X), ("raises", "forward")),
        (Exercise("Square", [[1, 2], [3, 4]]), ("nothing-compared", "")),
    ],
)
def test_what_cannot_be_checked_says_why(check, exercise, found):
    ((_, (result,)),) = check(SQUARE, exercise).items()
    assert (result.mistake, result.where) == found
    assert result.message


def test_what_was_found_before_a_process_had_to_be_stopped_is_not_checked_again(tmp_path, monkeypatch):
    results, path = tmp_path / "results", tmp_path / "file.py"
    path.write_text("import netlib as nl, numpy as np" + SQUARE + SQUARE.replace("Square", "Again"))
    request = {"path": str(path), "assignment": None, "done": ["Square"], "memory": 10**9, "results": str(results)}
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(request)))
    monkeypatch.setattr(submission, "limit_memory", lambda limit: None)  # it is this process
    monkeypatch.setattr(os, "_exit", lambda status: None)
    monkeypatch.setitem(sys.modules, submission.MODULE, None)  # to be put back
    submission.main()
    assert [line.partition(",")[0] for line in results.read_text().splitlines()] == ['[""', '[""', '["Again"', '["Again"', "end"]


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("def f(:", ("syntax-error", "line 1")),
        ("raise SystemExit(3)", ("exits", "import")),
        ("raise MemoryError", ("out-of-memory", "import")),
        ("raise KeyboardInterrupt", ("raises", "import")),
        ("x = 1\0", ("syntax-error", "")),
    ],
)
def test_a_file_that_fails_is_told_how(code, found, tmp_path, monkeypatch):
    module = ModuleType(submission.MODULE)
    monkeypatch.setitem(sys.modules, submission.MODULE, module)
    (tmp_path / "file.py").write_text(code)
    ((mistake, where, *_),) = submission.run_file(str(tmp_path / "file.py"), module)
    assert (mistake, where) == found


def test_inputs_are_guessed_from_the_parameters_and_from_the_arguments_of_forward(check):
    found = check(
        """
        class Rows(nl.Layer):
            def __init__(self):
                self.weight = nl.Parameter(np.arange(1.0, 7.0).reshape(3, 2))
            def forward(self, x):
                self.x = np.array(x)
                return x @ self.weight.value
            def backward(self, dout):
                self.weight.grad += self.x.T @ dout
                return dout @ self.weight.value.T
        class Images(nl.Layer):
            def forward(self, x):
                n, c, h, w = x.shape
                return 2 * x
            def backward(self, dout):
                return 2 * dout
        class Three(nl.Layer):
            def forward(self, a, b, c):
                return a + b - c
            def backward(self, dout):
                return dout.copy(), dout.copy(), dout.copy()
        class Labels(nl.Layer):
            def forward(self, x):
                return np.eye(3)[x]
        class _Base: pass
        from netlib import ReLU
        """
    )
    assert {name: [(each.mistake, each.where) for each in of_layer] for name, of_layer in found.items()} == {
        "Rows": [("ok", "")],
        "Images": [("ok", "")],
        "Three": [("wrong-sign", "input 2")],
        "Labels": [("not-checked", "forward")],
    }


# ---- the program ---------------------------------------------------------------------------------


def test_the_program_prints_a_table_writes_csv_and_a_page_and_its_status_says_whether_all_is_right(tmp_path, capsys):
    table, page = tmp_path / "grades.csv", tmp_path / "grades.html"
    assert main([*paths("anna"), "--assignment", ASSIGNMENT]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 of 1 file is right."
    assert main([*paths("anna", "dan"), "--assignment", ASSIGNMENT, "--csv", str(table), "--html", str(page)]) == 1
    out = capsys.readouterr().out
    assert re.search(r"^dan\.py +syntax-error +line 15 +expected ':'$", out, re.MULTILINE)
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8"))))
    assert [(row["file"], row["mistake"]) for row in rows] == [("anna.py", "ok"), ("anna.py", "ok"), ("dan.py", "syntax-error")]
    assert "def backward(self, dout)" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the following arguments are required: FILE"),
        (["nobody.py"], "nobody.py: there is no such file"),
        ([*paths("anna"), "--assignment", *paths("dan")], "dan.py: cannot be run: SyntaxError"),
        ([*paths("anna"), "--assignment", *paths("anna")], "anna.py: EXERCISES is None, expected a list of exercises"),
        ([*paths("anna"), "--seconds", "-1"], "got '-1', expected a positive number of seconds"),
        ([*paths("anna"), "--memory", "1"], "got '1', expected a size such as 1GB"),
        ([*paths("anna"), "--memory", "1MB"], "expected at least 256MB"),
    ],
)
def test_a_wrong_command_is_told_apart_from_wrong_layers(arguments, complaint, capsys):
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.exhaustive
def test_the_table_of_the_page_for_teachers_is_what_the_command_prints():
    page = (ROOT / "docs/teaching.md").read_text(encoding="utf-8")
    command, table = re.search(r"```sh\npython (-m netlib\.grade [^\n]*)\n```\n\n```text\n(.*?)```", page, re.DOTALL).groups()
    done = subprocess.run([sys.executable, *command.split()], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == table
    assert done.returncode == 1


def test_the_page_for_teachers_has_every_word_for_what_is_no_mistake_in_a_gradient():
    page = (ROOT / "docs/teaching.md").read_text(encoding="utf-8")
    code = "".join((ROOT / "netlib/grade" / name).read_text(encoding="utf-8") for name in ("submission.py", "grading.py"))
    words = set(re.findall(r'(?:Found\(|return )"([a-z-]+)"', code))
    assert len(words) >= 10
    assert [word for word in words if f"`{word}`" not in page] == []


# ---- exercises -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Exercise(nl.ReLU, [1.0]), "expected the name of a class"),
        (lambda: Exercise("MyReLU"), "Exercise MyReLU: got no inputs, expected the arguments of forward"),
        (lambda: Exercise("MyReLU", [1.0], make=3), "Exercise MyReLU: make is 3, expected a function"),
        (lambda: Exercise("MyReLU", ["a"]), "Exercise MyReLU: "),
    ],
)
def test_a_wrong_exercise_is_refused(make, complaint):
    with pytest.raises(nl.NetlibError, match=re.escape(complaint)):
        make()


# ---- tables --------------------------------------------------------------------------------------

HOSTILE = [Result("<b>a.py", "A&B", "raises", "=1+1", "=HYPERLINK(1)", "a\n<script>"), Result("b.py", "A&B", "ok", "", "\x1b[2J\nnew line")]


def test_no_cell_is_a_formula():
    rows = list(csv.reader(io.StringIO(as_csv(HOSTILE))))
    assert rows[1] == ["<b>a.py", "A&B", "raises", "'=1+1", "'=HYPERLINK(1)", "a\n<script>"]


def test_a_message_moves_no_cursor_and_stays_on_its_line():
    lines = as_text(HOSTILE).splitlines()
    assert lines[2].endswith(" [2J new line")
    assert len(lines) == 5


def test_the_page_is_well_formed_whole_in_itself_and_holds_texts_as_texts():
    found, open_tags = [], []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            assert not {"src", "onclick"} & dict(attributes).keys()
            assert dict(attributes).get("href", "#").startswith("#")
            if tag not in ("meta", "br"):
                open_tags.append(tag)

        def handle_endtag(self, tag):
            assert open_tags.pop() == tag

        def handle_data(self, data):
            found.append(data)

    Reader().feed(as_html(HOSTILE))
    assert open_tags == []
    assert {"<b>a.py", "A&B", "a\n<script>"} <= set(found)
