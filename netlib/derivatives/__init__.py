"""Derivatives looked at from outside, through the public contract of layers alone."""

from .jacobian import jacobian

__all__ = ["jacobian"]
