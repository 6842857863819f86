"""Estimators in a list, by name."""

from typing import Any

from .._sklearn_compat import BaseComposition


def check_detectors(estimators, *methods):
    """Raise if one of (name, estimator) tuples lacks one of the methods of a detector."""
    for name, detector in estimators:
        if lacking := [method for method in methods if not hasattr(detector, method)]:
            raise TypeError(
                f"The detector {name!r} must be an outlier detector with {', '.join(methods)}; {detector!r} has no "
                f"{lacking[0]}."
            )


class NamedEstimators(BaseComposition):
    """Base of the compositions whose parameter ``estimators`` is a list of (name, estimator) tuples."""

    def _check_names(self):
        for item in self.estimators:
            if not isinstance(item, (tuple, list)) or len(item) != 2 or not isinstance(item[0], str):
                raise ValueError(
                    f"estimators must be a list of (name, estimator) tuples, got {item!r} in it."
                )
        names = [name for name, _ in self.estimators]
        self._validate_names(names)
        if not names:
            raise ValueError("estimators is empty: give one (name, estimator) tuple at least.")
        return names

    def set_params(self, **params) -> Any:
        """Set parameters of this estimator and of those in it, as ``lof__n_neighbors=8`` or ``lof=KNNScorer()``.

        Parameters
        ----------
        **params : dict
            By name.

        Returns
        -------
        self : object
        """
        self._set_params("estimators", **params)
        return self

    def get_params(self, deep: bool = True) -> dict:
        """Return the parameters of this estimator and of those in it.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the estimators in the list and their parameters.

        Returns
        -------
        dict
        """
        return self._get_params("estimators", deep=deep)
