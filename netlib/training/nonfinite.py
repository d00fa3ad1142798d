"""Where a NaN or an infinity came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..arrays import Array
from ..errors import NonFiniteError
from ..execution import keeping_nothing
from ..layer import Layer
from ..recording import recorded
from ..restoring import preserve_state

SMALLER_STEPS = "Try a smaller learning rate, or clip_norm=1."


def are_finite(arrays: Iterable[Array]) -> bool:
    """Whether no array holds a NaN or an infinity.

    Examples
    --------
    >>> are_finite([np.ones(3)]), are_finite([np.ones(3), np.array(np.inf)])
    (True, False)
    """
    return all(bool(np.isfinite(a).all()) for a in arrays)


def nonfinite_loss(model: Layer, inputs: Sequence[Array], t: Array, loss: float, where: str) -> NonFiniteError:
    """Return the error for a loss that is not finite, after running the batch again to see where that begins."""
    for what, arrays in (("inputs", inputs), ("targets", [t])):
        if not are_finite(arrays):
            message = f"the loss is {loss}, because the {what} of this batch are not all finite"
            return NonFiniteError(message, where=where, hint="Look for NaN and infinity in the data.")
    with preserve_state(model), keeping_nothing(evaluates=False), recorded(model) as calls, np.errstate(all="ignore"):
        model.forward(*inputs)
    bad = [path for path, parameter in model.parameters().items() if not are_finite([parameter.value])]
    weights = f"; not finite already: {_enumerated(bad)}" if bad else ""
    for call in calls:
        if not are_finite(call.output if isinstance(call.output, tuple) else [call.output]):
            place = f"{call.path} {call.layer!r}".strip()
            message = f"the loss is {loss}; the first layer whose output is not finite is {place}{weights}"
            return NonFiniteError(message, where=where, hint=SMALLER_STEPS)
    return NonFiniteError(f"the loss is {loss}, though the outputs of all layers are finite{weights}", where=where, hint=SMALLER_STEPS)


def nonfinite_gradient(model: Layer, where: str) -> NonFiniteError:
    """Return the error for gradients that are not finite."""
    bad = [path for path, parameter in model.parameters().items() if not are_finite([parameter.current_grad()])]
    message = f"the loss is finite, but the gradient is not: {_enumerated(bad)}"
    return NonFiniteError(message, where=where, hint=SMALLER_STEPS)


def _enumerated(paths: list[str]) -> str:
    return ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
