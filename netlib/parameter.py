"""What a layer holds: `Parameter`, an array that is learned, and `Buffer`, one that is not."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .arrays import Array, ArrayLike, as_array, as_floats, as_rows, as_shaped
from .kernels.bias_relu import sum_rows


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

    __slots__ = ("_grad", "_grad_is_lent", "_grad_is_stale", "_is_frozen", "_value", "trainable")

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
        self._is_frozen = False  # not trainable because of Layer.freeze
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

    def is_settled(self, value: Array, trainable: bool | None) -> bool:
        """Return whether `value` is the array itself and it is trained as before; its gradient is then a real one."""
        if self._value is not value or self.trainable is not trainable:
            return False
        if trainable and self._grad_is_stale:
            self.current_grad()
        return True

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
        twin._is_frozen = self._is_frozen
        twin._grad[...] = self.current_grad()
        memo[id(self)] = twin
        return twin

    def __repr__(self) -> str:
        return f"Parameter(shape={self.shape}, dtype={self.dtype}{'' if self.trainable else ', trainable=False'})"


class Buffer:
    """An array that belongs to a model and is not learned, such as a running mean.

    A layer that assigns one to an attribute has it in `Layer.buffers` and `Layer.state_dict`, so that it is saved, restored and
    shared together with the parameters.

    Parameters
    ----------
    value : array_like
        Copied, so the caller's array stays the caller's. Its type is kept, integers and booleans included.

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

    @property
    def value(self) -> Array:
        """The array itself. Assigning copies into it, so that whoever holds it sees the new numbers."""
        return self._value

    @value.setter
    def value(self, new: ArrayLike) -> None:
        if new is not self._value:
            self._value[...] = as_shaped(new, self.shape, "Buffer.value")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of `value`."""
        return self._value.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of `value`."""
        return self._value.dtype

    def __repr__(self) -> str:
        return f"Buffer(shape={self.shape}, dtype={self.dtype})"
