"""The base class of all layers: `Layer`, a node of a computing graph."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, TypeVar

import numpy as np

from .arrays import Array, ArrayLike, Shape, as_floats
from .errors import GradientShapeError, InvalidTypeError, InvalidValueError, no_forward
from .execution import execution
from .inference import predict
from .parameter import Buffer, Parameter
from .representation import call_text
from .state import list_problems, state_problems
from .structure import METHODS, renew_stamp
from .summary import Summary, summarize
from .symbol import Symbol

if TYPE_CHECKING:
    from .containers.container import Container

Y = TypeVar("Y")
Member: TypeAlias = "Layer | Parameter | Buffer"
CACHES = ("_cache", "_run", "_total_weight", "_total")
"""Attributes that belong to the last forward alone. Copies and pickles leave them out."""


def _not_implemented(self: Layer, *_: object, **__: object) -> Any:
    name = type(self).__name__
    raise NotImplementedError(f"{name} has no forward or no backward: a layer is a class with both")


class Layer:
    """A node of a computing graph: ``forward(*inputs) -> y`` and ``backward(dout) -> dx``.

    To write your own layer, write a class with these two methods. ``forward`` keeps what
    ``backward`` needs. ``backward`` takes dL/dy, adds to the ``grad`` of the parameters, and
    returns dL/d(input), as a tuple in input order if there are several inputs. Every `Parameter`
    and every `Layer` assigned to an attribute, directly or in a list, tuple or dict, is found
    automatically. There is nothing to register and no ``super().__init__()`` to call.

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

    forward: Callable[..., Any] = _not_implemented
    backward: Callable[..., Any] = _not_implemented
    n_outputs: int = 1
    """The number of arrays that forward returns.

    With several, forward returns a tuple, and backward takes a tuple.
    """
    n_nondifferentiable_inputs: int = 0
    """How many of the last inputs have no gradient: targets of a loss, ids, lengths, masks.

    Backward returns nothing for them, and None if there are no other inputs.
    """
    needs_several_samples: bool = False
    """Whether training may fail on a batch with a single sample, as that of `BatchNorm` does.

    `Trainer` then adds a last batch of one sample to the batch before it.
    """
    max_length: int | None = None
    """The number of positions that the layer can take, None for any."""
    rule: str | Callable[[Sequence[Shape], Shape], str] = ""
    """The text that a drawing shows at the node, such as ``"y = x ⊙ weight; dx = dy ⊙ weight"``.

    The drawing's page computes with it. If it depends on shapes, write a method
    ``rule(self, inputs, output)``, which returns the text for the shapes of inputs and output.
    """
    kernel_name: ClassVar[str] = ""
    """The name of the layer in the table of fused kernels.

    A layer with a name promises that forward and backward return new arrays and keep arrays only
    through `remember`. A container may then reuse the memory of the arrays that it passes in.
    Subclasses do not inherit the name.
    """
    _cache: tuple[Any, Any, tuple[Any, ...], object] | None = None
    """Shape and type of y, the cached values, and the program's operation, if one ran the layer."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in RESERVED and not callable(value):
            hint = "Choose another name: parameters, buffers and layers are found in any attribute."
            message = f"{name} is a method of every layer, and cannot be assigned"
            raise InvalidTypeError(message, where=type(self).__name__, hint=hint)
        if name in METHODS or has_members(value) or has_members(self.__dict__.get(name)):
            renew_stamp()
            self._require_parameter(name, value)
        object.__setattr__(self, name, value)

    def _require_parameter(self, name: str, value: Any) -> None:
        """Raise if an array replaces a parameter or buffer: nothing would train it."""
        before = self.__dict__.get(name)
        if isinstance(before, Parameter | Buffer) and isinstance(value, np.ndarray | list | int | float):
            hint = f"Assign to its value: layer.{name}.value = array."
            message = f"{name} is a {type(before).__name__}, got {type(value).__name__}"
            raise InvalidTypeError(message, where=type(self).__name__, hint=hint)

    def __delattr__(self, name: str) -> None:
        renew_stamp()
        object.__delattr__(self, name)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "kernel_name" not in cls.__dict__:
            cls.kernel_name = ""
        if "forward" in cls.__dict__ and not cls.kernel_name:
            for name in sorted(ABOUT_POSITIONS - cls.__dict__.keys()):
                setattr(cls, name, Layer.__dict__[name])
        for name in sorted(FOUND & cls.__dict__.keys()):
            hint = f"Leave it out: {name} are found in the attributes that hold them."
            message = f"the class defines {name}, which every layer has"
            raise InvalidTypeError(message, where=cls.__name__, hint=hint)

    def __call__(self, *inputs: Any, name: str | None = None) -> Any:
        """Return ``forward(*inputs)``, or a node called `name` if the inputs are graph nodes."""
        for x in inputs:
            if isinstance(x, Symbol):
                return x.record_call(self, inputs, name)
        return self.forward(*inputs)

    @property
    def is_positionwise(self) -> bool:
        """Whether y at a position of a sequence (N, T, …) depends only on x at that position.

        If so, a class sets ``is_positionwise = True``, and `generate` computes new positions only.
        A class with its own forward inherits neither this nor `forward_next`.
        """
        return False

    def forward_next(self, past: Any, *inputs: Any) -> Any:
        """Continue sequences: return y at the next positions, and what later ones need of them.

        Override it in a layer whose y at a position also depends on earlier positions. `generate`
        calls it in evaluation mode, and it must not store anything in the layer.

        Parameters
        ----------
        past : object
            The value returned for the previous positions. None at the first positions.
        *inputs : ndarray (N, T, features)
            The inputs of forward at the next T positions only.

        Returns
        -------
        (y, past), or NotImplemented
            NotImplemented if y also depends on later positions, or on their number.

        Examples
        --------
        >>> class RunningSum(Layer):
        ...     def forward(self, x):
        ...         return np.cumsum(x, axis=1)
        ...     def forward_next(self, past, x):
        ...         y = np.cumsum(x, axis=1) + (0 if past is None else past)
        ...         return y, y[:, -1:]
        >>> y, past = RunningSum().forward_next(None, np.array([[[1.0], [2.0]]]))
        >>> y, past = RunningSum().forward_next(past, np.array([[[3.0]]]))
        >>> y
        array([[[6.]]])
        """
        return (self.forward(*inputs), None) if self.is_positionwise else NotImplemented

    def backward_parameters(self, dout: Any) -> None:
        """Run backward for the gradients of the parameters only, without dL/dx.

        Containers call it on the first layer of a training step. Override it if dL/dx is expensive.
        """
        self.backward(dout)

    def members(self) -> Iterator[tuple[str, Member]]:
        """Yield the name and object of each layer, parameter and buffer held by the layer itself.

        They come in the order of assignment.
        """
        return members_in(self.__dict__)

    def walk(self) -> Iterator[tuple[str, Layer]]:
        """Yield the path and object of this layer (path "") and of every layer inside it.

        Outer layers come before inner ones, and each layer comes once.
        """
        seen: set[int] = set()
        stack: list[tuple[str, Layer]] = [("", self)]
        while stack:
            path, layer = stack.pop()
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            yield path, layer
            inner = [(name, member) for name, member in layer.members() if isinstance(member, Layer)]
            stack += [(f"{path}.{name}" if path else name, member) for name, member in reversed(inner)]

    def parameters(self) -> dict[str, Parameter]:
        """Return every parameter by its path, such as ``"0.weight"``.

        A shared parameter is listed once, under its first path.
        """
        found: dict[int, tuple[str, Parameter]] = {}
        for path, layer in self.walk():
            for name, member in layer.members():
                if isinstance(member, Parameter):
                    found.setdefault(id(member), (f"{path}.{name}" if path else name, member))
        parameters = dict(found.values())
        if len(parameters) < len(found):
            paths = [path for path, _ in found.values()]
            twice = next(path for path in paths if paths.count(path) > 1)
            message = f"two parameters have the path {twice!r}"
            raise InvalidValueError(message, where=type(self).__name__, hint="Rename one.")
        return parameters

    def buffers(self) -> dict[str, Buffer]:
        """Return every buffer by its path, such as ``"1.running_mean"``.

        A shared buffer is listed once, under its first path.
        """
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
            As `state_dict` returns it. Arrays are converted to the type of their target.
        strict : bool
            Whether to raise if the state does not match exactly. If False, load whatever matches.

        Returns
        -------
        dict of str to str
            The problems by path: ``"is missing"``, ``"is unexpected"``, or the two shapes. Empty if
            everything matches.

        Raises
        ------
        InvalidTypeError
            If `state` is not a mapping.
        InvalidValueError
            If `strict` is true and the state does not match. The message lists all problems, and
            nothing changes.

        Examples
        --------
        >>> import netlib as nl
        >>> model = nl.Affine(2, 3)
        >>> model.load_state_dict({"weight": np.ones((2, 3)), "scale": [1.0]}, strict=False)
        {'bias': 'is missing', 'scale': 'is unexpected'}
        """
        where, got = f"{type(self).__name__}.load_state_dict", type(state).__name__
        if not isinstance(state, Mapping):
            raise InvalidTypeError(f"got {got}, expected a dict made by state_dict()", where=where)
        held = self._state()
        problems = state_problems(held, state)
        if problems and strict:
            raise InvalidValueError(f"the state does not fit: {list_problems(problems, state)}", where=where)
        for path, array in state.items():
            if path not in problems:
                held[path].value = array
        return problems

    def _state(self) -> dict[str, Parameter | Buffer]:
        return {**self.parameters(), **self.buffers()}

    def zero_grad(self) -> None:
        """Discard the gradient of every parameter.

        A training loop does not need it, since the optimizer's ``step()`` does the same.
        """
        for parameter in self.parameters().values():
            parameter.zero_grad()

    @property
    def training(self) -> bool:
        """Whether the layer is in training mode, which matters to layers such as Dropout.

        Assigning sets the mode of this layer and of all layers inside it. A frozen layer stays in
        evaluation mode until `unfreeze`.
        """
        return self._mode and "_frozen" not in self.__dict__ and not execution.evaluates

    @training.setter
    def training(self, mode: bool) -> None:
        for _, layer in self.walk():
            layer.__dict__["_training"] = bool(mode)

    @property
    def _mode(self) -> bool:
        """The mode set last, which is `training` unless the layer is frozen."""
        return bool(self.__dict__.get("_training", True))

    def train(self, mode: bool = True) -> Self:
        """Set this layer and all layers inside it to training mode, and return the layer."""
        self.training = mode
        return self

    def eval(self) -> Self:
        """Set this layer and all layers inside it to evaluation mode, and return the layer."""
        return self.train(False)

    def freeze(self) -> Self:
        """Freeze this layer and all layers inside it, and return the layer.

        Optimizers no longer change the parameters, and the layers stay in evaluation mode.

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
        """Undo `freeze`, restore the mode set last, and return the layer."""
        for _, layer in self.walk():
            layer.__dict__.pop("_frozen", None)
        for parameter in self.parameters().values():
            parameter.trainable = parameter.trainable or parameter._is_frozen
            parameter._is_frozen = False
        return self

    def tied_copy(self) -> Self:
        """Return a new layer with the same parameters and buffers, for a second use in a model.

        Each of the two has its own cache, and both add to the gradients of the shared parameters.
        Random generators are shared too, so that two dropouts do not draw the same mask.

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
        held = [value for layer in layers for value in layer.__dict__.values()]
        shared += [value for value in held if hasattr(value, "bit_generator")]
        return copy.deepcopy(self, {id(each): each for each in shared})

    def count_differentiable(self, n_inputs: int) -> int:
        """Return how many of `n_inputs` inputs have a gradient."""
        return n_inputs - self.n_nondifferentiable_inputs

    def multiply_adds(self, *shapes: tuple[int, ...]) -> int:
        """Return the number of multiply-adds in the matrix products of forward."""
        return 0

    def summary(self, input_shape: Any) -> Summary:
        """Return a table: layer, output shape, parameters, multiply-adds.

        Parameters
        ----------
        input_shape : int, tuple of int, or list of tuples
            The shape of the input, with or without the batch axis, which layers on images need; a
            list for several inputs. The model runs on zeros: floats, or else integers, as for ids,
            or booleans, as for a mask, if it accepts no others.

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
        """Cache what backward needs, and the shape and type that `dout` must have, and return `y`.

        If no backward will follow, as in `predict`, nothing is cached. Arrays in `kept` may be the
        inputs or `y` itself: they are copied if the caller could write into them, and only then.

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
                kept = op.first.copy_exposed(kept, y)
            self._keep(*_like(y), kept)
        return y

    def _keep(self, shape: Any, dtype: Any, kept: tuple[Any, ...]) -> None:
        op = execution.op
        self.__dict__["_cache"] = shape, dtype, kept, None if op is None or op.first.layer is not self else op

    def recall(self, dout: Any) -> tuple[Array, *tuple[Any, ...]]:
        """Return `dout`, checked and in the type of y, followed by what forward cached.

        Raises
        ------
        OrderError
            If there was no forward.
        GradientShapeError
            If the shape of `dout` is not that of y.
        """
        cache = self._cache
        if cache is None:
            raise no_forward(self)
        shape, dtype, kept, _ = cache
        if type(dout) is not np.ndarray or dout.dtype is not dtype or dout.shape != shape:
            dout = self._as_dout(dout, shape, dtype)
        return (dout, *kept)

    def _as_dout(self, dout: Any, shape: Any, dtype: Any) -> Any:
        if type(dtype) is tuple:
            if not isinstance(dout, tuple | list) or len(dout) != len(shape):
                message = f"dout is {type(dout).__name__}, expected a tuple of {len(shape)} arrays"
                raise GradientShapeError(message, where=self)
            return tuple(map(self._as_dout, dout, shape, dtype))
        array = as_floats(dout, dtype, self)
        if array.shape != shape:
            message = f"dout has shape {array.shape}, expected that of the output, {shape}"
            raise GradientShapeError(message, where=self)
        return array

    def predict(self, *inputs: Any, batch_size: int | None = None, progress: bool = False) -> Any:
        """Return ``forward(*inputs)`` in evaluation mode, without changing anything in the layer.

        Nothing is cached, and the mode applies only to this call. So any number of threads may
        predict with the same layer at once, even while another thread trains it.

        Parameters
        ----------
        *inputs : array_like (N, …)
            The inputs of forward.
        batch_size : int, optional
            The number of rows to process at a time. By default, all at once.
        progress : bool
            Whether to show a progress bar.

        Returns
        -------
        ndarray (N, …)
            A tuple of arrays if the layer has several outputs.

        Raises
        ------
        ShapeError
            If a `batch_size` is given and the inputs, or inputs and outputs, differ in their number
            of rows.

        Examples
        --------
        >>> import netlib as nl
        >>> model = nl.Sequential(nl.Affine.from_arrays([[2.0]]), nl.Dropout(0.5))
        >>> model.predict([[1.0], [2.0], [3.0]], batch_size=2)
        array([[2.],
               [4.],
               [6.]])
        """
        return predict(self, inputs, batch_size, progress)

    def forget(self) -> None:
        """Discard what the last forward cached through `remember`."""
        for name in CACHES:
            self.__dict__.pop(name, None)

    def for_inference(self) -> Layer:
        """Return a layer with the same parameters whose forward changes nothing in this one."""
        return self if type(self).kernel_name else _copy_for_inference(self)

    def as_inlinable(self) -> Container | None:
        """Return the layer as a container whose layers a program can run itself, or None."""
        return None

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes without the caches: a pickle holds the model, not the data."""
        return {key: value for key, value in list(self.__dict__.items()) if key not in CACHES}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Set the attributes, with NumPy's own dtype objects, which pickles do not preserve."""
        own = {key: np.dtype(value.str) for key, value in state.items() if isinstance(value, np.dtype)}
        self.__dict__.update(state | own)

    def __repr__(self) -> str:
        return call_text(self)


def _copy_for_inference(layer: Layer) -> Layer:
    """Return a copy of `layer` that shares the parameters and nothing else.

    Attributes, lists, arrays and buffers are copied. So whatever a forward assigns, appends or
    writes into an array changes only the copy.
    """
    twin = object.__new__(type(layer))
    twin.__dict__.update({name: _copy_value(value) for name, value in list(layer.__dict__.items())})
    return twin


def _copy_value(value: Any) -> Any:
    if isinstance(value, Layer):
        return value.for_inference()
    kind = type(value)
    if kind is np.ndarray:
        return value.copy()
    if kind is Buffer:
        return Buffer(value.value)
    if kind is list or kind is tuple:
        return kind(map(_copy_value, value))
    if kind is dict:
        return {key: _copy_value(each) for key, each in value.items()}
    return value


def has_members(value: Any) -> bool:
    """Return whether `value` is a layer, parameter or buffer, or a collection that holds one."""
    if isinstance(value, MEMBERS):
        return True
    kind = type(value)
    if kind is dict:
        value = value.values()
    elif kind is not list and kind is not tuple:
        return False
    for each in value:  # noqa: SIM110 - runs at every assignment; a generator takes twice as long
        if isinstance(each, MEMBERS) or (type(each) in COLLECTIONS and has_members(each)):
            return True
    return False


def _like(y: Any) -> tuple[Any, Any]:
    """Return shape and type of `y`; tuples of them if `y` is a tuple."""
    if type(y) is tuple:
        return tuple([each.shape for each in y]), tuple([each.dtype for each in y])
    return y.shape, y.dtype


def members_in(held: dict[Any, Any], prefix: str = "") -> Iterator[tuple[str, Member]]:
    """Yield name and object of each layer, parameter and buffer in `held`.

    It looks into lists, tuples and dicts.
    """
    for key, value in list(held.items()):  # a copy, since another thread's forward may add to it
        if isinstance(value, MEMBERS):
            yield f"{prefix}{key}", value
        elif isinstance(value, list | tuple) and key not in CACHES:
            yield from members_in(dict(enumerate(value)), f"{prefix}{key}.")
        elif isinstance(value, dict):
            yield from members_in(value, f"{prefix}{key}.")


MEMBERS = Layer, Parameter, Buffer
COLLECTIONS = list, tuple, dict
FOUND = frozenset({"parameters", "buffers"})
"""Methods that no class overrides: containers look into attributes and would not call them."""
ABOUT_POSITIONS = frozenset({"is_positionwise", "forward_next"})
"""What holds for one forward only, and not for that of a subclass."""
RESERVED = frozenset(name for name, method in vars(Layer).items() if callable(method) and name[0] != "_") - {*METHODS, "rule"}
"""Names that no attribute may have."""


def as_layer(thing: object, where: object) -> Layer:
    """Return `thing`, or raise if it is not a layer."""
    if isinstance(thing, Layer):
        return thing
    if isinstance(thing, type) and issubclass(thing, Layer):
        hint = f"Write {thing.__name__}(…), with parentheses."
        raise InvalidTypeError(f"got the class {thing.__name__}, expected a layer", where=where, hint=hint)
    hint = "A layer is an instance of a class derived from netlib.Layer."
    if isinstance(thing, list | tuple) and thing and all(isinstance(each, Layer) for each in thing):
        hint = f"Unpack the {type(thing).__name__} with *: Sequential(*layers)."
    raise InvalidTypeError(f"got {thing!r}, expected a layer", where=where, hint=hint)
