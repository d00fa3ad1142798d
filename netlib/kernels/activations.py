"""GELU, SiLU, Mish, hardswish and sigmoid, forward and backward.

Forward of all but sigmoid also writes the derivative, since it shares its exponential with y.
Backward is then a product.
"""

from __future__ import annotations

from ..arrays import Array
from .exponentials import exp, normal, sigmoid
from .kernel import loops


@loops("void(const t[::1], t[::1], t[::1])")
def gelu(x: Array, y: Array, slope: Array) -> None:
    """Write ``x Phi(x)`` and its derivative ``Phi(x) + x phi(x)``."""
    bound = x.dtype.type(40)  # beyond, the density is 0, and the product must not be NaN
    for i in range(x.size):
        v = x[i]
        below, density = normal(v)
        y[i] = v * below
        slope[i] = below + min(max(v, -bound), bound) * density


@loops("void(t[:, ::1], const t[::1], t[:, ::1])")
def add_bias_gelu(y: Array, bias: Array, slope: Array) -> None:
    """Do ``y = gelu(y + bias)``, and write the derivative of GELU there."""
    bound = y.dtype.type(40)
    for i in range(y.shape[0]):
        row, slopes = y[i], slope[i]
        for j in range(bias.size):
            v = row[j] + bias[j]
            below, density = normal(v)
            row[j] = v * below
            slopes[j] = below + min(max(v, -bound), bound) * density


@loops("void(const t[:, ::1], const t[:, ::1], t[:, ::1], t[::1])")
def slope_backward(dout: Array, slope: Array, dx: Array, dbias: Array) -> None:
    """Do ``dx = dout * slope`` and ``dbias = dx.sum(axis=0)``."""
    dbias[:] = 0
    for i in range(dout.shape[0]):
        of_dout, of_slope, row = dout[i], slope[i], dx[i]
        for j in range(dbias.size):
            d = of_dout[j] * of_slope[j]
            row[j] = d
            dbias[j] += d


@loops("void(const t[::1], t[::1], t[::1])")
def silu(x: Array, y: Array, slope: Array) -> None:
    """Write ``x s`` and its derivative ``s (1 + x (1 - s))``, for the sigmoid s of x."""
    one = x.dtype.type(1)
    for i in range(x.size):
        v = x[i]
        s = sigmoid(v)
        y[i] = v * s
        slope[i] = s * (one + v * (one - s))


@loops("void(const t[::1], t[::1], t[::1])")
def mish(x: Array, y: Array, slope: Array) -> None:
    """Write ``x t`` and its derivative ``t + x (1 - t^2) s``, for t = tanh(softplus(x)).

    s is the sigmoid of x. With u = 1 + exp(x), t = tanh(log(u)) = (u^2 - 1) / (u^2 + 1), divided by
    exp(2 x) above and below where x > 0.
    """
    one, two = x.dtype.type(1), x.dtype.type(2)
    for i in range(x.size):
        v = x[i]
        e = exp(-abs(v))
        above, rest = (one + two * e, two * e * e) if v > 0 else (e * (e + two), two)
        t = above / (above + rest)
        y[i] = v * t
        slope[i] = t + v * (one - t * t) * sigmoid(v)


@loops("void(const t[::1], t[::1], t[::1])")
def hardswish(x: Array, y: Array, slope: Array) -> None:
    """Write ``x h``, with h = (x + 3) / 6 between 0 and 1, and its derivative."""
    zero, half, one, three, six = x.dtype.type(0), x.dtype.type(0.5), x.dtype.type(1), x.dtype.type(3), x.dtype.type(6)
    for i in range(x.size):
        v = x[i]
        y[i] = v * (min(max(v + three, zero), six) / six)
        slope[i] = v / three + half if -three < v < three else one if v >= three else zero


@loops("void(const t[::1], t[::1])")
def write_sigmoid(x: Array, y: Array) -> None:
    """Write the sigmoid of x."""
    for i in range(x.size):
        y[i] = sigmoid(x[i])


@loops("void(const t[::1], const t[::1], t[::1])")
def sigmoid_backward(dout: Array, y: Array, dx: Array) -> None:
    """Write ``dout * y * (1 - y)``."""
    one = y.dtype.type(1)
    for i in range(y.size):
        dx[i] = dout[i] * y[i] * (one - y[i])
