"""The normal distribution, which NumPy lacks and GELU needs."""

from __future__ import annotations

import math

import numpy as np

from .arrays import Array

SINGLE = (
    -0.00011551300699721946, 0.00021237963387432223, 0.00157815597725766, -0.0035300082831101957,
    -0.007532774275992886, 0.06040685434289347, -0.18652216971155822, 0.3871367072974834,
    -0.6078966367716766, 0.7552851378322625,
)  # fmt: skip
DOUBLE = (
    2.691486241814806e-09, 4.847414257370523e-11, -3.782240651131479e-08, 1.2847171991255344e-08,
    3.048996311467729e-07, -4.358491604438601e-07, -1.7966765368952828e-06, 6.800568462804758e-06,
    1.0746496241689342e-06, -6.475370688780645e-05, 0.00018136057314521996, 3.287045114043465e-05,
    -0.002131605218340223, 0.010029820573373096, -0.030985315508706215, 0.07517191567501294,
    -0.15268023206432219, 0.2679742458413737, -0.4139035857755974, 0.5689688918147888,
    -0.7010090295908655, 0.7773517718933621,
)  # fmt: skip
"""Polynomials in t, highest power first, for float32 and float64."""

BLOCK = 32768
"""The number of elements processed at a time: few enough that their arrays stay in the cache."""


def normal(x: Array) -> tuple[Array, Array]:
    """Return the distribution function Φ(x) and the density φ(x), with small relative errors.

    x must lie between -40 and 40. Beyond, φ is 0, and Φ is 0 or 1, in every floating-point type.

    With a = |x|, Φ(-a) = exp(-a² / 2) p(t) / (a + c), where t = (a - c) / (a + c) lies between -1
    and 1. The polynomial p interpolates at Chebyshev nodes: with c = 4 and degree 9 it is exact to
    2⁻²⁶, with c = 6 and degree 21 to 2⁻⁵⁵.

    Examples
    --------
    >>> below, density = normal(np.array([0.0, 1.0]))
    >>> below.round(4), density.round(4)
    (array([0.5   , 0.8413]), array([0.3989, 0.242 ]))
    """
    wide = np.ascontiguousarray(x if x.itemsize > 2 else x.astype(np.float32))
    below, density = np.empty_like(wide), np.empty_like(wide)
    flat = [each.reshape(-1) for each in (wide, below, density)]
    for start in range(0, wide.size, BLOCK):
        _write_block(*(each[start : start + BLOCK] for each in flat))
    return below.astype(x.dtype, copy=False).reshape(x.shape), density.astype(x.dtype, copy=False).reshape(x.shape)


def _write_block(x: Array, below: Array, density: Array) -> None:
    coefficients, c, digits = (SINGLE, 4, 128) if x.itemsize == 4 else (DOUBLE, 6, 65536)
    a = np.abs(x)
    _exp_of_half_square(a, digits, density)
    shifted = a + c
    a -= c
    t = np.divide(a, shifted, out=a)
    p = t * coefficients[0]
    for coefficient in coefficients[1:-1]:
        p += coefficient
        p *= t
    p += coefficients[-1]
    p *= density
    p /= shifted
    np.multiply(p, -2, out=below)  # p, and 1 − p where x > 0: `where` is slow for random signs
    below += 1
    below *= np.greater(x, 0, out=t)
    below += p
    density *= 1 / math.sqrt(2 * math.pi)


def _exp_of_half_square(a: Array, digits: int, out: Array) -> None:
    """Write exp(-a² / 2). a² is split into an exact part and a small rest to keep all digits."""
    coarse = a * digits
    np.rint(coarse, out=coarse)
    coarse *= 1 / digits
    rest = a - coarse
    rest *= a + coarse
    rest *= -0.5
    coarse *= coarse
    coarse *= -0.5
    np.exp(coarse, out=out)
    out *= np.exp(rest, out=rest)
