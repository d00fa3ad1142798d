"""Derivatives looked at from outside, through the public contract of layers alone."""

from .check import check_gradients
from .jacobian import jacobian
from .report import Finding, GradientReport, Note

__all__ = ["Finding", "GradientReport", "Note", "check_gradients", "jacobian"]
