"""All rules, in the order in which they are checked."""

from __future__ import annotations

from . import accepted_inputs, basics, caching, interface, invalid_calls, modes, ownership, sequences, state
from .rule import Rule

FAMILIES = (basics, modes, state, ownership, accepted_inputs, caching, sequences, invalid_calls, interface)
RULES: dict[str, Rule] = {name: rule for each in FAMILIES for name, rule in each.RULES.items()}
