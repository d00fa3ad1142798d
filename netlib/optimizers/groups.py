"""Groups of parameters with their own settings, selected by patterns of paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from ..arrays import as_number
from ..errors import InvalidTypeError, InvalidValueError
from .schedules import Rate, as_rate

Groups = Mapping[str, Mapping[str, Any]]
Settings = dict[str, float | Rate]


def as_groups(groups: Any, paths: Iterable[str], own: Mapping[str, Settings], where: str) -> dict[str, Settings]:
    """Return the settings by pattern, each pattern matching at least one of `paths`.

    A setting that is None, as a schedule is in a state, is taken from `own`.

    Examples
    --------
    >>> as_groups({"*.bias": {"weight_decay": 0}}, ["0.weight", "0.bias"], {}, "SGD")
    {'*.bias': {'weight_decay': 0.0}}
    """
    if not isinstance(groups, Mapping):
        raise InvalidTypeError(f"groups is {type(groups).__name__}, expected a dict of dicts by pattern", where=where)
    paths = list(paths)
    checked = {}
    for pattern, settings in groups.items():
        place = f"{where}, group {pattern!r}"
        if not isinstance(pattern, str) or not isinstance(settings, Mapping):
            raise InvalidTypeError(f"got {settings!r}, expected a dict such as {{'lr': 1e-4}} by a pattern", where=place)
        if not any(fnmatchcase(path, pattern) for path in paths):
            message = f"the pattern matches no parameter; the paths are {', '.join(paths)}"
            raise InvalidValueError(message, where=place, hint="A * matches any characters, dots too.")
        kept = own.get(pattern, {})
        checked[pattern] = {name: _as_setting(name, kept.get(name) if value is None else value, place) for name, value in settings.items()}
    return checked


def matching(groups: Mapping[str, Settings], path: str) -> tuple[str, ...]:
    """Return the patterns that match `path`.

    >>> matching({"*.bias": {}, "1.*": {}, "0.*": {}}, "0.bias")
    ('*.bias', '0.*')
    """
    return tuple(pattern for pattern in groups if fnmatchcase(path, pattern))


def _as_setting(name: object, value: Any, where: str) -> float | Rate:
    if name == "lr":
        return as_rate(value, where)
    if name == "weight_decay":
        return as_number(value, "weight_decay", where, least=0)
    raise InvalidValueError(f"got {name!r}, expected 'lr' or 'weight_decay'", where=where)
