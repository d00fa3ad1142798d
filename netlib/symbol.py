"""What a layer can be called on other than arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .layer import Layer


class Symbol:
    """A placeholder for an array, such as `Node`: calling a layer on it only records the call."""

    __slots__ = ()

    def record_call(self, layer: Layer, inputs: Sequence[Any], name: str | None = None) -> Any:
        """Return a symbol for the output of ``layer(*inputs)``, a tuple for several outputs."""
        raise NotImplementedError
