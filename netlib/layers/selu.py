from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..layer import Layer
from ..underflow import ignore_underflow
from .rules import format_number

SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772
"""λ and α of the paper: numbers with mean 0 and variance 1 keep both."""


class SELU(Layer):
    """``y = λ x`` where x > 0, ``λ α (exp(x) - 1)`` elsewhere (Klambauer et al., 2017).

    With λ = 1.0507… and α = 1.6732…, standard normal x gives y with mean 0 and variance 1 again.
    Use it with `LeCun` weights.

    ∂y/∂x is λ where x > 0 and λ α exp(x) elsewhere, including the kink x = 0.

    >>> selu = SELU()
    >>> selu.forward([-1e4, 0.0, 2.0]).round(4), selu.backward([1.0, 1.0, 1.0]).round(4)
    (array([-1.7581,  0.    ,  2.1014]), array([0.    , 1.7581, 1.0507]))
    """

    kernel_name = "selu"
    is_positionwise = True
    rule = (
        f"y = {format_number(SCALE)} max(0, x) + {format_number(SCALE * ALPHA)} (exp(min(0, x)) − 1)\n"
        f"dx = dy ⊙ ({format_number(SCALE)} [x > 0] + {format_number(SCALE * ALPHA)} exp(x) ⊙ [x ≤ 0])"
    )

    @ignore_underflow
    def forward(self, x: ArrayLike) -> Array:
        """Return y, of x's shape."""
        x = as_floats(x, where=self)
        below = np.minimum(x, 0)
        slope = np.where(x > 0, x.dtype.type(SCALE), SCALE * ALPHA * np.exp(below))
        return self.remember(SCALE * (np.maximum(x, 0) + ALPHA * np.expm1(below)), slope)

    @ignore_underflow
    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, slope = self.recall(dout)
        return dout * slope  # type: ignore[no-any-return]
