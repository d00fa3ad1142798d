"""Files that netlib writes."""

from .writing import write_file as write_file
