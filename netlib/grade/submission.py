"""The process of one file: run it, find its layers, check them, and write the results.

The request comes from standard input, and the results go to a separate file, line by line, so that
nothing that the layers print is mistaken for a result, and no result is lost if the process has to
be stopped.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from inspect import Parameter, signature
from traceback import extract_tb
from types import ModuleType
from typing import Any

import numpy as np

from ..arrays import Array
from ..checker import Finding, check_gradients
from ..layer import Layer
from ..underflow import ignore_all
from .exercise import Exercise, load_assignment
from .result import OK, Found

MODULE = "submission"
LONGEST = 2_000
"""What is kept of a message; a student's exception may have a megabyte."""


class StopCheckError(Exception):
    """Raised when a layer cannot be checked any further."""

    def __init__(self, found: Found) -> None:
        self.found = found


def main() -> None:
    """Check the file of the request."""
    request = json.load(sys.stdin)
    limit_memory(request["memory"])
    exercises = load_assignment(request["assignment"]) if request["assignment"] else None
    with open(request["results"], "a", encoding="ascii") as file:

        def write(layer: str, found: list[Found] | None) -> None:
            """Write the results of a layer, or that its check begins."""
            name = os.path.basename(request["path"])
            texts = None if found is None else [[text.replace(request["path"], name)[:LONGEST] for text in each] for each in found]
            file.write(json.dumps([layer, texts]) + "\n")
            file.flush()

        module = ModuleType(MODULE)
        write("", None)
        found = run_file(request["path"], module)
        tasks = dict(layers_of(module) if exercises is None else assigned_layers(module, exercises, is_whole=not found))
        if not tasks and not found:
            found = [Found("missing-layer", message="the file defines no class derived from netlib.Layer")]
        write("", found)
        for layer, task in tasks.items():
            if layer not in request["done"]:
                write(layer, None)
                write(layer, guarded(task, "check"))
        file.write("end\n")
    os._exit(0)  # whatever threads the file has left behind


def limit_memory(limit: int) -> None:
    """Limit the memory of this process, where the platform can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    try:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    except (ValueError, OSError):  # macOS refuses
        return


def run_file(path: str, module: ModuleType) -> list[Found]:
    """Run the file as the module, and return any errors."""
    module.__file__ = path
    sys.modules[MODULE] = module
    try:
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec", dont_inherit=True)
    except SyntaxError as error:
        return [Found("syntax-error", f"line {error.lineno}" if error.lineno else "", error.msg, (error.text or "").strip())]
    except ValueError as error:  # a null byte, in Python 3.11
        return [Found("syntax-error", "", str(error))]

    def run() -> list[Found]:
        exec(code, vars(module))
        return []

    return guarded(run, "import")


def guarded(task: Callable[[], list[Found]], where: str) -> list[Found]:
    """Return the results of a task that runs a student's code, which may raise anything."""
    try:
        return task()
    except StopCheckError as error:
        return [error.found]
    except MemoryError as error:
        return [Found("out-of-memory", where, describe(error))]
    except SystemExit as error:
        return [Found("exits", where, f"it ends the process: SystemExit({error.code!r}){place(error)}")]
    except BaseException as error:
        return [Found("raises", where, describe(error))]


def describe(error: BaseException) -> str:
    """Return an exception in words, and the line of the file that raised it."""
    try:
        text = str(error)
    except Exception:  # a student's own exception
        text = "its message cannot be shown"
    return f"{type(error).__name__}{text and ': '}{text[: LONGEST // 2]}{place(error)}"


def place(error: BaseException) -> str:
    """Return the last line of the file in the traceback of an exception."""
    path = sys.modules[MODULE].__file__
    lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == path]
    return f" (line {lines[-1]})" if lines else ""


def layers_of(module: ModuleType) -> Iterator[tuple[str, Callable[[], list[Found]]]]:
    """Yield the layers that the file defines, each with its check on guessed inputs."""
    for name, kind in list(vars(module).items()):
        if isinstance(kind, type) and issubclass(kind, Layer) and kind.__module__ == MODULE and kind.__name__ == name:
            yield name, partial(check_unassigned, kind)


def assigned_layers(module: ModuleType, exercises: list[Exercise], is_whole: bool) -> Iterator[tuple[str, Callable[[], list[Found]]]]:
    """Yield the exercises with their checks; for a file that failed half-way, those present."""
    for exercise in exercises:
        if is_whole or hasattr(module, exercise.layer):
            yield exercise.layer, partial(check_assigned, module, exercise)


def check_assigned(module: ModuleType, exercise: Exercise) -> list[Found]:
    """Check the layer of an exercise."""
    if not hasattr(module, exercise.layer):
        raise StopCheckError(Found("missing-layer", "", f"the file has no class {exercise.layer}"))
    kind = getattr(module, exercise.layer)
    if not isinstance(kind, type) or not issubclass(kind, Layer):
        raise StopCheckError(Found("missing-layer", "", f"{exercise.layer} is {kind!r}, expected a class derived from netlib.Layer"))
    home = getattr(kind.backward, "__module__", None)
    if home != MODULE:
        raise StopCheckError(
            Found("missing-layer", "", f"the backward of {exercise.layer} is that of {home}, expected one written in this file")
        )
    make = partial(exercise.make, kind) if exercise.make else kind
    layer = call("constructor", make)
    if not isinstance(layer, Layer):
        raise StopCheckError(Found("raises", "assignment", f"make returns {layer!r}, expected a layer"))
    y = call("forward", lambda: layer.forward(*copies(exercise.inputs)))
    wrong = compare_outputs(layer, y, exercise)
    return wrong + [each for each in check(make, exercise.inputs) if not (wrong and each.mistake == OK)]


def check_unassigned(kind: type[Layer]) -> list[Found]:
    """Check a layer that takes no arguments, at inputs for which its forward works."""
    needed = [parameter.name for parameter in signature(kind).parameters.values() if is_needed(parameter)]
    if needed:
        raise StopCheckError(
            Found("not-checked", "constructor", f"needs {', '.join(needed)}: write an assignment that says how to make it")
        )
    layer = call("constructor", kind)
    first: BaseException | None = None
    for inputs in guess_inputs(layer):
        try:
            layer.forward(*copies(inputs))
        except MemoryError:
            raise
        except Exception as error:
            first = first or error
        else:
            return check(kind, inputs)
    assert first is not None
    reason = f"none of the usual inputs worked, the first raises {describe(first)}: write an assignment that says which inputs it takes"
    raise StopCheckError(Found("not-checked", "forward", reason))


def is_needed(parameter: Parameter) -> bool:
    """Return whether a call must give this argument."""
    return parameter.default is Parameter.empty and parameter.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def guess_inputs(layer: Layer) -> Iterator[tuple[Array, ...]]:
    """Yield inputs that a layer may take: rows, sequences and images, as wide as its parameters."""
    n_inputs = max(1, sum(is_needed(parameter) for parameter in signature(layer.forward).parameters.values()))
    lengths = dict.fromkeys([length for parameter in layer.parameters().values() for length in parameter.shape] or [4])
    rng = np.random.default_rng(0)
    for build in (lambda n: (5, n), lambda n: (2, 3, n), lambda n: (2, n, 6), lambda n: (2, n, 6, 5)):
        for length in lengths:
            yield tuple(rng.normal(size=build(length)) for _ in range(n_inputs))


def call(where: str, function: Callable[[], Any]) -> Any:
    """Return the result of a student's code; if it raises, there is nothing more to check."""
    try:
        return function()
    except MemoryError:
        raise
    except Exception as error:
        raise StopCheckError(Found("raises", where, describe(error))) from error


def copies(inputs: tuple[Array, ...]) -> list[Array]:
    """Return copies of the inputs, which a layer may change."""
    return [x.copy() for x in inputs]


def compare_outputs(layer: Layer, y: Any, exercise: Exercise) -> list[Found]:
    """Return what is wrong with the output of forward."""
    if exercise.forward is None:
        return []
    try:
        expected = exercise.forward(layer, *copies(exercise.inputs))
    except Exception as error:
        return [Found("raises", "assignment", f"the assignment computes the output from the layer, and raises {describe(error)}")]
    ours, theirs = (list(each) if isinstance(each, tuple | list) else [each] for each in (expected, y))
    if len(ours) != len(theirs):
        return [Found("wrong-output", "forward", f"forward returns {len(theirs)} arrays, expected {len(ours)}")]
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        name = f"output {i}" if len(ours) > 1 else "y"
        text = difference(name, np.asarray(a), b)
        if text:
            return [Found("wrong-output", "forward", text)]
    return []


def difference(name: str, expected: Array, y: Any) -> str:
    """Return, in words, how an output differs from the expected one; "" if it does not."""
    try:
        y = np.asarray(y, dtype=float)
    except (TypeError, ValueError):
        return f"{name} is {type(y).__name__}, expected an array of numbers"
    if y.shape != expected.shape:
        return f"{name} has shape {y.shape}, expected {expected.shape}"
    with ignore_all():
        scale = np.abs(expected[np.isfinite(expected)]).max(initial=0.0)
        wrong = ~np.isclose(y, expected, rtol=1e-4, atol=1e-5 * scale)
    if not wrong.any():
        return ""
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = f"[{', '.join(map(str, at))}]" if at else ""
    return f"{name}{place} is {y[at]:.6g}, expected {expected[at]:.6g}; {int(wrong.sum())} of {y.size} elements are wrong"


def check(make: Callable[[], Layer], inputs: tuple[Array, ...]) -> list[Found]:
    """Return what `check_gradients` finds in a new layer."""
    report = call("check", lambda: check_gradients(make(), *inputs))
    notes = "\n".join(note.message for note in report.notes)
    if report.findings:
        return [Found(name(each), each.where, each.cause, "\n".join(each.details)) for each in report.findings]
    return [Found(OK, details=notes) if report.ok else Found("nothing-compared", message=notes)]


def name(finding: Finding) -> str:
    """Return the word for a mistake; to the checker, too little memory is an error like others."""
    return "out-of-memory" if finding.mistake == "raises" and "MemoryError" in finding.cause else finding.mistake


if __name__ == "__main__":
    main()
