"""Whether the parts of an estimator fit together, where compiled code of scikit-learn takes that on trust."""

import numpy as np
from scipy.sparse import issparse
from sklearn.ensemble._bagging import BaseBagging
from sklearn.ensemble._forest import BaseForest
from sklearn.ensemble._gb import BaseGradientBoosting
from sklearn.svm._base import BaseLibSVM
from sklearn.tree import BaseDecisionTree
from sklearn.tree._tree import Tree


def check_parts(estimator):
    """Raise a ValueError if compiled code would read beyond the arrays of a loaded estimator.

    Parameters
    ----------
    estimator : estimator
        Fitted or not.
    """
    state = vars(estimator)
    if isinstance(estimator, BaseLibSVM) and "support_vectors_" in state:
        _check_support_vectors(estimator)
    if isinstance(estimator, BaseDecisionTree) and "tree_" in state:
        _check_tree(estimator, state.get("n_features_in_"))
    # these hand rows to their trees unchecked
    if isinstance(estimator, (BaseBagging, BaseForest, BaseGradientBoosting)) and "estimators_" in state:
        columns = state.get("estimators_features_")
        for i, member in enumerate(np.ravel(np.asarray(state["estimators_"], dtype=object))):
            if isinstance(member, BaseDecisionTree) and hasattr(member, "tree_"):
                # a member of a bag sees the columns chosen for it
                _check_tree(member, state.get("n_features_in_") if columns is None else len(columns[i]))


def _check_tree(estimator, n_features):
    if not isinstance(estimator.tree_, Tree) or estimator.tree_.n_features != n_features:
        raise ValueError(f"a {type(estimator).__name__} whose tree is not for its {n_features} features")


def _check_support_vectors(svm):
    counts, support = np.asarray(svm._n_support), np.asarray(svm.support_)
    n_vectors, n_classes = len(support), len(counts)  # 2 in regression and one-class machines
    n_pairs = n_classes * (n_classes - 1) // 2
    # of a kernel that was computed before, or by a function, the vectors are rows
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
    if svm._sparse != issparse(svm._dual_coef_) or (issparse(svm.support_vectors_) and not svm._sparse):
        wrong.append("_sparse")
    if wrong:
        raise ValueError(f"a {type(svm).__name__} whose {', '.join(wrong)} does not fit the rest")
