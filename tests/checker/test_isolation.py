"""What may break in the checker costs a name, not the verdict, and no fault is silent."""

import ast
from pathlib import Path

import numpy as np
import pytest
from checker.broken import CASES, NESTED
from checker.holdout import LONG, SETS
from checker.measure import INTERNALS, _holdout_report, fail
from checker.test_mistakes import Elementwise, changed, elementwise, normal

import netlib as nl
from netlib.checker import check_gradients
from netlib.checker.tracing import internals
from netlib.checker.tracing.experiment import Experiment
from netlib.checker.tracing.trace import Trace

CHECKER = Path(internals.__file__).parents[1]


@pytest.fixture
def another_python(monkeypatch):
    """Let everything fail that depends on the interpreter."""
    for name in INTERNALS:
        monkeypatch.setattr(internals, name, fail)


def test_exchanged_classes_other_globals_and_frames_are_in_one_file():
    words = ("__class__", "__globals__", "__code__", "FunctionType(", "_getframe", "tb_frame", "f_back", "f_code")
    files = {file.name for file in CHECKER.rglob("*.py") if any(word in file.read_text(encoding="utf-8") for word in words)}
    assert files == {"internals.py"}


def test_any_exception_is_caught_around_the_layers_own_code_and_the_search_for_names_alone():
    caught = []
    for file in CHECKER.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                handlers = [each.type for each in ast.walk(node) if isinstance(each, ast.ExceptHandler)]
                broad = [t for t in handlers if t is None or (isinstance(t, ast.Name) and t.id in ("Exception", "BaseException"))]
                caught += [(file.name, node.name)] * len(broad)
    assert sorted(caught) == [("guards.py", "attempt"), ("guards.py", "call_user_code")]


@pytest.mark.exhaustive
@pytest.mark.usefixtures("another_python")
def test_the_broken_layers_are_caught_without_the_interpreters_internals():
    assert [case.name for case in CASES + NESTED if check_gradients(case.make(), *case.inputs()).ok] == []


@pytest.mark.usefixtures("another_python")
@pytest.mark.parametrize("which", SETS)
def test_what_takes_long_to_name_is_caught_without_them(which):
    layers = [layer for layer in SETS[which].BROKEN if layer[0] in LONG]
    assert [name for name, _, make in layers if _holdout_report.__wrapped__(make, 0).ok] == []


@pytest.mark.usefixtures("another_python")
def test_a_sound_layer_is_sound_without_them_and_nothing_is_noted():
    model = nl.Sequential(nl.Affine(4, 3, rng=0), nl.Residual(nl.Tanh()), nl.Affine(3, 2, rng=1))
    report = check_gradients(model, normal(5, 4))
    assert report.ok, str(report)
    assert report.notes == []


class Forgetful(Elementwise):
    """y = sin(x) tanh(x²), of whose gradient one path is forgotten."""

    def f(self, x):
        return np.sin(x) * np.tanh(x**2)

    def backward(self, dout):
        return dout * np.sin(self.x) * 2 * self.x * (1 - np.tanh(self.x**2) ** 2)


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    "place",
    [*((internals, name) for name in ("set_class", "with_globals", "site_in_the_layer")), (Experiment, "slope"), (Trace, "perform")],
)
def test_what_cannot_be_traced_gets_a_vaguer_name_and_a_note(monkeypatch, place):
    assert check_gradients(Forgetful(), normal(3, 4)).mistakes == ["missing-term"]
    monkeypatch.setattr(*place, fail)
    report = check_gradients(Forgetful(), normal(3, 4))
    assert report.mistakes == ["wrong-formula"]
    assert {note.kind for note in report.notes} == {"tracing-failed"}
    assert "input 0" in {note.where for note in report.notes}
    assert "another Python" in str(report)


@pytest.mark.usefixtures("another_python")
@pytest.mark.parametrize("wrap", [lambda layer: layer, lambda layer: nl.Sequential(nl.Tanh(), layer)])
def test_what_cannot_be_traced_in_a_second_look_or_inside_a_container_is_noted_too(wrap):
    report = check_gradients(wrap(Forgetful()), np.zeros((3, 4)))
    assert {"other-numbers", "tracing-failed"} <= {note.kind for note in report.notes}


RULES_AND_STEPS = {
    "netlib.checker.naming.rules.RULES": (fail,),
    "netlib.checker.check.compare": fail,
    "netlib.checker.conduct.rows._compare": fail,
    "netlib.checker.conduct.repetition._others": fail,
    "netlib.checker.naming.shapes.sum_to": fail,
}


@pytest.mark.parametrize("step", RULES_AND_STEPS)
def test_a_fault_of_the_checker_itself_is_raised_and_does_not_read_as_nothing_found(monkeypatch, step):
    monkeypatch.setattr(step, RULES_AND_STEPS[step])
    layer = changed(db=lambda self, dout: dout)() if "shapes" in step else elementwise(lambda self, dout: 3 * dout)()
    with pytest.raises(RuntimeError, match="another Python"):
        check_gradients(layer, normal(7, 5))


@pytest.mark.parametrize("step", ["other_inputs", "find_moving"])
def test_a_fault_in_the_second_look_is_raised_too(monkeypatch, step):
    monkeypatch.setattr(f"netlib.checker.second_look.{step}", fail)
    with pytest.raises(RuntimeError, match="another Python"):
        check_gradients(Elementwise(), np.ones((3, 4)))


class Refuses(nl.Layer):
    """A layer that takes ones alone, as those that look at their numbers do."""

    def forward(self, x):
        if not np.isclose(x, 1, atol=0.2).all():
            raise KeyError("ones") from ZeroDivisionError("no")
        return x.copy()

    def backward(self, dout):
        return dout.copy()


def test_what_a_layer_raises_at_other_numbers_proves_nothing_and_is_no_mistake():
    report = check_gradients(Refuses(), np.ones((2, 3)))
    assert report.ok, str(report)
    assert [note.kind for note in report.notes] == ["vacuous"]


def test_what_a_layer_raises_at_the_given_numbers_is_raised_with_its_cause():
    with pytest.raises(KeyError, match="ones") as caught:
        check_gradients(Refuses(), np.zeros((2, 3)))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


class Locked(nl.Layer):
    """y = w x with an array made of w, and a backward that refuses another w."""

    def __init__(self):
        self.weight = nl.Parameter(np.array([2.0, -3.0, 0.5]))
        self.first = self.weight.value.copy()

    def forward(self, x):
        self.x = x.copy()
        return x * self.weight.value

    def backward(self, dout):
        if not np.array_equal(self.weight.value, self.first):
            raise KeyError("another weight")
        self.weight.grad += (dout * self.x).sum(axis=0)
        return dout * self.weight.value


def test_a_backward_that_raises_after_a_step_does_not_stop_the_check():
    assert check_gradients(Locked(), normal(5, 3)).ok


class ChangesCount(nl.Layer):
    """A layer with as many outputs as its last row has positive elements, and one more."""

    def forward(self, x):
        self.n = 1 + int((x[-1] > 1.04).sum())
        return tuple(x.copy() for _ in range(self.n))

    def backward(self, dout):
        return np.sum(dout, axis=0)


def test_outputs_that_change_in_number_from_row_to_row_do_not_stop_the_check():
    assert check_gradients(ChangesCount(), np.array([[0.5, -1.0], [2.0, 1.03]])).ok
