"""Saving and loading a model, with its architecture and state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from .. import __version__
from ..arrays import Array
from ..data.path import Path
from ..errors import FormatError, InvalidTypeError, InvalidValueError
from ..layer import Layer, as_layer
from ..random_state import held_generators, preserve_random_state, set_state, state
from ..state import list_problems, state_problems
from .building import Builder, as_generator
from .contents import OWN, Contents, as_storable
from .description import Description
from .formats import format_of, read_contents, write_contents
from .packing import unpack
from .rebuilding import (
    all_state,
    changed_attributes,
    layers_with,
    require_same_parts,
    require_settable,
    share_state,
    shared_state,
)
from .strict_json import read_json, write_json

FORMAT = 1
"""The version of the description. A file with a higher one is refused."""
Record = dict[str, Any]
Change = Callable[[], object]


def save(model: Layer, path: Path) -> None:
    """Write a model to a file: its architecture and its state.

    The file contains every parameter and buffer under its path, as in `state_dict`, and a
    description of the layers: their classes and the arguments of their constructors, as shown by
    `repr`. It also records which parameters are shared, trainable or frozen, the modes, and the
    states of random generators. The same model gives the same bytes. A failure leaves the old file
    unchanged.

    Parameters
    ----------
    model : Layer
        Your own layer needs only attributes named like the arguments of its constructor: numbers,
        text, arrays, layers, or tuples, lists and dicts of these.
    path : str or path
        The file. The suffix determines the format: ``.npz``, which `numpy.load` reads, or
        ``.safetensors``, which other libraries read (extra ``safetensors``).

    Raises
    ------
    InvalidTypeError
        If a layer cannot be described. The message names the attribute.
    InvalidValueError
        If the suffix is unknown.
    OSError
        If the file cannot be written.

    See Also
    --------
    load, save_state

    Examples
    --------
    >>> import netlib as nl, numpy as np, os, tempfile
    >>> model = nl.Sequential(nl.Affine(4, 8, rng=0), nl.ReLU(), nl.Affine(8, 2, rng=1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.npz")
    ...     nl.save(model, path)
    ...     twin, arrays = nl.load(path), np.load(path)
    ...     sorted(arrays)
    ['0.bias', '0.weight', '2.bias', '2.weight', '__netlib__']
    >>> twin
    Sequential(Affine(4, 8), ReLU(), Affine(8, 2))
    >>> x = np.ones((3, 4), np.float32)
    >>> bool((twin(x) == model(x)).all())
    True
    """
    format_of(path, "save")
    arrays, record = describe(as_layer(model, "save"), "save")
    write_contents(path, Contents(arrays, write_json(record)), "save")


def load(path: Path, classes: Iterable[type[Layer]] = ()) -> Layer:
    """Read a model from a file written by `save`, or from a checkpoint.

    Nothing in the file is imported or executed: the classes of the layers are netlib's own and
    those in `classes`. Sizes in the file are compared with its length before memory is allocated.

    Parameters
    ----------
    path : str or path
    classes : iterable of type
        Your own layer classes that the model uses.

    Returns
    -------
    Layer
        The model, which gives bit-identical results, and can be drawn, checked and trained further.

    Raises
    ------
    FormatError
        If the file is damaged, was not written by `save`, has a newer format from a later version,
        or needs a class that is not in `classes`.
    OSError
        If the file cannot be read.

    Examples
    --------
    Pass the class of your own layer:

    >>> import netlib as nl, numpy as np, os, tempfile
    >>> class Scale(nl.Layer):
    ...     def __init__(self, features):
    ...         self.features = features
    ...         self.weight = nl.Parameter(np.ones(features))
    ...     def forward(self, x):
    ...         return self.remember(x * self.weight.value, x)
    ...     def backward(self, dout):
    ...         dout, x = self.recall(dout)
    ...         self.weight.grad += (dout * x).sum(axis=0)
    ...         return dout * self.weight.value
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.npz")
    ...     nl.save(nl.Sequential(Scale(3), nl.ReLU()), path)
    ...     nl.load(path, classes=[Scale])
    Sequential(Scale(3), ReLU())
    """
    by_name = _by_name(classes)
    contents = read_contents(path, "load")
    record = read_record(contents, str(path))
    return build(record, contents.arrays, by_name, str(path))


def _by_name(classes: Iterable[type[Layer]]) -> dict[str, type[Layer]]:
    where = "load, classes"
    by_name: dict[str, type[Layer]] = {}
    if isinstance(classes, type):
        hint = f"Pass a list: classes=[{classes.__name__}]."
        raise InvalidTypeError(f"got the class {classes.__name__}, expected several", where=where, hint=hint)
    for each in classes:
        if not isinstance(each, type) or not issubclass(each, Layer):
            raise InvalidTypeError(f"got {each!r}, expected classes derived from netlib.Layer", where=where)
        if by_name.setdefault(each.__name__, each) is not each:
            raise InvalidValueError(f"got two classes called {each.__name__!r}", where=where)
    return by_name


def describe(model: Layer, where: str) -> tuple[dict[str, Array], Record]:
    """Return the arrays of a model by name, and the rest of it as plain values."""
    description = Description(model)
    held = [description.generator(each, "a random generator") for each in held_generators(model)]
    state = model._state()
    record: Record = {
        "format": FORMAT,
        "netlib": __version__,
        "objects": description.objects,
        "shared": shared_state(model),
        "generators": description.generators,
        "held_generators": held,
        "evaluation": layers_with(model, "_training", False),
        "frozen": layers_with(model, "_frozen", True),
        "not_trainable": [path for path, each in model.parameters().items() if not each.trainable],
        "frozen_parameters": [path for path, each in model.parameters().items() if each._is_frozen],
        "attributes": {},
    }
    arrays = as_storable({path: each.value for path, each in state.items()}, where) | description.constants
    with preserve_random_state(model):
        try:
            rebuilt = _build_parts(record, arrays, description.classes, where)
        except FormatError as error:
            hint = "A model is saved by the constructors of its layers, which must take their own attributes."
            raise InvalidTypeError(f"cannot be built again: {error}", where=where, hint=hint) from error
    require_same_parts(model, rebuilt)
    record["attributes"] = changed_attributes(model, rebuilt)
    return arrays, record


def read_record(contents: Contents, where: str) -> Record:
    """Return the plain values in a file of `save`, or raise if it is not one or is too new."""
    if contents.text is None:
        hint = "Read them with nl.load_state(path), and pass them to model.load_state_dict."
        raise FormatError("holds arrays, but no architecture", where=where, hint=hint)
    record = read_json(contents.text, where)
    version = record.get("format") if isinstance(record, dict) else None
    if type(version) is not int or version < 1:
        raise FormatError("has no format version, so netlib did not write it", where=where)
    if version > FORMAT:
        message = f"has the format version {version}, and this netlib reads versions up to {FORMAT}"
        raise FormatError(message, where=where, hint="Upgrade: pip install --upgrade netlib")
    return record  # type: ignore[no-any-return]


def build(record: Record, arrays: Mapping[str, Array], classes: Mapping[str, type[Layer]], where: str) -> Layer:
    """Return the model from the values that `describe` returned."""
    model = _build_parts(record, arrays, classes, where)
    apply(record, arrays, model, where)
    return model


def apply(record: Record, arrays: Mapping[str, Array], model: Layer, where: str) -> None:
    """Set the state of `model`, its generators, attributes and modes, to what `describe` described.

    Raises
    ------
    FormatError
        If it does not fit the model, which then does not change.
    """
    state = model._state()
    given = {name: array for name, array in arrays.items() if not name.startswith(OWN)}
    problems = state_problems(state, given)
    for path, each in state.items():
        if path in given and path not in problems and given[path].dtype != each.dtype:
            problems[path] = f"has type {given[path].dtype}, expected {each.dtype}"
    if problems:
        raise FormatError(f"the arrays do not fit the model: {list_problems(problems, given)}", where=where)
    changes = [
        *_generator_changes(model, record, where),
        *_attribute_changes(model, record, arrays, where),
        *_mode_changes(model, record, where),
    ]
    for path, each in state.items():
        if not each.value.flags.writeable:  # a placeholder
            each.adopt(np.asarray(given[path], order="C"))
        else:
            each.value = given[path]
    for change in changes:
        change()


def _build_parts(record: Record, arrays: Mapping[str, Array], classes: Mapping[str, type[Layer]], where: str) -> Layer:
    """Return the model with all of its parts, shared as they should be, but without its state."""
    shared = entry(record, "shared", dict, where)
    builder = Builder(arrays, classes, _generators(record, where), where)
    model = builder.build(entry(record, "objects", list, where), len(arrays) + len(shared))
    state = all_state(model)
    for path, first in shared.items():
        a, b = state.get(path), state.get(first) if isinstance(first, str) else None
        if a is None or b is None or (type(a), a.shape, a.dtype) != (type(b), b.shape, b.dtype):
            raise FormatError(f"says that {path!r} is {first!r}, which are not alike", where=where)
    share_state(model, shared)
    return model


def _generators(record: Record, where: str) -> list[np.random.Generator]:
    return [as_generator(each, where) for each in entry(record, "generators", list, where)]


def _generator_changes(model: Layer, record: Record, where: str) -> Iterator[Change]:
    """Yield what sets the random generators of the model to the states in the record."""
    held, states = held_generators(model), _generators(record, where)
    numbers = entry(record, "held_generators", list, where)
    if len(held) != len(numbers) or any(type(n) is not int or not 0 <= n < len(states) for n in numbers):
        raise FormatError(f"has {len(numbers)} random generators, and the layers {len(held)}", where=where)
    for generator, n in zip(held, numbers, strict=True):
        if type(generator.bit_generator) is not type(states[n].bit_generator):
            got, expected = type(states[n].bit_generator).__name__, type(generator.bit_generator).__name__
            raise FormatError(f"has the state of a {got}, expected a {expected}", where=where)
        yield partial(set_state, generator, state(states[n]))


def _attribute_changes(model: Layer, record: Record, arrays: Mapping[str, Array], where: str) -> Iterator[Change]:
    layers = dict(model.walk())
    for path, changed in entry(record, "attributes", dict, where).items():
        if path not in layers or not isinstance(changed, dict):
            raise FormatError(f"sets attributes of the layer {path!r}, which the model has not", where=where)
        for name, described in changed.items():
            value = unpack(described, arrays, where)
            require_settable(layers[path], name, value, where)
            yield partial(setattr, layers[path], name, value)


def _mode_changes(model: Layer, record: Record, where: str) -> Iterator[Change]:
    """Yield what sets the modes of the layers, and which parameters are trainable."""
    layers, parameters = dict(model.walk()), model.parameters()
    for key, attribute, value in [("evaluation", "_training", False), ("frozen", "_frozen", True)]:
        paths = _known(record, key, layers, where)
        for path, layer in layers.items():
            if path in paths:
                yield partial(vars(layer).__setitem__, attribute, value)
            else:
                yield partial(vars(layer).pop, attribute, None)
    for key, attribute, value in [("not_trainable", "trainable", False), ("frozen_parameters", "_is_frozen", True)]:
        paths = _known(record, key, parameters, where)
        for path, parameter in parameters.items():
            yield partial(setattr, parameter, attribute, value if path in paths else not value)


def _known(record: Record, key: str, known: Mapping[str, object], where: str) -> set[str]:
    paths = entry(record, key, list, where)
    for path in paths:
        if not isinstance(path, str) or path not in known:
            raise FormatError(f"{key} has {path!r}, which the model has not", where=where)
    return set(paths)


def entry(record: Record, key: str, kind: type[Any], where: str) -> Any:
    """Return an entry of the record, or raise if it is missing or of another type."""
    value = record.get(key)
    if not isinstance(value, kind):
        raise FormatError(f"{key} is {type(value).__name__}, expected {kind.__name__}", where=where)
    return value
