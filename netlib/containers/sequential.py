"""A chain of layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, overload

from ..errors import InvalidValueError, MissingError, ShapeError
from ..layer import Layer, Member, as_layer, members_in
from .container import Container
from .program import Wiring, require_distinct_layers


class Sequential(Container):
    """A chain of layers, each of which takes the output of the one before it.

    Parameters
    ----------
    *layers : Layer or (str, Layer)
        The layers in order. A pair gives a layer a name, for indexing and for the paths of its
        parameters. The first layer may take several inputs, and a layer with several outputs is
        followed by one with as many inputs.

    Examples
    --------
    >>> import netlib as nl
    >>> model = Sequential(("hidden", nl.Affine(64, 128)), nl.ReLU(), nl.Affine(128, 10))
    >>> model["hidden"], model[-1], model[:2]
    (Affine(64, 128), Affine(128, 10), Sequential(('hidden', Affine(64, 128)), ReLU()))
    >>> list(model.parameters())
    ['hidden.weight', 'hidden.bias', '2.weight', '2.bias']
    """

    def __init__(self, *layers: Layer | tuple[str, Layer]) -> None:
        self._layers: tuple[tuple[str, Layer], ...] = ()
        self._layers = tuple(self._named(i, layer) for i, layer in enumerate(layers))
        names: set[str] = set()
        for name, _ in self._layers:
            if name in names:
                raise InvalidValueError(f"two layers are named {name!r}", where=self.short)
            names.add(name)
        require_distinct_layers([(self._label(i), layer) for i, (_, layer) in enumerate(self._layers)])
        self._count_outputs()

    def append(self, layer: Layer | tuple[str, Layer]) -> Sequential:
        """Append a layer, set it to the mode of this container, and return the container."""
        name, new = self._named(len(self), layer)
        if any(name == old for old, _ in self._layers):
            raise InvalidValueError(f"two layers are named {name!r}", where=self.short)
        for i, (_, old) in enumerate(self._layers):
            if new is old or (isinstance(old, Container) and any(each is new for _, each in old.walk())):
                require_distinct_layers([(self._label(i), old), (self._label(len(self)), new)])
        if any(isinstance(member, Layer) for _, member in new.members()):
            require_distinct_layers([(self._label(i), each) for i, each in enumerate([*self, new])])
        if new._mode is not self._mode:
            new.training = self._mode
        self._layers = (*self._layers, (name, new))
        self._count_outputs()
        return self

    def wire(self, *sources: int) -> Wiring:
        """Wire each layer to the slots of the one before it."""
        if not sources:
            raise ShapeError("got no inputs, expected at least one array", where=self.short)
        for i, (_, layer) in enumerate(self._layers):
            sources = yield self._label(i), layer, sources
        return sources

    def members(self) -> Iterator[tuple[str, Member]]:
        """Yield each layer by its name or number, then a subclass's members."""
        yield from self._layers
        others = {key: value for key, value in list(vars(self).items()) if key != "_layers"}
        yield from members_in(others)

    def __len__(self) -> int:
        return len(self._layers)

    def __iter__(self) -> Iterator[Layer]:
        return (layer for _, layer in self._layers)

    @overload
    def __getitem__(self, key: int | str) -> Layer: ...
    @overload
    def __getitem__(self, key: slice) -> Sequential: ...
    def __getitem__(self, key: int | str | slice) -> Layer | Sequential:
        if isinstance(key, slice):
            layers = (layer if name.isdigit() else (name, layer) for name, layer in self._layers[key])
            part = Sequential(*layers)
            vars(part)["_training"] = self._mode  # not `part.training`, which would set the layers too
            return part
        for i, (name, layer) in enumerate(self._layers):
            if key in (i, i - len(self), name):
                return layer
        has = ", ".join(name for name, _ in self._layers)
        raise MissingError(f"has no layer {key!r}, only: {has}", where=self.short)

    def _named(self, number: int, layer: Any) -> tuple[str, Layer]:
        name = str(number)
        if isinstance(layer, tuple) and len(layer) == 2:
            name, layer = layer
            if not isinstance(name, str) or not name or "." in name or (name.isdigit() and name != str(number)):
                where, hint = self._label(number), "Use a word without dots."
                raise InvalidValueError(f"{name!r} cannot name a layer", where=where, hint=hint)
        return name, as_layer(layer, self._label(number))

    def _label(self, number: int) -> str:
        name = self._layers[number][0] if number < len(self._layers) else str(number)
        return f"{self.short}[{number if name.isdigit() else repr(name)}]"

    def _count_outputs(self) -> None:
        self.n_outputs = self._layers[-1][1].n_outputs if self._layers else 1

    def text(self) -> list[str | Layer]:
        """Return the pieces of the ``repr``."""
        pieces: list[str | Layer] = []
        for name, layer in self._layers:
            pieces += [", ", layer] if name.isdigit() else [", ", f"({name!r}, ", layer, ")"]
        return [f"{self.short}(", *pieces[1:], ")"]
