"""Search for a good network with scikit-learn's tools: a pipeline, cross-validation, a grid.

`nl.sklearn.Classifier` is an estimator, so scaling and network form one pipeline, and GridSearchCV
tries learning rates and network sizes with it, in two processes. A function makes a network that
hidden_layer_sizes cannot describe, which is one more choice in the grid. Needs scikit-learn: in a
clone, pip install '.[sklearn]'.
"""

from __future__ import annotations

import argparse

import numpy as np

import netlib as nl


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=100, help="maximum number of epochs of each fit (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="number of processes (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    return parser.parse_args()


def residual(features: int, outputs: int, rng: np.random.Generator) -> nl.Layer:
    """Return a network with a residual block, and with batch norm."""
    block = nl.Sequential(nl.BatchNorm(32), nl.ReLU(), nl.Affine(32, 32, rng=rng))
    return nl.Sequential(nl.Affine(features, 32, rng=rng), nl.Residual(block), nl.ReLU(), nl.Affine(32, outputs, rng=rng))


def main() -> None:
    """Search, and score the best network on samples that the search has not seen."""
    args = arguments()
    from sklearn.datasets import load_wine
    from sklearn.model_selection import GridSearchCV, train_test_split
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = load_wine(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=args.seed)
    network = nl.sklearn.Classifier(max_iter=args.epochs, tol=1e-3, batch_size=32, random_state=args.seed)
    pipeline = Pipeline([("scale", StandardScaler()), ("network", network)])
    rates = {"network__learning_rate_init": [0.003, 0.01]}
    grid = [{"network__hidden_layer_sizes": [(8,), (32, 32)], **rates}, {"network__model": [residual], **rates}]
    search = GridSearchCV(pipeline, grid, cv=3, n_jobs=args.jobs).fit(X, y)

    print(f"{'network':12}{'learning rate':>15}{'accuracy':>10}")
    for parameters, score in zip(search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True):
        name = "residual" if "network__model" in parameters else str(parameters["network__hidden_layer_sizes"])
        print(f"{name:12}{parameters['network__learning_rate_init']:15g}{score:10.3f}")

    best = search.best_estimator_["network"]
    accuracy = search.score(X_test, y_test)
    print(f"\nthe best, on {len(y_test)} other samples: {accuracy:.3f} after {best.n_iter_} epochs\n{best.model_.summary(X.shape[1])}")
    if not accuracy > 0.9:
        raise SystemExit("The search failed: the accuracy is below 0.9.")


if __name__ == "__main__":
    main()
