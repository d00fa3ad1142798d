"""A set of layers written without knowledge of the checker's rules, and measured once before any
rule was changed for it: 238 broken and 189 correct ones, by subject."""

from importlib import import_module
from pathlib import Path

MODULES = [import_module(f"{__name__}.{path.stem}") for path in sorted(Path(__file__).parent.glob("[bc]*_*.py"))]
BROKEN = {name: entry for module in MODULES for name, entry in getattr(module, "BROKEN", {}).items()}
CORRECT = {name: make for module in MODULES for name, make in getattr(module, "CORRECT", {}).items()}
