"""Measure netlib beside PyTorch, JAX, scikit-learn and the bare matrix products, in one run.

Each contender has its own process; they are measured in turns, and the medians over the rounds are
compared. Trust the ratios of one run, not the microseconds, and neither on a busy machine.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Callable, Collection
from pathlib import Path

from netlib.files import write_file

from .case import CASES, IMAGES, SEQUENCES
from .contenders import CONTENDERS
from .experiments import EXPERIMENTS, Bench
from .machine import OtherProcesses, describe, restrict
from .processes import processes
from .report import report
from .results import Results

NAMED = CASES | IMAGES | SEQUENCES


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    choices: dict[str, Collection[str]] = {"--cases": NAMED, "--contenders": CONTENDERS, "--only": EXPERIMENTS}
    for option, known in choices.items():
        parser.add_argument(option, type=_names(known), default=list(known), metavar="A,B", help=f"of {', '.join(known)} (default: all)")
    parser.add_argument("--rounds", type=int, default=21, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="cores that may be used (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save all rounds to this file")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables to this file")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves to this file; needs matplotlib")
    parser.add_argument("--read", type=Path, metavar="FILE", help="measure nothing, show the rounds saved by --json")
    return parser.parse_args()


def main() -> None:
    """Measure, print, save."""
    args = arguments()
    results = Results.load(args.read) if args.read else run_experiments(args)
    text = report(results)
    print(text, end="")
    if args.json:
        results.save(args.json)
    if args.markdown:
        write_file(args.markdown, text.encode("utf-8"))
    if args.plot:
        from .plot import plot

        plot(results, args.plot)


def run_experiments(args: argparse.Namespace) -> Results:
    """Run the experiments."""
    restrict(args.threads)
    results = Results(datetime.date.today().isoformat(), describe(args.threads))
    others = OtherProcesses()
    with processes(args.contenders, args.threads) as (running, results.missing):
        for process in running.values():
            results.versions |= process.versions
        for name, reason in results.missing.items():
            _log(f"without {name}: {reason}")
        bench = Bench(running, results, [NAMED[name] for name in args.cases], args.rounds, args.threads, _log)
        for name in args.only:
            EXPERIMENTS[name](bench)
    results.machine["other processes"] = others.share()
    return results


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _names(known: Collection[str]) -> Callable[[str], list[str]]:
    def names(text: str) -> list[str]:
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return chosen

    return names


if __name__ == "__main__":
    main()
