"""Standard JSON only: unique keys, finite numbers, and no deep nesting."""

from __future__ import annotations

import json
from collections import Counter
from math import isfinite
from typing import Any, NoReturn

from ..errors import FormatError

MAX_DIGITS = 100
"""The most digits of a number; the state of a random generator has 39."""
MAX_DEPTH = 200
"""How deeply lists and dicts may be nested; the description of a model needs about half of it."""


def read_json(text: str, where: str) -> Any:
    """Return the values of a JSON text, or raise if it is not valid.

    Examples
    --------
    >>> read_json('{"a": [1, 2.5, null]}', "header")
    {'a': [1, 2.5, None]}
    """
    try:
        value = json.loads(text, object_pairs_hook=_as_dict, parse_constant=_refuse, parse_float=_as_float, parse_int=_as_int)
    except json.JSONDecodeError as error:
        raise FormatError(f"character {error.pos} of the JSON text: {error.msg}", where=where) from None
    except RecursionError:
        raise FormatError("the JSON text is nested too deeply", where=where) from None
    except ValueError as error:
        raise FormatError(f"the JSON text {error}", where=where) from None
    _require_shallow(value, where)
    return value


def _require_shallow(value: Any, where: str) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        parts = (each.values() if type(each) is dict else each for each in level if type(each) in (dict, list))
        level = [inner for each in parts for inner in each if type(inner) in (dict, list)]
        if not level:
            return
    raise FormatError(f"the JSON text is nested more than {MAX_DEPTH} times", where=where)


def write_json(values: Any) -> str:
    """Return the JSON text of `values`, which are strings, finite numbers, lists and dicts."""
    return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _as_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
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
