"""The rules that a well-behaved layer keeps, in the order in which they are looked at."""

from __future__ import annotations

from . import arrays_given, basics, looks, memory, modes, ownership, refusals, state
from .case import Rule

RULES: dict[str, Rule] = {
    name: rule for rules in (basics, modes, state, ownership, arrays_given, memory, refusals, looks) for name, rule in rules.RULES.items()
}
