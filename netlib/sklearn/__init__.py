"""scikit-learn estimators that train netlib networks (extra ``sklearn``).

Use `Classifier` and `Regressor` like scikit-learn's own estimators: in pipelines, grid searches,
and cross-validation.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .classifier import Classifier as Classifier
    from .regressor import Regressor as Regressor

__all__ = ["Classifier", "Regressor"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'netlib.sklearn' has no attribute {name!r}")
    _load()
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _load() -> None:
    """Import the estimators, whose base classes are scikit-learn's."""
    try:
        import sklearn  # noqa: F401
    except ImportError:
        from ..errors import not_installed

        raise not_installed("scikit-learn", "sklearn", "netlib.sklearn") from None
    from .classifier import Classifier
    from .regressor import Regressor

    globals().update(Classifier=Classifier, Regressor=Regressor)
