"""Every test of containers runs twice: the layers one by one, and by the plan that comes into use once a shape has come by."""

import pytest

from netlib.containers.plan import Plans


@pytest.fixture(autouse=True, params=["layer by layer", "by plan"])
def way(request, monkeypatch):
    """Let plans come into use at the first forward, or never."""
    find = Plans.find
    by_plan = request.param == "by plan"
    monkeypatch.setattr(Plans, "find", lambda plans, x: (find(plans, x) or find(plans, x)) if by_plan else None)
    return request.param
