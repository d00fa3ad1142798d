"""Reading an ONNX file: no other files, and no more memory than its size justifies."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..arrays import Array
from ..data.path import Path, as_path
from ..errors import FormatError, not_installed
from ..files.foreign import require_not_foreign
from .expansion import inline_functions

MAX_BYTES = 2**31 - 1
"""The longest file, as protobuf has it."""
DAMAGED = "The file is damaged, or no ONNX file. Export or download it again."
TERM = rb"[A-Za-z ]*(\.\.\.[A-Za-z ]*)?"
EQUATION = re.compile(TERM + rb"(," + TERM + rb")*(->" + TERM + rb")?")
OF_LENGTHS = {"Concat", "ConstantOfShape", "Expand", "Reshape", "Tile"}
"""Operators whose small constant inputs are, or may become, lengths of arrays."""
MAX_AXES = 16
"""The most numbers that are taken for lengths."""
FIELDS = {
    "FLOAT": ("float_data", "f4"), "DOUBLE": ("double_data", "f8"), "FLOAT16": ("int32_data", "f2"),
    "INT64": ("int64_data", "i8"), "INT32": ("int32_data", "i4"), "INT16": ("int32_data", "i2"),
    "INT8": ("int32_data", "i1"), "UINT64": ("uint64_data", "u8"), "UINT32": ("uint64_data", "u4"),
    "UINT16": ("int32_data", "u2"), "UINT8": ("int32_data", "u1"), "BOOL": ("int32_data", "?"),
}  # fmt: skip
"""The types of arrays that netlib has: where an ONNX tensor keeps its numbers, and NumPy's name."""


def read(path: Path) -> Any:
    """Return the model in an ONNX file as a ``ModelProto``, checked, with its functions expanded.

    Raises
    ------
    FormatError
        If the file is damaged, is not an ONNX file, or refers to data outside of it.
    OSError
        If the file cannot be read.
    """
    name = as_path(path, "onnx.load")
    require_onnx("onnx.load")
    if os.path.getsize(name) > MAX_BYTES:
        hint = "Larger models keep their data in other files, which netlib does not read."
        raise FormatError("is longer than 2 GB", where=name, hint=hint)
    with open(name, "rb") as file:
        data = file.read()
    model = _parse(data, name)
    require_own_data(model, name)
    return inline_functions(model, name)


def require_onnx(where: str) -> None:
    """Raise if ONNX is not installed."""
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise not_installed("onnx", "onnx", where) from None


def _parse(data: bytes, name: str) -> Any:
    import onnx
    from google.protobuf.message import DecodeError

    require_not_foreign(data[:100], name)
    try:
        model = onnx.ModelProto.FromString(data)
    except (DecodeError, RecursionError) as error:
        raise FormatError(f"cannot be parsed: {error}", where=name, hint=DAMAGED) from None
    if not model.graph.node or not model.opset_import:
        raise FormatError("has no nodes or no operator versions", where=name, hint=DAMAGED)
    if not all(isinstance(text, str) for text in _texts(model)):
        raise FormatError("has names that are no valid text", where=name, hint=DAMAGED)
    return model


def _texts(model: Any) -> Iterator[str | bytes]:
    """Yield every name in a model. Protobuf returns bytes if one is not valid UTF-8."""
    stack = [model]
    while stack:
        for field, value in stack.pop().ListFields():
            values = value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]
            if field.type == field.TYPE_STRING:
                yield from values
            elif field.type == field.TYPE_MESSAGE:
                stack += values


def check(model: Any, name: str) -> None:
    """Raise if the structure is invalid: undefined or repeated names, cycles, wrong attributes."""
    import onnx.checker

    _require_equations(model, name)
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, RuntimeError, ValueError) as error:
        message = " ".join(str(error).split())
        raise FormatError(f"is not valid: {message[:500]}", where=name, hint=DAMAGED) from None


def require_own_data(model: Any, name: str) -> None:
    """Raise if a tensor is stored in another file, or its shape does not match its bytes."""
    for tensor in _tensors(model):
        problem = _problem_of(tensor)
        if problem:
            raise FormatError(f"the tensor {tensor.name!r} {problem}", where=name, hint=DAMAGED)
    for tensor in (each.values for each in model.graph.sparse_initializer):
        hint = "Export it with dense tensors."
        raise FormatError(f"the tensor {tensor.name!r} is sparse", where=name, hint=hint)


def _graphs(model: Any) -> Iterator[Any]:
    """Yield every graph and function of a model, including those inside nodes."""
    stack = [model.graph, *model.functions]
    while stack:
        each = stack.pop()
        yield each
        for node in each.node:
            for attribute in node.attribute:
                stack += [attribute.g] if attribute.HasField("g") else []
                stack += attribute.graphs


def _tensors(model: Any) -> Iterator[Any]:
    """Yield every tensor in a model, wherever it is."""
    for graph in _graphs(model):
        if hasattr(graph, "initializer"):
            yield from graph.initializer
        for attribute in (each for node in graph.node for each in node.attribute):
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _require_equations(model: Any, name: str) -> None:
    """Raise if the equation of an Einsum has other characters: ONNX would not terminate."""
    for graph in _graphs(model):
        for node in graph.node:
            texts = [attribute.s for attribute in node.attribute if node.op_type == "Einsum"]
            if any(not EQUATION.fullmatch(text) for text in texts):
                raise FormatError(f"Einsum at {next(iter(node.output), '')!r} has the equation {texts[0]!r}", where=name, hint=DAMAGED)


def _require_lengths(model: Any, name: str) -> None:
    """Raise if a constant length is impossible: ONNX would allocate it to infer shapes."""
    from onnx import numpy_helper

    for graph in _graphs(model):
        constants = {each.name: each for each in getattr(graph, "initializer", ())}
        constants |= {node.output[0]: each.t for node in graph.node for each in node.attribute if node.output and each.HasField("t")}
        for node in graph.node:
            for given in (constants[each] for each in node.input if node.op_type in OF_LENGTHS and each in constants):
                if type_name(given.data_type) != "INT64" or math.prod(given.dims) > MAX_AXES:
                    continue
                lengths = numpy_helper.to_array(given)
                if lengths.size and max(map(abs, lengths.ravel().tolist())) > MAX_BYTES:
                    message = f"{node.op_type} at {next(iter(node.output), '')!r} has the lengths {lengths.ravel().tolist()}"
                    raise FormatError(message, where=name, hint=DAMAGED)


def _problem_of(tensor: Any) -> str:
    """Return what is wrong with the declared shape of a tensor, or an empty string."""
    from onnx import TensorProto

    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        return "is in another file, and netlib reads one file alone: save the model with its data inside"
    if any(n < 0 for n in tensor.dims):
        return f"has the shape {tuple(tensor.dims)}"
    name = type_name(tensor.data_type)
    if name not in FIELDS:
        return ""  # never made an array
    field, kind = FIELDS[name]
    size = math.prod(tensor.dims)
    bytes_each = np.dtype(kind).itemsize
    given = len(tensor.raw_data) / bytes_each if tensor.HasField("raw_data") else len(getattr(tensor, field))
    if given != size:
        return f"has {given:g} numbers, but the shape {tuple(tensor.dims)}"
    return ""


def type_name(number: int) -> str:
    """Return ONNX's name of a type of tensors, such as FLOAT."""
    from onnx import TensorProto

    return str(TensorProto.DataType.Name(number)) if number in TensorProto.DataType.values() else f"type {number}"


def as_dtype(number: int) -> np.dtype[Any] | None:
    """Return NumPy's type for ONNX's, or None if netlib has no arrays of it."""
    name = type_name(number)
    return np.dtype(FIELDS[name][1]) if name in FIELDS else None


def as_array(tensor: Any) -> Array | None:
    """Return the numbers of a tensor, or None if netlib has no arrays of its type."""
    from onnx import numpy_helper

    if type_name(tensor.data_type) not in FIELDS:
        return None
    return np.array(numpy_helper.to_array(tensor), order="C")


def with_shapes(model: Any, name: str) -> Any:
    """Return the model with the shapes and types that ONNX infers."""
    from onnx import shape_inference

    _require_lengths(model, name)
    try:
        return shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:  # onnx raises C++ types of its own
        raise FormatError(f"has shapes that do not fit: {error}", where=name, hint=DAMAGED) from None
