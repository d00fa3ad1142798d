"""The Jacobian of a layer, from its backward."""

from .jacobian import jacobian

__all__ = ["jacobian"]
