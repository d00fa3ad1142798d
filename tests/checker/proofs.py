"""What is wrong with a layer, without the checker: differences, and an experiment for each mistake.

All experiments run on deep copies of a layer, so that random numbers repeat and no experiment
disturbs the next.
"""

import copy

import numpy as np


def as_tuple(ys):
    """Return what forward or backward gave as a tuple."""
    return ys if isinstance(ys, tuple) else (ys,)


def upstream(layer, inputs):
    """Return a random dout in the form of the output: a float, an array, or a tuple of arrays."""
    rng = np.random.default_rng([2, 7])  # no seed of the inputs, or dout could be a multiple of x
    douts = []
    for y in as_tuple(copy.deepcopy(layer).forward(*copies(inputs))):
        dout = rng.uniform(0.5, 2, np.shape(y)) * rng.choice([-1.0, 1.0], np.shape(y))
        douts.append(float(dout) if type(y) is float else np.asarray(dout, np.asarray(y).dtype))
    return douts[0] if layer.n_outputs == 1 else tuple(douts)


def copies(arrays):
    """Return copies of arrays, or of whatever is in their place."""
    return tuple(np.array(a) if isinstance(a, np.ndarray) else a for a in arrays)


def differentiable(layer, inputs):
    """Return the places that have a gradient, and what is there: floating inputs and parameters."""
    n = len(inputs) - layer.n_nondifferentiable_inputs
    arrays = {f"input {i}": x for i, x in enumerate(inputs[:n]) if x.dtype.kind == "f"}
    return arrays | {path: p.value for path, p in layer.parameters().items()}


def slopes(layer, inputs, dout, place, relative_step):
    """Return the slopes of Σ dout · y on both sides of each element, and their rounding."""
    layer, inputs = copy.deepcopy(layer), copies(inputs)
    a = differentiable(layer, inputs)[place]
    douts = as_tuple(dout)

    def outputs():
        return as_tuple(copy.deepcopy(layer).forward(*copies(inputs)))

    middle = outputs()
    rounding = 1e-15 * sum(np.sum(np.abs(d * y)) for d, y in zip(douts, middle, strict=True))
    sides, noise = np.empty((2, *a.shape)), np.empty(a.shape)
    typical = np.abs(a).max(initial=0) or 1
    for i in np.ndindex(a.shape):
        kept = a[i]
        step = relative_step * max(abs(kept), 1e-3 * typical)
        for side, sign in enumerate((-1, 1)):
            a[i] = moved = kept + sign * step
            differences = (np.sum(d * (np.asarray(y) - before)) for d, y, before in zip(douts, outputs(), middle, strict=True))
            sides[(side, *i)] = sum(differences) / (moved - kept)
        a[i], noise[i] = kept, rounding / step
    return sides, noise


def gradients(layer, inputs, dout):
    """Return what backward has for each place; the exception for all of them where it raises."""
    layer, inputs = copy.deepcopy(layer), copies(inputs)
    layer.zero_grad()
    places = differentiable(layer, inputs)
    try:
        layer.forward(*inputs)
        dx = layer.backward(tuple(map(np.array, dout)) if isinstance(dout, tuple) else copy.deepcopy(dout))
    except Exception as error:
        return dict.fromkeys(places, error)
    dxs = as_tuple(dx)
    found = {}
    for place in places:
        if place.startswith("input "):
            i = int(place.removeprefix("input "))
            found[place] = dxs[i] if i < len(dxs) else None
        else:
            found[place] = layer.parameters()[place].grad.copy()
    return found


def is_wrong_at(layer, inputs, place, tolerance=1e-4):
    """Return whether backward disagrees with forward at a place, with small and larger steps."""
    with np.errstate(all="ignore"):
        dout = upstream(layer, inputs)
        found = gradients(layer, inputs, dout)[place]
        if not isinstance(found, np.ndarray | np.floating | float) or np.shape(found) != differentiable(layer, inputs)[place].shape:
            return True
        return all(_is_outside(np.asarray(found), *slopes(layer, inputs, dout, place, step), tolerance) for step in (1e-6, 1e-4))


def _is_outside(found, sides, noise, tolerance):
    """Whether some element is not between the slopes on its left and on its right."""
    noise = noise + tolerance * np.abs(sides[np.isfinite(sides)]).max(initial=0)
    return bool(((found < sides.min(axis=0) - noise) | (found > sides.max(axis=0) + noise) | ~np.isfinite(found)).any())


def raises(layer, inputs):
    """Whether forward or backward raises an error."""
    return any(isinstance(found, Exception) for found in gradients(layer, inputs, upstream(layer, inputs)).values())


def _after(layer, inputs):
    """Return a copy of the layer after forward, its inputs and the output."""
    layer, inputs = copy.deepcopy(layer), copies(inputs)
    return layer, inputs, layer.forward(*inputs)


def mutates_input(layer, inputs):
    after, given, _ = _after(layer, inputs)
    after.backward(upstream(layer, inputs))
    return not all(map(np.array_equal, inputs, given))


def mutates_upstream(layer, inputs):
    after, _, _ = _after(layer, inputs)
    dout = upstream(layer, inputs)
    given = copy.deepcopy(dout)
    after.backward(given)
    return not all(map(np.array_equal, as_tuple(dout), as_tuple(given)))


def mutates_parameters(layer, inputs):
    after, _, _ = _after(layer, inputs)
    after.backward(upstream(layer, inputs))
    return any((p.value != layer.parameters()[path].value).any() for path, p in after.parameters().items())


def aliases_output(layer, inputs):
    after, given, y = _after(layer, inputs)
    dout = upstream(layer, inputs)
    dx = after.backward(dout)
    held = [a for a in (*as_tuple(y), *as_tuple(dx)) if isinstance(a, np.ndarray)]
    before = copies(held)
    after.forward(*others(layer, given))
    after.backward(2 * dout if not isinstance(dout, tuple) else tuple(2 * d for d in dout))
    return not all(map(np.array_equal, before, held))


def others(layer, inputs):
    """Return inputs that are other numbers where the layer has a gradient for them."""
    n = len(inputs) - layer.n_nondifferentiable_inputs
    return tuple(x + 1 if i < n and x.dtype.kind == "f" else x for i, x in enumerate(copies(inputs)))


def set_chance(layer, draws):
    """Have every generator in the layer begin anew, after so many draws."""
    for _, inner in layer.walk():
        for key, value in vars(inner).items():
            if isinstance(value, np.random.Generator):
                vars(inner)[key] = np.random.default_rng(draws)
    return layer


def stale_cache(layer, inputs):
    """Return whether an earlier forward with other inputs and parameters changes the gradients."""
    dout = upstream(layer, inputs)
    after = set_chance(copy.deepcopy(layer), 1)
    values = {path: p.value.copy() for path, p in after.parameters().items()}
    for path, p in after.parameters().items():
        p.value = values[path] * 1.5 + 0.1
    after.forward(*others(layer, inputs))
    for path, p in after.parameters().items():
        p.value = values[path]
    ours = gradients(set_chance(copy.deepcopy(layer), 2), inputs, dout)
    theirs = gradients(set_chance(after, 2), inputs, dout)
    return any(not np.allclose(ours[place], theirs[place]) for place in ours)


def nondeterministic(layer, inputs):
    dout = upstream(layer, inputs)
    first, second = _after(layer, inputs), _after(layer, inputs)
    found = [[*as_tuple(y), *as_tuple(after.backward(copy.deepcopy(dout)))] for after, _, y in (first, second)]
    again = as_tuple(first[0].backward(copy.deepcopy(dout)))
    same = all(map(np.array_equal, *found)) and all(map(np.array_equal, again, found[0][-len(again) :]))
    return not same


def dtype_changed(layer, inputs):
    after, _, y = _after(layer, inputs)
    dx = as_tuple(after.backward(upstream(layer, inputs)))
    parameters = layer.parameters().values()
    wanted = np.result_type(*([p.dtype for p in parameters] or [x.dtype for x in inputs if x.dtype.kind == "f"] or [np.float32]))
    return any(a.dtype != wanted for a in (*as_tuple(y), *dx) if isinstance(a, np.ndarray | np.generic))


def non_finite(layer, inputs):
    after, _, y = _after(layer, inputs)
    dx = as_tuple(after.backward(upstream(layer, inputs)))
    return not all(np.isfinite(a).all() for a in (*as_tuple(y), *dx) if a is not None)


def not_accumulated(layer, inputs):
    dout = upstream(layer, inputs)
    once = gradients(layer, inputs, dout)
    after, _, _ = _after(layer, inputs)
    for p in after.parameters().values():
        p.grad[...] = 1
    after.backward(dout)
    return any(not np.allclose(p.grad, once[path] + 1) for path, p in after.parameters().items())


def ignores_upstream(layer, inputs):
    """Whether some gradient is the same for two times dout."""
    dout = upstream(layer, inputs)
    twice = tuple(2 * d for d in dout) if isinstance(dout, tuple) else 2 * dout
    one, two = gradients(layer, inputs, dout), gradients(layer, inputs, twice)
    return any(np.any(one[place]) and np.allclose(one[place], two[place]) for place in one)


EXPERIMENTS = {
    "mutates-input": mutates_input,
    "mutates-upstream": mutates_upstream,
    "mutates-parameters": mutates_parameters,
    "aliases-output": aliases_output,
    "stale-cache": stale_cache,
    "nondeterministic": nondeterministic,
    "dtype-changed": dtype_changed,
    "non-finite": non_finite,
    "not-accumulated": not_accumulated,
    "ignores-upstream": ignores_upstream,
}
"""An experiment for each mistake that is not, or not only, a wrong number."""
