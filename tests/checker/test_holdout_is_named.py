"""What the checker finds in the layers of `holdout`, written without knowledge of its rules."""

import numpy as np
import pytest
from checker.broken import CASES, NESTED
from checker.holdout import LONG, SETS
from checker.holdout.first import HIDDEN
from checker.measure import holdout_report, report, verdict
from checker.repairs import is_cured

from netlib import check_gradients

NOT_NAMED = {"first": {"misnamed": 2, "noted": 4}, "second": {}, "third": {"misnamed": 3}, "fourth": {"misnamed": 7}}
"""How many of a set get another name than their writer's, or a note only."""

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of layers whose mistake is to be not finite


@pytest.mark.parametrize("which", SETS)
def test_the_broken_layers_are_named_as_their_writers_named_them_but_for_a_few(which):
    verdicts = {name: verdict(slugs, make) for name, slugs, make in SETS[which].BROKEN if name not in LONG}
    others = {name: verdict for name, verdict in verdicts.items() if verdict != "named"}
    counts = {verdict: list(others.values()).count(verdict) for verdict in others.values()}
    assert counts == NOT_NAMED[which], others


@pytest.mark.parametrize("which", SETS)
def test_the_sound_layers_raise_no_alarm(which):
    assert [name for name, make in SETS[which].SOUND if holdout_report(make).findings] == []


@pytest.mark.parametrize(("name", "slugs", "make"), HIDDEN)
def test_what_the_given_shape_does_not_show_is_found_all_the_same(name, slugs, make):
    assert verdict(slugs, make) == "named"


def test_what_is_noted_and_not_called_a_mistake_is_memory_that_the_caller_shares():
    layers = [layer for layer in SETS["first"].BROKEN if layer[0] not in LONG]
    noted = {name: holdout_report(make).notes for name, slugs, make in layers if verdict(slugs, make) == "noted"}
    assert len(noted) == 4
    for name, notes in noted.items():
        assert [note.kind for note in notes] == ["aliases-output"], name


def test_of_all_findings_in_all_broken_layers_80_in_100_carry_the_line_to_write():
    reports = [report(case) for case in CASES + NESTED]
    reports += [holdout_report(make) for layers in SETS.values() for _, _, make in layers.BROKEN]
    findings = [finding for each in reports for finding in each.findings]
    assert sum(finding.correction is not None for finding in findings) >= 0.8 * len(findings)


@pytest.mark.parametrize("which", SETS)
def test_the_line_to_write_makes_the_check_pass(which):
    left = []
    for name, _, make in SETS[which].BROKEN:
        inputs = make(np.random.default_rng(0))[1]
        if name not in LONG and not is_cured(lambda m=make: m(np.random.default_rng(0))[0], checked_on(inputs), holdout_report(make)):
            left.append(name)
    assert left == []


def checked_on(inputs):
    return lambda layer: check_gradients(layer, *inputs)
