"""exp, tanh, sigmoid and the normal distribution for compiled loops that LLVM vectorises.

The functions of the C library work on one number at a time. These take the same few operations for
every number: x = k log 2 + r with a whole number k and |r| ≤ log(2) / 2, so exp(x) = 2^k exp(r),
where exp(r) is a polynomial and 2^k is k in the exponent's bits. They are accurate to two units in
the last place. Exponentials too small for full precision count as zeros: results below 1e-37
(float32) or 1e-307 (float64). Results above 2e38 or 8e307 count as infinite.

Each function is a pair for the two compiled types, and in Python NumPy's.
"""

from __future__ import annotations

import math
from math import factorial
from typing import Any

import numpy as np

from ..normal import DOUBLE, SINGLE
from .kernel import helper_by_type, helper_in_order

F4, F8 = np.float32, np.float64

LOG2_HIGH, LOG2_LOW = 0.693145751953125, 1.42860682030941723212e-6
"""log(2) in two parts. The first has so few digits that its product with k is exact."""
C = tuple(1 / factorial(n) for n in range(14))


@helper_in_order
def exp_of_rest_float32(r: np.float32) -> np.float32:
    """Return exp(r) - 1, for |r| ≤ log(2) / 2."""
    p = F4(1 / 5040)
    p = p * r + F4(1 / 720)
    p = p * r + F4(1 / 120)
    p = p * r + F4(1 / 24)
    p = p * r + F4(1 / 6)
    p = p * r + F4(0.5)
    return p * r * r + r


@helper_in_order
def exp_of_rest_float64(r: float) -> float:
    """Return exp(r) - 1, for |r| ≤ log(2) / 2."""
    p = C[13]
    p = p * r + C[12]
    p = p * r + C[11]
    p = p * r + C[10]
    p = p * r + C[9]
    p = p * r + C[8]
    p = p * r + C[7]
    p = p * r + C[6]
    p = p * r + C[5]
    p = p * r + C[4]
    p = p * r + C[3]
    p = p * r + 0.5
    return p * r * r + r


@helper_in_order
def power_of_two_float32(k: np.float32) -> np.float32:
    """Return 2^k for a whole number k."""
    bits = np.float32(k + F4(12582912)).view(np.int32)  # 1.5 * 2^23, so that the last bits are k
    return np.int32((bits + 127) << 23).view(np.float32)


@helper_in_order
def power_of_two_float64(k: float) -> float:
    """Return 2^k for a whole number k."""
    bits = np.float64(k + 6755399441055744.0).view(np.int64)  # 1.5 * 2^52, so that the last bits are k
    return np.int64((bits + 1023) << 52).view(np.float64)


@helper_in_order
def exponent_float32(x: np.float32) -> tuple[np.float32, np.float32]:
    """Return exp(r) - 1 and 2^k."""
    k = np.floor(x * F4(1.4426950408889634) + F4(0.5))
    r = (x - k * F4(0.693359375)) + k * F4(2.12194440e-4)
    return exp_of_rest_float32(r), power_of_two_float32(k)


@helper_in_order
def exponent_float64(x: float) -> tuple[float, float]:
    """Return exp(r) - 1 and 2^k."""
    k = np.floor(x * 1.4426950408889634 + 0.5)
    r = (x - k * LOG2_HIGH) - k * LOG2_LOW
    return exp_of_rest_float64(r), power_of_two_float64(k)


@helper_in_order
def exp_float32(x: np.float32) -> np.float32:
    """Return exp(x)."""
    q, two_k = exponent_float32(x)
    y = q * two_k + two_k
    return F4(0) if x < F4(-87) else F4(np.inf) if x > F4(88.37) else y  # beyond, there is no such two_k


@helper_in_order
def exp_float64(x: float) -> float:
    """Return exp(x)."""
    q, two_k = exponent_float64(x)
    y = q * two_k + two_k
    return 0.0 if x < -708.0 else np.inf if x > 709.0 else y


@helper_by_type(float32=exp_float32, float64=exp_float64)
def exp(x: Any) -> Any:
    """Return exp(x)."""
    return np.exp(x)


@helper_in_order
def tanh_float32(x: np.float32) -> np.float32:
    """Return tanh(x) = (exp(2x) - 1) / (exp(2x) + 1)."""
    x = min(max(x, F4(-9.1)), F4(9.1))
    q, two_k = exponent_float32(x + x)
    e = q * two_k + (two_k - F4(1))
    return e / (e + F4(2))


@helper_in_order
def tanh_float64(x: float) -> float:
    """Return tanh(x) = (exp(2x) - 1) / (exp(2x) + 1)."""
    x = min(max(x, -19.1), 19.1)
    q, two_k = exponent_float64(x + x)
    e = q * two_k + (two_k - 1.0)
    return e / (e + 2.0)


@helper_by_type(float32=tanh_float32, float64=tanh_float64)
def tanh(x: Any) -> Any:
    """Return tanh(x)."""
    return np.tanh(x)


@helper_in_order
def sigmoid_float32(x: np.float32) -> np.float32:
    """Return 1 / (1 + exp(-x))."""
    return F4(1) / (F4(1) + exp_float32(-x))


@helper_in_order
def sigmoid_float64(x: float) -> float:
    """Return 1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + exp_float64(-x))


@helper_by_type(float32=sigmoid_float32, float64=sigmoid_float64)
def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


@helper_in_order
def normal_float32(x: np.float32) -> tuple[np.float32, np.float32]:
    """Return Phi(x) and phi(x)."""
    size = abs(x)
    a = min(size, F4(13))
    coarse = np.floor(a * F4(128) + F4(0.5)) * F4(1 / 128)  # few digits, so that its square is exact
    whole, rest = coarse * coarse * F4(-0.5), (a - coarse) * (a + coarse) * F4(-0.5)
    k = np.floor(whole * F4(1.4426950408889634) + F4(0.5))
    r = ((whole - k * F4(0.693359375)) + k * F4(2.12194440e-4)) + rest
    two_k = power_of_two_float32(k)
    e = exp_of_rest_float32(r) * two_k + two_k
    e = F4(0) if size > F4(13) else e
    t = (a - F4(4)) / (a + F4(4))
    p = F4(SINGLE[0])
    p = p * t + F4(SINGLE[1])
    p = p * t + F4(SINGLE[2])
    p = p * t + F4(SINGLE[3])
    p = p * t + F4(SINGLE[4])
    p = p * t + F4(SINGLE[5])
    p = p * t + F4(SINGLE[6])
    p = p * t + F4(SINGLE[7])
    p = p * t + F4(SINGLE[8])
    p = p * t + F4(SINGLE[9])
    tail = e * p / (a + F4(4))
    return F4(1) - tail if x > F4(0) else tail, e * F4(0.3989422804014327)


@helper_in_order
def normal_float64(x: float) -> tuple[float, float]:
    """Return Phi(x) and phi(x)."""
    size = abs(x)
    a = min(size, 37.5)
    coarse = np.floor(a * 65536.0 + 0.5) * (1 / 65536)
    whole, rest = coarse * coarse * -0.5, (a - coarse) * (a + coarse) * -0.5
    k = np.floor(whole * 1.4426950408889634 + 0.5)
    r = ((whole - k * LOG2_HIGH) - k * LOG2_LOW) + rest
    two_k = power_of_two_float64(k)
    e = exp_of_rest_float64(r) * two_k + two_k
    e = 0.0 if size > 37.5 else e
    t = (a - 6.0) / (a + 6.0)
    p = DOUBLE[0]
    p = p * t + DOUBLE[1]
    p = p * t + DOUBLE[2]
    p = p * t + DOUBLE[3]
    p = p * t + DOUBLE[4]
    p = p * t + DOUBLE[5]
    p = p * t + DOUBLE[6]
    p = p * t + DOUBLE[7]
    p = p * t + DOUBLE[8]
    p = p * t + DOUBLE[9]
    p = p * t + DOUBLE[10]
    p = p * t + DOUBLE[11]
    p = p * t + DOUBLE[12]
    p = p * t + DOUBLE[13]
    p = p * t + DOUBLE[14]
    p = p * t + DOUBLE[15]
    p = p * t + DOUBLE[16]
    p = p * t + DOUBLE[17]
    p = p * t + DOUBLE[18]
    p = p * t + DOUBLE[19]
    p = p * t + DOUBLE[20]
    p = p * t + DOUBLE[21]
    tail = e * p / (a + 6.0)
    return 1.0 - tail if x > 0.0 else tail, e * 0.3989422804014327


@helper_by_type(float32=normal_float32, float64=normal_float64)
def normal(x: Any) -> Any:
    """Return the normal distribution function Phi(x) and its density phi(x).

    The operations are those of `netlib.normal`, which derives them, on one number.
    """
    x = float(x)
    return math.erfc(-x * math.sqrt(0.5)) / 2, math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
