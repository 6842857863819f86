"""Attributes of an earlier fit, which a new one must not keep."""

from contextlib import contextmanager


@contextmanager
def unfitted_on_failure(estimator):
    """Take all fitted attributes from an estimator if the block raises, an interrupt from the keyboard included.

    Else what was half learnt, or a mixture of this fit and an earlier one, would pass for a fitted estimator.
    """
    try:
        yield
    except BaseException:
        for name in [name for name in vars(estimator) if name.endswith("_") and not name.startswith("_")]:
            delattr(estimator, name)
        raise


def forget_features(estimator):
    """Take from an estimator what an earlier fit has learnt of the features' number and names."""
    for name in ("n_features_in_", "feature_names_in_"):
        vars(estimator).pop(name, None)
