"""What a layer is: `Layer`, the node of a computing graph, and `Parameter`, what it learns."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .arrays import Array, ArrayLike, as_floats, as_rows, as_shaped
from .errors import GradientShapeError, InvalidTypeError, InvalidValueError, OrderError
from .kernels.bias_relu import sum_rows
from .node import Node
from .representation import call_text

if TYPE_CHECKING:
    from .summary import Summary


class Parameter:
    """An array that is learned, and the gradient that has added up for it.

    Parameters
    ----------
    value : array_like
        Copied, so the caller's array stays the caller's. A floating type is kept, integers become float32.
    trainable : bool
        False tells optimizers to leave it alone. Its gradient is computed all the same.

    Notes
    -----
    An optimizer moves the memory of `value` and `grad` into two flat arrays of its own. So hold the parameter
    rather than its arrays, and read ``parameter.value`` anew after an optimizer was made.

    Examples
    --------
    >>> weight = Parameter([[1.0, 2.0]])
    >>> weight.grad += 3
    >>> weight.grad
    array([[3., 3.]])
    """

    __slots__ = ("_grad", "_grad_is_lent", "_grad_is_stale", "_value", "trainable")

    def __init__(self, value: ArrayLike, trainable: bool = True) -> None:
        self._begin(as_floats(value, where="Parameter", copy=True), trainable)

    @classmethod
    def owning(cls, value: Array) -> Self:
        """Return a parameter over `value` itself, a floating array in C order that nobody else holds."""
        parameter = cls.__new__(cls)
        parameter._begin(value, True)
        return parameter

    def _begin(self, value: Array, trainable: bool) -> None:
        self._value = value
        self._grad = np.zeros(value.shape, value.dtype)
        self.trainable = trainable
        self._grad_is_stale = False  # the memory holds leftovers that stand for zeros
        self._grad_is_lent = False  # somebody outside may look at the memory, so leftovers may not stay

    @property
    def value(self) -> Array:
        """The array itself. Assigning copies into it, so that whoever holds it sees the new numbers."""
        return self._value

    @value.setter
    def value(self, new: ArrayLike) -> None:
        if new is not self._value:
            self._value[...] = as_shaped(new, self.shape, "Parameter.value")

    @property
    def grad(self) -> Array:
        """dL/d(value), added up since the last step: the array itself. Assigning copies into it."""
        self._grad_is_lent = True
        return self.current_grad()

    @grad.setter
    def grad(self, new: ArrayLike) -> None:
        if new is not self._grad:
            self._grad[...] = as_shaped(new, self.shape, "Parameter.grad")
            self._grad_is_stale = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of `value` and of `grad`."""
        return self._value.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Floating type of `value` and of `grad`."""
        return self._value.dtype

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return self._value.size

    def zero_grad(self) -> None:
        """Discard the gradient: zeros again, in the same memory.

        Where nobody outside holds the array the zeros are not written: the next gradient is written over it.
        """
        if self._grad_is_lent:
            self._grad.fill(0)
        else:
            self._grad_is_stale = True

    def current_grad(self) -> Array:
        """`grad` for netlib's own passing use: not to be kept, not to be written to."""
        if self._grad_is_stale:
            self._grad.fill(0)
            self._grad_is_stale = False
        return self._grad

    def add_grad(self, d: Array) -> None:
        """``grad += d``, for a `d` of the same shape."""
        if self._grad_is_stale:
            self._grad[...] = d
            self._grad_is_stale = False
        else:
            self._grad += d

    def add_grad_product(self, a: Array, b: Array) -> None:
        """``grad += a @ b``, written straight into place where the gradient was zero."""
        if self._grad_is_stale:
            a.dot(b, self._grad)
            self._grad_is_stale = False
        else:
            self._grad += a.dot(b)

    def add_grad_sum(self, d: Array) -> None:
        """``grad += d.sum(axis=0)`` for a vector, over all leading axes of `d`: Dᵀ·d for the column of ones D of Eq. (1.31)."""
        rows = as_rows(d)
        total = self._grad if self._grad_is_stale else np.empty_like(self._grad)
        sum_rows.of(self.dtype)(rows if rows.flags.carray else rows.copy(), total)
        if not self._grad_is_stale:
            self._grad += total
        self._grad_is_stale = False

    def move_to(self, value: Array, grad: Array) -> None:
        """Live in this memory from now on; the numbers come along."""
        value[...] = self._value
        if self.current_grad().any() or grad.any():  # zeros stay as they are: perhaps memory that nobody has touched yet
            grad[...] = self._grad
        self._value, self._grad, self._grad_is_lent = value, grad, False

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        twin = Parameter(self._value, self.trainable)
        twin._grad[...] = self.current_grad()
        memo[id(self)] = twin
        return twin

    def __repr__(self) -> str:
        return f"Parameter(shape={self.shape}, dtype={self.dtype}{'' if self.trainable else ', trainable=False'})"


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
    n_constant_inputs: int = 0
    """How many of the last inputs have no gradient, as the targets of a loss: backward returns nothing for them."""
    _cache: tuple[Any, Any, tuple[Any, ...]] | None = None

    def __call__(self, *inputs: Any, name: str | None = None) -> Any:
        """``forward(*inputs)``; on the symbolic nodes of a graph, a node, which may be given a name."""
        if any(isinstance(x, Node) for x in inputs):
            return Node.of_call(self, inputs, name)
        return self.forward(*inputs)

    def backward_parameters(self, dout: Any) -> None:
        """Backward of a layer whose inputs need no gradient: only the parameters get theirs.

        Containers call it on the first layer of a training step. A layer for which dL/dx is dear overrides it.
        """
        self.backward(dout)

    def members(self) -> Iterator[tuple[str, Layer | Parameter]]:
        """Yield the name and the object of each layer and parameter held directly, in the order of assignment."""
        return layers_and_parameters(self.__dict__)

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
            raise InvalidValueError(f"two parameters go by the path {twice!r}", where=type(self).__name__, mend="Rename one.")
        return parameters

    def zero_grad(self) -> None:
        """Discard the gradient of every parameter. A loop with an optimizer needs no call: ``step()`` does it."""
        for parameter in self.parameters().values():
            parameter.zero_grad()

    @property
    def training(self) -> bool:
        """Whether the layer behaves as in training, which matters to layers like Dropout. Assigning reaches the layers inside."""
        return bool(self.__dict__.get("_training", True))

    @training.setter
    def training(self, mode: bool) -> None:
        for _, layer in self.walk():
            layer.__dict__["_training"] = bool(mode)

    def train(self, mode: bool = True) -> Self:
        """Put this layer and all inside it into training mode, and return it."""
        self.training = mode
        return self

    def eval(self) -> Self:
        """Put this layer and all inside it into evaluation mode, and return it."""
        return self.train(False)

    def tied_copy(self) -> Self:
        """Return a layer of its own over the same parameters, for a second place in a model.

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
        shared: list[object] = list(self.parameters().values())
        shared += [v for layer in layers for v in layer.__dict__.values() if hasattr(v, "bit_generator")]
        twin = copy.deepcopy(self, {id(each): each for each in shared})
        for _, layer in twin.walk():
            layer.__dict__.pop("_cache", None)
        return twin

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
        from .summary import summarize

        return summarize(self, input_shape)

    def _remember(self, y: Array, *kept: Any) -> Array:
        """Keep what backward needs, with the shape and type that dout must have, and return `y`."""
        self._cache = y.shape, y.dtype, kept
        return y

    def _recall(self, dout: ArrayLike) -> tuple[Array, *tuple[Any, ...]]:
        """Return `dout`, checked and in the type of y, followed by what forward kept."""
        if self._cache is None:
            raise OrderError("backward came before any forward", where=self, mend="Call forward first: backward needs what it keeps.")
        shape, dtype, kept = self._cache
        if type(dout) is not np.ndarray or dout.dtype is not dtype:
            dout = as_floats(dout, dtype, self)
        if dout.shape != shape:
            raise GradientShapeError(f"dout has shape {dout.shape}, wanted that of the output, {shape}", where=self)
        return (dout, *kept)

    def __repr__(self) -> str:
        return call_text(self)


def layers_and_parameters(held: dict[Any, Any], prefix: str = "") -> Iterator[tuple[str, Layer | Parameter]]:
    """Yield the name and the object of each layer and parameter in `held`, also inside lists, tuples and dicts."""
    for key, value in held.items():
        if isinstance(value, Layer | Parameter):
            yield f"{prefix}{key}", value
        elif isinstance(value, list | tuple) and key != "_cache":
            yield from layers_and_parameters(dict(enumerate(value)), f"{prefix}{key}.")
        elif isinstance(value, dict):
            yield from layers_and_parameters(value, f"{prefix}{key}.")


def as_layer(thing: object, where: object) -> Layer:
    """Return `thing`, after refusing whatever is not a layer."""
    if isinstance(thing, Layer):
        return thing
    if isinstance(thing, type) and issubclass(thing, Layer):
        mend = f"Write {thing.__name__}(…), with parentheses."
        raise InvalidTypeError(f"got the class {thing.__name__}, wanted a layer", where=where, mend=mend)
    mend = "A layer is an instance of a class derived from netlib.Layer."
    raise InvalidTypeError(f"got {thing!r}, wanted a layer", where=where, mend=mend)
