"""The expansion of a model's functions, and of operators that ONNX defines by others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container
from typing import Any

from ..errors import FormatError

MAX_NODES = 1_000_000
"""The most nodes of an expanded model."""
OWN = "netlib.expanded"
"""The domain of the functions that are made here, until they are expanded."""
MAX_ROUNDS = 5
"""How often an operator may be defined by one that is defined by others."""


def domain_of(node: Any) -> str:
    """Return the domain of a node, ``""`` for that of ONNX itself."""
    return "" if node.domain == "ai.onnx" else node.domain


def key_of(node: Any) -> str:
    """Return the name of a node's operator, prefixed by the domain if that is not ONNX's own."""
    domain = domain_of(node)
    return f"{domain}.{node.op_type}" if domain else str(node.op_type)


def versions_of(model: Any) -> dict[str, int]:
    """Return the version of each domain."""
    return {domain_of(each): each.version for each in model.opset_import}


def inline_functions(model: Any, name: str) -> Any:
    """Return the model with its own functions expanded, if that stays within `MAX_NODES`."""
    if not model.functions:
        return model
    bodies = {(each.domain, each.name): Counter((node.domain, node.op_type) for node in each.node) for each in model.functions}
    sizes: dict[Any, int] = {}
    for _ in bodies:
        for key, calls in bodies.items():
            if all(each in sizes or each not in bodies for each in calls):
                sizes[key] = sum(n * sizes.get(each, 1) for each, n in calls.items())
    if len(sizes) < len(bodies):
        raise FormatError("has functions that call themselves", where=name)
    if sum(sizes.get((node.domain, node.op_type), 1) for node in model.graph.node) > MAX_NODES:
        raise FormatError(f"has functions that expand to more than {MAX_NODES} nodes", where=name)
    return _inline(model, name)


def _inline(model: Any, name: str) -> Any:
    import onnx.inliner

    try:
        return onnx.inliner.inline_local_functions(model)
    except Exception as error:  # onnx raises C++ types of its own
        raise FormatError(f"has functions that cannot be expanded: {error}", where=name) from None


def defined_operators(model: Any) -> set[str]:
    """Return the operators of a model that ONNX defines by others."""
    versions = versions_of(model)
    return {key_of(node) for node in model.graph.node if _schema(node, versions)}


def expand(model: Any, known: Container[str], with_shapes: Callable[[Any], Any], name: str) -> Any:
    """Return the model with operators that are not `known` replaced by their definitions."""
    versions = versions_of(model)
    for _ in range(MAX_ROUNDS):
        missing = [i for i, node in enumerate(model.graph.node) if key_of(node) not in known and _schema(node, versions)]
        if not missing:
            break
        model = _define(model, missing, versions, _types(with_shapes(model)))
        model = _inline(model, name)
        del model.functions[:]
        own = [i for i, each in enumerate(model.opset_import) if each.domain == OWN]
        for i in reversed(own):
            del model.opset_import[i]
    return model


def _schema(node: Any, versions: dict[str, int]) -> Any:
    """Return the schema of an operator that others define, or None."""
    import onnx.defs

    domain = domain_of(node)
    if domain not in versions or not onnx.defs.has(node.op_type, domain):
        return None
    try:
        schema = onnx.defs.get_schema(node.op_type, versions[domain], domain)
    except onnx.defs.SchemaError:
        return None
    return schema if schema.has_function or schema.has_context_dependent_function else None


def _types(model: Any) -> dict[str, bytes]:
    """Return the type of each value in ONNX's own bytes."""
    graph = model.graph
    types = {info.name: info.type.SerializeToString() for info in [*graph.value_info, *graph.output, *graph.input]}
    for tensor in graph.initializer:
        types[tensor.name] = _tensor_type(tensor).SerializeToString()
    return types


def _tensor_type(tensor: Any) -> Any:
    from onnx import helper

    return helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))


def _define(model: Any, missing: list[int], versions: dict[str, int], types: dict[str, bytes]) -> Any:
    """Return a copy of the model with a function for each of the missing operators."""
    from onnx import ModelProto, helper

    result = ModelProto()
    result.CopyFrom(model)
    result.opset_import.append(helper.make_opsetid(OWN, 1))
    for i in missing:
        node = result.graph.node[i]
        schema = _schema(node, versions)
        _add_defaults(node, schema)
        body = _body(node, schema, versions[domain_of(node)], types)
        if body is None:
            continue
        body.domain, body.name = OWN, f"{node.op_type}_{i}"
        del body.opset_import[:]
        body.opset_import.extend(model.opset_import)
        result.functions.append(body)
        node.domain, node.op_type = body.domain, body.name
    return result


def _add_defaults(node: Any, schema: Any) -> None:
    """Give a node the attributes that it leaves out: a function's body refers to them."""
    from onnx import AttributeProto

    given = {attribute.name for attribute in node.attribute}
    for name, attribute in schema.attributes.items():
        if name not in given and attribute.default_value.type != AttributeProto.UNDEFINED:
            node.attribute.append(attribute.default_value)


def _body(node: Any, schema: Any, version: int, types: dict[str, bytes]) -> Any:
    """Return the function that defines a node, or None if there is none for this version."""
    from onnx import FunctionProto

    if schema.has_function:
        number = _latest(schema.function_opset_versions, version)
        return None if number is None else FunctionProto.FromString(schema.get_function_with_opset_version(number))
    number = _latest(schema.context_dependent_function_opset_versions, version)
    given = [types.get(name, b"") for name in node.input]
    if number is None:
        return None
    data = schema.get_context_dependent_function_with_opset_version(number, node.SerializeToString(), given)
    return FunctionProto.FromString(data) if data else None


def _latest(versions: list[int], version: int) -> int | None:
    return max((each for each in versions if each <= version), default=None)
