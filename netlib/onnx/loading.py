"""Opening an ONNX file: `load`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from ..arrays import Array
from ..containers.graph import Graph, Input
from ..data.path import Path, as_path
from ..errors import FormatError, NetlibError
from ..node import Call, Node
from . import reading
from .folding import fold
from .operator import Operator, RefusedError
from .operators import OPERATORS
from .partial import partial_result
from .values import Dims, Value, Values

Translation: TypeAlias = Callable[[Operator], Any]
MAX_LISTED = 20
DOMAINS = {"": "", "ai.onnx": ""}
SUBGRAPHS = {"If", "Loop", "Scan", "SequenceMap"}


def load(path: Path, translations: Mapping[str, Translation] | None = None) -> Graph:
    """Open an ONNX file as a graph, which predicts, is drawn, checked and trained further.

    The weights of the file are the parameters of the graph, under the names in the file with ``/``
    for each dot. Nodes whose inputs are all constant are computed once. Nothing outside of the file
    is read.

    Parameters
    ----------
    path : str or path
    translations : dict of str to function, optional
        Your own translations, by the name of the operator; with its domain in front if it is not
        ONNX's own, as in ``"com.microsoft.QuickGelu"``. Each is a function of an `Operator` that
        returns the node of its output.

    Returns
    -------
    Graph
        Inputs and outputs are in the file's order. Inputs that nothing uses are left out.

    Raises
    ------
    FormatError
        If the file is damaged, refers to data outside of it, or has operators, or options of them,
        that netlib does not have. One message lists them all.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import os, tempfile
    >>> import netlib as nl, numpy as np
    >>> from onnx import helper, numpy_helper, save
    >>> x, y = (helper.make_tensor_value_info(name, 1, ["N", 2]) for name in "xy")
    >>> weight = numpy_helper.from_array(np.eye(2, dtype=np.float32), "weight")
    >>> nodes = [helper.make_node("MatMul", ["x", "weight"], ["h"])]
    >>> nodes += [helper.make_node("Relu", ["h"], ["y"])]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.onnx")
    ...     save(helper.make_model(helper.make_graph(nodes, "g", [x], [y], [weight])), path)
    ...     graph = nl.onnx.load(path)
    >>> graph.predict(np.array([[1.0, -1.0]], np.float32))
    array([[1., 0.]], dtype=float32)
    """
    name = as_path(path, "onnx.load")
    model = reading.read(path)
    known = {**OPERATORS, **(translations or {})}
    model = _expand(model, known, name)
    _require_known(model, known, name)
    reading.check(model, name)
    return _Reader(model, known, name).read()


def key_of(node: Any) -> str:
    """Return the name of a node's operator, with the domain in front if it is not ONNX's own."""
    domain = DOMAINS.get(node.domain, node.domain)
    return f"{domain}.{node.op_type}" if domain else str(node.op_type)


def _expand(model: Any, known: Mapping[str, Translation], name: str) -> Any:
    """Return the model with the operators that ONNX itself defines by others as these others."""
    import onnx

    versions = {DOMAINS.get(each.domain, each.domain): each.version for each in model.opset_import}

    def has_body(node: Any) -> bool:
        domain = DOMAINS.get(node.domain, node.domain)
        if key_of(node) in known or not onnx.defs.has(node.op_type, domain) or domain not in versions:
            return False
        try:
            schema = onnx.defs.get_schema(node.op_type, versions[domain], domain)
        except onnx.defs.SchemaError:
            return False
        return schema.has_function or schema.has_context_dependent_function  # type: ignore[no-any-return]

    for _ in range(5):  # an operator may be defined by one that is defined itself
        found = sorted({(node.domain, node.op_type) for node in model.graph.node if has_body(node)})
        if not found:
            break
        try:
            model = onnx.inliner.inline_selected_functions(model, found, inline_schema_functions=True)
        except Exception as error:
            raise FormatError(f"{found} cannot be expanded: {error}", where=name, hint=reading.DAMAGED) from None
    return model


def _require_known(model: Any, known: Mapping[str, Translation], name: str) -> None:
    """Raise if operators have no translation, with the nodes of each."""
    missing: dict[str, list[str]] = {}
    for node in model.graph.node:
        if key_of(node) not in known:
            missing.setdefault(key_of(node), []).append(_label(node))
    if not missing:
        return
    parts = [f"{key} at {_listed(nodes)}" for key, nodes in missing.items()]
    example = next(iter(missing))
    hint = f"If it is a few lines, pass its translation: load(path, translations={{{example!r}: function}})."
    if SUBGRAPHS & missing.keys():
        hint = "A graph has no branches and loops: export the model without them."
    raise FormatError(f"has operators that netlib does not have: {'; '.join(parts)}", where=name, hint=hint)


def _label(node: Any) -> str:
    """Return the name of a node, or else that of its output."""
    return repr(node.name or next(iter(node.output), ""))


def _listed(texts: list[str], separator: str = ", ") -> str:
    more = f"{separator}and {len(texts) - MAX_LISTED} more" if len(texts) > MAX_LISTED else ""
    return separator.join(texts[:MAX_LISTED]) + more


class _Reader:
    """Translates the nodes of a model one after the other."""

    def __init__(self, model: Any, known: Mapping[str, Translation], name: str) -> None:
        self.model = _with_shapes(model, name)
        self.known = known
        self.name = name
        self.versions = {DOMAINS.get(each.domain, each.domain): each.version for each in model.opset_import}
        self.values = Values()
        self.problems: list[str] = []
        self.inputs: list[Input] = []

    def read(self) -> Graph:
        """Return the graph."""
        graph = self.model.graph
        self._declare_values(graph)
        for node in graph.node:
            self._translate(node)
        outputs = [self._output(each.name) for each in graph.output]
        if self.problems:
            raise FormatError(f"cannot be translated: {_listed(self.problems, '; ')}", where=self.name)
        return self._graph([node for node in outputs if node is not None])

    def _declare_values(self, graph: Any) -> None:
        arrays = {each.name: each for each in graph.initializer}
        for info in [*graph.value_info, *graph.output, *graph.input]:
            self.values.by_name[info.name] = Value(info.name, *_type_of(info))
        self.values.uses = Counter(name for node in graph.node for name in node.input)
        self.values.uses.update(each.name for each in graph.output)
        for name, tensor in arrays.items():
            array = reading.as_array(tensor)
            value = self.values.by_name[name] = Value(name)
            if array is not None:
                value.set_array(array, is_trained=True)
        for info in graph.input:
            if info.name not in arrays:
                node = Input(self.values.unique_name(info.name))
                self.values.by_name[info.name].node = node
                self.inputs.append(node)

    def _translate(self, proto: Any) -> None:
        given = [self.values.by_name.get(name) if name else None for name in proto.input]
        if any(name and (x is None or (x.node is None and x.array is None)) for x, name in zip(given, proto.input, strict=True)):
            if not self.problems:
                self.problems.append(f"{proto.op_type} at {_label(proto)} needs a tensor of a type that netlib does not have")
            return  # what it needs could not be translated
        op = Operator(proto, self.versions.get(DOMAINS.get(proto.domain, proto.domain), 1), given, self.values)
        partial = partial_result(op)
        try:
            if partial is not None and not np.isnan(partial).any():
                results: Any = partial.astype(self._dtype_of(proto.output[0], np.dtype(np.int64)))
            elif given and all(x is None or x.array is not None for x in given) and (folded := fold(op, proto, self.model)):
                results = folded
            else:
                results = self.known[key_of(proto)](op)
        except RefusedError as refusal:
            self.problems.append(f"{proto.op_type} at {_label(proto)}: {refusal}")
            return
        except NetlibError as error:
            self.problems.append(f"{proto.op_type} at {_label(proto)}: {error}")
            return
        self._keep(op, results if isinstance(results, tuple | list) else (results,), partial)

    def _dtype_of(self, name: str, default: np.dtype[Any]) -> np.dtype[Any]:
        value = self.values.by_name.get(name)
        return default if value is None or value.dtype is None else value.dtype

    def _keep(self, op: Operator, results: Any, partial: Array | None) -> None:
        """Give the results of a node their names in the file."""
        is_trained = any(value is not None and value.is_trained for value in op._inputs)
        for name, result in zip(op.outputs, results, strict=False):
            if not name or result is None:
                continue
            value = self.values.by_name.setdefault(name, Value(name))
            if isinstance(result, Node):
                value.node, value.partial = result, partial
                self._name(result, op)
            else:
                value.set_array(np.asarray(result), is_trained)

    def _name(self, node: Node, op: Operator) -> None:
        """Name the calls that the translation of a node has made, the last one after the node."""
        stem = op.name or f"{op.op_type}_{op.outputs[0]}"
        prefixes = {name.rpartition(".")[0] for name in op.owned}
        stack = [(node, True)]
        while stack:
            each, is_last = stack.pop()
            call = each.call
            if call is None or call.name is not None:
                continue
            owns = bool(call.layer.parameters()) and len(prefixes) == 1 and prefixes != {""}
            kind = type(call.layer).__name__.strip("_").removesuffix("Layer")
            name = next(iter(prefixes)) if owns else stem if is_last else f"{stem}/{kind}"
            call.name = self.values.unique_name(name)
            each.name = call.name
            stack += [(source, False) for source in reversed(call.sources)]

    def _output(self, name: str) -> Node | None:
        value = self.values.by_name[name]
        if value.node is None and value.array is None:
            if not self.problems:
                self.problems.append(f"the output {name!r} has no value")
            return None
        return self.values.node_of(value)

    def _graph(self, outputs: list[Node]) -> Graph:
        used = _inputs_of(outputs)
        inputs = [node for node in self.inputs if node in used]
        try:
            graph = Graph(inputs=inputs, outputs=outputs)
        except NetlibError as error:
            hint = "Everything in it is constant: read its arrays with onnx instead." if not inputs else ""
            raise FormatError(f"is no graph of its inputs: {error.message}", where=self.name, hint=hint) from None
        floats = [self._is_float(node) for node in inputs]
        without = len(inputs) - max((i + 1 for i, is_float in enumerate(floats) if is_float), default=0)
        if without:
            graph.n_nondifferentiable_inputs = without
        return graph

    def _is_float(self, node: Input) -> bool:
        value = next(value for value in self.values.by_name.values() if value.node is node)
        return value.dtype is None or value.dtype.kind == "f"


def _inputs_of(outputs: list[Node]) -> set[Node]:
    """Return the inputs that the outputs need."""
    found: set[Node] = set()
    seen: set[Call] = set()
    stack = list(outputs)
    while stack:
        node = stack.pop()
        if node.call is None:
            found.add(node)
        elif node.call not in seen:
            seen.add(node.call)
            stack += node.call.sources
    return found


def _with_shapes(model: Any, name: str) -> Any:
    """Return the model with the shapes and types that ONNX infers."""
    from onnx import shape_inference

    try:
        return shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:
        raise FormatError(f"has shapes that do not fit: {error}", where=name, hint=reading.DAMAGED) from None


def _type_of(info: Any) -> tuple[np.dtype[Any] | None, Dims | None]:
    """Return type and shape of a value, as far as the file says them."""
    if not info.type.HasField("tensor_type"):
        return None, None
    tensor = info.type.tensor_type
    dtype = reading.as_dtype(tensor.elem_type)
    if not tensor.HasField("shape"):
        return dtype, None
    return dtype, tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim)
