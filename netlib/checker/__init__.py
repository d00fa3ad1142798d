"""The gradient check, behind `netlib.check_gradients`."""

from .check import check_gradients
from .report import Finding, GradientReport, Note

__all__ = ["Finding", "GradientReport", "Note", "check_gradients"]
