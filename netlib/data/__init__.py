"""Data to learn from: digits that come with the package, toy sets, readers for one's own files, splits and minibatches."""

from .batches import batches
from .csv import read_csv
from .digits import digits
from .idx import read_idx
from .split import train_test_split
from .toys import blobs, circles, linear, moons, sine, spirals, xor

__all__ = [
    "batches",
    "blobs",
    "circles",
    "digits",
    "linear",
    "moons",
    "read_csv",
    "read_idx",
    "sine",
    "spirals",
    "train_test_split",
    "xor",
]
