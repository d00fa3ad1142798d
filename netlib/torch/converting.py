"""From a PyTorch module to a model: modules by the table, and containers around them.

This module is imported on use, since it imports PyTorch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from .. import layers as nl
from ..arrays import Array
from ..containers import Constant, Graph, Input, MultiHeadAttention, Recompute, Residual, Sequential, Weight
from ..errors import InvalidTypeError, InvalidValueError, NetlibError
from ..initializers import Zeros
from ..layer import Layer
from ..parameter import Parameter
from ..representation import constructor_parameters
from . import modules
from .activations import DROPPED_AXES
from .counterpart import Counterpart, Link, as_numpy, find, same
from .state import links_of, placed
from .table import TABLE

Translations = Mapping[type[Any], Callable[[Any], Any]]
(AS_IT_IS,) = same("weight")
DTYPES = {torch.float16, torch.float32, torch.float64}


class Converter:
    """A converter of a module's layers, which keeps shared arrays shared and collects errors."""

    def __init__(self, root: nn.Module, translations: Translations) -> None:
        self.translations = translations
        self.faults: dict[str, str] = {}
        self.dtype = next((dtype_of(each) for each in root.parameters() if each.dtype in DTYPES), np.dtype(np.float32))
        self.tables = {id(each.weight) for each in root.modules() if isinstance(each, nn.Embedding)}
        self.templates: dict[int, Any] = {}
        self.changing: set[str] = set()
        self._shared: dict[Any, list[Any]] = {}
        self._layouts: dict[int, Any] = {}

    def convert(self, module: nn.Module, path: str, *call: Any) -> Layer:
        """Return the layer of a module; if there is none, record an error and return a stand-in.

        `call` describes how the module is called, as `traced` takes it.
        """
        try:
            return self._translate(module, path, *call)
        except NetlibError as error:
            self.faults[path] = str(error)
        return nl.Identity()

    def part(self, module: nn.Module, name: str, path: str) -> Layer:
        """Return the layer of an inner module."""
        return self.convert(getattr(module, name), f"{path}.{name}" if path else name)

    def _translate(self, module: nn.Module, path: str, *call: Any) -> Layer:
        layer: Layer
        if type(module) in self.translations:
            return _as_layer(self.translations[type(module)](module), module)
        _require_plain(module)
        kind = known_class(module)
        if kind in (nn.Linear, LINEAR_OF_ATTENTION) and id(module.weight) in self.tables:
            layer = self._tied_linear(module)
        elif kind in BACK:
            layer = self._counterpart(BACK[kind], module, path)
        elif kind in OTHERS:
            layer = OTHERS[kind](self, module, path)
        elif type(module).__module__.startswith("torch.nn."):
            raise InvalidTypeError(f"{type(module).__name__} has no counterpart in netlib", hint=_supply(module))
        else:
            from .tracing import trace

            layer = trace(self, module, path, *call)
        layer.__dict__["_training"] = module.training
        return layer

    def _counterpart(self, counterpart: Counterpart, module: nn.Module, path: str) -> Layer:
        refused = [*counterpart.refused(module), *REFUSED.get(known_class(module), _nothing)(module)]
        if refused:
            raise InvalidValueError(f"{type(module).__name__} has {', '.join(refused)}", hint="netlib lacks other values.")
        layer: Layer = make_layer(counterpart, module)
        layer.training = module.training
        if isinstance(layer, MultiHeadAttention) and module.in_proj_bias is None:
            for name in ("query", "key", "value"):
                setattr(layer, name, nl.Affine(layer.features, layer.features, bias=False, dtype=layer.dtype))
        for ours, theirs in counterpart.parts.items():
            inner = getattr(module, theirs)
            if not isinstance(inner, nn.Module):
                inner = _activation_module(inner)
            part = self.convert(inner, f"{path}.{theirs}" if path else theirs)
            _share_generators(getattr(layer, ours), part)
            setattr(layer, ours, part)
        for link in links_of(layer):
            self._fill(layer, link, module)
        return layer

    def _fill(self, layer: Layer, link: Link, module: nn.Module) -> None:
        tensors = [getattr(module, name, None) for name in link.theirs]
        if not link.ours:
            return
        if any(tensor is None for tensor in tensors):  # biases that a recurrent layer of PyTorch can do without
            for member in placed(layer, link).members:
                member.value, member.trainable = np.zeros(member.shape, member.dtype), False
            return
        arrays = [as_array(tensor, name) for tensor, name in zip(tensors, link.theirs, strict=True)]
        if isinstance(layer, nl.Embedding) and layer.padding is not None and arrays[0][layer.padding].any():
            hint = "Set it to zeros: netlib returns zeros for the padding."
            raise InvalidValueError(f"row {layer.padding} of weight, the padding_idx, holds numbers other than 0", hint=hint)
        members = placed(layer, link).members
        shared = self.share(tensors, link.read, members)
        if shared is not members:
            for name, member in zip(link.ours, shared, strict=True):
                owner, _, last = name.rpartition(".")
                setattr(find(layer, owner) if owner else layer, last, member)
            return
        for member, array in zip(members, link.read(*arrays), strict=True):
            member.value = np.ascontiguousarray(array)
            if isinstance(member, Parameter):
                member.trainable = any(getattr(tensor, "requires_grad", False) for tensor in tensors)

    def share(self, tensors: Sequence[Any], layout: Any, members: list[Any]) -> list[Any]:
        """Return the parameters and buffers for tensors: `members`, or those of an earlier use."""
        for tensor in tensors:
            if self._layouts.setdefault(id(tensor), layout) is not layout:
                hint = "Use a copy of it in one of the two modules."
                raise InvalidValueError("an array is shared with a module that needs it in another layout in netlib", hint=hint)
        return self._shared.setdefault((*map(id, tensors), layout), members)

    def node(self, name: str, tensor: Any) -> Any:
        """Return the node of a parameter or buffer, which is trained if the tensor is."""
        array = as_array(tensor, name)
        parameter = Parameter(np.ascontiguousarray(array), trainable=tensor.requires_grad)
        (parameter,) = self.share([tensor], AS_IT_IS.read, [parameter])
        return Weight.over(name, parameter)

    def _tied_linear(self, module: Any) -> Layer:
        """Return ``x @ weight.T + bias`` as a graph, for a weight shared with an embedding."""
        x = Input("x")
        y = x @ nl.Transpose()(self.node("weight", module.weight), name="transposed")
        if module.bias is not None:
            y = y + self.node("bias", module.bias)
        return Graph([x], [y])


def as_array(tensor: Any, name: str) -> Array:
    """Return the array of a parameter or buffer, or raise for a type that netlib does not have."""
    if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
        raise InvalidValueError(f"{name} has no size yet", hint="Run the module once.")
    dtype_of(tensor)
    return as_numpy(tensor)  # type: ignore[no-any-return]


def dtype_of(tensor: Any) -> np.dtype[Any]:
    """Return the type of a tensor in NumPy."""
    if tensor.dtype not in DTYPES:
        hint = "Convert it: module.float()."
        raise InvalidTypeError(f"has arrays of {tensor.dtype}, expected float16, float32 or float64", hint=hint)
    return np.dtype(str(tensor.dtype).removeprefix("torch."))


def known_class(module: Any) -> type[Any]:
    """Return the class of a module, or PyTorch's if a user's class changes none of its methods."""
    changed: set[str] = set()
    for kind in type(module).__mro__:
        if kind in BACK or kind in OTHERS:
            return type(module) if any(hasattr(kind, name) for name in changed - HARMLESS) else kind
        changed |= vars(kind).keys()
    return type(module)


HARMLESS = {"__init__", "__doc__", "__module__", "__annotations__", "__constants__", "__repr__", "extra_repr", "reset_parameters"}
"""What a class may have of its own, and still compute the same."""


def make_layer(counterpart: Counterpart, module: nn.Module) -> Any:
    """Return the layer that corresponds to a module, without its arrays."""
    accepted = {parameter.name for parameter in constructor_parameters(counterpart.layer)}  # type: ignore[arg-type]
    options: dict[str, Any] = {"init": Zeros()} if "init" in accepted else {}
    tensors = [each for each in (*module.parameters(), *module.buffers()) if each.is_floating_point()]
    if tensors and "dtype" in accepted:
        options["dtype"] = dtype_of(tensors[0])
    return counterpart.layer(**counterpart.layer_arguments(module), **options)


def _share_generators(old: Layer, new: Layer) -> None:
    """Let a new part draw from the generators of the part that it replaces."""
    for (_, before), (_, after) in zip(old.walk(), new.walk(), strict=False):
        if type(before) is type(after) and "_rng" in vars(before):
            after.__dict__["_rng"] = before.__dict__["_rng"]


def _as_layer(thing: Any, module: nn.Module) -> Layer:
    if not isinstance(thing, Layer):
        message = f"the translation of {type(module).__name__} returned {type(thing).__name__}"
        raise InvalidTypeError(message, hint="Return a layer from the function in translations.")
    return thing


def _supply(module: Any) -> str:
    name = type(module).__name__
    return f"Pass translations={{{name}: function}}, where function(module) returns a layer."


def _require_plain(module: Any) -> None:
    """Raise if code runs around the forward of a module."""
    if hasattr(module, "parametrizations"):
        hint = "Call torch.nn.utils.parametrize.remove_parametrizations first."
        raise InvalidValueError(f"{type(module).__name__} has parametrizations of {', '.join(module.parametrizations)}", hint=hint)
    if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks:
        raise InvalidValueError(f"{type(module).__name__} has hooks, which netlib does not run", hint="Remove them first.")


def _activation_module(function: Any) -> nn.Module:
    """Return the module of an activation that a transformer layer holds as a function."""
    found = ACTIVATIONS.get(function)
    if found is None:
        name = getattr(function, "__name__", function)
        raise InvalidTypeError(f"has the activation {name}", hint="Give the activation as a module, such as nn.GELU().")
    activation: nn.Module = found()
    return activation


ACTIVATIONS: dict[Any, Any] = {
    functional.relu: nn.ReLU,
    torch.relu: nn.ReLU,
    functional.gelu: nn.GELU,
    functional.silu: nn.SiLU,
    functional.mish: nn.Mish,
    torch.tanh: nn.Tanh,
}


def _nothing(module: Any) -> list[str]:
    return []


def _refused_of_batch_norm(module: Any) -> list[str]:
    return ["momentum=None, expected a number"] if module.momentum is None else []


def _refused_of_block(module: Any) -> list[str]:
    drops = [module.self_attn.dropout, module.dropout.p, module.dropout1.p, module.dropout2.p]
    return [f"dropouts of {drops}, expected equal ones"] if len(set(drops)) > 1 else []


REFUSED: dict[Any, Callable[[Any], list[str]]] = {
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, modules.BatchNorm), _refused_of_batch_norm),
    **dict.fromkeys((nn.TransformerEncoderLayer, modules.TransformerEncoderLayer), _refused_of_block),
}


def _sequential(converter: Converter, module: Any, path: str) -> Layer:
    names = [name for name, _ in module.named_children()]
    parts = [converter.part(module, name, path) for name in names]
    for before, after in pairwise(module):
        if (
            isinstance(before, nn.RNNBase)
            and type(before).forward is not modules.LSTM.forward
            and not isinstance(before, modules._Recurrent)
        ):
            converter.faults[path or type(before).__name__] = (
                f"{type(before).__name__} returns a tuple, which {type(after).__name__} does not take. "
                "Take what you need of it in a forward of your own."
            )
    return Sequential(*(part if name == str(i) else (name, part) for i, (name, part) in enumerate(zip(names, parts, strict=True))))


def _graph(converter: Converter, module: modules.Graph, path: str) -> Layer:
    inputs = [Input(name) for name in module._input_names]
    values: dict[Any, Any] = {(-1, i): node for i, node in enumerate(inputs)}
    for number, (name, sources) in enumerate(module._wiring):
        held = module.held(name)
        if isinstance(held, nn.Module):
            inner = f"{path}.{name}" if path else name
            y = converter.convert(held, inner)(*(values[source] for source in sources), name=name)
        else:
            y = converter.node(name, held) if isinstance(held, nn.Parameter) else Constant(name, as_numpy(held))
        values |= {(number, i): each for i, each in enumerate(y if isinstance(y, tuple) else (y,))}
    return Graph(inputs, [values[place] for place in module._output_places])


def _recurrent(converter: Converter, module: modules.Recurrent, path: str) -> Layer:
    cell = converter.part(module, "cell", path)
    if module.sizes:
        cell.hidden_features = module.sizes if len(module.sizes) > 1 else module.sizes[0]
    return nl.Recurrent(cell, module.return_sequences, module.return_state)


def _pad(mode: str) -> Callable[..., Layer]:
    def pad(converter: Converter, module: Any, path: str) -> Layer:
        flat = module.padding
        pairs = tuple(zip(flat[-2::-2], flat[::-2], strict=True))
        return nl.Pad(pairs, mode, getattr(module, "value", 0.0))

    return pad


def _upsample(converter: Converter, module: Any, path: str) -> Layer:
    return upsample(module.size, module.scale_factor, module.mode, module.align_corners, module.recompute_scale_factor)


def upsample(size: Any, scale: Any, mode: str, align_corners: Any, recompute: Any) -> Layer:
    """Return the layer of ``F.interpolate``, or raise for options that netlib does not have."""
    modes = {"nearest": "nearest", "linear": "linear", "bilinear": "linear", "trilinear": "linear"}
    given = {"size": size, "align_corners": align_corners or None, "recompute_scale_factor": recompute or None}
    refused = [f"{name}={value}" for name, value in given.items() if value is not None]
    refused += [] if mode in modes else [f"mode={mode!r}"]
    if refused:
        raise InvalidValueError(f"has {', '.join(refused)}", hint="netlib knows a scale_factor, and the modes nearest and linear.")
    return nl.Upsample(tuple(scale) if isinstance(scale, tuple | list) else scale, modes[mode])


def _encoder(converter: Converter, module: Any, path: str) -> Layer:
    layers = [converter.convert(each, f"{path}.layers.{i}" if path else f"layers.{i}") for i, each in enumerate(module.layers)]
    named: list[Any] = [("layers", Sequential(*layers))]
    if module.norm is not None:
        named.append(("norm", converter.part(module, "norm", path)))
    return Sequential(*named)


def _dropped(axes: Any) -> Callable[..., Layer]:
    return lambda converter, module, path: nl.Dropout(module.p, axes)


def _function(converter: Converter, module: modules.Function, path: str) -> Layer:
    layer: Layer = copy.deepcopy(module.layer)
    return layer


def _classes_back() -> Iterator[tuple[Any, Counterpart]]:
    for counterpart in TABLE:
        for name in (counterpart.module, *counterpart.also):
            for place in (nn, modules):
                if hasattr(place, name):
                    yield getattr(place, name), counterpart


LINEAR_OF_ATTENTION = nn.modules.linear.NonDynamicallyQuantizableLinear
BACK: dict[Any, Counterpart] = dict(_classes_back())
BACK[LINEAR_OF_ATTENTION] = BACK[nn.Linear]
OTHERS: dict[Any, Callable[[Converter, Any, str], Layer]] = {
    nn.Sequential: _sequential,
    modules.Sequential: _sequential,
    modules.Residual: lambda converter, module, path: Residual(converter.part(module, "layer", path)),
    modules.Recompute: lambda converter, module, path: Recompute(converter.part(module, "layer", path)),
    modules.Recurrent: _recurrent,
    modules.Graph: _graph,
    modules.Function: _function,
    nn.TransformerEncoder: _encoder,
    nn.Upsample: _upsample,
    nn.UpsamplingNearest2d: _upsample,
    nn.Softmax2d: lambda converter, module, path: nl.Softmax(-3),
    **{getattr(nn, name): _dropped(axes) for name, axes in DROPPED_AXES.items()},
    **{getattr(nn, f"{word}Pad{n}d"): _pad("constant") for word in ("Zero", "Constant") for n in (1, 2, 3)},
    **{getattr(nn, f"ReflectionPad{n}d"): _pad("reflect") for n in (1, 2, 3)},
    **{getattr(nn, f"ReplicationPad{n}d"): _pad("edge") for n in (1, 2, 3)},
    **{getattr(nn, f"CircularPad{n}d"): _pad("wrap") for n in (1, 2, 3)},
}
for each in [kind for kind in BACK if kind.__name__ in DROPPED_AXES]:
    del BACK[each]


def convert(module: Any, inputs: Sequence[Any], translations: Translations) -> Layer:
    """Return the model of a module, or raise one error that lists all problems."""
    if not isinstance(module, nn.Module):
        hint = "For a dict of arrays, use load_state_dict." if isinstance(module, Mapping) else ""
        raise InvalidTypeError(f"got {type(module).__name__}, expected a module of PyTorch", where="torch.convert", hint=hint)
    if any(each.device.type != "cpu" for each in (*module.parameters(), *module.buffers())):
        module = copy.deepcopy(module).cpu()
    converter = Converter(module, translations)
    layer = converter.convert(module, "", *([None, inputs] if inputs else []))
    if converter.faults:
        listed = "; ".join(f"{path!r}: {fault}" if path else fault for path, fault in converter.faults.items())
        raise InvalidValueError(f"cannot be made of netlib's layers: {listed}", where="torch.convert")
    return layer
