"""What a layer is: `Layer`, the node of a computing graph."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, TypeVar

import numpy as np

from .arrays import Array, ArrayLike, Shape, as_array, as_floats
from .errors import GradientShapeError, InvalidTypeError, InvalidValueError, NetlibError, OrderError
from .execution import execution
from .inference import outputs_of
from .parameter import Buffer, Parameter
from .representation import call_text
from .structure import METHODS, renew_stamp
from .summary import Summary, summarize
from .symbol import Symbol

if TYPE_CHECKING:
    from .containers.container import Container

Y = TypeVar("Y")
Member: TypeAlias = "Layer | Parameter | Buffer"
FORGOTTEN = ("_cache", "_run")
"""Attributes that are of the last forward alone, so that copies and pickles do without them."""


def _unwritten(self: Layer, *_: object, **__: object) -> Any:
    raise NotImplementedError(f"{type(self).__name__} has no forward or no backward: a layer is a class with both")


class Layer:
    """A node of a computing graph: ``forward(*inputs) -> y`` and ``backward(dout) -> dx``.

    A layer of one's own is a class with these two methods. ``forward`` keeps what ``backward`` needs; ``backward`` takes
    dL/dy, adds to the ``grad`` of the parameters, and returns dL/d(input), a tuple in input order where there are several
    inputs. Every `Parameter` and every `Layer` that is assigned to an attribute, alone or in a list, tuple or
    dict, is found; there is nothing to register and no ``super().__init__()`` to call.

    Examples
    --------
    >>> class Scale(Layer):
    ...     def __init__(self, features):
    ...         self.weight = Parameter(np.ones(features))
    ...     def forward(self, x):
    ...         self.x = x
    ...         return x * self.weight.value
    ...     def backward(self, dout):
    ...         self.weight.grad += (dout * self.x).sum(axis=0)
    ...         return dout * self.weight.value
    >>> layer = Scale(2)
    >>> layer(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 2.],
           [3., 4.]])
    >>> layer.backward(np.ones((2, 2)))
    array([[1., 1.],
           [1., 1.]])
    >>> layer.parameters()["weight"].grad
    array([4., 6.])
    """

    forward: Callable[..., Any] = _unwritten
    backward: Callable[..., Any] = _unwritten
    n_outputs: int = 1
    """How many arrays forward returns: a layer with several says so here, returns them as a tuple, and gets a tuple of dout."""
    n_nondifferentiable_inputs: int = 0
    """How many of the last inputs have no gradient, as the targets of a loss: backward returns nothing for them."""
    rule: str | Callable[[Sequence[Shape], Shape], str] = ""
    """What a drawing writes at the node and its page computes with, such as ``"y = x ⊙ weight; dx = dy ⊙ weight"``; where shapes matter,
    a method ``rule(self, inputs, output)`` that returns such a text for the shapes of the inputs and that of the output."""
    kernel_name: ClassVar[str] = ""
    """What the table of fused kernels calls the layer. A layer that has a name promises that forward and backward return new
    arrays and keep arrays through `remember` alone, so that a container may use those it hands over again. It holds for the
    very class that says it, not for subclasses."""
    _cache: tuple[Any, Any, tuple[Any, ...], object] | None = None
    """Shape and type of y, what was kept, and the operation of a program that ran the layer, if one did."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in METHODS or _holds_members(value) or _holds_members(self.__dict__.get(name)):
            renew_stamp()
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        renew_stamp()
        object.__delattr__(self, name)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "kernel_name" not in cls.__dict__:
            cls.kernel_name = ""

    def __call__(self, *inputs: Any, name: str | None = None) -> Any:
        """``forward(*inputs)``; on the symbolic nodes of a graph, a node, which may be given a name."""
        for x in inputs:
            if isinstance(x, Symbol):
                return x.record_call(self, inputs, name)
        return self.forward(*inputs)

    def backward_parameters(self, dout: Any) -> None:
        """Backward of a layer whose inputs need no gradient: only the parameters get theirs.

        Containers call it on the first layer of a training step. Override it where dL/dx is expensive.
        """
        self.backward(dout)

    def members(self) -> Iterator[tuple[str, Member]]:
        """Yield the name and the object of each layer, parameter and buffer held directly, in the order of assignment."""
        return members_in(self.__dict__)

    def walk(self) -> Iterator[tuple[str, Layer]]:
        """Yield the path and the object of this layer (path "") and of every layer inside it, outer before inner, each once."""
        seen: set[int] = set()
        stack: list[tuple[str, Layer]] = [("", self)]
        while stack:
            path, layer = stack.pop()
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            yield path, layer
            inner = [(f"{path}.{name}" if path else name, m) for name, m in layer.members() if isinstance(m, Layer)]
            stack.extend(reversed(inner))

    def parameters(self) -> dict[str, Parameter]:
        """Return every parameter by its path, such as ``"0.weight"``; a shared one once, under its first path."""
        found: dict[int, tuple[str, Parameter]] = {}
        for path, layer in self.walk():
            for name, member in layer.members():
                if isinstance(member, Parameter):
                    found.setdefault(id(member), (f"{path}.{name}" if path else name, member))
        parameters = dict(found.values())
        if len(parameters) < len(found):
            paths = [path for path, _ in found.values()]
            twice = next(path for path in paths if paths.count(path) > 1)
            raise InvalidValueError(f"two parameters go by the path {twice!r}", where=type(self).__name__, hint="Rename one.")
        return parameters

    def buffers(self) -> dict[str, Buffer]:
        """Return every buffer by its path, such as ``"1.running_mean"``; a shared one once, under its first path."""
        found: dict[int, tuple[str, Buffer]] = {}
        for path, layer in self.walk():
            for name, member in layer.members():
                if isinstance(member, Buffer):
                    found.setdefault(id(member), (f"{path}.{name}" if path else name, member))
        return dict(found.values())

    def state_dict(self) -> dict[str, Array]:
        """Return a copy of the value of each parameter and each buffer, by path.

        Examples
        --------
        >>> import netlib as nl
        >>> {path: value.shape for path, value in nl.Affine(2, 3).state_dict().items()}
        {'weight': (2, 3), 'bias': (3,)}
        """
        return {path: held.value.copy() for path, held in self._state().items()}

    def load_state_dict(self, state: Mapping[str, ArrayLike], strict: bool = True) -> dict[str, str]:
        """Copy the arrays of `state` into the parameters and buffers of the same paths.

        Parameters
        ----------
        state : mapping of str to array_like
            As `state_dict` returns it. Arrays are converted to the type of what they are copied into.
        strict : bool
            Whether to refuse a state that does not fit exactly. False loads what fits.

        Returns
        -------
        dict of str to str
            What did not fit, by path: ``"is missing"``, ``"is unexpected"``, or the two shapes. Empty where all fits.

        Raises
        ------
        InvalidTypeError
            For what is no mapping.
        InvalidValueError
            For a state that does not fit, if `strict`. The message lists all that does not, and nothing has changed.

        Examples
        --------
        >>> import netlib as nl
        >>> model = nl.Affine(2, 3)
        >>> model.load_state_dict({"weight": np.ones((2, 3)), "scale": [1.0]}, strict=False)
        {'bias': 'is missing', 'scale': 'is unexpected'}
        """
        where = f"{type(self).__name__}.load_state_dict"
        if not isinstance(state, Mapping):
            raise InvalidTypeError(f"got {type(state).__name__}, wanted a dict made by state_dict()", where=where)
        held = self._state()
        problems = {path: "is missing" for path in held if path not in state}
        fitting: list[tuple[Parameter | Buffer, Array]] = []
        for path, given in state.items():
            if path not in held:
                problems[path] = "is unexpected"
                continue
            try:
                array = as_array(given, path)
            except NetlibError as error:
                problems[path] = error.message
                continue
            if array.shape == held[path].shape:
                fitting.append((held[path], array))
            else:
                problems[path] = f"has shape {array.shape}, wanted {held[path].shape}"
        if problems and strict:
            listed = "; ".join(f"{path!r} {problem}" for path, problem in problems.items())
            raise InvalidValueError(f"the state does not fit: {listed}", where=where)
        for target, array in fitting:
            target.value = array
        return problems

    def _state(self) -> dict[str, Parameter | Buffer]:
        return {**self.parameters(), **self.buffers()}

    def zero_grad(self) -> None:
        """Discard the gradient of every parameter. A loop with an optimizer needs no call: ``step()`` does it."""
        for parameter in self.parameters().values():
            parameter.zero_grad()

    @property
    def training(self) -> bool:
        """Whether the layer behaves as in training, which matters to layers like Dropout. Assigning reaches the layers inside.

        A frozen layer does not, whatever is assigned, until `unfreeze`.
        """
        return self._mode and "_frozen" not in self.__dict__ and not execution.evaluates

    @training.setter
    def training(self, mode: bool) -> None:
        for _, layer in self.walk():
            layer.__dict__["_training"] = bool(mode)

    @property
    def _mode(self) -> bool:
        """The mode asked for last, which is `training` unless the layer is frozen."""
        return bool(self.__dict__.get("_training", True))

    def train(self, mode: bool = True) -> Self:
        """Put this layer and all inside it into training mode, and return it."""
        self.training = mode
        return self

    def eval(self) -> Self:
        """Put this layer and all inside it into evaluation mode, and return it."""
        return self.train(False)

    def freeze(self) -> Self:
        """Stop training this layer and all inside it: parameters stay, and the mode is that of evaluation. Return the layer.

        Examples
        --------
        >>> import netlib as nl
        >>> model = nl.Sequential(nl.Affine(4, 8).freeze(), nl.ReLU(), nl.Affine(8, 2))
        >>> [path for path, parameter in model.parameters().items() if parameter.trainable]
        ['2.weight', '2.bias']
        """
        for _, layer in self.walk():
            layer.__dict__["_frozen"] = True
        for parameter in self.parameters().values():
            parameter._is_frozen = parameter._is_frozen or parameter.trainable
            parameter.trainable = False
        return self

    def unfreeze(self) -> Self:
        """Train again what `freeze` had stopped, in the mode asked for last. Return the layer."""
        for _, layer in self.walk():
            layer.__dict__.pop("_frozen", None)
        for parameter in self.parameters().values():
            parameter.trainable = parameter.trainable or parameter._is_frozen
            parameter._is_frozen = False
        return self

    def tied_copy(self) -> Self:
        """Return a layer of its own over the same parameters and buffers, for a second place in a model.

        What a forward keeps is separate; the gradients of both add up in the shared parameters. Random generators
        are shared too, so that two dropouts do not draw one mask.

        Examples
        --------
        >>> import netlib as nl
        >>> encode = nl.Affine(3, 3)
        >>> model = nl.Sequential(encode, nl.Tanh(), encode.tied_copy())
        >>> sorted(model.parameters())
        ['0.bias', '0.weight']
        """
        layers = [layer for _, layer in self.walk()]
        shared: list[object] = list(self._state().values())
        shared += [v for layer in layers for v in layer.__dict__.values() if hasattr(v, "bit_generator")]
        return copy.deepcopy(self, {id(each): each for each in shared})

    def multiply_adds(self, *shapes: tuple[int, ...]) -> int:
        """Return how many multiplications with an addition forward does in matrix products, for inputs of these shapes."""
        return 0

    def summary(self, input_shape: Any) -> Summary:
        """Return a table: layer, output shape, parameters, multiply-adds.

        Parameters
        ----------
        input_shape : int, tuple of int, or list of tuples
            The shape of the array that forward takes, with or without a batch in front; a list where forward takes several.

        Examples
        --------
        >>> import netlib as nl
        >>> print(nl.Sequential(nl.Affine(64, 10), nl.ReLU()).summary((64,)))
        layer              output shape  parameters  multiply-adds
        ----------------------------------------------------------
        0  Affine(64, 10)  (10,)                650            640
        1  ReLU()          (10,)                  0              0
        ----------------------------------------------------------
        total                                   650            640
        """
        return summarize(self, input_shape)

    def remember(self, y: Y, *kept: Any) -> Y:
        """Keep what backward needs, with the shape and type that dout must have, and return `y`.

        Where nobody will ask for a gradient, as in `predict`, nothing is kept. Arrays in `kept` may be inputs or `y`
        itself: they are copied where the caller could write into them, and only there.

        Examples
        --------
        >>> class Square(Layer):
        ...     def forward(self, x):
        ...         return self.remember(x * x, x)
        ...     def backward(self, dout):
        ...         dout, x = self.recall(dout)
        ...         return 2 * x * dout
        >>> square = Square()
        >>> square.forward(np.array([1.0, 2.0])), square.backward(np.array([1.0, 1.0]))
        (array([1., 4.]), array([2., 4.]))
        """
        if execution.keeps:
            op = execution.op
            if op is None or op.first.layer is not self:
                kept = tuple([each.copy() if isinstance(each, np.ndarray) else each for each in kept])
            elif not op.first.is_inner:
                kept = op.first.own(kept, y)
            self._keep(*_like(y), kept)
        return y

    def _keep(self, shape: Any, dtype: Any, kept: tuple[Any, ...]) -> None:
        op = execution.op
        self.__dict__["_cache"] = shape, dtype, kept, None if op is None or op.first.layer is not self else op

    def recall(self, dout: Any) -> tuple[Array, *tuple[Any, ...]]:
        """Return `dout`, checked and in the type of y, followed by what forward kept.

        Raises
        ------
        OrderError
            Before any forward.
        GradientShapeError
            For a `dout` whose shape is not that of y.
        """
        cache = self._cache
        if cache is None:
            raise OrderError("backward came before any forward", where=self, hint="Call forward first: backward needs what it keeps.")
        shape, dtype, kept, _ = cache
        if type(dout) is not np.ndarray or dout.dtype is not dtype or dout.shape != shape:
            dout = self._as_dout(dout, shape, dtype)
        return (dout, *kept)

    def _as_dout(self, dout: Any, shape: Any, dtype: Any) -> Any:
        if type(dtype) is tuple:
            if not isinstance(dout, tuple | list) or len(dout) != len(shape):
                raise GradientShapeError(f"dout is {type(dout).__name__}, wanted a tuple of {len(shape)} arrays", where=self)
            return tuple(map(self._as_dout, dout, shape, dtype))
        array = as_floats(dout, dtype, self)
        if array.shape != shape:
            raise GradientShapeError(f"dout has shape {array.shape}, wanted that of the output, {shape}", where=self)
        return array

    def predict(self, *inputs: Any, batch_size: int | None = None, progress: bool = False) -> Any:
        """Return ``forward(*inputs)`` in evaluation mode, keeping nothing and changing nothing.

        Any number of threads may predict at once with one layer, and train it meanwhile: the mode is that of this call alone.

        Parameters
        ----------
        *inputs : array_like (N, …)
            As forward takes them.
        batch_size : int, optional
            How many rows go through at a time. All at once for None.
        progress : bool
            Whether to show a bar.

        Returns
        -------
        ndarray (N, …)
            A tuple of them where the layer has several outputs.

        Raises
        ------
        ShapeError
            With a `batch_size`, for inputs whose numbers of rows differ, and for outputs with another number of rows.

        Examples
        --------
        >>> import netlib as nl
        >>> model = nl.Sequential(nl.Affine.from_arrays([[2.0]]), nl.Dropout(0.5))
        >>> model.predict([[1.0], [2.0], [3.0]], batch_size=2)
        array([[2.],
               [4.],
               [6.]])
        """
        return outputs_of(self, inputs, batch_size, progress)

    def forget(self) -> None:
        """Let go of what the last forward kept through `remember`."""
        for name in FORGOTTEN:
            self.__dict__.pop(name, None)

    def untraced(self) -> Layer:
        """Return a layer over the same arrays whose forward leaves no trace in this one."""
        return self if type(self).kernel_name else _shadow(self)

    def as_inlinable(self) -> Container | None:
        """Return the layer as a container that a program can run layer by layer, or None."""
        return None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what the last forward kept: a pickle or a copy holds the model, not a user's data."""
        return {key: value for key, value in list(self.__dict__.items()) if key not in FORGOTTEN}

    def __repr__(self) -> str:
        return call_text(self)


def _shadow(layer: Layer) -> Layer:
    """Return a copy of `layer` that shares its parameters, but no lists, arrays or buffers.

    What forward assigns, appends or writes into an array stays in the copy.
    """
    twin = object.__new__(type(layer))
    twin.__dict__.update({name: _shadow_of(value) for name, value in list(layer.__dict__.items())})
    return twin


def _shadow_of(value: Any) -> Any:
    if isinstance(value, Layer):
        return value.untraced()
    kind = type(value)
    if kind is np.ndarray:
        return value.copy()
    if kind is Buffer:
        return Buffer(value.value)
    if kind is list or kind is tuple:
        return kind(map(_shadow_of, value))
    if kind is dict:
        return {key: _shadow_of(each) for key, each in value.items()}
    return value


def _holds_members(value: Any) -> bool:
    """Return whether `value` is a layer, a parameter or a buffer, or a list, tuple or dict with some in it."""
    if isinstance(value, MEMBERS):
        return True
    kind = type(value)
    if kind is dict:
        value = value.values()
    elif kind is not list and kind is not tuple:
        return False
    for each in value:  # noqa: SIM110 - at every assignment of a layer's forward; a generator would take twice as long
        if isinstance(each, MEMBERS) or (type(each) in COLLECTIONS and _holds_members(each)):
            return True
    return False


def _like(y: Any) -> tuple[Any, Any]:
    """Return the shape and type of `y`; tuples of them where it is a tuple."""
    if type(y) is tuple:
        return tuple([each.shape for each in y]), tuple([each.dtype for each in y])
    return y.shape, y.dtype


def members_in(held: dict[Any, Any], prefix: str = "") -> Iterator[tuple[str, Member]]:
    """Yield the name and the object of each layer, parameter and buffer in `held`, also inside lists, tuples and dicts."""
    for key, value in list(held.items()):  # a forward in another thread may add to it meanwhile
        if isinstance(value, MEMBERS):
            yield f"{prefix}{key}", value
        elif isinstance(value, list | tuple) and key not in FORGOTTEN:
            yield from members_in(dict(enumerate(value)), f"{prefix}{key}.")
        elif isinstance(value, dict):
            yield from members_in(value, f"{prefix}{key}.")


MEMBERS = Layer, Parameter, Buffer
COLLECTIONS = list, tuple, dict


def as_layer(thing: object, where: object) -> Layer:
    """Return `thing`, after refusing whatever is not a layer."""
    if isinstance(thing, Layer):
        return thing
    if isinstance(thing, type) and issubclass(thing, Layer):
        hint = f"Write {thing.__name__}(…), with parentheses."
        raise InvalidTypeError(f"got the class {thing.__name__}, wanted a layer", where=where, hint=hint)
    hint = "A layer is an instance of a class derived from netlib.Layer."
    raise InvalidTypeError(f"got {thing!r}, wanted a layer", where=where, hint=hint)
