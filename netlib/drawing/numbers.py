"""Arrays for readers: small ones in full, large ones as a range and a heat map."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

from ..arrays import Array

MOST_ROWS, MOST_COLUMNS, MOST_DECIMALS = 6, 6, 4
HEAT_SIZE = 24


def is_small(array: Array) -> bool:
    """Return whether `array` is shown in full.

    >>> is_small(np.ones((3, 4))), is_small(np.ones(100)), is_small(np.ones((2, 2, 2)))
    (True, False, False)
    """
    rows, columns = as_matrix(array).shape
    return array.ndim <= 2 and 0 < rows <= MOST_ROWS and 0 < columns <= MOST_COLUMNS


def as_matrix(array: Array) -> Array:
    """Return `array` as a matrix: a scalar as 1×1, a vector as a row, leading axes merged."""
    if array.ndim < 2:
        return array.reshape(1, -1)
    return array.reshape(-1, array.shape[-1]) if array.shape[-1] else array.reshape(1, 0)


def rows(array: Array) -> list[str]:
    """Return the rows of a small array as text, aligned at the decimal point.

    >>> rows(np.array([[1.5, -20.0], [0.25, 3.0]]))
    ['1.50  -20', '0.25    3']
    >>> rows(np.array(1e-9)), rows(np.array([np.nan, 2.0]))
    (['1.000e-09'], ['nan  2'])
    """
    matrix = as_matrix(array)
    columns = [_column(matrix[:, j], array) for j in range(matrix.shape[1])]
    return ["  ".join(row) for row in zip(*columns, strict=True)]


def number(x: float, digits: int = 4) -> str:
    """Return a single number as short text.

    >>> number(0.5), number(-1234567.0), number(1 / 3), number(-0.0)
    ('0.5', '-1.235e+06', '0.3333', '0')
    """
    return f"{x + 0.0:.{digits}g}"


def summary(array: Array) -> list[str]:
    """Return the range of a large array as text.

    >>> summary(np.arange(100.0))
    ['0 … 49.5 … 99']
    >>> summary(np.array([np.inf] + [0.0] * 99)), summary(np.ones((0, 4)))
    (['0 … 0 … 0', '1 of 100 not finite'], ['empty'])
    """
    if array.size == 0:
        return ["empty"]
    n_nonfinite = array.size - np.isfinite(array).sum()
    note = [f"{n_nonfinite} of {array.size} not finite"] if n_nonfinite else []
    if n_nonfinite == array.size:
        return note
    return [" … ".join(map(number, range_of(array))), *note]


def range_of(array: Array) -> tuple[float, float, float]:
    """Return minimum, mean and maximum of the finite numbers; a mean of rounding errors is 0.

    >>> range_of(np.array([0.1, 0.2, -0.3]))
    (-0.3, 0.0, 0.2)
    """
    finite = array[np.isfinite(array)]
    low, mean, high = float(finite.min()), float(finite.mean(dtype=np.float64)), float(finite.max())
    rounding = np.finfo(array.dtype).eps if array.dtype.kind == "f" else 0.0
    return low, mean if abs(mean) > rounding * max(-low, high) else 0.0, high


def heat(array: Array) -> Array:
    """Return the means of at most 24×24 blocks, divided by the largest magnitude: from -1 to 1.

    >>> heat(np.array([[0.0, 2.0], [-4.0, 1.0]]))
    array([[ 0.  ,  0.5 ],
           [-1.  ,  0.25]])
    """
    matrix = np.nan_to_num(as_matrix(array).astype(np.float64), posinf=0.0, neginf=0.0)
    for axis in (0, 1):
        n = matrix.shape[axis]
        if n > HEAT_SIZE:
            begins = np.arange(HEAT_SIZE) * n // HEAT_SIZE
            counts = np.diff([*begins, n])
            matrix = np.add.reduceat(matrix, begins, axis=axis) / (counts[:, np.newaxis] if axis == 0 else counts)
    largest = np.abs(matrix).max(initial=0.0)
    return matrix / largest if largest else matrix


def heat_image(array: Array) -> str:
    """Return the heat map as PNG in a data URL: blue is positive, orange negative, 0 transparent.

    >>> heat_image(np.ones((100, 100)))[:22]
    'data:image/png;base64,'
    """
    shades = heat(array)
    pixels = np.empty((*shades.shape, 4), np.uint8)
    pixels[..., :3] = np.where(shades[..., np.newaxis] > 0, (23, 116, 190), (224, 122, 31))
    pixels[..., 3] = np.round(np.abs(shades) * 255)
    height, width = shades.shape
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines, 9)) + _chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _column(column: Array, array: Array) -> list[str]:
    texts = _texts(column, array)
    width = max(map(len, texts))
    return [text.rjust(width) for text in texts]


def _texts(column: Array, array: Array) -> list[str]:
    """Return a column as text with the decimals it needs; in powers of ten where necessary."""
    if array.dtype.kind in "iub":
        return [str(int(x)) for x in column]
    column = column.astype(np.float64)  # np.round multiplies by 10⁴, which overflows in float16
    finite = np.abs(array[np.isfinite(array)])
    largest = float(finite.max(initial=0.0))
    if largest >= 1e6 or 0 < largest < 10.0 ** -(MOST_DECIMALS - 1):
        return [f"{x + 0.0:.3e}" for x in column]
    needed = [
        d
        for d in range(MOST_DECIMALS + 1)
        if np.allclose(np.round(column, d), column, rtol=0, atol=5e-8 * max(largest, 1e-6), equal_nan=True)
    ]
    decimals = needed[0] if needed else MOST_DECIMALS
    return [f"{round(float(x), decimals) + 0.0:.{decimals}f}" for x in column]
