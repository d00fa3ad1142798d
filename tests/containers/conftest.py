"""Every test of containers runs layer by layer, and by the plan for shapes seen before; the exhaustive run also divides among cores."""

import contextlib
import copy

import pytest

from netlib.containers import division
from netlib.containers.planning import FirstPlan, Plans
from netlib.containers.program import Program


@pytest.fixture(autouse=True, params=["layer by layer", "by plan", pytest.param("on two cores", marks=pytest.mark.exhaustive)])
def way(request, monkeypatch):
    """Let plans come into use at the first forward, or never, and divide them where possible, or where it is worth it."""
    find = Plans._find

    def by_plan(plans, inputs):
        found = find(plans, inputs)
        if not isinstance(found, FirstPlan):
            return found
        with contextlib.suppress(Exception):  # a refused forward is refused again
            FirstPlan(Program(copy.deepcopy(plans._program.structure._model), len(inputs)), found._specs).forward(inputs)
        return find(plans, inputs)

    if request.param == "on two cores":
        monkeypatch.setattr(division, "count_cores", lambda: 2)
        monkeypatch.setattr(division, "is_loaded", lambda: True)
        monkeypatch.setattr(division, "MIN_WORK", 0)
        monkeypatch.setattr(division, "MIN_REUSE", 0)
    monkeypatch.setattr(Plans, "_find", (lambda plans, inputs: plans._unfused) if request.param == "layer by layer" else by_plan)
    return request.param
