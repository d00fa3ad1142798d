"""Neural networks of explicit layers, with a backward pass that can be read, checked and drawn.

The stub `__init__.pyi` is the list of public names, one per line. Type checkers and editors read
it, and so does this module, which imports each name when it is first used, so that
``import netlib`` is fast. Layers and losses are listed in `layers/__init__.py` and
`losses/__init__.py`.

Examples
--------
>>> import netlib as nl
>>> model = nl.Sequential(nl.Affine(64, 128, rng=0), nl.ReLU(), nl.Affine(128, 10, rng=1))
>>> model.forward([[0.0] * 64] * 5).shape
(5, 10)
"""

from importlib import import_module
from os import environ
from typing import Any

__version__ = "1.0.0"

_HOMES: dict[str, str] = {}  # the module that each name comes from
_LISTS: list[str] = []  # the modules that list their names themselves
_MODULES: list[str] = []
with open(f"{__file__}i", encoding="utf-8") as _stub:
    for _line in _stub:
        match _line.split():
            case ["from", ".", "import", _name, *_]:
                _MODULES.append(_name)
            case ["from", _home, "import", "*", *_]:
                _LISTS.append(_home)
            case ["from", _home, "import", _name, *_]:
                _HOMES[_name] = _home


def _layers_and_losses() -> dict[str, type]:
    """Return every layer and every loss by its name."""
    lists = [vars(import_module(module, __name__)) for module in _LISTS]
    return {name: item for names in lists for name, item in names.items() if isinstance(item, type)}


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return [*_HOMES, *_layers_and_losses(), "data"]
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name], __name__), name)
    elif name.startswith("_") or name not in (listed := _layers_and_losses()):
        raise AttributeError(f"module 'netlib' has no attribute {name!r}")
    else:
        value = listed[name]
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_layers_and_losses(), *_MODULES, "__all__"})


if not environ.keys().isdisjoint(("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")):  # started by mpiexec or srun
    import_module(".job", __name__).end_job_on_error()
