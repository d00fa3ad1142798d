"""The arrays of a model: `Parameter`, which is learned, and `Buffer`, which is not."""

from __future__ import annotations

from typing import Any, Self, TypeAlias

import numpy as np

from .arrays import Array, ArrayLike, as_array, as_floats, as_rows, as_shaped
from .kernels.bias_relu import sum_rows

Rows: TypeAlias = "Array | slice"
ALL_ROWS = slice(None)
MAX_ROWS = 64
"""The number of calls of `add_grad_rows` whose rows a parameter keeps until `zero_grad`."""


class Parameter:
    """An array that is learned, and its accumulated gradient.

    Parameters
    ----------
    value : array_like
        It is copied. A floating type is kept, and integers become float32.
    trainable : bool
        Whether optimizers change it. Its gradient is computed either way.

    Notes
    -----
    An optimizer moves `value` and `grad` into two flat arrays. So keep a reference to the parameter
    rather than to its arrays, and read ``parameter.value`` again after creating an optimizer.

    Examples
    --------
    >>> weight = Parameter([[1.0, 2.0]])
    >>> weight.grad += 3
    >>> weight.grad
    array([[3., 3.]])
    """

    __slots__ = ("_grad", "_grad_is_public", "_grad_is_stale", "_grad_rows", "_is_frozen", "_value", "trainable")

    def __init__(self, value: ArrayLike, trainable: bool = True) -> None:
        self._initialize(as_floats(value, where="Parameter", copy=True), trainable)

    @classmethod
    def wrap(cls, value: Array) -> Self:
        """Return a parameter over `value` itself, without a copy.

        `value` is a floating-point array in C order to which there are no other references. If it
        is read-only, like a placeholder, the gradient has no memory either.
        """
        parameter = cls.__new__(cls)
        parameter._initialize(value, True)
        return parameter

    def _initialize(self, value: Array, trainable: bool) -> None:
        self._value = value
        self._grad = np.zeros(value.shape, value.dtype) if value.flags.writeable else value
        self.trainable = trainable
        self._is_frozen = False  # not trainable because of Layer.freeze
        self._grad_is_stale = False  # the gradient is zero, but old numbers are still in its memory
        self._grad_is_public = False  # a caller has seen the array, so old numbers must not remain
        self._grad_rows: list[Rows] | None = None  # the only rows that may not be zero, if that is known

    @property
    def value(self) -> Array:
        """The array itself. Assigning copies into it, so all references see the new values."""
        return self._value

    @value.setter
    def value(self, new: ArrayLike) -> None:
        if new is not self._value:
            self._value[...] = as_shaped(new, self.shape, "Parameter.value")

    @property
    def grad(self) -> Array:
        """The array of dL/d(value), accumulated since the last step. Assigning copies into it."""
        self._grad_is_public = True
        return self.current_grad()

    @grad.setter
    def grad(self, new: ArrayLike) -> None:
        if new is not self._grad:
            self._grad[...] = as_shaped(new, self.shape, "Parameter.grad")
            self._grad_is_stale, self._grad_rows = False, None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of `value` and of `grad`."""
        return self._value.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The floating-point type of `value` and of `grad`."""
        return self._value.dtype

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._value.size

    def zero_grad(self) -> None:
        """Set the gradient to zeros, in the same memory.

        If no caller has seen the array, no zeros are written: the next gradient overwrites it. If
        only some rows have a gradient, zeros are written there.
        """
        if self._grad_is_public:
            self._grad.fill(0)
        elif self._grad_rows is None:
            self._grad_is_stale = True
        else:
            for rows in self._grad_rows:
                self._grad[rows] = 0
            self._grad_rows = []

    def current_grad(self) -> Array:
        """Return `grad` for internal use: the caller must neither keep it nor write to it."""
        if self._grad_is_stale:
            self._grad.fill(0)
            self._grad_is_stale = False
        return self._grad

    def is_in_sync(self, value: Array, trainable: bool | None) -> bool:
        """Return whether `value` is still the parameter's array and `trainable` its state.

        If so, write the zeros of a stale gradient.
        """
        if self._value is not value or self.trainable is not trainable:
            return False
        if trainable:
            self.lend_grad()
        return True

    def lend_grad(self) -> None:
        """Write the zeros of a stale gradient: an optimizer may read and write all of it."""
        if self._grad_is_stale:
            self.current_grad()
        if self._grad_rows is not None:
            self._grad_rows = [ALL_ROWS]

    def add_grad(self, d: Array) -> None:
        """Do ``grad += d``, for `d` of the same shape."""
        if self._grad_is_stale:
            self._grad[...] = d
            self._grad_is_stale = False
        else:
            self._grad += d
        self._grad_rows = None

    def add_grad_rows(self, rows: Rows, d: Array) -> None:
        """Do ``grad[rows] += d``, for a slice or an array of distinct row numbers.

        It works only on these rows, and so does `zero_grad`, except after an optimizer has worked
        on the gradient, or if other methods also add to it.
        """
        if self._grad_is_stale:
            self.current_grad()
            self._grad_rows = []
        self._grad[rows] += d
        if self._grad_rows is not None and not self._grad_is_public:
            self._grad_rows = [*self._grad_rows, rows] if len(self._grad_rows) < MAX_ROWS else [ALL_ROWS]

    def add_grad_product(self, a: Array, b: Array) -> None:
        """Do ``grad += a @ b``, without a temporary array if the gradient was zero."""
        if self._grad_is_stale:
            a.dot(b, self._grad)
            self._grad_is_stale = False
        else:
            self._grad += a.dot(b)
        self._grad_rows = None

    def add_grad_sum(self, d: Array) -> None:
        """Do ``grad += d.sum(axis=0)`` for a vector, over all leading axes of `d`.

        This is Dᵀ·d for the column of ones D of Eq. (1.31).
        """
        rows = as_rows(d)
        total = self._grad if self._grad_is_stale else np.empty_like(self._grad)
        sum_rows.of(self.dtype)(rows if rows.flags.carray else rows.copy(), total)
        if not self._grad_is_stale:
            self._grad += total
        self._grad_is_stale, self._grad_rows = False, None

    def with_own_grad(self) -> Self:
        """Return a parameter over the same value with another gradient, of zeros."""
        twin = type(self).wrap(self._value)
        twin.trainable = self.trainable
        return twin

    def follow(self, other: Parameter) -> None:
        """Use the value of `other`, which may have moved to other memory."""
        self._value = other._value

    def take_grad(self, other: Parameter) -> None:
        """Add the gradient of `other`, and set that to zeros."""
        if not other._grad_is_stale:
            self.add_grad(other._grad)
            other.zero_grad()

    def adopt(self, value: Array) -> None:
        """Use `value` itself from now on, without copying it, and a gradient of zeros.

        `value` has the shape and dtype of the parameter, as `wrap` takes it.
        """
        self._initialize(value, self.trainable)

    def move_to(self, value: Array, grad: Array) -> None:
        """Copy value and gradient into these arrays, and use them from now on."""
        value[...] = self._value
        if self.current_grad().any() or grad.any():  # writing zeros would allocate untouched memory
            grad[...] = self._grad
        self._value, self._grad, self._grad_is_public, self._grad_rows = value, grad, False, None

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        for name, value in state[1].items():
            setattr(self, name, with_own_type(value) if isinstance(value, np.ndarray) else value)

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        twin = Parameter(self._value, self.trainable)
        twin._is_frozen = self._is_frozen
        twin._grad[...] = self.current_grad()
        memo[id(self)] = twin
        return twin

    def __repr__(self) -> str:
        flag = "" if self.trainable else ", trainable=False"
        return f"Parameter(shape={self.shape}, dtype={self.dtype}{flag})"


class Buffer:
    """An array that belongs to a model and is not learned, such as a running mean.

    Assigned to an attribute of a layer, it is part of `Layer.buffers` and `Layer.state_dict`:
    saved, restored and shared together with the parameters.

    Parameters
    ----------
    value : array_like
        It is copied. Its type is kept, including integers and booleans.

    Examples
    --------
    >>> mean = Buffer([0.0, 0.0])
    >>> mean.value = [1.0, 2.0]
    >>> mean, mean.value
    (Buffer(shape=(2,), dtype=float64), array([1., 2.]))
    """

    __slots__ = ("_value",)

    def __init__(self, value: ArrayLike) -> None:
        self._value = np.array(as_array(value, "Buffer"), order="C")

    @classmethod
    def wrap(cls, value: Array) -> Self:
        """Return a buffer over `value` itself, without a copy.

        `value` is an array in C order to which there are no other references.
        """
        buffer = cls.__new__(cls)
        buffer._value = value
        return buffer

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        self._value = with_own_type(state[1]["_value"])

    def adopt(self, value: Array) -> None:
        """Use `value` itself from now on, without a copy.

        `value` has the shape and dtype of the buffer, as `wrap` takes it.
        """
        self._value = value

    @property
    def value(self) -> Array:
        """The array itself. Assigning copies into it, so all references see the new values."""
        return self._value

    @value.setter
    def value(self, new: ArrayLike) -> None:
        if new is not self._value:
            self._value[...] = as_shaped(new, self.shape, "Buffer.value")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of `value`."""
        return self._value.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of `value`."""
        return self._value.dtype

    def __repr__(self) -> str:
        return f"Buffer(shape={self.shape}, dtype={self.dtype})"


def with_own_type(array: Array) -> Array:
    """Return an unpickled array with NumPy's own dtype object, which is not pickled.

    Fused operations compare types by identity. An array in read-only memory, such as a file mapped
    by joblib, is copied.

    >>> import pickle
    >>> array = pickle.loads(pickle.dumps(np.ones(2)))
    >>> array.dtype is np.dtype(float), with_own_type(array).dtype is np.dtype(float)
    (False, True)
    """
    own = array.view(np.dtype(array.dtype.str))
    return own if own.flags.writeable else np.array(own)
