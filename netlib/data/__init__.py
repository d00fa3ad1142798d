"""Data sets, toy problems, readers for CSV and IDX files, train-test splits, and mini-batches."""

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
