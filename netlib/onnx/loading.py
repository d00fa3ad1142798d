"""Opening an ONNX file: `load`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

import numpy as np

from ..containers.graph import Graph, Input
from ..data.path import Path, as_path
from ..errors import FormatError, NetlibError
from ..layers import Identity
from ..node import Call, Node
from . import learning, reading
from .expansion import defined_operators, expand, key_of
from .folding import Folding
from .layers.on_integers import OnIntegers
from .operator import Operator, RefusedError
from .operators import OPERATORS
from .partial import partial_result
from .values import Value, Values

Translation: TypeAlias = Callable[[Operator], Any]
MAX_LISTED = 20
"""How many nodes a message names."""
MALFORMED = ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError
"""What our own translations raise for attributes and inputs that do not fit together."""
SUBGRAPHS = {"If", "Loop", "Scan", "SequenceMap"}


def load(path: Path, translations: Mapping[str, Translation] | None = None) -> Graph:
    """Open an ONNX file as a graph, to predict with, draw, check, or train further.

    The weights of the file are the parameters of the graph, under the names in the file with ``/``
    for each dot. Nodes whose inputs are all constant are computed once. No other file is read.

    Parameters
    ----------
    path : str or path
    translations : dict of str to function, optional
        Your own translations, by the name of the operator, prefixed by its domain if that is not
        ONNX's own, as in ``"com.microsoft.QuickGelu"``. Each is a function of an `Operator` that
        returns the node of its output.

    Returns
    -------
    Graph
        Inputs and outputs are in the file's order. Unused inputs are left out.

    Raises
    ------
    FormatError
        If the file is damaged, refers to data in other files, or has operators or options that
        netlib does not support. One message lists all of them.
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
    known = {**OPERATORS, **(translations or {})}
    model = learning.define(reading.read(path), name)
    _require_known(model, {*known, *defined_operators(model)}, name)
    reading.check(model, name)
    model = expand(model, known, lambda each: reading.with_shapes(each, name), name)
    _require_known(model, known.keys(), name)
    folding = Folding(model, name)
    return _Translator(folding.model, folding.trained, known, name).graph()


def _require_known(model: Any, known: Collection[str], name: str) -> None:
    """Raise if operators have no translation, with the nodes of each."""
    missing: dict[str, list[str]] = {}
    for node in model.graph.node:
        if key_of(node) not in known:
            missing.setdefault(key_of(node), []).append(repr(node.name or next(iter(node.output), "")))
    if not missing:
        return
    parts = [f"{key} at {_listed(nodes, ', ')}" for key, nodes in missing.items()]
    example = next(iter(missing))
    hint = f"If it is a few lines, pass its translation: load(path, translations={{{example!r}: function}})."
    if SUBGRAPHS & missing.keys():
        hint = "A graph has no branches and loops: export the model without them."
    raise FormatError(f"has operators that netlib does not have: {'; '.join(parts)}", where=name, hint=hint)


def _listed(texts: list[str], separator: str) -> str:
    more = f"{separator}and {len(texts) - MAX_LISTED} more" if len(texts) > MAX_LISTED else ""
    return separator.join(texts[:MAX_LISTED]) + more


class _Translator:
    """A translator of the nodes of a model, one after the other."""

    def __init__(self, model: Any, trained: Mapping[str, str], known: Mapping[str, Translation], name: str) -> None:
        self._model, self._known, self._name = model, known, name
        self._values = Values(model.graph, trained)
        self._problems: list[str] = []
        for value in self._values.inputs:
            value.node = Input(self._values.unique_name(value.name))

    def graph(self) -> Graph:
        """Return the graph, or raise with everything that cannot be translated."""
        for node in self._model.graph.node:
            self._translate(node)
        results = [self._values[each.name] for each in self._model.graph.output]
        unknown = [value.name for value in results if value.node is None and value.array is None]
        if self._problems:
            unknown = []  # they depend on what cannot be translated
        if unknown:
            self._problems.append(f"the outputs {unknown} are of a type that netlib does not have")
        if self._problems:
            hint = "Leave them out: onnx.utils.extract_model(path, new_path, inputs, outputs)." if unknown else ""
            raise FormatError(f"cannot be translated: {_listed(self._problems, '; ')}", where=self._name, hint=hint)
        return self._build([self._output(value) for value in results])

    def _translate(self, proto: Any) -> None:
        """Translate a node, or record why not. Nodes that depend on it are then left out too."""
        op = Operator.of(proto, self._model, self._values)
        if op is None:
            return
        op.note_partial(partial_result(op))
        label = f"{op.op_type} at {op.label}"
        try:
            results = self._known[key_of(proto)](op)
        except RefusedError as refusal:
            self._problems.append(f"{label}: {refusal}")
        except NetlibError as error:
            self._problems.append(f"{label}: {error}")
        except MALFORMED as error:
            if self._known[key_of(proto)] is not OPERATORS.get(key_of(proto)):
                raise
            self._problems.append(f"{label}: its attributes or inputs do not fit: {type(error).__name__}: {error}")
        else:
            self._keep(op, results if isinstance(results, tuple | list) else (results,))
            return
        for name in proto.output:
            self._values[name].is_known = False

    def _keep(self, op: Operator, results: Any) -> None:
        """Give the results of a node their names in the file."""
        is_trained = any(value is not None and value.is_trained for value in op.values)
        for name, result in zip(op.outputs, results, strict=False):
            if isinstance(result, Node):
                self._values[name].node = result
                self._give_names(result, op)
            elif result is not None:
                self._values[name].set_array(np.asarray(result), is_trained)

    def _give_names(self, node: Node, op: Operator) -> None:
        """Name the calls created by the translation of a node, the last one after the node."""
        stem = op.name or f"{op.op_type}_{op.outputs[0]}"
        owners = {name.rpartition(".")[0] for name in op.owned}
        stack = [(node, stem)]
        while stack:
            each, name = stack.pop()
            call = each.call
            if call is None or call.name is not None:
                continue
            if len(owners) == 1 and owners != {""} and call.layer.parameters():
                name = next(iter(owners))
            each.name = call.name = self._values.unique_name(name)
            stack += [(source, f"{stem}/{_kind_of(source)}") for source in reversed(call.sources)]

    def _output(self, value: Value) -> Node:
        """Return the node of an output: a copy if the graph would copy it as floats."""
        node = self._values.node_of(value)
        if node.call is None and value.dtype is not None and value.dtype.kind != "f":
            return OnIntegers(Identity(), value.dtype.name)(node)  # type: ignore[no-any-return]
        return node

    def _build(self, outputs: list[Node]) -> Graph:
        used = _inputs_of(outputs)
        values = [value for value in self._values.inputs if value.node in used]
        try:
            graph = Graph(inputs=[value.node for value in values if value.node is not None], outputs=outputs)
        except NetlibError as error:
            hint = "" if values else "Everything in it is constant: read its arrays with onnx instead."
            raise FormatError(f"is no graph of its inputs: {error.message}", where=self._name, hint=hint) from None
        floats = [i for i, value in enumerate(values, 1) if value.dtype is None or value.dtype.kind == "f"]
        graph.n_nondifferentiable_inputs = len(values) - max(floats, default=0)
        return graph


def _kind_of(node: Node) -> str:
    """Return the class of the layer that makes a node."""
    return "" if node.call is None else type(node.call.layer).__name__.strip("_").removesuffix("Layer")


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
