"""Conversion of models to and from PyTorch (extra ``torch``)."""

from .opening import convert as convert
from .opening import module as module
from .state import load_state_dict as load_state_dict
from .state import state_dict as state_dict
