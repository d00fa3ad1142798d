"""What a layer can be called on besides arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .layer import Layer


class Symbol:
    """A placeholder for an array: calling a layer on it computes nothing and is recorded. `Node` is such a placeholder."""

    __slots__ = ()

    def record_call(self, layer: Layer, inputs: Sequence[Any], name: str | None = None) -> Any:
        """Return the symbol of what ``layer(*inputs)`` will be, a tuple of symbols for a layer with several outputs."""
        raise NotImplementedError
