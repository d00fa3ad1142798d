"""Losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..operator import Operator

OPERATORS: dict[str, Callable[[Operator], Any]] = {}
