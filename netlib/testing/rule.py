"""What a rule is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .layer_under_test import LayerUnderTest


class DoesNotApply(Exception):  # noqa: N818 - not an error
    """Raised by a rule that does not apply to this layer; the message is the reason."""


class Rule(NamedTuple):
    """A statement that must be true of every layer, and a function that looks for a violation."""

    expected: str
    hint: str
    """How to fix a layer that violates the rule."""
    find_fault: Callable[[LayerUnderTest], str]
    """Return what is wrong, in words; an empty string if nothing is."""
    is_decisive: bool = False
    """Whether the rules after this one mean nothing if it is violated."""


def skip_if_violated(tested: LayerUnderTest, *rules: str) -> None:
    """Skip the current rule if one of `rules` is violated: it would report the same fault again."""
    for name in rules:
        if name in tested.violated:
            raise DoesNotApply(f"it needs {name!r}, which is violated")
