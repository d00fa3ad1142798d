"""Folders of images, through the extra `images`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Array, as_count
from ..errors import FormatError, MissingError, ShapeError, not_installed
from .path import Path, as_path

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".pgm", ".tif", ".tiff", ".webp")


def read_images(path: Path, size: int | tuple[int, int] | None = None, grey: bool = False) -> tuple[Array, Array, list[str]]:
    """Read the images of a folder that contains one folder for each class.

    Parameters
    ----------
    path : str or path
        The folder, with a folder for each class, such as ``cats/1.jpg`` and ``dogs/2.jpg``. Names
        that begin with a dot are left out, and so are files without the suffix of an image.
    size : int or (height, width), optional
        Scale every image to fill this size, and crop the longer side equally at both ends.
        Necessary if the images differ in size.
    grey : bool
        Whether to read one channel of grey instead of red, green and blue.

    Returns
    -------
    x : float32 array (N, 3, H, W), or (N, 1, H, W)
        The images from 0 (black) to 1 (white), upright according to their EXIF data, sorted by
        class, and by name within a class. Transparent pixels get the colour stored in the file.
    t : int64 array (N,)
        The number of each image's class.
    classes : list of str
        The names of the classes: the folders in alphabetical order.

    Raises
    ------
    MissingError
        If Pillow is not installed, or there is no image.
    ShapeError
        If the images differ in size, and `size` is not given.
    FormatError
        If a file is not an image, or is damaged.
    OSError
        If the folder or a file cannot be opened.

    Examples
    --------
    >>> import netlib as nl, tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name, colour in [("day", "white"), ("night", "black")]:
    ...         (Path(folder) / name).mkdir()
    ...         Image.new("RGB", (4, 2), colour).save(Path(folder) / name / "1.png")
    ...     x, t, classes = nl.data.read_images(folder)
    >>> x.shape, x[:, 0, 0, 0], t, classes
    ((2, 3, 2, 4), array([1., 0.], dtype=float32), array([0, 1]), ['day', 'night'])
    """
    where = "data.read_images"
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise not_installed("Pillow", "images", where) from None
    folder = as_path(path, where)
    height_and_width = None if size is None else _as_size(size, where)
    classes = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
    files = [(os.path.join(folder, name, file), i) for i, name in enumerate(classes) for file in _image_files(os.path.join(folder, name))]
    if not files:
        hint = f"Put the images of each class into a folder: {os.path.join(folder, 'cats', '1.jpg')}."
        raise MissingError(f"there is no image in a folder of {folder!r}", where=where, hint=hint)
    x: Array | None = None
    for i, (file, _) in enumerate(files):
        try:
            with Image.open(file) as opened:
                image: Image.Image = ImageOps.exif_transpose(opened).convert("L" if grey else "RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            if isinstance(error, FileNotFoundError | PermissionError):
                raise
            raise FormatError(f"{file}: this is no image that can be read ({error})", where=where) from error
        if height_and_width is not None:
            image = ImageOps.fit(image, height_and_width[::-1], Image.Resampling.BILINEAR)
        pixels = np.asarray(image, np.float32) / 255
        pixels = pixels[np.newaxis] if grey else np.moveaxis(pixels, -1, 0)
        if x is None:
            x = np.empty((len(files), *pixels.shape), np.float32)
        if pixels.shape != x.shape[1:]:
            hint = "Pass a size to which all are scaled: size=(64, 64)."
            message = f"{file} has {_describe(pixels.shape)}, and {files[0][0]} {_describe(x.shape[1:])}"
            raise ShapeError(message, where=where, hint=hint)
        x[i] = pixels
    assert x is not None
    return x, np.array([number for _, number in files], np.int64), classes


def _as_size(size: Any, where: str) -> tuple[int, int]:
    pair = size if isinstance(size, tuple | list) and len(size) == 2 else (size, size)
    height, width = (as_count(each, "size", where, least=1) for each in pair)
    return height, width


def _image_files(folder: str) -> list[str]:
    """Return the names of the images in a folder, in alphabetical order."""
    names = (entry.name for entry in os.scandir(folder) if entry.is_file())
    return sorted(name for name in names if name.lower().endswith(SUFFIXES) and not name.startswith("."))


def _describe(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}×{shape[2]} pixels"
