"""Differences along curves that stay in a layer's domain."""

import copy

import numpy as np

import netlib as nl

DIRECTIONS = 8
"""Curves to try through each array."""


def symmetric_part(v):
    return (v + np.swapaxes(v, -1, -2)) / 2


def off_diagonal(v):
    return v * (1 - np.eye(v.shape[-1]))


def laplacian(v, x):
    weights = symmetric_part(v) * (x != 0)
    weights = off_diagonal(weights)
    return np.eye(x.shape[-1]) * weights.sum(axis=-1, keepdims=True) - weights


def fixed_ends(v):
    v = v.copy()
    v[..., [0, -1]] = 0
    return v


def fixed_last(v):
    v = v.copy()
    v[..., -1] = 0
    return v


STRAIGHT = {
    "free": lambda v, x: v * np.clip(np.abs(x), 0.05, 1),
    "rel": lambda v, x: v * x,
    "nz": lambda v, x: v * x,
    "simplex": lambda v, x: x * (v - (x * v).sum(axis=-1, keepdims=True)),
    "sumzero": lambda v, x: v - v.mean(axis=-1, keepdims=True),
    "sym": lambda v, x: symmetric_part(v),
    "hollow": lambda v, x: off_diagonal(symmetric_part(v)),
    "hollow_nz": lambda v, x: symmetric_part(v) * x,
    "laplacian": laplacian,
    "skew": lambda v, x: v - np.swapaxes(v, -1, -2),
    "tril": lambda v, x: np.tril(v),
    "diag": lambda v, x: v * np.eye(x.shape[-1]),
    "even": lambda v, x: (v + np.roll(v[..., ::-1], 1, axis=-1)) / 2,
    "palindrome": lambda v, x: (v + v[..., ::-1]) / 2,
    "homogeneous": lambda v, x: fixed_last(v),
    "fixedends": lambda v, x: fixed_ends(v),
}
"""The direction in which a straight line stays in a domain, made of a random one and the array."""


def unit_curve(v, x, h):
    return (x + h * v) / np.linalg.norm(x + h * v, axis=-1, keepdims=True)


def rotation_curve(v, x, h):
    turn = h * (v - np.swapaxes(v, -1, -2))
    whole = term = np.eye(x.shape[-1]) + 0 * turn
    for i in range(1, 6):
        term = term @ turn / i
        whole = whole + term
    return whole @ x


def log_simplex_curve(v, x, h):
    z = x + h * v
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


CURVED = {"unit": unit_curve, "rotation": rotation_curve, "logsimplex": log_simplex_curve}


def curve(kind, x, rng):
    """Return c with c(0) = x, which stays in the domain."""
    v = rng.normal(size=x.shape)
    if kind in CURVED:
        return lambda h: CURVED[kind](v, x, h)
    direction = STRAIGHT[kind](v, x)
    return lambda h: x + h * direction


def derivative(f, h):
    """Return the derivative at 0 by five points."""
    return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)


def as_tuple(x):
    return x if isinstance(x, tuple) else (x,)


def in_double(layer):
    layer = copy.deepcopy(layer)
    for parameter in layer.parameters().values():
        parameter.__init__(parameter.value.astype(float), parameter.trainable)
    return layer


def largest_error(module, name, seed):
    """Return the error of backward along curves, relative to the size of the terms."""
    layer, inputs = module.LAYERS[name](np.random.default_rng(seed))
    rng = np.random.default_rng(1000 + seed)
    layer, tolerance = in_double(layer), getattr(module, "TOLERANCE", {}).get(name, 2e-6)
    h = 1e-4 if tolerance > 1e-5 else 3e-6
    inputs = tuple(x.astype(float) if x.dtype.kind == "f" else x for x in inputs)
    y = layer.forward(*inputs)
    douts = [rng.normal(size=np.shape(each)) for each in as_tuple(y)]
    given = tuple(douts) if isinstance(y, tuple) else float(douts[0]) if isinstance(y, float) else douts[0]
    gradients = as_tuple(layer.backward(given))
    of_parameters = {path: parameter.grad.copy() for path, parameter in layer.parameters().items() if parameter.trainable}

    def error(kind, x, gradient, put):
        worst = 0.0
        for _ in range(DIRECTIONS):
            c = curve(kind, x, rng)

            def total(t, c=c):
                return sum(float(np.vdot(d, each)) for d, each in zip(douts, as_tuple(put(c(t))), strict=True))

            velocity = derivative(c, h)
            mine, measured = float(np.vdot(gradient, velocity)), derivative(total, h)
            scale = max(1.0, abs(measured), np.linalg.norm(gradient) * np.linalg.norm(velocity), abs(total(0.0)))
            worst = max(worst, abs(mine - measured) / scale)
        put(x)
        return worst

    errors = [0.0]
    moves = getattr(module, "MOVES", {}).get(name, ())
    for i, gradient in enumerate(gradients[: len(inputs) - layer.n_nondifferentiable_inputs]):
        kind = moves[i] if i < len(moves) else "free" if inputs[i].dtype.kind == "f" else "fixed"
        if kind != "fixed":
            errors.append(error(kind, inputs[i], gradient, lambda x, i=i: layer.forward(*inputs[:i], x, *inputs[i + 1 :])))
    moves = getattr(module, "PARAMETER_MOVES", {}).get(name, {})
    for path, gradient in of_parameters.items():
        parameter = layer.parameters()[path]

        def put(value, parameter=parameter):
            parameter.value = value
            return layer.forward(*inputs)

        if moves.get(path) != "fixed":
            errors.append(error(moves.get(path, "free"), parameter.value.copy(), gradient, put))
    return max(errors) / tolerance


def is_layer(thing):
    return isinstance(thing, type) and issubclass(thing, nl.Layer)
