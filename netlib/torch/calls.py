"""The calls of a traced forward: functions and tensor methods as layers, by name.

This module is imported on use, since it imports PyTorch.
"""

from __future__ import annotations

import math
import operator
import string
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from .. import layers as nl
from ..errors import InvalidTypeError, InvalidValueError
from ..layer import Layer
from .values import Shape, Size, Value, Zeros, has_values

EXAMPLE = "Give an example of the input: convert(module, x)."
Caller = Any
"""The interpreter: `apply` a layer, make a `constant`, and take the `node` of a value."""

FUNCTIONALS: dict[Any, tuple[Any, str]] = {
    functional.relu: (nn.ReLU, "inplace"),
    functional.relu6: (nn.ReLU6, "inplace"),
    functional.leaky_relu: (nn.LeakyReLU, "negative_slope inplace"),
    functional.elu: (nn.ELU, "alpha inplace"),
    functional.celu: (nn.CELU, "alpha inplace"),
    functional.selu: (nn.SELU, "inplace"),
    functional.gelu: (nn.GELU, "approximate"),
    functional.silu: (nn.SiLU, "inplace"),
    functional.mish: (nn.Mish, "inplace"),
    functional.softplus: (nn.Softplus, "beta threshold"),
    functional.softsign: (nn.Softsign, ""),
    functional.logsigmoid: (nn.LogSigmoid, ""),
    functional.hardtanh: (nn.Hardtanh, "min_val max_val inplace"),
    functional.hardsigmoid: (nn.Hardsigmoid, "inplace"),
    functional.hardswish: (nn.Hardswish, "inplace"),
    functional.threshold: (nn.Threshold, "threshold value inplace"),
    functional.glu: (nn.GLU, "dim"),
    functional.max_pool1d: (nn.MaxPool1d, "kernel_size stride padding dilation ceil_mode return_indices"),
    functional.max_pool2d: (nn.MaxPool2d, "kernel_size stride padding dilation ceil_mode return_indices"),
    functional.max_pool3d: (nn.MaxPool3d, "kernel_size stride padding dilation ceil_mode return_indices"),
    functional.avg_pool1d: (nn.AvgPool1d, "kernel_size stride padding ceil_mode count_include_pad"),
    functional.avg_pool2d: (nn.AvgPool2d, "kernel_size stride padding ceil_mode count_include_pad divisor_override"),
    functional.avg_pool3d: (nn.AvgPool3d, "kernel_size stride padding ceil_mode count_include_pad divisor_override"),
    functional.adaptive_avg_pool1d: (nn.AdaptiveAvgPool1d, "output_size"),
    functional.adaptive_avg_pool2d: (nn.AdaptiveAvgPool2d, "output_size"),
    functional.adaptive_avg_pool3d: (nn.AdaptiveAvgPool3d, "output_size"),
    functional.adaptive_max_pool1d: (nn.AdaptiveMaxPool1d, "output_size return_indices"),
    functional.adaptive_max_pool2d: (nn.AdaptiveMaxPool2d, "output_size return_indices"),
    functional.adaptive_max_pool3d: (nn.AdaptiveMaxPool3d, "output_size return_indices"),
    functional.interpolate: (nn.Upsample, "size scale_factor mode align_corners recompute_scale_factor"),
    functional.pixel_shuffle: (nn.PixelShuffle, "upscale_factor"),
}
"""Functions that are a module without arrays, with the names of their arguments after the input."""


def call_functional(caller: Caller, function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Return the value of a function, through the module that does the same."""
    kind, names = FUNCTIONALS[function]
    given = dict(zip(["input", *names.split()], args, strict=False)) | kwargs
    x = given.pop("input")
    unknown = [name for name, value in given.items() if name not in names.split() and value not in (None, False)]
    if unknown:
        raise InvalidTypeError(f"{function.__name__} has {', '.join(unknown)}", hint=f"netlib knows: {names}.")
    if kind is nn.Softplus:
        given = {"beta": 1.0, "threshold": 20.0} | {name: float(value) for name, value in given.items()}
    given = {name: value for name, value in given.items() if name in names.split()}
    layer = caller.converter._translate(kind(**given).train(caller.module.training), caller.path)
    return caller.apply(layer, [caller.node(x)])


def name_of(target: Any) -> str:
    """Return the name of a function that forward calls."""
    return str(getattr(target, "__name__", target))


def is_pytorchs(target: Any) -> bool:
    """Return whether a function is PyTorch's or Python's, and not one of the user's."""
    return (getattr(target, "__module__", None) or "torch").partition(".")[0] in ("torch", "_operator", "builtins", "math")


def _refuse(**options: Any) -> None:
    """Raise for options that are not None or False."""
    given = [f"{name}={value!r}" for name, value in options.items() if value is not None and value is not False]
    if given:
        raise InvalidValueError(f"has {', '.join(given)}, which netlib lacks")


def _layer(make: Callable[[], Layer], n: int = 1) -> Callable[..., Any]:
    """Return a function that calls a layer on n tensors or numbers."""

    def call(caller: Caller, *inputs: Any, **options: Any) -> Any:
        _refuse(**options)
        if len(inputs) != n:
            raise InvalidTypeError(f"got {len(inputs)} arguments, expected {n}")
        return caller.apply(make(), [caller.node(each) for each in inputs])

    return call


def _arithmetic(make: Callable[[], Layer], operation: Callable[..., Any]) -> Callable[..., Any]:
    def call(caller: Caller, a: Any, b: Any, *, alpha: Any = None, rounding_mode: Any = None) -> Any:
        _refuse(alpha=None if alpha == 1 else alpha, rounding_mode=rounding_mode)
        if not isinstance(a, Value) and not isinstance(b, Value):
            return Size().combined(operation, a, b)
        return caller.apply(make(), [caller.node(a, b), caller.node(b, a)])

    return call


def _of_sizes(operation: Callable[..., Any]) -> Callable[..., Any]:
    def call(caller: Caller, *operands: Any) -> Any:
        if any(isinstance(each, Value) for each in operands):
            raise InvalidTypeError(f"the function {operation.__name__} has no counterpart in netlib")
        return Size().combined(operation, *operands)

    return call


def _axes(dim: Any) -> Any:
    return tuple(dim) if isinstance(dim, list | torch.Size) else dim


def _reduction(make: Callable[..., Layer]) -> Callable[..., Any]:
    def call(caller: Caller, x: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None, dtype: Any = None) -> Any:
        _refuse(dtype=dtype)
        return caller.apply(make(_axes(dim if axis is None else axis), keepdim), [caller.node(x)])

    return call


def _largest(make: Callable[[], Layer]) -> Callable[..., Any]:
    def call(caller: Caller, x: Any, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs:
            hint = "Use x.amax(dim) or x.amin(dim), whose gradient is shared by equal elements, as in netlib."
            raise InvalidValueError("max and min with a dim give the gradient to one of equal elements", hint=hint)
        return caller.apply(make(), [caller.node(x)])

    return call


def _along(make: Callable[..., Layer]) -> Callable[..., Any]:
    def call(caller: Caller, x: Any, dim: Any = None, *, dtype: Any = None, _stacklevel: int = 3, axis: Any = None) -> Any:
        _refuse(dtype=dtype)
        dim = dim if axis is None else axis
        if dim is None:
            raise InvalidValueError("is called without a dim", hint="Say which, such as dim=-1.")
        return caller.apply(make(dim), [caller.node(x)])

    return call


def _norm(caller: Caller, x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, p: Any = None, dtype: Any = None) -> Any:
    _refuse(dtype=dtype)
    power = ord if p is None else p
    power = 2 if power in (None, "fro") else power
    if isinstance(power, str):
        raise InvalidValueError(f"is the norm {power!r}", hint="netlib knows the norms of vectors.")
    return caller.apply(nl.Norm(_axes(dim), keepdim, float(power)), [caller.node(x)])


def _linalg_norm(caller: Caller, x: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the norm of vectors; with an ord, two axes would be a matrix."""
    if ord is not None and not isinstance(dim, int):
        raise InvalidValueError("may be the norm of a matrix", hint="Use torch.linalg.vector_norm.")
    return _norm(caller, x, ord, dim, keepdim, dtype=dtype)


def _clamp(caller: Caller, x: Any, min: Any = None, max: Any = None) -> Any:
    return caller.apply(nl.Clip(min, max), [caller.node(x)])


def _power(caller: Caller, x: Any, exponent: Any) -> Any:
    if isinstance(x, Value) and isinstance(exponent, int | float):
        return caller.apply(nl.Power(exponent), [x.node])
    return caller.apply(nl.Power(), [caller.node(x, exponent), caller.node(exponent)])


def _einsum(caller: Caller, equation: str, *operands: Any) -> Any:
    operands = tuple(operands[0]) if len(operands) == 1 and isinstance(operands[0], list | tuple) else operands
    return caller.apply(nl.Einsum(equation.replace(" ", "")), [caller.node(each) for each in operands])


def _linear(caller: Caller, x: Any, weight: Any, bias: Any = None) -> Any:
    transposed = nl.Transpose()(caller.node(weight))
    if bias is None:
        return caller.apply(nl.MatMul(), [caller.node(x), transposed])
    return caller.apply(nl.Add(), [nl.MatMul()(caller.node(x), transposed), caller.node(bias)])


def _identity(caller: Caller, x: Any, *_: Any, **__: Any) -> Any:
    return x


def _to(caller: Caller, x: Any, *args: Any, **kwargs: Any) -> Any:
    """Return x itself, if nothing but its device changes."""
    for each in (*args, *kwargs.values()):
        if isinstance(each, torch.dtype) and str(each) != f"torch.{caller.converter.dtype.name}":
            raise InvalidValueError(f"converts to {each}, and the model computes in {caller.converter.dtype}")
    return x


def _dropout(axes: Any) -> Callable[..., Any]:
    def call(caller: Caller, x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
        if training and caller.now.meta["in_evaluation"].get("training", True):
            hint = "Write training=self.training, or use nn.Dropout."
            raise InvalidValueError("dropout without training= drops in evaluation, too", hint=hint)
        return caller.apply(nl.Dropout(p, axes), [caller.node(x)]) if training else x

    return call


def _attention(caller: Caller, q: Any, k: Any, v: Any, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
               scale: Any = None, enable_gqa: bool = False) -> Any:  # fmt: skip
    _refuse(attn_mask=attn_mask, scale=scale, enable_gqa=enable_gqa)
    return caller.apply(nl.ScaledDotProductAttention(is_causal, dropout_p), [caller.node(each) for each in (q, k, v)])


def _masked_fill(caller: Caller, x: Any, mask: Any, value: Any) -> Any:
    """Return x * kept + fill, for a mask that is fixed."""
    if not isinstance(mask, torch.Tensor):
        raise InvalidTypeError(
            "masked_fill takes a mask that depends on the input", hint="netlib's attention takes masks as its last input."
        )
    kept, fill = (~mask).to(torch.float64), torch.zeros(mask.shape, dtype=torch.float64).masked_fill(mask, value)
    return caller.apply(nl.Add(), [nl.Multiply()(caller.node(x), caller.constant(kept)), caller.constant(fill)])


def _size(caller: Caller, x: Any, dim: Any = None) -> Any:
    return Shape(x) if dim is None else _item_of_shape(x, dim)


def _item_of_shape(x: Value, axis: Any) -> Any:
    if x.shape is None:
        return Size(source=x, axis=axis) if isinstance(axis, int) else Size()
    n = x.shape[axis]
    return n if not isinstance(n, Size) else Size(n.numbers, x, axis % len(x.shape))


def _getattr(caller: Caller, x: Any, name: str) -> Any:
    if name == "shape":
        return Shape(x)
    if name in ("device", "dtype", "requires_grad"):
        return {"device": torch.device("cpu"), "requires_grad": True}.get(name, getattr(torch, caller.converter.dtype.name))
    if name == "ndim" and x.shape is not None:
        return len(x.shape)
    if name in ("T", "mT"):
        return _transpose(caller, x, -2, -1)
    raise InvalidTypeError(f"the attribute {name} has no counterpart in netlib")


def _getitem(caller: Caller, x: Any, key: Any) -> Any:
    if isinstance(x, Shape):
        if isinstance(key, int):
            return _item_of_shape(x.of, key)
        if x.of.shape is None:
            raise InvalidValueError("takes a part of a shape", hint=EXAMPLE)
        return tuple(_item_of_shape(x.of, axis) for axis in range(len(x.of.shape))[key])
    if has_values(key):
        raise InvalidValueError("takes a part of a length that is not known", hint=EXAMPLE)
    if not isinstance(x, Value):
        return x[key]
    parts = key if isinstance(key, tuple) else (key,)
    if any(not isinstance(part, int | slice | type(None) | type(Ellipsis)) or isinstance(part, bool) for part in parts):
        raise InvalidTypeError(f"is indexed by {key!r:.60}, expected integers and slices")
    return caller.apply(nl.Slice(key), [x.node])


def _permute(caller: Caller, x: Any, *dims: Any) -> Any:
    return caller.apply(nl.Transpose(tuple(_flat(dims))), [caller.node(x)])


def _transpose(caller: Caller, x: Any, dim0: int, dim1: int) -> Any:
    if x.shape is not None:
        order = list(range(len(x.shape)))
        order[dim0], order[dim1] = order[dim1], order[dim0]
        return caller.apply(nl.Transpose(tuple(order)), [caller.node(x)])
    if min(dim0, dim1) < 0 <= max(dim0, dim1):
        raise InvalidValueError("exchanges axes of which one is counted from the end", hint=EXAMPLE)
    letters = list(string.ascii_lowercase[: max(dim0, dim1) + 1 if dim0 >= 0 else -min(dim0, dim1)])
    swapped = letters.copy()
    swapped[dim0], swapped[dim1] = swapped[dim1], swapped[dim0]
    before, after = ("", "...") if dim0 >= 0 else ("...", "")
    return caller.apply(nl.Einsum(f"{before}{''.join(letters)}{after}->{before}{''.join(swapped)}{after}"), [caller.node(x)])


def _flat(dims: Sequence[Any]) -> list[Any]:
    """Return sizes or axes given one by one, or as one list."""
    return [*dims[0]] if len(dims) == 1 and isinstance(dims[0], list | tuple) else [*dims]


def _flatten(caller: Caller, x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    if start_dim >= 0 and end_dim == -1:
        return caller.apply(nl.Flatten(start_dim), [caller.node(x)])
    if x.shape is None:
        raise InvalidValueError(f"flattens axes {start_dim} to {end_dim}", hint=EXAMPLE)
    start, end = start_dim % len(x.shape), end_dim % len(x.shape)
    return _reshape(caller, x, *x.shape[:start], -1, *x.shape[end + 1 :])


def _unflatten(caller: Caller, x: Any, dim: int, sizes: Any) -> Any:
    if x.shape is None:
        raise InvalidValueError(f"unflattens axis {dim}", hint=EXAMPLE)
    axis = dim % len(x.shape)
    return _reshape(caller, x, *x.shape[:axis], *sizes, *x.shape[axis + 1 :])


def _reshape(caller: Caller, x: Any, *dims: Any) -> Any:
    lengths = _flat(dims)
    known = caller.value(None).shape
    if known is not None:
        lengths = list(known)
    free = [axis for axis, n in enumerate(lengths) if isinstance(n, Size) or n == -1]
    if len(free) <= 1:
        return caller.apply(nl.Reshape(tuple(-1 if axis in free else n for axis, n in enumerate(lengths))), [caller.node(x)])
    first = lengths[0]
    if known is None and lengths[1:] == [-1] and isinstance(first, Size) and first.source is x and first.axis == 0:
        return caller.apply(nl.Flatten(), [caller.node(x)])
    raise InvalidValueError("takes a shape of which more than one length is not known", hint=EXAMPLE)


def _expand(caller: Caller, x: Any, *dims: Any) -> Any:
    return _repeat_along(caller, x, _flat(dims))


def _repeat(caller: Caller, x: Any, *dims: Any) -> Any:
    counts = _flat(dims)
    if x.shape is None:
        raise InvalidValueError("repeats elements", hint=EXAMPLE)
    if len(counts) != len(x.shape) or any(n != 1 and m != 1 for n, m in zip(counts, x.shape, strict=True)):
        raise InvalidValueError("repeats more than one element", hint="Use torch.cat.")
    return _repeat_along(caller, x, [-1 if n == 1 else n for n in counts])


def _repeat_along(caller: Caller, x: Any, lengths: list[Any]) -> Any:
    """Return x with repeated axes; to the length of the batch, x is broadcast by adding zeros."""
    own = [None] * (len(lengths) - len(x.shape)) + [*x.shape] if x.shape is not None else [None] * len(lengths)
    free = [axis for axis, n in enumerate(lengths) if isinstance(n, Size) and not isinstance(own[axis], Size)]
    node = caller.node(x)
    if free:
        size = lengths[free[0]]
        if len(free) > 1 or size.source is None or size.axis != 0:
            raise InvalidValueError("expands to a size that is not the batch's", hint=EXAMPLE)
        column = nl.Slice((slice(None), slice(0, 1)))(nl.Flatten()(size.source.node))
        zeros = 0.0 * column
        shape = [1] * len(lengths)
        shape[free[0]] = -1
        node = nl.Add()(node, nl.Reshape(tuple(shape))(zeros))
    return caller.apply(nl.BroadcastTo(tuple(-1 if isinstance(n, Size) else n for n in lengths)), [node])


def _squeeze(caller: Caller, x: Any, dim: Any = None) -> Any:
    if dim is None:
        if x.shape is None:
            raise InvalidValueError("squeezes all axes of length 1", hint="Say which: squeeze(dim).")
        dim = tuple(axis for axis, n in enumerate(x.shape) if n == 1)
    return caller.apply(nl.Squeeze(_axes(dim)), [caller.node(x)])


def _unsqueeze(caller: Caller, x: Any, dim: int) -> Any:
    return caller.apply(nl.Expand(dim), [caller.node(x)])


def _joined(make: Callable[[int], Layer]) -> Callable[..., Any]:
    def call(caller: Caller, tensors: Any, dim: int = 0, axis: Any = None) -> Any:
        return caller.apply(make(dim if axis is None else axis), [caller.node(each) for each in tensors])

    return call


def _chunk(caller: Caller, x: Any, chunks: int, dim: int = 0) -> Any:
    if x.shape is not None and (isinstance(x.shape[dim], Size) or x.shape[dim] % chunks):
        raise InvalidValueError(f"has no {chunks} equal chunks")
    return caller.apply(nl.Split(chunks, dim), [caller.node(x)])


def _split(caller: Caller, x: Any, split_size_or_sections: Any, dim: int = 0) -> Any:
    sizes = split_size_or_sections
    if isinstance(sizes, int):
        if x.shape is None or isinstance(x.shape[dim], Size):
            raise InvalidValueError(f"splits into pieces of {sizes}", hint=EXAMPLE)
        n = x.shape[dim]
        places = list(range(sizes, n, sizes))
    else:
        places = np.cumsum(sizes)[:-1].tolist()
    return caller.apply(nl.Split(places, dim), [caller.node(x)])


def _unbind(caller: Caller, x: Any, dim: int = 0) -> Any:
    if x.shape is None or isinstance(x.shape[dim], Size):
        raise InvalidValueError("unbinds an axis of unknown length", hint=EXAMPLE)
    before = (slice(None),) * (dim % len(x.shape))
    nodes = tuple(nl.Slice((*before, i))(x.node) for i in range(x.shape[dim]))
    return caller.value(nodes)


def _pad(caller: Caller, x: Any, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    modes = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    pairs = tuple(zip(pad[-2::-2], pad[::-2], strict=True))
    return caller.apply(nl.Pad(pairs, modes[mode], 0.0 if value is None else float(value)), [caller.node(x)])


def _zeros(caller: Caller, *_: Any, **__: Any) -> Any:
    return Zeros()


def _tensors(caller: Caller, *_: Any, **__: Any) -> Any:
    raise InvalidTypeError(
        "makes a tensor of a size that depends on the input", hint="Only zeros for the states of recurrent modules are known."
    )


def _arange(caller: Caller, *bounds: Any, **_: Any) -> Any:
    raise InvalidValueError("counts up to a size", hint=EXAMPLE)


METHODS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("add", "iadd"), _arithmetic(nl.Add, operator.add)),
    **dict.fromkeys(("sub", "isub", "subtract"), _arithmetic(nl.Subtract, operator.sub)),
    **dict.fromkeys(("mul", "imul", "multiply"), _arithmetic(nl.Multiply, operator.mul)),
    **dict.fromkeys(("truediv", "itruediv", "div", "divide"), _arithmetic(nl.Divide, operator.truediv)),
    "floordiv": _of_sizes(operator.floordiv),
    "mod": _of_sizes(operator.mod),
    **dict.fromkeys(("matmul", "mm", "bmm"), _layer(nl.MatMul, 2)),
    **dict.fromkeys(("neg", "negative"), _layer(nl.Negative)),
    **dict.fromkeys(("pow",), _power),
    "square": lambda caller, x: _power(caller, x, 2),
    "rsqrt": lambda caller, x: _power(caller, x, -0.5),
    "reciprocal": lambda caller, x: _power(caller, x, -1),
    "exp": _layer(nl.Exp),
    "log": _layer(nl.Log),
    "sqrt": _layer(nl.Sqrt),
    "abs": _layer(nl.Abs),
    "relu": _layer(nl.ReLU),
    "sigmoid": _layer(nl.Sigmoid),
    "tanh": _layer(nl.Tanh),
    "maximum": _layer(nl.Maximum, 2),
    "minimum": _layer(nl.Minimum, 2),
    **dict.fromkeys(("clamp", "clip"), _clamp),
    "sum": _reduction(nl.Sum),
    "mean": _reduction(nl.Mean),
    "amax": _reduction(nl.Max),
    "amin": _reduction(nl.Min),
    "logsumexp": _reduction(nl.LogSumExp),
    "max": _largest(nl.Max),
    "min": _largest(nl.Min),
    "norm": _norm,
    "vector_norm": _norm,
    "linalg_vector_norm": _norm,
    "linalg_norm": _linalg_norm,
    "cumsum": _along(nl.CumulativeSum),
    "softmax": _along(nl.Softmax),
    "log_softmax": _along(nl.LogSoftmax),
    "softmin": _along(nl.Softmin),
    "einsum": _einsum,
    "linear": _linear,
    "scaled_dot_product_attention": _attention,
    "masked_fill": _masked_fill,
    "dropout": _dropout(()),
    "dropout1d": _dropout(2),
    "dropout2d": _dropout((2, 3)),
    "dropout3d": _dropout((2, 3, 4)),
    **dict.fromkeys(("contiguous", "clone", "cpu", "cuda", "requires_grad_"), _identity),
    "to": _to,
    "type_as": _identity,
    "size": _size,
    "getattr": _getattr,
    "getitem": _getitem,
    **dict.fromkeys(("permute",), _permute),
    **dict.fromkeys(("transpose", "swapaxes"), _transpose),
    "t": lambda caller, x: _transpose(caller, x, 0, 1),
    "flatten": _flatten,
    "unflatten": _unflatten,
    **dict.fromkeys(("view", "reshape"), _reshape),
    "expand": _expand,
    "repeat": _repeat,
    "squeeze": _squeeze,
    "unsqueeze": _unsqueeze,
    **dict.fromkeys(("cat", "concat", "concatenate"), _joined(nl.Concatenate)),
    "stack": _joined(nl.Stack),
    "chunk": _chunk,
    "split": _split,
    "unbind": _unbind,
    "pad": _pad,
    **dict.fromkeys(("zeros", "new_zeros"), _zeros),
    **dict.fromkeys(("ones", "new_ones", "empty", "full", "new_full", "randn", "rand"), _tensors),
    "arange": _arange,
}
"""The functions and methods of tensors that netlib knows, by name."""


def _is_recurrent_call(module: Any) -> bool:
    return type(module) in (nn.RNN, nn.LSTM, nn.GRU)


def call_recurrent(caller: Caller, module: Any, target: str, path: str, args: Any, kwargs: Any) -> Any:
    """Return ``y, h`` or ``y, (h, c)`` of a recurrent module of PyTorch."""
    x, states = _bound(module, args, kwargs, "input", "hx")
    needs_states = any(user.args[1] != 0 for user in caller.now.users if name_of(user.target) == "getitem")
    layer = caller.converter.convert(module, path)
    if not isinstance(layer, nl.RNN | nl.LSTM | nl.GRU):
        return caller.apply(layer, [caller.node(x)], target)
    layer.return_state, layer.n_outputs = needs_states, 1 + len(layer.state_names) * needs_states
    n_passes = module.num_layers * (1 + module.bidirectional)
    given = [] if states is None or isinstance(states, Zeros) else states if isinstance(states, tuple) else (states,)
    given = [each for each in given if not isinstance(each, Zeros)]
    starts = [(nl.Squeeze(0) if n_passes == 1 else nl.Transpose((1, 0, 2)))(caller.node(each)) for each in given]
    y = layer(caller.node(x), *starts, name=caller._free_name(target.replace(".", "/")))
    if not needs_states:
        return (_with_shape(caller, y, 0), None)
    y, *ends = y
    ends = [(nl.Expand(0) if n_passes == 1 else nl.Transpose((1, 0, 2)))(end) for end in ends]
    ends = [_with_shape(caller, end, 1 + i) for i, end in enumerate(ends)]
    return _with_shape(caller, y, 0), ends[0] if len(ends) == 1 else tuple(ends)


def _with_shape(caller: Caller, node: Any, number: int) -> Value:
    """Return the value for output `number` of the current call, counted through nested tuples."""
    value: Value = caller.flat_value(node, number)
    return value


def call_attention(caller: Caller, module: Any, target: str, path: str, args: Any, kwargs: Any) -> Any:
    """Return ``y, None`` of a multi-head attention of PyTorch, whose weights are not used."""
    names = "query", "key", "value", "key_padding_mask", "need_weights", "attn_mask", "average_attn_weights", "is_causal"
    q, k, v, padding, _, mask, _, causal = _bound(module, args, kwargs, *names)
    if any(user.args[1] != 0 for user in caller.now.users if name_of(user.target) == "getitem"):
        raise InvalidValueError("the weights of the attention are used, which netlib's layer does not return")
    _refuse(key_padding_mask=padding)
    is_causal = _is_causal(mask, causal)
    layer: Any = caller.converter.convert(module, path)
    if hasattr(layer, "attention"):
        layer.causal = layer.attention.causal = is_causal
    given = [q] if q is k and k is v else [q, k, v]
    y = layer(*(caller.node(each) for each in given), name=caller._free_name(target.replace(".", "/")))
    return _with_shape(caller, y, 0), None


def _is_causal(mask: Any, causal: Any) -> bool:
    """Return whether a fixed mask is causal; no other fixed mask is supported."""
    if mask is None:
        if causal:
            raise InvalidValueError("has is_causal without attn_mask, which PyTorch does not take")
        return False
    if isinstance(mask, torch.Tensor) and mask.ndim == 2 and mask.shape[0] == mask.shape[1]:
        up_to_now = torch.ones(mask.shape).tril().bool()
        forbidden = mask if mask.dtype == torch.bool else mask == -math.inf
        rest_is_zero = mask.dtype == torch.bool or not mask.masked_fill(forbidden, 0).any()
        if torch.equal(~forbidden, up_to_now) and rest_is_zero:
            return True
    raise InvalidValueError("has an attn_mask, of which netlib knows the causal one", hint="Use netlib.MultiHeadAttention(…, mask=True).")


def call_transformer(caller: Caller, module: Any, target: str, path: str, args: Any, kwargs: Any) -> Any:
    """Return y of a transformer layer, or a chain of them, of PyTorch."""
    mask_name = "mask" if isinstance(module, nn.TransformerEncoder) else "src_mask"
    x, mask, padding, causal = _bound(module, args, kwargs, "src", mask_name, "src_key_padding_mask", "is_causal")
    _refuse(src_key_padding_mask=padding)
    is_causal = _is_causal(mask, causal)
    layer = caller.converter.convert(module, path)
    for _, inner in layer.walk():
        if hasattr(inner, "causal"):
            inner.causal = is_causal
    return caller.apply(layer, [caller.node(x)], target)


def call_embedding(caller: Caller, module: Any, target: str, path: str, args: Any, kwargs: Any) -> Any:
    """Return the rows of a table; for fixed positions, a part of the weight."""
    (ids,) = _bound(module, args, kwargs, "input")
    layer = caller.converter.convert(module, path)
    if not isinstance(ids, torch.Tensor):
        return caller.apply(layer, [caller.node(ids)], target)
    rows = ids.reshape(-1)
    start = int(rows[0]) if len(rows) else 0
    if not torch.equal(rows, torch.arange(start, start + len(rows))) or module.padding_idx is not None or max(ids.shape) != len(rows):
        raise InvalidValueError("takes fixed ids, of which netlib knows those that count up")
    weight = caller.converter.node(f"{target.replace('.', '/')}/weight", module.weight)
    part = nl.Slice(slice(start, start + len(rows)))(weight)
    return caller.apply(nl.Reshape((*ids.shape, module.embedding_dim)), [part])


def _bound(module: Any, args: Any, kwargs: Any, *names: str) -> list[Any]:
    """Return arguments by name, None for those not given."""
    given = dict(zip(names, args, strict=False)) | kwargs
    unknown = [name for name in given if name not in names]
    if unknown or len(args) > len(names):
        raise InvalidTypeError(f"{type(module).__name__} is called with {', '.join(unknown) or 'too many arguments'}")
    return [given.get(name) for name in names]


SPECIAL: dict[Any, Callable[..., Any]] = {
    **dict.fromkeys((nn.RNN, nn.LSTM, nn.GRU), call_recurrent),
    nn.MultiheadAttention: call_attention,
    **dict.fromkeys((nn.TransformerEncoderLayer, nn.TransformerEncoder), call_transformer),
    nn.Embedding: call_embedding,
}
"""Modules that are called otherwise than the layers."""
