"""Arrays for readers: small ones in full, large ones as a range and a heat map or images."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

from ..arrays import Array

MOST_ROWS, MOST_COLUMNS, MOST_DECIMALS = 6, 6, 4
HEAT_SIZE = 24
TILE, GAP, MOST_PER_ROW, MOST_TILES = 32, 2, 8, 24  # pixels, pixels and images


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
    if is_images(array) and array.shape[0] * array.shape[1] > MOST_TILES:
        note.append(f"{MOST_TILES} of {array.shape[0] * array.shape[1]} images")
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
    means = _means_of_blocks(np.nan_to_num(as_matrix(array).astype(np.float64), posinf=0.0, neginf=0.0), HEAT_SIZE)
    largest = np.abs(means).max(initial=0.0)
    return means / largest if largest else means


def _means_of_blocks(matrix: Array, most: int) -> Array:
    for axis in (0, 1):
        n = matrix.shape[axis]
        if n > most:
            begins = np.arange(most) * n // most
            counts = np.diff([*begins, n])
            matrix = np.add.reduceat(matrix, begins, axis=axis) / (counts[:, np.newaxis] if axis == 0 else counts)
    return matrix


def is_images(array: Array) -> bool:
    """Return whether `array` is drawn as images: (N, C, H, W), or kernels.

    >>> is_images(np.ones((2, 1, 8, 8))), is_images(np.ones((8, 8)))
    (True, False)
    """
    return array.ndim == 4 and array.size > 0


def mosaic(array: Array) -> Array:
    """Return the first images of `array` side by side, pixel by pixel, with NaN between them.

    A row has the channels of a sample, or several samples with one channel.

    >>> mosaic(np.ones((1, 2, 8, 8))).shape, mosaic(np.ones((16, 1, 3, 3))).shape
    ((32, 66), (62, 254))
    """
    n, c, h, w = array.shape
    tiles = [_means_of_blocks(image, TILE) for image in array.reshape(-1, h, w)[:MOST_TILES].astype(np.float64)]
    per_row, scale = min(c if c > 1 else n, MOST_PER_ROW), TILE // max(tiles[0].shape)
    height, width = (scale * length for length in tiles[0].shape)
    n_rows = -(-len(tiles) // per_row)
    pixels = np.full((n_rows * (height + GAP) - GAP, per_row * (width + GAP) - GAP), np.nan)
    for i, tile in enumerate(tiles):
        top, left = i // per_row * (height + GAP), i % per_row * (width + GAP)
        pixels[top : top + height, left : left + width] = np.kron(tile, np.ones((scale, scale)))
    return np.where(np.isfinite(pixels), pixels, np.nan)


def grey_image(array: Array) -> str:
    """Return images as PNG in a data URL: the smallest number is black, the largest white.

    >>> grey_image(np.ones((1, 1, 8, 8)))[:22]
    'data:image/png;base64,'
    """
    shades = mosaic(array)
    is_known = ~np.isnan(shades)
    low, high = (f(shades[is_known], initial=0.0) if is_known.any() else 0.0 for f in (np.min, np.max))
    pixels = np.zeros((*shades.shape, 4), np.uint8)
    pixels[is_known, :3] = np.round((shades[is_known, np.newaxis] - low) / ((high - low) or 1.0) * 255)
    pixels[is_known, 3] = 255
    return _png(pixels)


def heat_image(array: Array) -> str:
    """Return a heat map as PNG in a data URL: blue is positive, orange negative, 0 transparent.

    >>> heat_image(np.ones((100, 100)))[:22]
    'data:image/png;base64,'
    """
    shades = heat(array)
    if is_images(array):
        shades = np.nan_to_num(mosaic(array))
        shades = shades / (np.abs(shades).max() or 1.0)
    pixels = np.empty((*shades.shape, 4), np.uint8)
    pixels[..., :3] = np.where(shades[..., np.newaxis] > 0, (23, 116, 190), (224, 122, 31))
    pixels[..., 3] = np.round(np.abs(shades) * 255)
    return _png(pixels)


def _png(pixels: Array) -> str:
    """Return RGBA `pixels` as PNG in a data URL."""
    height, width = pixels.shape[:2]
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines, 6)) + _chunk(b"IEND", b"")
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
