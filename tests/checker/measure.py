"""Count what the checker finds in the broken and the sound layers.

    python tests/checker/measure.py --seeds 1000

prints, for each mistake, how many layers make it, how many are caught, and how many rightly named;
which are missed; how many sound layers raise an alarm for some seed of their inputs; the same for
the layers of `holdout`; and alarms of the correct layers of `domains`.
"""

import argparse
import functools
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import FunctionType

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from checker.broken import CASES, NESTED, ONE_MISTAKE, TWO_MISTAKES
from checker.domains import MODULES
from checker.holdout import SETS
from checker.sound import ROWS

from netlib import check_gradients
from netlib.checker.tracing import internals

INTERNALS = [name for name, thing in vars(internals).items() if isinstance(thing, FunctionType)]
"""The functions of the checker that depend on the interpreter."""


def fail(*args, **options):
    """Fail as such a function may in another version of Python."""
    raise RuntimeError("another Python")


@functools.cache
def _report(name, seed):
    case = next(case for case in CASES + NESTED if case.name == name)
    return check_gradients(case.make(), *case.inputs(seed))


def report(case, seed=0):
    """Return what the checker says about a broken layer, on inputs of this seed."""
    return _report(case.name, seed)


def is_named(found, case, i):
    """Return whether mistake number i is found, under one of its names and at one of its places."""
    names, places = case.mistakes[i], case.places[i]
    return any(finding.mistake in names and (not places or finding.where in places) for finding in found.findings)


def is_named_alone(found, case):
    """Return whether all mistakes of the case are named, and nothing else is."""
    all_names = frozenset().union(*case.mistakes)
    return all(is_named(found, case, i) for i in range(len(case.mistakes))) and {f.mistake for f in found.findings} <= all_names


def false_alarms(row, seeds):
    """Return the findings about a sound layer, by the seed of its inputs."""
    found = {}
    for seed in seeds:
        findings = check_gradients(row.make(), *row.inputs(seed)).findings
        if findings:
            found[seed] = findings
    return found


@functools.cache
def _holdout_report(make, seed):
    layer, inputs = make(np.random.default_rng(seed))
    return check_gradients(layer, *inputs)


def holdout_report(make, seed=0):
    """Return what the checker says about a layer of `holdout`, a sound or a broken one."""
    return _holdout_report(make, seed)


def verdict(slugs, make, seed=0):
    """Return "named", "misnamed", "noted" (a note and no mistake) or "missed"."""
    found = holdout_report(make, seed)
    if not found.ok:
        return "named" if {finding.mistake for finding in found.findings} & set(slugs) else "misnamed"
    return "noted" if {note.kind for note in found.notes} & set(slugs) else "missed"


def _count_holdout(which, layers, seeds):
    """Print what becomes of a set of `holdout`; return the lines about those that are not named."""
    verdicts = {(name, seed): verdict(slugs, make, seed) for name, slugs, make in layers.BROKEN for seed in range(seeds)}
    counts = Counter(verdicts.values())
    alarms = [f"ALARM     {name} seed {seed}" for name, make in layers.SOUND for seed in range(seeds) if not holdout_report(make, seed).ok]
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in ("named", "misnamed", "noted", "missed"))
    print(f"{which} holdout set, {len(layers.BROKEN)} broken layers, {seeds} seeds each: {told}")
    print(f"{which} holdout set, {len(layers.SOUND)} sound layers, {seeds} seeds each: {len(alarms)} alarms")
    return [f"{verdict:9} {name} seed {seed}" for (name, seed), verdict in verdicts.items() if verdict != "named"] + alarms


def domain_alarms(which, name, seeds):
    """Return lines about a layer of `domains` that raises an alarm for some seed."""
    lines = []
    for seed in seeds:
        layer, inputs = MODULES[which].LAYERS[name](np.random.default_rng(seed))
        findings = check_gradients(layer, *inputs, seed=seed).findings
        if findings:
            lines.append(f"ALARM     {which} {name} seed {seed}: {[(f.mistake, f.where) for f in findings]}")
    return lines


def _domain_alarms(job):
    try:
        return domain_alarms(*job)
    except Exception as error:
        return [f"CRASH     {job[0]} {job[1]}: {error!r}"]


def _count_domains(seeds, jobs):
    """Print how often a layer of `domains` raises an alarm; return the lines about those."""
    names = [(which, name) for which, module in MODULES.items() for name in module.LAYERS]
    lines = []
    with ProcessPoolExecutor(jobs) as pool:
        for seed in range(seeds):
            lines += [line for found in pool.map(_domain_alarms, [(*each, [seed]) for each in names], chunksize=20) for line in found]
            print(f"{seed + 1} seeds of each layer with a domain, {len(lines)} alarms", file=sys.stderr, flush=True)
    print(f"{len(names)} correct layers with domains, {seeds} seeds each: {len(lines)} alarms", flush=True)
    return lines


def _kind(case):
    """Return the line of the table that a case is counted in."""
    if case in NESTED:
        return "in a container"
    return "two mistakes" if case in TWO_MISTAKES else " | ".join(sorted(case.mistakes[0]))


def _count_broken(seeds):
    """Print the table of mistakes; return the lines about what was missed."""
    counts, missed = {what: Counter() for what in ("layers", "caught", "named", "named alone")}, []
    for case in CASES + NESTED:
        kind = _kind(case)
        for seed in range(seeds):
            counts["layers"][kind] += 1
            try:
                found = report(case, seed)
            except Exception as error:
                missed.append(f"CRASH     {case.name} seed {seed}: {error!r}")
                continue
            named = [is_named(found, case, i) for i in range(len(case.mistakes))]
            right = {"caught": not found.ok, "named": all(named), "named alone": is_named_alone(found, case)}
            for what, holds in right.items():
                counts[what][kind] += holds
            if not all(right.values()):
                wanted = [f"{'|'.join(sorted(m))} at {'|'.join(sorted(p)) or '-'}" for m, p in zip(case.mistakes, case.places, strict=True)]
                verdict = "MISSED" if found.ok else "named" if all(named) else "misnamed"
                said = [(finding.mistake, finding.where) for finding in found.findings]
                missed.append(f"{verdict:9} {case.name} seed {seed}: wanted {', '.join(wanted)}; said {said}")
    kinds = sorted(counts["layers"])
    width = max(map(len, kinds))
    print(f"{'mistake':{width}}" + "".join(f"{what:>13}" for what in counts))
    for kind in kinds:
        print(f"{kind:{width}}" + "".join(f"{counts[what][kind]:13}" for what in counts))
    one = [kind for kind in kinds if kind not in ("two mistakes", "in a container")]
    print(f"{'all of one mistake':{width}}" + "".join(f"{sum(counts[what][kind] for kind in one):13}" for what in counts))
    return missed


def _alarm(i, seeds):
    """Return a line about sound layer number i; "" if no seed raises an alarm."""
    row = ROWS[i]
    try:
        alarms = false_alarms(row, range(seeds))
    except Exception as error:
        return f"CRASH     {row.name}: {error!r}"
    if not alarms:
        return ""
    seed, findings = next(iter(alarms.items()))
    return f"ALARM     {row.name}: {len(alarms)} of {seeds} seeds, first {seed}: {[(f.mistake, f.where) for f in findings]}"


def _count_sound(seeds, jobs):
    """Print how many sound layers raise an alarm; return the lines about those."""
    lines = []
    with ProcessPoolExecutor(jobs) as pool:
        for n, line in enumerate(pool.map(_alarm, range(len(ROWS)), [seeds] * len(ROWS)), 1):
            lines += [line] if line else []
            print(f"{n} of {len(ROWS)} sound layers, {len(lines)} raise an alarm {line}", file=sys.stderr, flush=True)
    print(f"{len(ROWS)} sound layers, {seeds} seeds each: {len(lines)} raise an alarm or stop the checker")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1000, help="how many inputs for each sound layer (default: %(default)s)")
    parser.add_argument("--broken-seeds", type=int, default=1, help="how many inputs for each broken layer (default: %(default)s)")
    parser.add_argument("--domain-seeds", type=int, default=200, help="how many inputs for each layer with a domain (default: %(default)s)")
    parser.add_argument("--only-domains", action="store_true", help="count the layers with domains alone")
    parser.add_argument("--jobs", type=int, default=2, help="in how many processes (default: %(default)s)")
    parser.add_argument("--another-python", action="store_true", help="let all that depends on the interpreter fail: names get vaguer")
    args = parser.parse_args()
    if args.another_python:
        for name in INTERNALS:
            setattr(internals, name, fail)
    started = time.perf_counter()
    if args.only_domains:
        print("\n".join(_count_domains(args.domain_seeds, args.jobs)))
        return
    print(f"{len(ONE_MISTAKE)} layers with one mistake, {len(TWO_MISTAKES)} with two")
    missed = _count_broken(args.broken_seeds)
    print(flush=True)
    missed += _count_sound(args.seeds, args.jobs)
    for which, layers in SETS.items():
        missed += _count_holdout(which, layers, args.broken_seeds)
    missed += _count_domains(args.domain_seeds, args.jobs)
    print("\n".join(missed))
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
