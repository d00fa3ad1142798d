"""JAX: the whole step is one compiled function with donated state."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from ..case import LR

if TYPE_CHECKING:
    from ..case import Case
    from . import Step

B1, B2, EPS = 0.9, 0.999, 1e-8


def forward(parameters: Any, x: Any) -> Any:
    """Return the outputs."""
    *hidden, (weight, bias) = parameters
    for w, b in hidden:
        x = jax.nn.relu(x @ w + b)
    return x @ weight + bias


def loss(parameters: Any, x: Any, t: Any) -> Any:
    """Return the mean softmax cross-entropy."""
    log_p = jax.nn.log_softmax(forward(parameters, x))
    return -jnp.take_along_axis(log_p, t[:, None], axis=1).mean()


def adam_step(state: Any, x: Any, t: Any) -> Any:
    """Return the next state, and the loss of the current one."""
    parameters, means, squares, n = state
    value, grads = jax.value_and_grad(loss)(parameters, x, t)
    n = n + 1
    means = jax.tree.map(lambda m, g: B1 * m + (1 - B1) * g, means, grads)
    squares = jax.tree.map(lambda v, g: B2 * v + (1 - B2) * g * g, squares, grads)
    correct, correct_squares = 1 / (1 - B1**n), 1 / (1 - B2**n)
    parameters = jax.tree.map(lambda w, m, v: w - LR * (m * correct) / (jnp.sqrt(v * correct_squares) + EPS), parameters, means, squares)
    return (parameters, means, squares, n), value


class Jit:
    """Compiled by XLA, which uses all cores of its process; each call waits for its result."""

    takes_weights = True

    def __init__(self, threads: int) -> None:
        self.versions = {"jax": jax.__version__}
        jax.config.update("jax_platforms", "cpu")

    def wait(self, result: Any) -> Any:
        """Return the result when it is ready."""
        return result.block_until_ready()

    def train(self, case: Case) -> Step:
        """Return a training step."""
        compiled = jax.jit(adam_step, donate_argnums=0)
        parameters = first_parameters(case)
        means, squares = (jax.tree.map(jnp.zeros_like, parameters) for _ in range(2))
        state = parameters, means, squares, jnp.zeros((), jnp.float32)
        x, targets = jnp.asarray(case.inputs()), cycle([jnp.asarray(t) for t in case.targets()])

        def step() -> Any:
            nonlocal state
            state, value = compiled(state, x, next(targets))
            return self.wait(value)

        return step

    def infer(self, case: Case) -> Step:
        """Return a forward pass."""
        compiled, parameters, x = jax.jit(forward), first_parameters(case), jnp.asarray(case.inputs())
        return lambda: self.wait(compiled(parameters, x))


class Queued(Jit):
    """The same without waiting: Python queues the next steps while XLA still computes."""

    def wait(self, result: Any) -> Any:
        """Return the result, which may not be ready yet."""
        return result


def first_parameters(case: Case) -> Any:
    """Return pairs of weight and bias."""
    return [(jnp.asarray(w), jnp.zeros(w.shape[1], w.dtype)) for w in case.weights()]
