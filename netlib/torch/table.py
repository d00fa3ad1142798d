"""The table of correspondences: every class of layers that has a counterpart in PyTorch."""

from __future__ import annotations

from ..layer import Layer
from .activations import ACTIVATIONS, DROPOUT
from .attention import ATTENTION
from .counterpart import Counterpart
from .images import IMAGES
from .linear import LINEAR
from .losses import LOSSES
from .normalization import NORMALIZATION
from .recurrent import RECURRENT

TABLE: tuple[Counterpart, ...] = (*LINEAR, *IMAGES, *NORMALIZATION, *RECURRENT, *ATTENTION, *ACTIVATIONS, *DROPOUT, *LOSSES)


def counterpart_of(layer: Layer) -> Counterpart | None:
    """Return the counterpart of a layer, or of the class it derives from; None if there is none."""
    for kind in type(layer).__mro__:
        for each in TABLE:
            if each.layer is kind and each.fits(layer):
                return each
    return None
