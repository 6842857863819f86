"""The private names of scikit-learn that skasd needs: where one of them moves, only this module changes.

Each stands here for want of a public one. ``.ci/run`` tests them with the oldest scikit-learn that ``pyproject.toml``
names and with the newest.
"""

# a decorator of fit: checks the parameters by `_parameter_constraints`, and nested calls of fit only once
from sklearn.base import _fit_context as fit_context

# the base of all searches, those that are still experimental among them
from sklearn.model_selection._search import BaseSearchCV

# the base of support vector machines, one-class ones among them
from sklearn.svm._base import BaseLibSVM

# rows of arrays, sparse matrices, tables and lists alike; the number of rows of any of these
from sklearn.utils import _safe_indexing as safe_indexing

# the methods that take metadata, in the version installed; what an estimator asks for
from sklearn.utils._metadata_requests import SIMPLE_METHODS, MetadataRequest

# how many threads k-means is given
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads as openmp_effective_n_threads

# what parameters may be, and messages of scikit-learn's wording where they are something else
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    Options,
    StrOptions,
    validate_parameter_constraints,
    validate_params,
)

# parameters of the estimators in a list, under their names
from sklearn.utils.metaestimators import _BaseComposition as BaseComposition
from sklearn.utils.validation import _check_feature_names_in as check_feature_names_in
from sklearn.utils.validation import _num_samples as num_samples

__all__ = [
    "SIMPLE_METHODS",
    "BaseComposition",
    "BaseLibSVM",
    "BaseSearchCV",
    "HasMethods",
    "Interval",
    "MetadataRequest",
    "Options",
    "StrOptions",
    "check_feature_names_in",
    "fit_context",
    "num_samples",
    "openmp_effective_n_threads",
    "safe_indexing",
    "validate_parameter_constraints",
    "validate_params",
]
