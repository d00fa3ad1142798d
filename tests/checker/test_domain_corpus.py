"""The corpus of correct layers with domains: they are correct, and none raises an alarm."""

import numpy as np
import pytest
from checker.domains import MODULES
from checker.domains.referee import is_layer, largest_error
from checker.measure import domain_alarms

pytestmark = pytest.mark.exhaustive

LAYERS = [(module, name) for module in MODULES.values() for name in module.LAYERS]


def test_the_corpus_is_as_large_as_it_should_be():
    assert len(LAYERS) >= 150
    assert len({name for _, name in LAYERS}) == len(LAYERS)
    for module in MODULES.values():
        made = {type(make(np.random.default_rng(0))[0]) for make in module.LAYERS.values()}
        unused = {thing for thing in vars(module).values() if is_layer(thing) and thing.__module__ == module.__name__} - made
        assert not unused


@pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)
def test_the_layers_are_right_along_curves_in_their_domain(module):
    errors = {name: largest_error(module, name, seed=1) for name in module.LAYERS}
    assert {name: error for name, error in errors.items() if error > 1} == {}


@pytest.mark.parametrize("which", MODULES)
def test_no_layer_raises_an_alarm(which):
    assert [line for i, name in enumerate(MODULES[which].LAYERS) for line in domain_alarms(which, name, [i % 10])] == []


def test_an_element_at_which_a_table_is_nearly_exact_needs_no_confirmation_by_longer_steps():
    assert domain_alarms("approximations", "TanhTable", [181]) == []
