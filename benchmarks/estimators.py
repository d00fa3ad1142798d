"""Scores and times of nl.sklearn's estimators beside scikit-learn's own MLP.

Run ``python -m benchmarks.estimators`` (extras `bench` and `sklearn`). Both have their default
arguments but for 500 epochs at most, and learn standardized columns, and targets where they are
numbers. A score is the mean over three folds, once for each seed. A time is the CPU time of one fit
on one thread, the median over folds and seeds. The two take turns, each data set in a process of
its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import warnings
from statistics import mean, median
from time import process_time
from typing import Any

import numpy as np

from .report import markdown

SETS = ("iris", "wine", "breast_cancer", "digits", "diabetes", "friedman1")
CONTENDERS = {"netlib": {}, "netlib, NumPy alone": {"NETLIB_ACCELERATOR": "numpy"}, "scikit-learn": {}}
WITHIN = 0.01
"""How much lower than scikit-learn's a score may be."""


def data(name: str) -> tuple[Any, Any, bool]:
    """Return the samples, their targets, and whether these are classes."""
    from sklearn import datasets

    if name == "friedman1":
        x, t = datasets.make_friedman1(1000, noise=1.0, random_state=0)
    else:
        x, t = getattr(datasets, f"load_{name}")(return_X_y=True)
    is_class = np.issubdtype(t.dtype, np.integer)
    return x, t if is_class else (t - t.mean()) / t.std(), is_class


def measure(contender: str, name: str, seeds: int) -> dict[str, Any]:
    """Return the score of each seed, and the seconds of each fit."""
    from sklearn.model_selection import KFold, StratifiedKFold
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.preprocessing import StandardScaler

    import netlib as nl

    x, t, is_class = data(name)
    kinds = {"scikit-learn": (MLPRegressor, MLPClassifier)}.get(contender, (nl.sklearn.Regressor, nl.sklearn.Classifier))
    kind = kinds[is_class]
    warnings.simplefilter("ignore")
    kind(max_iter=3).fit(x, t)  # what is loaded and compiled once
    scores, seconds = [], []
    for seed in range(seeds):
        of_folds = []
        folds = (StratifiedKFold if is_class else KFold)(3, shuffle=True, random_state=seed)
        for training, test in folds.split(x, t):
            scaler = StandardScaler().fit(x[training])
            estimator = kind(max_iter=500, random_state=seed)
            inputs, start = scaler.transform(x[training]), process_time()
            estimator.fit(inputs, t[training])
            seconds.append(process_time() - start)
            of_folds.append(float(estimator.score(scaler.transform(x[test]), t[test])))
        scores.append(mean(of_folds))
    return {"scores": scores, "seconds": seconds}


def run(contender: str, name: str, seeds: int) -> dict[str, Any]:
    """Measure in another process, on one thread."""
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-m", "benchmarks.estimators", "--seeds", str(seeds), "--measure", contender, name]
    done = subprocess.run(command, env=os.environ | limits | CONTENDERS[contender], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure everything, print the table, and fail where netlib is worse or slower."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds (default: %(default)s)")
    parser.add_argument("--measure", nargs=2, metavar=("CONTENDER", "SET"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        contender, name = args.measure
        print(json.dumps(measure(contender, name, args.seeds)))
        return
    rows, behind = [], []
    for name in SETS:
        found = {contender: run(contender, name, args.seeds) for contender in CONTENDERS}
        score = {contender: mean(each["scores"]) for contender, each in found.items()}
        seconds = {contender: median(each["seconds"]) for contender, each in found.items()}
        rows.append([name, *(f"{100 * value:.1f}" for value in score.values()), *(f"{1000 * value:,.0f}" for value in seconds.values())])
        print(rows[-1], file=sys.stderr, flush=True)
        for ours in ("netlib", "netlib, NumPy alone"):
            if score[ours] < score["scikit-learn"] - WITHIN or seconds[ours] > seconds["scikit-learn"]:
                behind.append(f"{ours} on {name}")
    print(markdown(["data set", *CONTENDERS, *(f"{contender}, ms" for contender in CONTENDERS)], rows))
    if behind:
        raise SystemExit("behind scikit-learn: " + ", ".join(behind))


if __name__ == "__main__":
    main()
