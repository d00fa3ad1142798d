"""The names of the values in a picture."""

from __future__ import annotations

from collections import Counter

from .flow import Flow, Value

SHORT = {"weight": "W", "bias": "B"}


def name_values(flow: Flow) -> dict[int, str]:
    """Return a name for each value: the given one, or the chapter's letter.

    If several values have the same name, each gets a number. A number is its own name.
    """
    values = _values_in_order(flow)
    given = {value: flow.values[value].name for value in values}
    n_given = Counter(given.values())
    names = {value: name for value, name in given.items() if name and (n_given[name] == 1 or _is_number(flow.values[value]))}
    letters = {value: _letter(flow, value) for value in values if value not in names}
    n_letters = Counter(letters.values())
    taken = set(names.values())
    numbers: Counter[str] = Counter()
    for value, letter in letters.items():
        name = letter
        while name in taken or (name == letter and n_letters[letter] > 1):
            numbers[letter] += 1
            name = f"{letter}{numbers[letter]}"
        taken.add(name)
        names[value] = name
    return names


def _values_in_order(flow: Flow) -> list[int]:
    """Return the numbers of all values, a parameter just before the first layer that reads it."""
    values = dict.fromkeys(flow.inputs)
    for operation in flow.operations:
        values |= dict.fromkeys(each for each in operation.sources if flow.values[each].is_held)
        values |= dict.fromkeys(operation.targets)
    return list(values)


def _is_number(value: Value) -> bool:
    """Return whether it is a number in a formula, as in ``0.5 * node``."""
    return value.kind == "constant" and value.path != ""


def _letter(flow: Flow, number: int) -> str:
    """Return the name of a value if it were the only one: X, W, B, H, Y or L."""
    value = flow.values[number]
    if value.name:
        return value.name
    if value.kind == "parameter":
        attribute = value.path.rpartition(".")[-1]
        return SHORT.get(attribute, attribute)
    if value.kind == "input":
        return "X"
    if number not in flow.outputs:
        return "H"
    (maker, *_) = (operation for operation in flow.operations if number in operation.targets)
    is_loss = value.array.ndim == 0 or "y" in maker.roles  # rules of losses have a y and give L
    return "L" if is_loss else "Y"
