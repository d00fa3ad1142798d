"""Detecting that layers or parameters of a model have been replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .layer import Layer

METHODS = ("forward", "backward", "backward_parameters")
_stamp = object()


def renew_stamp() -> None:
    """Record that a layer, a parameter or a method was assigned to a layer."""
    global _stamp  # noqa: PLW0603 - one stamp for all models: "no change" takes one comparison
    _stamp = object()


class Structure:
    """A snapshot of a model's layers, and of the layers, parameters and methods that each holds.

    Examples
    --------
    >>> import netlib as nl
    >>> model = nl.Sequential(nl.Affine(2, 2), nl.ReLU())
    >>> structure = Structure(model)
    >>> model[0].bias = nl.Parameter([0.0, 0.0])
    >>> structure.has_changed(), structure.has_changed()
    (True, False)
    """

    def __init__(self, model: Layer) -> None:
        self._model = model
        self._take_snapshot()

    def has_changed(self) -> bool:
        """Return whether anything was replaced, added or removed since the last call."""
        if self._stamp is _stamp and not (self._collections and any(held != before for held, before in self._collections)):
            return False
        before = self._members
        self._take_snapshot()
        return self._members != before

    def _take_snapshot(self) -> None:
        self._stamp = _stamp
        self._members: list[Any] = []
        self._collections: list[tuple[Any, Any]] = []
        for _, layer in self._model.walk():
            held = layer.__dict__
            members = list(layer.members())
            self._members += [layer, *map(held.get, METHODS), *members]
            for root in {name.partition(".")[0] for name, _ in members}:
                collection = held.get(root)
                if isinstance(collection, list | dict):  # may change in place
                    self._collections.append((collection, collection.copy()))
