"""The valid inputs of a layer, as a function that draws them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import InvalidTypeError, ShapeError

Draw = Callable[[], tuple[Array, ...]]


def make_draw(domain: Any, n_inputs: int, seed: int) -> Draw:
    """Return a function that draws all inputs from a domain, different ones each time.

    `n_inputs` is the number of inputs given with the domain; with 0, any number may be drawn.
    """
    if not callable(domain):
        hint = "Write domain=lambda rng: rng.uniform(0.1, 2, (4, 3)), with a tuple for several inputs."
        message = f"domain is a {type(domain).__name__}, expected a function that takes a NumPy generator and returns inputs"
        raise InvalidTypeError(message, where="check_gradients", hint=hint)
    rng = np.random.default_rng([seed, 4])

    def draw() -> tuple[Array, ...]:
        drawn = domain(rng)
        inputs = tuple(map(np.array, drawn)) if isinstance(drawn, tuple) else (np.array(drawn),)
        if n_inputs and len(inputs) != n_inputs:
            message = f"domain drew {len(inputs)} inputs, expected {n_inputs} as given"
            raise ShapeError(message, where="check_gradients", hint="Return a tuple with all inputs of forward.")
        return inputs

    return draw
