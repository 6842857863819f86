"""Estimators whose fit does not come to its end."""

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
