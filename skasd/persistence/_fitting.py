"""Consistency of fitted attributes that compiled code of scikit-learn does not check."""

import numpy as np

from .._sklearn_compat import BaseLibSVM


def check_support_vectors(estimator):
    """Raise a ValueError if libsvm would read beyond the arrays of a support vector machine, fitted or not."""
    if not isinstance(estimator, BaseLibSVM) or "support_vectors_" not in vars(estimator):
        return
    svm = estimator
    counts, support = np.asarray(svm._n_support), np.asarray(svm.support_)
    n_vectors, n_classes = len(support), len(counts)  # 2 in regression and one-class machines
    n_pairs = n_classes * (n_classes - 1) // 2
    # with a precomputed or callable kernel, the support vectors are given by their rows
    in_rows = callable(svm.kernel) or svm.kernel == "precomputed"
    shapes = {
        "support_vectors_": [(0, 0) if in_rows else (n_vectors, svm.n_features_in_)],
        "support_": [(n_vectors,)],
        "_dual_coef_": [(n_classes - 1, n_vectors)],
        "_intercept_": [(n_pairs,)],
        "_probA": [(0,), (n_pairs,)],
        "_probB": [(0,), (n_pairs,)],
    }
    wrong = [name for name, allowed in shapes.items() if np.shape(getattr(svm, name)) not in allowed]
    if in_rows and n_vectors and not 0 <= support.min() <= support.max() < svm.shape_fit_[0]:
        wrong.append("support_")
    if min(svm.n_support_) < 0 or sum(svm.n_support_) != n_vectors:
        wrong.append("_n_support")
    if svm._sparse:  # files do not hold sparse matrices
        wrong.append("_sparse")
    if wrong:
        raise ValueError(f"a {type(svm).__name__} whose {', '.join(wrong)} does not fit the rest")
