"""The rules that name a mistake from your gradient, the measured one, and what both are made of: a file for each family of mistakes."""

from .contract import read_contract
from .naming import name_the_mistake
from .rows import look_at_rows

__all__ = ["look_at_rows", "name_the_mistake", "read_contract"]
