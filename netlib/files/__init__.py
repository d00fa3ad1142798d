"""Files: models, states, and how they are written."""

from .model import load as load
from .model import save as save
from .state import load_state as load_state
from .state import save_state as save_state
from .writing import write_file as write_file
