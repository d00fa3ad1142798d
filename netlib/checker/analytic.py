"""The gradients computed by a layer's own backward, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array
from .blocks import LARGE, largest, max_apart
from .guards import UserCodeError
from .twin import Twin

Rng = np.random.Generator

PERIOD = 999_983
"""Random numbers after which a long dout repeats itself; a prime, and so no multiple of a row."""
LEAST = 0.5
"""The least size of a random number that is not near zero."""


class Gradients(NamedTuple):
    """The result of a backward.

    `returned` holds the gradient of each differentiable input, `grads` that of each parameter, or
    None where backward never touched it. `surplus` is a complaint about the number of gradients
    returned, and `error` is the exception that backward raised.
    """

    returned: dict[str, Any]
    grads: dict[str, Array | None]
    surplus: str = ""
    error: Exception | None = None

    @property
    def by_name(self) -> dict[str, Any]:
        """The gradients of inputs and parameters in one dict."""
        return {**self.returned, **self.grads}


def gradients(twin: Twin, douts: Sequence[Array], prefilled: dict[str, Array] | None = None, are_spent: bool = False) -> Gradients:
    """Run backward after a forward and return the gradients.

    The parameters' gradients start at -0.0, which any addition changes, even one of zeros; or at
    `prefilled`. Backward gets copies of `douts`, unless `are_spent`: they are not needed
    afterwards.
    """
    for path, parameter in twin.parameters.items():
        parameter.grad[...] = -0.0 if prefilled is None else prefilled[path]
    error, dx = None, None
    try:
        dx = twin.backward(list(douts) if are_spent else [np.array(d) for d in douts])
    except UserCodeError as raised:
        error = raised.error
    grads: dict[str, Array | None] = {}
    for path, parameter in twin.parameters.items():
        g = parameter.grad
        is_untouched = prefilled is None and g.size > 0 and not g.any() and bool(np.signbit(g).all())
        grads[path] = None if is_untouched else np.asarray(g + 0.0)  # without signs on zeros
    if twin.writes_parameters:
        twin.restore_parameters()
    returned, surplus = ({}, "") if error is not None else by_input(twin, dx)
    return Gradients(returned, grads, surplus, error)


def left_out(twin: Twin, yours: Gradients) -> list[str]:
    """Return the inputs that backward leaves out: labels, masks and lengths stored as floats.

    They come after the first input, are whole numbers and get zeros or None.
    """
    gs = {name: None if g is None else as_numbers(g) for name, g in yours.by_name.items()}
    nothing = [name for name, g in gs.items() if yours.by_name[name] is None or (g is not None and not g.any())]
    if len(nothing) == len(gs) or yours.surplus:
        return []
    return [f"input {i}" for i in twin.float_inputs if i and f"input {i}" in nothing and _is_whole(twin.inputs[i])]


def _is_whole(x: Array) -> bool:
    return bool(np.isfinite(x).all() and (x == np.round(x)).all())


def as_numbers(g: Any) -> Array | None:
    """Return a gradient as a float array, or None if it does not hold real numbers."""
    try:
        g = np.asarray(g)
    except ValueError:
        return None
    return np.asarray(g, float) if g.dtype.kind in "fiub" else None


def by_input(twin: Twin, dx: Any) -> tuple[dict[str, Any], str]:
    """Return backward's result by input, and a complaint if the number of gradients is wrong."""
    if not isinstance(dx, tuple | list | np.ndarray | np.number | float | int | None):
        return {}, f"backward returned a {type(dx).__name__}, expected the gradient, or a tuple of them in the order of the inputs"
    given = list(dx) if isinstance(dx, tuple | list) else [dx]
    wanted = twin.float_inputs
    surplus = ""
    if isinstance(dx, list) and len(wanted) > 1:
        surplus = "backward returned a list, expected a tuple"
    if len(given) == len(wanted) and len(wanted) != twin.n_given:
        return {f"input {i}": g for i, g in zip(wanted, given, strict=True)}, surplus
    if len(given) > twin.n_given and any(g is not None for g in given[twin.n_given :]):
        surplus = f"backward returned {len(given)} gradients for {twin.n_given} inputs"
    if len(given) < twin.n_given and not (len(given) == 1 and given[0] is None):
        surplus = f"backward returned {len(given)} gradient{'s' * (len(given) != 1)} for {twin.n_given} inputs"
    given += [None] * (twin.n_given - len(given))
    return {f"input {i}": given[i] for i in wanted}, surplus


def random_douts(ys: Sequence[Any], rng: Rng, is_used: bool = True) -> list[Array]:
    """Return a random dout for each output, with both signs and not near zero.

    The douts are ones for a backward that takes none.
    """
    draw = partial(random_signed, rng) if is_used else np.ones
    return [repeat(draw, y.shape, y.dtype if y.dtype.kind == "f" else np.dtype(float)) for y in map(np.asarray, ys)]


def random_signed(rng: Rng, n: int) -> Array:
    """Return random numbers of both signs with magnitudes of at least `LEAST`."""
    return np.asarray(rng.uniform(LEAST, 1.5, n) * rng.choice([-1.0, 1.0], n))


def repeat(draw: Callable[[int], Array], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return a new array of numbers from ``draw(n)``; a long one repeats them."""
    repeated = np.empty(shape, dtype)
    numbers = np.asarray(draw(min(repeated.size, PERIOD)), dtype)
    flat = repeated.reshape(-1)
    for start in range(0, flat.size, max(1, numbers.size)):
        flat[start : start + numbers.size] = numbers[: flat.size - start]
    return repeated


def estimate_rounding(twin: Twin, ys: Sequence[Array], douts: Sequence[Array], plain: Gradients, eps: float) -> float:
    """Return the size below which a gradient is rounding error, such as that of terms that cancel.

    Such terms have the size of dout, or less where outputs are tiny beside inputs. Larger ones
    become visible when the last digits of dout change. One change is enough in a large layer.
    """
    x, y, d = (max(map(largest, arrays), default=0.0) for arrays in (twin.slots.values(), ys, douts))
    rounding = eps * d * max(1e-3, 16 * min(1.0, 100 * y / x) if x else 0.0)
    n_elements = sum(a.size for a in (*douts, *twin.slots.values()))
    for seed in range(3 if n_elements < LARGE else 1):
        rng = np.random.default_rng(seed)
        other = gradients(twin, [_with_other_digits(d, eps, rng) for d in douts], are_spent=True)
        for name, g in plain.by_name.items():
            a, b = (None if each is None else as_numbers(each) for each in (g, other.by_name.get(name)))
            if a is not None and b is not None and a.shape == b.shape:
                apart = max_apart(a, b)
                rounding = max(rounding, 64 * apart if np.isfinite(apart) else 0.0)
    return min(rounding, 1e5 * eps * d)


def _with_other_digits(dout: Array, eps: float, rng: Rng) -> Array:
    """Return an array that differs in the last digits."""
    other = rng.uniform(-1, 1, dout.shape)
    other *= 4 * eps
    other += 1
    other *= dout
    return other.astype(dout.dtype, copy=False)


def backward_or_none(twin: Twin, douts: list[Array]) -> Any:
    """Return the result of backward, or None if it raises."""
    try:
        return twin.backward(douts)
    except UserCodeError:
        return None
