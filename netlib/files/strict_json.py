"""JSON as the standard has it: each key once, finite numbers, and no deep nesting."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any, NoReturn

from ..errors import FormatError

MAX_DIGITS = 100
"""The most digits of a number; the state of a random generator has 39."""


def read_json(text: str, where: str) -> Any:
    """Return the values of a JSON text, or raise if it is not valid.

    Examples
    --------
    >>> read_json('{"a": [1, 2.5, null]}', "header")
    {'a': [1, 2.5, None]}
    """
    try:
        return json.loads(text, object_pairs_hook=_as_dict, parse_constant=_refuse, parse_float=_as_float, parse_int=_as_int)
    except json.JSONDecodeError as error:
        raise FormatError(f"character {error.pos} of the JSON text: {error.msg}", where=where) from None
    except RecursionError:
        raise FormatError("the JSON text is nested too deeply", where=where) from None
    except ValueError as error:
        raise FormatError(f"the JSON text {error}", where=where) from None


def write_json(values: Any) -> str:
    """Return the JSON text of `values`, which are strings, finite numbers, lists and dicts."""
    return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _as_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"has the key {twice!r} twice")
    return result


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"has the number {constant}, which is not JSON")


def _as_float(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise ValueError(f"has the number {digits[:20]}, which is too large")
    return number


def _as_int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"has a number of {len(digits)} digits")
    return int(digits)
