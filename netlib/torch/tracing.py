# mypy: disable-error-code="misc"
"""Turn a module's own forward into a graph, by ``torch.fx``, which records what forward calls.

This module is imported on use, since it imports PyTorch.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.utils._pytree import tree_flatten, tree_unflatten

from .. import layers as nl
from ..containers import Constant, Graph, Input
from ..errors import InvalidTypeError, InvalidValueError, NetlibError
from ..layer import Layer
from .calls import EXAMPLE, FUNCTIONALS, METHODS, SPECIAL, call_functional, is_pytorchs, name_of
from .counterpart import as_numpy
from .values import Shape, Size, Value, as_sizes, has_values

UNUSED = {"_assert", "_assert_is_none", "getitem", "getattr", "size"}
"""Calls that do nothing if their result is not used."""


VIEWS = {
    *("getitem", "view", "reshape", "flatten", "unflatten", "transpose", "swapaxes", "permute", "t"),
    *("squeeze", "unsqueeze", "expand", "chunk", "split", "unbind"),
}
"""Calls whose result may share memory with their input."""


class Call(NamedTuple):
    """How a module is called: the arguments of its forward by name, and examples of tensors."""

    constants: Mapping[str, Any]
    inputs: Sequence[str]
    examples: Sequence[Any]
    """Two tensors for each input, which differ in the size of the batch; none if unknown."""


class _Tracer(fx.Tracer):
    proxy_buffer_attributes = True

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return True


def trace(converter: Any, module: nn.Module, path: str, call: Call | None = None, examples: Sequence[Any] = ()) -> Layer:
    """Return the graph of a module's forward.

    Parameters
    ----------
    converter : Converter
    module : torch.nn.Module
    path : str
    call : Call, optional
        By default, all arguments of forward without a default are inputs.
    examples : sequence of tensor or array_like
        Inputs, if there is no `call`.
    """
    call = call or _plain_call(module, examples)
    before = set(vars(module))
    try:
        graph = _trace(module, call.constants)
        if call.examples:
            _record_shapes(module, graph, call)
        return _Interpreter(converter, module, path, call).run(graph)
    finally:
        for name in vars(module).keys() - before:  # fx keeps tensors that forward makes in the module
            delattr(module, name)


def _plain_call(module: nn.Module, examples: Sequence[Any]) -> Call:
    signature = inspect.signature(module.forward)
    kinds = inspect.Parameter
    for each in signature.parameters.values():
        if each.kind in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD):
            raise InvalidValueError(f"forward of {type(module).__name__} takes {each}", hint="Give each input a name.")
    names = [name for name, each in signature.parameters.items() if each.default is each.empty]
    names = list(signature.parameters)[: len(examples)] if len(examples) > len(names) else names
    if examples and len(examples) != len(names):
        raise InvalidValueError(f"got {len(examples)} examples, expected one for each of {', '.join(names)}")
    constants = {name: each.default for name, each in signature.parameters.items() if name not in names}
    return Call(constants, names, [_pair(each) for each in examples])


def _pair(example: Any) -> tuple[Any, Any]:
    """Return an example, and one with twice as many samples and one more."""
    tensor = example.detach().cpu() if isinstance(example, torch.Tensor) else torch.as_tensor(example)
    if not tensor.ndim or not len(tensor):
        raise InvalidValueError(f"got an example of shape {tuple(tensor.shape)}, expected a batch")
    return tensor, torch.cat([tensor, tensor, tensor[:1]])


def _trace(module: nn.Module, constants: Mapping[str, Any]) -> fx.Graph:
    """Return the calls of forward, which must be the same in both modes."""
    before, graphs = module.training, []
    try:
        for mode in (False, True):
            module.training = mode
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of constants that fx does not compare
                graphs.append(_Tracer().trace(module, dict(constants)))
    except Exception as error:
        hint = "Decide branches and loops without the values of tensors, or pass translations={" + type(module).__name__ + ": function}."
        message = f"forward of {type(module).__name__} cannot be traced: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise InvalidValueError(message, hint=hint) from None
    finally:
        module.training = before
    in_evaluation, in_training = ([(each.op, each.op != "get_attr" and each.target) for each in graph.nodes] for graph in graphs)
    if in_evaluation != in_training:
        hint = f"Pass translations={{{type(module).__name__}: function}}, where function(module) returns a layer."
        raise InvalidValueError(f"forward of {type(module).__name__} does other things in training than in evaluation", hint=hint)
    graph = graphs[1]
    for each, same in zip(graph.nodes, graphs[0].nodes, strict=True):
        each.meta["in_evaluation"] = same.kwargs
    for each in reversed(graph.nodes):
        if not each.users and each.op != "output" and name_of(each.target) in UNUSED:
            graph.erase_node(each)
    return graph


def _record_shapes(module: nn.Module, graph: fx.Graph, call: Call) -> None:
    """Run forward on both examples, and keep the shapes at the nodes of the graph."""
    modes = [(each, each.training) for each in module.modules()]
    traced = fx.GraphModule(module, graph)
    module.eval()
    traced.training = False
    inputs = dict(zip(call.inputs, call.examples, strict=True))
    shapes: list[dict[Any, Any]] = []
    try:
        for number in (0, 1):
            given = []
            for name in inspect.signature(module.forward).parameters:
                given.append(inputs[name][number] if name in inputs else call.constants[name])
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ShapeProp(traced).propagate(*given)
            shapes.append({each.name: each.meta.get("tensor_meta") for each in traced.graph.nodes})
    except Exception as error:
        cause = str(error.__cause__ or error).partition("\n")[0]
        raise InvalidValueError(f"forward fails on the example: {cause}") from None
    finally:
        for each, mode in modes:
            each.training = mode
    for each in graph.nodes:
        each.meta["both"] = shapes[0].get(each.name), shapes[1].get(each.name)


class _Interpreter:
    """An interpreter that turns the calls of a forward into nodes of a graph."""

    def __init__(self, converter: Any, module: nn.Module, path: str, call: Call) -> None:
        self.converter, self.module, self.path, self.call = converter, module, path, call
        self.values: dict[fx.Node, Any] = {}
        self.attributes: dict[str, Value] = {}
        self.failed: set[Any] = set()
        self.n_constants = 0
        self.now: Any = None
        self.current = ""

    def run(self, graph: fx.Graph) -> Layer:
        """Return the graph of all calls."""
        inputs: list[Input] = []
        for node in graph.nodes:
            self.now, self.current = node, node.name
            if node.op == "placeholder":
                if node.target in self.call.inputs:  # others are decided
                    inputs.append(Input(node.name))
                    self.values[node] = self.value(inputs[-1])
            elif node.op == "output":
                result = self._resolve(node.args[0])
            else:
                self.values[node] = self._try(node)
        return self._finish(inputs, result)

    def _try(self, node: fx.Node) -> Any:
        if node.op != "call_module" and self.failed.intersection(node.all_input_nodes):
            self.failed.add(node)
            return _stand_in(node)
        try:
            return getattr(self, f"_{node.op}")(node, *self._resolve((node.args, node.kwargs)))
        except NetlibError as error:
            place = f"{self.path}.{node.name}" if self.path else node.name
            self.converter.faults.setdefault(place, str(error))
            self.failed.add(node)
            return _stand_in(node)

    def _resolve(self, thing: Any) -> Any:
        return fx.node.map_arg(thing, self.values.get)

    def value(self, node: Any) -> Any:
        """Return a node, or a tuple of nodes, with its shape if known."""
        if isinstance(node, tuple):
            return tuple(self.flat_value(each, i) for i, each in enumerate(node))
        return self.flat_value(node, 0)

    def flat_value(self, node: Any, number: int) -> Value:
        """Return a node that is output `number` of the current call."""
        one, other = self.now.meta.get("both", (None, None))
        metas = [tree_flatten(each, is_leaf=lambda x: hasattr(x, "stride"))[0] for each in (one, other)]
        metas = [each[number] if number < len(each) else None for each in metas]
        return Value(node, as_sizes(metas), getattr(metas[0], "dtype", None))

    def constant(self, tensor: torch.Tensor) -> Any:
        """Return the node of a fixed tensor, in the type of the model."""
        self.n_constants += 1
        return Constant(f"{self.current}_constant{self.n_constants}", as_numpy(tensor).astype(self.converter.dtype))

    def node(self, thing: Any, beside: Any = None) -> Any:
        """Return the node of a value, of a fixed tensor, or of a number combined with a value."""
        if isinstance(thing, Value):
            return thing.node
        if type(thing) in (int, float) and isinstance(beside, Value):
            return nl.Scalar(thing)(beside.node)
        if isinstance(thing, torch.Tensor):
            return self.constant(thing)
        if isinstance(thing, Size | Shape):
            raise InvalidValueError("computes with the size of the batch, or one that is not known", hint=EXAMPLE)
        raise InvalidTypeError(f"takes {thing!r:.60}, expected a tensor or a number")

    def _get_attr(self, node: fx.Node, args: Any, kwargs: Any) -> Any:
        target = str(node.target)
        tensor: Any = self.module
        for part in target.split("."):
            tensor = getattr(tensor, part)
        if not isinstance(tensor, nn.Parameter):
            return tensor
        if target not in self.attributes:
            self.attributes[target] = Value(self.converter.node(target.replace(".", "/"), tensor), tuple(tensor.shape))
        return self.attributes[target]

    def _call_function(self, node: fx.Node, args: Any, kwargs: Any) -> Any:
        if node.target in FUNCTIONALS:
            y = call_functional(self, node.target, args, kwargs)
            if kwargs.get("inplace"):
                self._replace(node, y)
            return y
        if not is_pytorchs(node.target):
            raise InvalidTypeError(f"the function {name_of(node.target)} has no counterpart in netlib", hint=self._known_functions())
        return self._call(name_of(node.target), node, args, kwargs)

    def _call_method(self, node: fx.Node, args: Any, kwargs: Any) -> Any:
        return self._call(str(node.target), node, args, kwargs)

    def _call(self, name: str, node: fx.Node, args: Any, kwargs: Any) -> Any:
        if not has_values((args, kwargs)):
            return self._fold(node, args, kwargs)
        in_place = name.endswith("_") and not name.endswith("__")
        plain = name.removesuffix("_") if in_place else name
        if plain not in METHODS:
            raise InvalidTypeError(f"the function {name} has no counterpart in netlib", hint=self._known_functions())
        y = METHODS[plain](self, *args, **_known_options(METHODS[plain], name, args, kwargs))
        if in_place or name in ("iadd", "isub", "imul", "itruediv"):
            self._replace(node, y)
        return y

    def _replace(self, node: fx.Node, y: Any) -> None:
        """Let y be the value of the tensor that a call changes in place, for all its readers."""
        source = node.all_input_nodes[0]
        bases = source.all_input_nodes if name_of(source.target) in VIEWS else []
        views = [each for each in source.users if each in self.values and name_of(each.target) in VIEWS]
        if views or any(len(base.users) > 1 for base in bases):
            raise InvalidValueError("changes in place what another name shows a part of", hint="Leave out inplace=True.")
        if source.op == "placeholder":
            self.converter.changing.add(self.path)
        self.values[source] = y

    def _known_functions(self) -> str:
        return f"Write a module of it, and pass translations={{{type(self.module).__name__}: function}} or that of the module."

    def _fold(self, node: fx.Node, args: Any, kwargs: Any) -> Any:
        """Return the result of a call independent of the inputs, such as part of a fixed mask."""
        try:
            if node.op == "call_method":
                return getattr(args[0], str(node.target))(*args[1:], **kwargs)
            return node.target(*args, **kwargs)
        except Exception as error:
            raise InvalidTypeError(f"the function {name_of(node.target)} fails on constants: {error}") from None

    def _call_module(self, node: fx.Node, args: Any, kwargs: Any) -> Any:
        target = str(node.target)
        module = self.module.get_submodule(target)
        path = f"{self.path}.{target}" if self.path else target
        if type(module) in SPECIAL and type(module) not in self.converter.translations:
            return SPECIAL[type(module)](self, module, target, path, args, kwargs)
        if not args and not kwargs:
            raise InvalidTypeError(f"{type(module).__name__} is called without a tensor")
        call = self._bind(module, args, kwargs)
        layer = self.converter.convert(module, path, call)
        y = self.apply(layer, [self.node(each) for each in tree_flatten((args, kwargs))[0] if isinstance(each, Value)], target)
        if getattr(module, "inplace", False):
            self._replace(node, y)
        elif path in self.converter.changing or starts_in_place(module):
            source = node.all_input_nodes[0]
            if len(source.users) > 1:
                message = f"{type(module).__name__} changes its input, which others read, in place"
                raise InvalidValueError(message, hint="Leave out inplace=True.")
            if source.op == "placeholder":
                self.converter.changing.add(self.path)
        return y

    def apply(self, layer: Layer, nodes: Sequence[Any], target: str | None = None) -> Any:
        """Return the value of a layer on nodes; `target` is the path of its module."""
        if target is None:
            layer.train(self.module.training)
        name = self.current if target is None else self._free_name(target.replace(".", "/"))
        y = layer(*nodes, name=name)
        _, leaves, spec = self.converter.templates.get(id(layer), (None, None, None))
        if leaves is None:
            return self.value(y)
        outputs = y if isinstance(y, tuple) else (y,)
        filled = [self.flat_value(outputs[leaf.number], i) if isinstance(leaf, _Output) else leaf for i, leaf in enumerate(leaves)]
        return tree_unflatten(filled, spec)

    def _free_name(self, name: str) -> str:
        used = self.__dict__.setdefault("_used", set())
        free, number = name, 2
        while free in used:
            free, number = f"{name}_{number}", number + 1
        used.add(free)
        return free

    def _bind(self, module: nn.Module, args: Any, kwargs: Any) -> Call | None:
        """Return how a module is called, if its forward is to be traced."""
        try:
            bound = inspect.signature(module.forward).bind(*args, **kwargs)
        except TypeError as error:
            raise InvalidTypeError(f"forward of {type(module).__name__}: {error}") from None
        bound.apply_defaults()
        inputs = [name for name, each in bound.arguments.items() if isinstance(each, Value)]
        constants = {name: each for name, each in bound.arguments.items() if name not in inputs}
        if any(has_values(each) for each in constants.values()):
            raise InvalidTypeError(f"{type(module).__name__} takes tensors in a list or tuple", hint="Pass them one by one.")
        examples = [bound.arguments[name].examples() for name in inputs]
        return Call(constants, inputs, [] if None in examples else examples)

    def _finish(self, inputs: list[Input], result: Any) -> Layer:
        leaves, spec = tree_flatten(result)
        if isinstance(result, Value) or not any(isinstance(each, Value) for each in leaves):
            leaves, spec = [result], None
        outputs = [each.node for each in leaves if isinstance(each, Value)]
        if self.converter.faults:
            return nl.Identity()
        if not outputs:
            raise InvalidValueError(f"forward of {type(self.module).__name__} returns no tensor")
        graph = Graph(inputs, outputs)
        if spec is not None:
            numbers = iter(range(len(outputs)))
            template = [_Output(next(numbers)) if isinstance(each, Value) else each for each in leaves]
            self.converter.templates[id(graph)] = graph, template, spec
        return graph


class _Output(NamedTuple):
    number: int


def _stand_in(node: fx.Node) -> Value:
    return Value(Input(node.name), None)


def _known_options(function: Any, name: str, args: Any, kwargs: Any) -> dict[str, Any]:
    """Return the options that a function takes, without unknown ones that are None or False."""
    signature = inspect.signature(function)
    takes_all = any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values())
    known = {key: value for key, value in kwargs.items() if takes_all or key in signature.parameters or value not in (None, False)}
    try:
        signature.bind(None, *args, **known)
    except TypeError as error:
        raise InvalidTypeError(f"the function {name}: {error}", hint="netlib knows fewer options.") from None
    return known


def starts_in_place(module: Any) -> bool:
    """Return whether a chain of modules begins with one that writes into its input."""
    while isinstance(module, nn.Sequential) and len(module):
        module = module[0]
    return bool(getattr(module, "inplace", False))
