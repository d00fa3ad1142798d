"""From a model to a PyTorch module: layers by the table, and containers around them.

This module is imported on use, since it imports PyTorch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from ..containers import Graph, Recompute, Residual, Sequential
from ..errors import InvalidTypeError, InvalidValueError, NetlibError
from ..layer import Layer
from ..layers import Recurrent
from . import modules
from .counterpart import Counterpart
from .functions import FUNCTIONS
from .state import Placed, inner_layers, links_of, placed
from .table import TABLE

Translations = Mapping[type[Any], Callable[[Any], Any]]
METHODS = "forward", "backward", "wire"
"""A subclass that inherits these does what its base class does."""


class Builder:
    """A builder of a model's modules, which keeps shared arrays shared and collects errors."""

    def __init__(self, translations: Translations) -> None:
        self.translations = translations
        self.faults: dict[str, str] = {}
        self._parameters: dict[Any, nn.Parameter] = {}
        self._layouts: dict[int, Any] = {}

    def build(self, layer: Layer, path: str) -> nn.Module:
        """Return the module of a layer; if there is none, record an error and return a stand-in."""
        try:
            return self._translate(layer, path)
        except NetlibError as error:
            self.faults[path] = str(error)
            return nn.Identity()

    def parts(self, layer: Layer, path: str) -> dict[str, nn.Module]:
        """Return the modules of the layers inside, by PyTorch's names."""
        return {name: self.build(inner, f"{path}.{name}" if path else name) for name, inner in inner_layers(layer).items()}

    def _translate(self, layer: Layer, path: str) -> nn.Module:
        if type(layer) in self.translations:
            return _as_module(self.translations[type(layer)](layer), layer)
        kind = known_class(layer)
        if kind in CONTAINERS:
            module = CONTAINERS[kind](layer, self.parts(layer, path))
        elif (counterpart := _fitting(kind, layer)) is not None:
            module = make_module(counterpart, layer)
            for name, part in self.parts(layer, path).items():
                if name in counterpart.parts.values():
                    setattr(module, name, part)
        elif kind in FUNCTIONS:
            module = modules.Function(_without_arrays(layer), FUNCTIONS[kind])
        else:
            name = type(layer).__name__
            hint = f"Pass translations={{{name}: function}}, where function(layer) returns an nn.Module."
            raise InvalidTypeError(f"{name} has no counterpart in PyTorch", hint=hint)
        self._fill(module, layer)
        module.training = layer.training
        return module

    def _fill(self, module: nn.Module, layer: Layer) -> None:
        for link in links_of(layer):
            for number, (name, array) in enumerate((each := placed(layer, link)).write().items()):
                tensor = torch.from_numpy(array)
                is_parameter = link.ours and hasattr(each.members[0], "grad")
                owner, last = module.place(link.theirs[number]) if isinstance(module, modules.Graph) else (module, name)
                setattr(owner, last, self._parameter(each, number, tensor) if is_parameter else tensor)

    def _parameter(self, each: Placed, number: int, tensor: torch.Tensor) -> nn.Parameter:
        """Return a new parameter, or the one of the same arrays elsewhere in the model."""
        layout, trainable = each.link.write, {member.trainable for member in each.members}
        where = " and ".join(each.link.ours)
        if len(trainable) > 1:
            raise InvalidValueError(f"{where} are one array in PyTorch, but only some of them are trainable")
        for member in each.members:
            if self._layouts.setdefault(id(member), layout) is not layout:
                hint = "Use a copy of it in one of the two places."
                raise InvalidValueError(f"{where} is shared with a layer that has it in another layout in PyTorch", hint=hint)
        key = (*map(id, each.members), layout, number)
        return self._parameters.setdefault(key, nn.Parameter(tensor, requires_grad=trainable.pop()))


def known_class(layer: Layer) -> type[Layer]:
    """Return the class of a layer, or the netlib class whose methods a user's class inherits."""
    own = type(layer)
    for kind in own.__mro__:
        known = kind in CONTAINERS or kind in FUNCTIONS or any(each.layer is kind for each in TABLE)
        if known and all(getattr(own, name, None) is getattr(kind, name, None) for name in METHODS):
            return kind
    return own


def make_module(counterpart: Counterpart, layer: Layer) -> nn.Module:
    """Return the module that corresponds to a layer, without its arrays."""
    kind = getattr(modules, counterpart.module, None) or getattr(nn, counterpart.module)
    with torch.device("meta"):  # no memory, and no random numbers
        module: nn.Module = kind(**counterpart.module_arguments(layer))
    return module.train(layer.training)


def _fitting(kind: type[Layer], layer: Layer) -> Counterpart | None:
    return next((each for each in TABLE if each.layer is kind and each.fits(layer)), None)


def _as_module(thing: Any, layer: Layer) -> nn.Module:
    if not isinstance(thing, nn.Module):
        hint = "Return an nn.Module from the function in translations."
        raise InvalidTypeError(f"the translation of {type(layer).__name__} returned {type(thing).__name__}", hint=hint)
    return thing


def _without_arrays(layer: Layer) -> Layer:
    """Return a copy of a layer that has no arrays, without its cache."""
    twin = copy.deepcopy(layer)
    twin.forget()
    return twin


def _sequential(layer: Any, parts: dict[str, nn.Module]) -> nn.Module:
    chain = modules.Sequential()
    for name, part in parts.items():
        _require_free(chain, name)
        chain.add_module(name, part)
    return chain


def _graph(layer: Any, parts: dict[str, nn.Module]) -> nn.Module:
    numbers = {id(call): i for i, call in enumerate(layer._calls)}
    given = {id(node): (-1, i) for i, node in enumerate(layer.inputs)}

    def source(node: Any) -> tuple[int, int]:
        return given[id(node)] if node.call is None else (numbers[id(node.call)], node.index)

    calls = [(name, tuple(map(source, call.sources))) for call, name in zip(layer._calls, layer._names, strict=True)]
    graph = modules.Graph([node.name for node in layer.inputs], calls, tuple(map(source, layer.outputs)))
    for call, name in zip(layer._calls, layer._names, strict=True):
        owner, last = graph.place(name)
        _require_free(owner, last)
        if name in parts:
            owner.add_module(last, parts[name])
        elif hasattr(call.layer, "parameter"):
            owner.register_parameter(last, None)
        else:
            owner.register_buffer(last, torch.from_numpy(call.layer.value.copy()), persistent=False)
    return graph


def _require_free(module: nn.Module, name: str) -> None:
    if hasattr(module, name):
        raise InvalidValueError(f"{name!r} cannot name a module of PyTorch, which has an attribute of this name", hint="Rename it.")


def _recurrent(layer: Any, parts: dict[str, nn.Module]) -> nn.Module:
    sizes = getattr(layer.cell, "hidden_features", ())
    sizes = sizes if isinstance(sizes, tuple) else (sizes,)
    return modules.Recurrent(parts["cell"], sizes, layer.return_sequences, layer.return_state)


CONTAINERS: dict[type[Layer], Callable[[Any, dict[str, nn.Module]], nn.Module]] = {
    Sequential: _sequential,
    Graph: _graph,
    Residual: lambda layer, parts: modules.Residual(parts["layer"]),
    Recompute: lambda layer, parts: modules.Recompute(parts["layer"]),
    Recurrent: _recurrent,
}


def build(model: Layer, translations: Translations) -> nn.Module:
    """Return the module of a model, or raise one error that lists all problems."""
    builder = Builder(translations)
    module = builder.build(model, "")
    if builder.faults:
        listed = "; ".join(f"{path!r}: {fault}" if path else fault for path, fault in builder.faults.items())
        raise InvalidTypeError(f"cannot be made of PyTorch's modules: {listed}", where="torch.module")
    return module
