"""The errors for NaN and infinity in training, which name the first layer affected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..arrays import Array
from ..errors import NonFiniteError
from ..execution import with_total, without_caching
from ..layer import Layer
from ..recording import record_calls
from ..restoring import preserve_state

SMALLER_STEPS = "Try a smaller learning rate, or clip_norm=1."


def are_finite(arrays: Iterable[Array]) -> bool:
    """Return whether no array contains NaN or infinity.

    Examples
    --------
    >>> are_finite([np.ones(3)]), are_finite([np.ones(3), np.array(np.inf)])
    (True, False)
    """
    return all(bool(np.isfinite(a).all()) for a in arrays)


def nonfinite_loss(model: Layer, inputs: Sequence[Array], targets: Sequence[Array], loss: float, where: str) -> NonFiniteError:
    """Return the error for a loss that is not finite.

    It runs the batch again to find the first layer whose output is not finite.
    """
    for what, arrays in (("inputs", inputs), ("targets", targets)):
        if not are_finite(arrays):
            message = f"the loss is {loss}, because the {what} of this batch are not all finite"
            return NonFiniteError(message, where=where, hint="Look for NaN and infinity in the data.")
    with preserve_state(model), without_caching(evaluates=False), with_total(None), np.errstate(all="ignore"), \
         record_calls(model) as calls:  # fmt: skip
        model.forward(*inputs)
    bad = [path for path, p in model.parameters().items() if not are_finite([p.value])]
    weights = f"; not finite already: {_join_paths(bad)}" if bad else ""
    for call in calls:
        if not are_finite(call.output if isinstance(call.output, tuple) else [call.output]):
            layer = f"{call.path} {call.layer!r}".strip()
            first = f"the first layer whose output is not finite is {layer}"
            message = f"the loss is {loss}; {first}{weights}"
            return NonFiniteError(message, where=where, hint=SMALLER_STEPS)
    message = f"the loss is {loss}, though the outputs of all layers are finite{weights}"
    return NonFiniteError(message, where=where, hint=SMALLER_STEPS)


def nonfinite_gradient(model: Layer, where: str) -> NonFiniteError:
    """Return the error for gradients that are not finite."""
    bad = [path for path, p in model.parameters().items() if not are_finite([p.current_grad()])]
    message = f"the loss is finite, but the gradient is not: {_join_paths(bad)}"
    return NonFiniteError(message, where=where, hint=SMALLER_STEPS)


def _join_paths(paths: list[str]) -> str:
    return ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
