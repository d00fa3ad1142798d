"""What needs no differences: what a layer may not do, and what must repeat, add up, and stay as it was."""

from .comparing import random_douts, same
from .linearity import adds_up, is_linear
from .ownership import backward_leaves_alone, forward_leaves_alone, says_who_owns, says_who_reads
from .repetition import belongs_to_the_last_forward, repeats
from .rows import Rows, row_by_row
from .types import types_are_kept

__all__ = [
    "Rows",
    "adds_up",
    "backward_leaves_alone",
    "belongs_to_the_last_forward",
    "forward_leaves_alone",
    "is_linear",
    "random_douts",
    "repeats",
    "row_by_row",
    "same",
    "says_who_owns",
    "says_who_reads",
    "types_are_kept",
]
