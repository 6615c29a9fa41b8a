"""scikit-learn's base classes; where it is not installed, classes that say so when one is made.

So that documentation and type checks need no scikit-learn. Example: `class Mine(BaseEstimator): …`.
"""

from __future__ import annotations

from typing import Any, Self

from chainrule.base.errors import MissingImportError

__all__ = ["BaseEstimator", "ClassifierMixin", "TransformerMixin"]

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
except ModuleNotFoundError as error:
    if error.name != "sklearn":
        raise

    class BaseEstimator:  # type: ignore[no-redef]
        """What is made where scikit-learn is not installed: an error."""

        def __new__(cls, *args: Any, **kwargs: Any) -> Self:
            """Raise `MissingImportError`."""
            del args, kwargs
            raise MissingImportError(
                f"{cls.__name__} needs scikit-learn: pip install 'chainrule[sklearn]'"
            )

    class ClassifierMixin:  # type: ignore[no-redef]
        """Nothing."""

    class TransformerMixin:  # type: ignore[no-redef]
        """Nothing."""
