"""JAX: the whole step is one compiled function with donated state.

Images are channels-last, which XLA computes faster on a CPU. Recurrent layers multiply the inputs
of all steps at once, and then scan over the steps. Attention computes query, key and value in one
product.
"""

from __future__ import annotations

from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax

from ..case import LR
from ..networks import parts_of_block

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..case import Array, Case
    from ..networks import Layer, Network
    from . import Step

B1, B2, EPS = 0.9, 0.999, 1e-8
NORM_EPS, BN_MOMENTUM = 1e-5, 0.1


def forward(network: Network, parameters: Any, statistics: Any, x: Any, training: bool) -> tuple[Any, Any]:
    """Return the outputs, and the running statistics of batch norm after this batch."""
    after = []
    for layer, p, s in zip(network, parameters, statistics, strict=True):
        x, moved = _apply(layer, p, s, x, training)
        after.append(moved)
    return x, after


def _apply(layer: Layer, p: Any, s: Any, x: Any, training: bool) -> tuple[Any, Any]:
    match layer:
        case ["affine", *_]:
            return x @ p[0] + p[1], s
        case ["conv", _, _, _, stride, padding, has_bias]:
            y = lax.conv_general_dilated(x, p[0], (stride,) * 2, [(padding,) * 2] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC"))
            return (y + p[1] if has_bias else y), s
        case ["batch_norm", *_]:
            return batch_norm(p, s, x, training)
        case ["relu"]:
            return jax.nn.relu(x), s
        case ["max_pool", n]:
            return max_pool(x, n), s
        case ["global_avg_pool"]:
            return x.mean((1, 2)), s
        case ["flatten"]:
            return jnp.moveaxis(x, 3, 1).reshape(len(x), -1), s  # in the order of the weights that follow
        case ["add", main, shortcut]:
            y, main_s = forward(main, p[0], s[0], x, training)
            z, shortcut_s = forward(shortcut, p[1], s[1], x, training)
            return y + z, [main_s, shortcut_s]
        case ["recompute", block]:
            return jax.checkpoint(lambda p, s, x: forward(block, p, s, x, training))(p, s, x)  # type: ignore[no-any-return]
        case ["embedding", *_]:
            return p[0][x], s
        case ["positional", *_]:
            return x + p[0][: x.shape[1]], s
        case ["lstm", _, _, last]:
            return lstm(p, x, last), s
        case ["gru", _, _, last]:
            return gru(p, x, last), s
        case ["layer_norm", _]:
            return layer_norm(p, x), s
        case ["gelu"]:
            return jax.nn.gelu(x, approximate=False), s
        case ["attention", _, heads, causal]:
            return attention(p, x, heads, causal), s
        case ["transformer_block", *numbers]:
            return forward(parts_of_block(*numbers), p, s, x, training)
    raise NotImplementedError(layer)


def batch_norm(parameters: Any, statistics: Any, x: Any, training: bool) -> tuple[Any, Any]:
    """Return the normalized x, and the running statistics after this batch."""
    if training:
        axes, n = tuple(range(x.ndim - 1)), x.size // x.shape[-1]
        mean = x.mean(axes)
        var = (x * x).mean(axes) - mean * mean  # as in Flax
        moved = zip(statistics, (mean, var * (n / (n - 1))), strict=True)
        statistics = tuple((1 - BN_MOMENTUM) * old + BN_MOMENTUM * new for old, new in moved)
    else:
        mean, var = statistics
    scale, shift = parameters
    return (x - mean) * (lax.rsqrt(var + NORM_EPS) * scale) + shift, statistics


def max_pool(x: Any, n: int) -> Any:
    """Return the largest number of each window.

    Its derivative is faster than that of `lax.reduce_window`. Only at ties do the two differ.
    """
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // n, n, width // n, n, channels).max((2, 4))


def lstm(parameters: Any, x: Any, last: bool) -> Any:
    """Return the states of an LSTM at all steps, or the last one."""
    weight_x, weight_h, bias = parameters

    def step(state: Any, a: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(a + h @ weight_h, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), None if last else h

    start = jnp.zeros((len(x), len(weight_h)))
    (h, _), states = lax.scan(step, (start, start), x.swapaxes(0, 1) @ weight_x + bias)
    return h if last else states.swapaxes(0, 1)


def gru(parameters: Any, x: Any, last: bool) -> Any:
    """Return the states of a GRU at all steps, or the last one."""
    weight_x, weight_h, bias, bias_h = parameters

    def step(h: Any, a: Any) -> Any:
        (a_r, a_z, a_n), (u_r, u_z, u_n) = jnp.split(a, 3, axis=1), jnp.split(h @ weight_h, 3, axis=1)
        r, z = jax.nn.sigmoid(a_r + u_r), jax.nn.sigmoid(a_z + u_z)
        n = jnp.tanh(a_n + r * (u_n + bias_h))
        h = (1 - z) * n + z * h
        return h, None if last else h

    start = jnp.zeros((len(x), len(weight_h)))
    h, states = lax.scan(step, start, x.swapaxes(0, 1) @ weight_x + bias)
    return h if last else states.swapaxes(0, 1)


def layer_norm(parameters: Any, x: Any) -> Any:
    """Return the normalized x."""
    scale, shift = parameters
    x = x - x.mean(-1, keepdims=True)
    return x * lax.rsqrt((x * x).mean(-1, keepdims=True) + NORM_EPS) * scale + shift


def attention(parameters: Any, x: Any, heads: int, causal: bool) -> Any:
    """Return self-attention with several heads."""
    (weight, bias), (output, output_bias) = parameters
    batch, length, features = x.shape
    q, k, v = jnp.moveaxis((x @ weight + bias).reshape(batch, length, 3, heads, features // heads), 2, 0)
    scores = jnp.einsum("nthd,nshd->nhts", q, k) * (features // heads) ** -0.5
    if causal:
        scores = jnp.where(jnp.tri(length, dtype=bool), scores, -jnp.inf)
    y = jnp.einsum("nhts,nshd->nthd", jax.nn.softmax(scores), v)
    return y.reshape(x.shape) @ output + output_bias


def loss(parameters: Any, statistics: Any, network: Network, x: Any, t: Any) -> tuple[Any, Any]:
    """Return the mean softmax cross-entropy, and the running statistics after this batch."""
    y, statistics = forward(network, parameters, statistics, x, training=True)
    log_p = jax.nn.log_softmax(y)
    return -jnp.take_along_axis(log_p, t[..., None], axis=-1).mean(), statistics


def adam_step(network: Network, state: Any, x: Any, t: Any) -> Any:
    """Return the next state, and the loss of the current one."""
    parameters, statistics, means, squares, n = state
    (value, statistics), grads = jax.value_and_grad(loss, has_aux=True)(parameters, statistics, network, x, t)
    n = n + 1
    means = jax.tree.map(lambda m, g: B1 * m + (1 - B1) * g, means, grads)
    squares = jax.tree.map(lambda v, g: B2 * v + (1 - B2) * g * g, squares, grads)
    correct, correct_squares = 1 / (1 - B1**n), 1 / (1 - B2**n)
    parameters = jax.tree.map(lambda w, m, v: w - LR * (m * correct) / (jnp.sqrt(v * correct_squares) + EPS), parameters, means, squares)
    return (parameters, statistics, means, squares, n), value


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
        compiled = jax.jit(partial(adam_step, case.network), donate_argnums=0)
        parameters, statistics = first_state(case.network, case.weights())
        means, squares = (jax.tree.map(jnp.zeros_like, parameters) for _ in range(2))
        state = parameters, statistics, means, squares, jnp.zeros((), jnp.float32)
        x, targets = first_inputs(case), cycle([jnp.asarray(t) for t in case.targets()])

        def step() -> Any:
            nonlocal state
            state, value = compiled(state, x, next(targets))
            return self.wait(value)

        return step

    def infer(self, case: Case) -> Step:
        """Return a forward pass."""
        compiled = jax.jit(lambda parameters, statistics, x: forward(case.network, parameters, statistics, x, training=False)[0])
        state, x = first_state(case.network, case.weights()), first_inputs(case)
        return lambda: self.wait(compiled(*state, x))


class Queued(Jit):
    """The same without waiting: Python queues the next steps while XLA still computes."""

    def wait(self, result: Any) -> Any:
        """Return the result, which may not be ready yet."""
        return result


def first_inputs(case: Case) -> Any:
    """Return a batch, with the channels of images last."""
    x = case.inputs()
    return jnp.asarray(x.transpose(0, 2, 3, 1) if x.ndim == 4 else x)


def first_state(network: Network, weights: Iterator[Array]) -> tuple[Any, Any]:
    """Return the parameters and the running statistics of each layer, with these weights."""
    states = [_layer_state(layer, weights) for layer in network]
    return [parameters for parameters, _ in states], [statistics for _, statistics in states]


def _layer_state(layer: Layer, weights: Iterator[Array]) -> tuple[Any, Any]:
    match layer:
        case ["affine", _, n_out]:
            return (jnp.asarray(next(weights)), jnp.zeros(n_out)), ()
        case ["conv", _, n_out, _, _, _, has_bias]:
            kernels = jnp.asarray(next(weights).transpose(2, 3, 1, 0))
            return (kernels, jnp.zeros(n_out)) if has_bias else (kernels,), ()
        case ["batch_norm", n, _]:
            return (jnp.ones(n), jnp.zeros(n)), (jnp.zeros(n), jnp.ones(n))
        case ["add", main, shortcut]:
            paths = [first_state(path, weights) for path in (main, shortcut)]
            return [parameters for parameters, _ in paths], [statistics for _, statistics in paths]
        case ["recompute", block]:
            return first_state(block, weights)
        case ["embedding" | "positional", *_]:
            return (jnp.asarray(next(weights)),), ()
        case ["lstm", _, hidden, _]:
            return (jnp.asarray(next(weights)), jnp.asarray(next(weights)), jnp.zeros(4 * hidden)), ()
        case ["gru", _, hidden, _]:
            return (jnp.asarray(next(weights)), jnp.asarray(next(weights)), jnp.zeros(3 * hidden), jnp.zeros(hidden)), ()
        case ["layer_norm", n]:
            return (jnp.ones(n), jnp.zeros(n)), ()
        case ["attention", n, *_]:
            qkv = jnp.concatenate([next(weights) for _ in range(3)], axis=1)
            return ((qkv, jnp.zeros(3 * n)), (jnp.asarray(next(weights)), jnp.zeros(n))), ()
        case ["transformer_block", *numbers]:
            return first_state(parts_of_block(*numbers), weights)
    return (), ()
