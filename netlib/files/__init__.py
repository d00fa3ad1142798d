"""Files that netlib writes."""

from .writing import write_file

__all__ = ["write_file"]
