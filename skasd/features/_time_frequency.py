"""Validation of time-frequency arrays, which feature transformers pass to embedders."""

import numpy as np
from sklearn.utils.validation import validate_data

_FLOATS = (np.float32, np.float64, np.float16)


def check_time_frequency(estimator, X, *, reset=True, dtype=_FLOATS, min_clips=1):
    """Check an array of spectrograms for an estimator, without copying it if possible.

    Parameters
    ----------
    estimator : estimator
        Gets `n_features_in_`, the number of bins (and `feature_names_in_`), with `reset`; without, X
        is checked against it.

    X : array-like of shape (n_clips, n_bins, n_frames) or (n_clips, n_bins), or list of arrays \
            (n_bins, n_frames_i)
        A 2-D array holds one frame per clip.

    reset : bool, default=True
        True in `fit`, False elsewhere.

    dtype : type or tuple of types, default=(np.float32, np.float64, np.float16)
        Accepted floating point types; other types of data are converted to the first one.

    min_clips : int, default=1
        Minimum number of clips.

    Returns
    -------
    X : ndarray of shape (n_clips, n_bins, n_frames), or list of ndarrays of shape (n_bins, n_frames_i)
        A view of the input if no conversion was necessary.

    missing : ndarray of shape (n_clips,), bool
        True for skipped clips: those that are NaN everywhere.

    Raises
    ------
    TypeError, ValueError
        For anything else than numbers in such a shape; for clips of which only a part is NaN, or with
        infinite values; for another number of bins than in `fit`.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.features import ClipStatistics, check_time_frequency
    >>> X = np.ones((2, 3, 4), dtype=np.float32)
    >>> X[1] = np.nan
    >>> checked, missing = check_time_frequency(ClipStatistics(), X)
    >>> np.shares_memory(checked, X), missing
    (True, array([False,  True]))
    """
    if hasattr(X, "columns") and "path" in X.columns:
        raise ValueError(
            f'X is a table with paths, and {type(estimator).__name__} takes spectrograms: pass the column, df["path"], '
            "to a pipeline that begins with a front end, as LogMelTransformer."
        )
    types = list(dtype) if isinstance(dtype, (list, tuple)) else [dtype]
    if _is_ragged(X):
        X = [_check_spectrogram(i, spectrogram, types) for i, spectrogram in enumerate(X)]
        n_bins = X[0].shape[0]
        for i, spectrogram in enumerate(X):
            if spectrogram.shape[0] != n_bins:
                raise ValueError(f"X[{i}] has {spectrogram.shape[0]} bins, but X[0] has {n_bins}.")
        if len(X) < min_clips:
            raise ValueError(
                f"Found array with {len(X)} sample(s) while a minimum of {min_clips} is required."
            )
        # an empty stand-in of that width lets scikit-learn keep or check the number of bins
        validate_data(estimator, np.empty((1, n_bins)), reset=reset, skip_check_array=True)
        return X, _missing(X)
    X = validate_data(
        estimator,
        X,
        reset=reset,
        dtype=types,
        allow_nd=True,
        ensure_all_finite=False,  # done below, clip by clip
        ensure_min_samples=min_clips,
    )
    if X.ndim > 3:
        raise ValueError(
            f"Found array with dim {X.ndim}, shape {X.shape}; expected (n_clips, n_bins, n_frames), or "
            "(n_clips, n_bins) with one frame per clip."
        )
    if X.ndim == 2:
        X = X[:, :, np.newaxis]
    if X.shape[2] == 0:
        raise ValueError(f"X has shape {X.shape}: no frames.")
    return X, _missing(X)


def _is_ragged(X):
    """Tell a list of 2-D arrays from everything that scikit-learn's own check understands."""
    if isinstance(X, np.ndarray):
        if X.ndim != 1 or X.dtype != object:
            return False
    elif not isinstance(X, (list, tuple)):
        return False
    return any(getattr(spectrogram, "ndim", 0) == 2 for spectrogram in X)


def _check_spectrogram(i, spectrogram, types):
    array = np.asarray(spectrogram) if hasattr(spectrogram, "__array__") else None
    if array is None or array.ndim != 2:
        kind = type(spectrogram).__name__ if array is None else f"an array of shape {array.shape}"
        raise ValueError(f"X[{i}] is {kind}; a list must hold arrays of shape (n_bins, n_frames_i).")
    if array.dtype.kind not in "fiub":
        raise ValueError(f"X[{i}] has dtype {array.dtype}; expected real numbers.")
    if array.size == 0:
        raise ValueError(f"X[{i}] has shape {array.shape}: nothing in it.")
    return array if array.dtype in types else array.astype(types[0])


def _missing(X):
    """Return which clips are NaN everywhere; raise if another one is not finite."""
    missing = np.zeros(len(X), dtype=bool)
    partly, infinite = [], []
    for i, spectrogram in enumerate(X):
        # a sum is finite only if every value is, and needs no temporary; where it overflows, look closer
        with np.errstate(all="ignore"):
            if np.isfinite(spectrogram.sum(dtype=np.promote_types(spectrogram.dtype, np.float32))):
                continue
        nan = np.isnan(spectrogram)
        if nan.all():
            missing[i] = True
        elif nan.any():
            partly.append(i)
        elif not np.isfinite(spectrogram).all():
            infinite.append(i)
    if partly or infinite:
        causes = [("NaN in a part of the values", partly), ("infinity", infinite)]
        found = "; ".join(f"{what} (clips {_some(which)})" for what, which in causes if which)
        raise ValueError(
            f"Input X contains {found}. Only a clip that was skipped may have NaN, and then has "
            "nothing else; inf is never allowed."
        )
    return missing


def _some(positions):
    return ", ".join(map(str, positions[:10])) + (", ..." if len(positions) > 10 else "")
