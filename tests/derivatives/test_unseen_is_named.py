"""What the checker says about the layers of `unseen`, which were written without knowledge of its rules."""

import pytest
from derivatives.measure import unseen_report, verdict
from derivatives.unseen import BROKEN, HIDDEN, SOUND

MISNAMED = 2
"""How many are called another mistake than the one that their writer had in mind."""


@pytest.mark.parametrize(("name", "slugs"), [case[:2] for case in [*BROKEN, *HIDDEN]], ids=[case[0] for case in [*BROKEN, *HIDDEN]])
def test_a_broken_layer_is_caught_or_noted(name, slugs):
    assert verdict(name, slugs) != "missed"


@pytest.mark.parametrize("name", [name for name, _ in SOUND])
def test_a_sound_layer_raises_no_alarm(name):
    assert unseen_report(name).findings == []


def test_all_but_two_of_the_broken_layers_are_named_rightly():
    misnamed = [name for name, slugs, _ in BROKEN if verdict(name, slugs) == "misnamed"]
    assert len(misnamed) <= MISNAMED, misnamed


def test_what_is_noted_and_not_called_a_mistake_is_memory_that_the_caller_shares():
    noted = {name: unseen_report(name).notes for name, slugs, _ in BROKEN if verdict(name, slugs) == "noted"}
    assert len(noted) == 4
    for name, notes in noted.items():
        assert [note.kind for note in notes] == ["aliases-output"], name
        assert notes[0].message in str(unseen_report(name))
