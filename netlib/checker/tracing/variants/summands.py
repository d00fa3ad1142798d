"""Terms that are missing inside an operation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ....arrays import Array
from ...equality import fits_into
from ..internals import Site
from ..trace import Change, Operation, getitem
from .variant import Take, Variant, movement


def repeats(operation: Operation, k: int) -> Iterator[tuple[str, str, Take]]:
    """Yield an index whose repeated elements count once, as in ``dx[index] += dout``."""
    if operation.function is not getitem:
        return
    a, index = operation.operands[k], operation.args[1]
    source = getitem(np.arange(a.size).reshape(a.shape), index)
    last = np.zeros(a.size, int)
    last[source] = np.arange(source.size).reshape(source.shape)
    is_last = last[source] == np.arange(source.size).reshape(source.shape)
    if not is_last.all():
        yield (
            "not-accumulated",
            "takes each element once: of a repeated index only the last use counts",
            lambda v: np.asarray(getitem(v, index) * is_last),
        )


def windows(base: list[Operation], above: list[Operation]) -> Iterator[Variant]:
    """Yield overlapping windows whose elements count once, as in ``dx[t : t + 3] = d``."""
    runs: dict[tuple[Site, int], list[int]] = {}
    for n, operation in enumerate(base):
        for k, a in enumerate(operation.operands):
            if not np.array_equal(a, above[n].operands[k]):
                runs.setdefault((operation.site, k), []).append(n)
    for (_, k), numbers in runs.items():
        places = [_places(base[n], k) for n in numbers]
        if len({each.tobytes() for each in places}) < max(2, len(places)):
            continue
        every = np.concatenate([each.ravel() for each in places])
        is_last = np.zeros(every.size, bool)
        is_last[every.size - 1 - np.unique(every[::-1], return_index=True)[1]] = True
        if is_last.all():
            continue
        counts = np.split(is_last, np.cumsum([each.size for each in places])[:-1])
        changes = {n: _change_counts(base[n], k, each) for n, each in zip(numbers, counts, strict=True)}
        text = f"{base[numbers[0]].text} takes overlapping parts, and each element counts only the last time"
        yield Variant("not-accumulated", text, changes)


def _change_counts(operation: Operation, k: int, counts: Array) -> Change:
    """Return a change in which some elements of operand k do not move."""
    a = operation.operands[k]

    def result(now: list[Array]) -> Array:
        return operation.again([np.where(counts.reshape(a.shape), each, a) if i == k else each for i, each in enumerate(now)])

    return Change(result)


def _places(operation: Operation, k: int) -> Array:
    """Return the address of each element of an operand."""
    start, strides = operation.memory[k]
    shape = operation.operands[k].shape
    return np.asarray(start + sum(i * step for i, step in zip(np.indices(shape), strides, strict=True)) + np.zeros(shape, int))


def padding(operation: Operation, k: int) -> Iterator[tuple[str, str, Take]]:
    """Yield padding with copies of elements that get no gradient."""
    if operation.name == "pad" and operation.options.get("mode", "constant") != "constant":
        yield "missing-term", "has padding without a gradient", lambda v: movement(operation, k, v, mode="constant")


def terms(operation: Operation, k: int, base: list[Operation]) -> Iterator[tuple[str, str, Take]]:
    """Yield an operation whose other operands are sums that lack a term."""
    operands = operation.operands
    for j, other in enumerate(operands):
        made = next((each for each in base if each.name in ("add", "subtract") and _is(each.result, other)), None)
        for i, part in enumerate(made.operands if made is not None and j != k else ()):
            if fits_into(part.shape, other.shape):
                is_taken_off = made is not None and made.name == "subtract" and not (i == 0 and isinstance(made.args[0], np.ndarray))
                term = -part if is_taken_off else part
                others = [np.broadcast_to(term, other.shape) if n == j else a for n, a in enumerate(operands)]
                take = operation._replace(operands=others)
                what = f"has as operand {j + 1} operand {i + 1} alone of {made.text}" if made else ""
                yield "missing-term", what, lambda v, take=take: movement(take, k, v)  # type: ignore[misc]


def _is(result: object, a: Array) -> bool:
    return isinstance(result, np.ndarray) and result.shape == a.shape and np.array_equal(result, a)
