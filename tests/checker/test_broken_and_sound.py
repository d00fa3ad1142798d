"""What the checker finds in broken and in sound layers, and proofs that they are what they say."""

import runpy
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from checker.broken import CASES, NESTED, ONE_MISTAKE, TWO_MISTAKES
from checker.measure import false_alarms, is_named, report
from checker.proofs import EXPERIMENTS, differentiable, is_wrong_at, raises
from checker.repairs import is_cured
from checker.sound import ROWS

import netlib as nl

MISTAKES = {
    "wrong-shape", "missing-transpose", "missing-batch-sum", "wrong-axis", "wrong-scale", "wrong-sign", "zero-gradient", "missing-gradient",
    "missing-mask", "inverted-mask", "ignores-upstream", "diagonal-only", "not-accumulated", "double-counted", "missing-term",
    "swapped", "mutates-input", "mutates-upstream", "mutates-parameters", "aliases-output", "stale-cache", "nondeterministic",
    "dtype-changed", "non-finite", "wrong-formula",
}  # fmt: skip
BY_EXPERIMENT_ALONE = set(EXPERIMENTS) - {"ignores-upstream"}
"""Mistakes after which the gradients of one forward and one backward may be right."""


pytestmark = pytest.mark.exhaustive


def named(rows):
    return [pytest.param(row, id=row.name) for row in rows]


def test_every_mistake_is_there_in_a_layer_that_makes_it_alone():
    certain = Counter(name for case in ONE_MISTAKE for names in case.mistakes if len(names) == 1 for name in names)
    assert set(certain) == MISTAKES


def test_the_corpus_is_as_large_as_it_should_be_and_no_two_rows_have_one_name():
    assert len(ONE_MISTAKE) >= 80
    assert len(TWO_MISTAKES) >= 20
    assert len(ROWS) >= 60
    assert len({case.name for case in CASES}) == len(CASES)
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("case", named(CASES))
def test_a_broken_layer_is_wrong_where_it_is_said_to_be_and_nowhere_else(case):
    layer, inputs = case.make(np.float64), case.exact_inputs()
    said, by_experiment = set(), False
    for names, places in zip(case.mistakes, case.places, strict=True):
        experiments = [EXPERIMENTS[name] for name in names & set(EXPERIMENTS)]
        if len(names) == 1 and experiments:
            assert experiments[0](case.make(), case.inputs())
        if len(names) == 1 and names <= BY_EXPERIMENT_ALONE:
            by_experiment = True
        else:
            assert places
            said |= places
    if raises(layer, inputs):
        return  # no gradient came at all
    wrong = {place for place in differentiable(layer, inputs) if is_wrong_at(layer, inputs, place)}
    assert said <= wrong if by_experiment else said == wrong


@pytest.mark.parametrize("row", named(ROWS))
def test_a_sound_layer_is_right_everywhere_and_does_nothing_that_it_should_not(row):
    layer, inputs = row.make(np.float64), row.exact_inputs(0)
    assert not any(is_wrong_at(layer, inputs, place) for place in differentiable(layer, inputs) if not row.jumps)
    assert [name for name, experiment in EXPERIMENTS.items() if experiment(row.make(), row.inputs(0))] == []


EXERCISES = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "broken_layers.py"))["EXERCISES"]


@pytest.mark.parametrize("exercise", [pytest.param(exercise, id=exercise.layer.__name__) for exercise in EXERCISES])
def test_a_layer_of_the_exercises_is_broken_in_one_way(exercise):
    layer, inputs = exercise.layer(), tuple(exercise.arrays(0))
    if raises(layer, inputs):
        return
    exact = tuple(x.astype(np.float64) if x.dtype.kind == "f" else x for x in inputs)
    wrong = {place for place in differentiable(layer, exact) if is_wrong_at(layer, exact, place)}
    if wrong == {"input 0", "input 1"}:
        assert exercise.layer.__name__ == "Product1"  # swapping makes two wrong
    elif wrong:
        assert len(wrong) == 1
    else:
        assert sum(EXPERIMENTS[name](layer, inputs) for name in BY_EXPERIMENT_ALONE) == 1


@pytest.mark.parametrize("case", named(NESTED))
def test_a_container_with_a_broken_layer_is_broken(case):
    layer, inputs = case.make(np.float64), case.exact_inputs()
    by_experiment = [EXPERIMENTS[name] for names in case.mistakes for name in names & BY_EXPERIMENT_ALONE]
    assert any(is_wrong_at(layer, inputs, place) for place in differentiable(layer, inputs)) or by_experiment[0](layer, inputs)


def test_the_broken_layers_are_caught():
    assert [case.name for case in CASES if report(case).ok] == []


@pytest.mark.parametrize(("seed", "row"), [pytest.param(i % 10, row, id=row.name) for i, row in enumerate(ROWS)])
def test_a_sound_layer_raises_no_alarm(seed, row):
    assert false_alarms(row, seeds=[seed]) == {}


def test_of_the_layers_with_one_mistake_95_in_100_are_named_rightly():
    missed = [case.name for case in ONE_MISTAKE if not is_named(report(case), case, 0)]
    assert len(missed) <= 0.05 * len(ONE_MISTAKE), missed


def test_of_the_layers_with_two_mistakes_both_are_named_in_80_of_100():
    missed = [case.name for case in TWO_MISTAKES if not all(is_named(report(case), case, i) for i in (0, 1))]
    assert len(missed) <= 0.2 * len(TWO_MISTAKES), missed


@pytest.mark.parametrize("case", named(NESTED))
def test_in_a_container_the_mistake_and_the_layer_that_makes_it_are_named(case):
    assert all(is_named(report(case), case, i) for i in range(len(case.mistakes)))


@pytest.mark.parametrize("exercise", [pytest.param(exercise, id=exercise.layer.__name__) for exercise in EXERCISES])
def test_a_layer_of_the_exercises_is_caught(exercise):
    assert not nl.check_gradients(exercise.layer(), *exercise.arrays(0)).ok


def test_80_in_100_findings_carry_the_line_to_write():
    findings = [finding for case in CASES + NESTED for finding in report(case).findings]
    assert sum(finding.correction is not None for finding in findings) >= 0.8 * len(findings)


@pytest.mark.parametrize("case", named(CASES + NESTED))
def test_the_line_to_write_makes_the_check_pass(case):
    assert is_cured(case.make, lambda layer: nl.check_gradients(layer, *case.inputs()), report(case))
