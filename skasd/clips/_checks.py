"""Checks of a collection of clips before anything is read."""

import os
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array

from ._errors import BadClip


def check_clips(X: Any) -> Any:
    """Check that X is a collection of clips and return it in one of three plain forms, uncopied.

    Parameters
    ----------
    X : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
        The collection. Nothing is read, and single clips are not checked.

    Returns
    -------
    clips : ndarray of shape (n_clips, n_samples) or list
        A 2-D numeric array, or a list of 1-D arrays or paths (bad elements are kept as they are).

    Raises
    ------
    TypeError, ValueError
        If X is not a collection of clips: a single path, a sparse matrix, a 1-D or 3-D array, or empty.

    Examples
    --------
    >>> from skasd.clips import check_clips
    >>> check_clips([[0.0, 0.5], [0.25, 0.0]]).shape
    (2, 2)
    """
    if isinstance(X, (str, bytes, os.PathLike)):
        raise ValueError(
            f"X is the single path {os.fspath(X)!r}; a collection of clips is expected. "
            "Put one file into a list, [path]; for a folder pass its files, e.g. "
            "sorted(Path(folder).glob('*.wav'))."
        )
    if issparse(X):
        return _check_waveforms(X)  # scikit-learn's error
    if X is None or isinstance(X, dict) or np.isscalar(X):
        raise TypeError(
            f"X is of type {type(X).__name__}; expected a 2-D array (n_clips, n_samples), "
            "a list of 1-D arrays or a list of paths."
        )
    if hasattr(X, "columns") and not all(getattr(kind, "kind", "O") in "biuf" for kind in X.dtypes):
        remedy = (
            'the column that holds the paths, df["path"]'
            if "path" in X.columns
            else "the clips or their paths alone"
        )
        raise ValueError(
            f"X is a table with the columns {', '.join(map(str, X.columns))}, of which not all are samples: pass "
            f"{remedy}."
        )
    if hasattr(X, "__array__") and not hasattr(X, "shape"):
        X = np.asarray(X)
    shape = getattr(X, "shape", None)
    if shape is not None and len(shape) > 2:
        raise ValueError(
            f"Found array with dim {len(shape)}, shape {tuple(shape)}, while clips are 2-D: "
            "(n_clips, n_samples). For several channels choose one first, e.g. X[:, 0, :], or their "
            "mean, X.mean(axis=1)."
        )
    if shape is not None and len(shape) != 1:
        if len(shape) == 2 and (paths := np.asarray(X).ravel()).size and all(map(is_path, paths)):
            raise ValueError(
                f"X is an array of paths of shape {tuple(shape)}: pass a 1-D array or a list of paths."
            )
        return _check_waveforms(X)
    clips = list(X)
    if not clips:
        raise ValueError(
            "Found array with 0 sample(s) (shape=(0,)) while a minimum of 1 is required: X has no clips."
        )
    if all(isinstance(clip, (int, float, complex, np.number)) for clip in clips):
        return _check_waveforms(X)  # 1-D numbers: scikit-learn's message says how to reshape
    if all(isinstance(clip, (list, tuple)) for clip in clips) and len({len(clip) for clip in clips}) == 1:
        return _check_waveforms(clips)
    return [clip if is_path(clip) else _as_waveform(clip) for clip in clips]


def _check_waveforms(X):
    X = check_array(X, dtype="numeric", ensure_all_finite=False)
    if problem := _format_problem(X.dtype):
        raise ValueError(f"X has {problem}")
    return X


def _format_problem(dtype):
    if dtype.kind == "f" or (dtype.kind == "i" and dtype.itemsize < 8) or dtype == np.uint8:
        return ""
    return (
        f"dtype {dtype}, which is no format of samples: its full scale cannot be told. Convert it to float "
        "in [-1, 1], or to int16 or int32 PCM."
    )


def pcm_to_float(samples: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return samples of any accepted format as floats with full scale at 1.

    Parameters
    ----------
    samples : ndarray
        Floats stay as they are; signed integers are divided by 2^(bits-1), 8-bit unsigned ones (the format of 8-bit
        WAV) are shifted by 128 first.

    out : ndarray of the same shape, float32, default=None
        Where converted samples go.

    Returns
    -------
    ndarray of the same shape
        Contiguous; float64 and float32 samples keep their type, others become float32.

    Raises
    ------
    ValueError
        For types that are not a sample format, such as 64-bit integers.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.clips import pcm_to_float
    >>> pcm_to_float(np.array([16384, -32768], dtype=np.int16)).tolist()
    [0.5, -1.0]
    """
    if problem := _format_problem(samples.dtype):
        raise ValueError(f"The samples have {problem}")
    if samples.dtype in (np.float32, np.float64):
        return np.ascontiguousarray(samples)
    out = np.empty(samples.shape, np.float32) if out is None else out
    if samples.dtype.kind == "u":
        np.subtract(samples, 128, out=out, casting="unsafe", dtype=np.float32)
        out /= 128
    elif samples.dtype.kind == "i":
        scale = 0.5 ** (8 * samples.dtype.itemsize - 1)
        np.multiply(samples, np.float64(scale), out=out, casting="unsafe")
    else:
        out[...] = samples
    return out


def _as_waveform(clip):
    """Return the clip as an array if it is one; anything else is checked clip by clip."""
    if isinstance(clip, (list, tuple)) or (hasattr(clip, "__array__") and not np.isscalar(clip)):
        try:
            return np.asarray(clip)
        except (ValueError, TypeError):
            return clip
    return clip


def is_path(clip):
    """Tell whether the clip is a path (of a file that may not exist)."""
    return isinstance(clip, (str, os.PathLike))


def array_length(clip):
    """Return the number of samples of a clip that is not a path."""
    if not isinstance(clip, np.ndarray):
        raise BadClip(
            f"it is neither a path nor a 1-D array but of type {type(clip).__name__} ({clip!r:.40})"
        )
    if clip.ndim != 1:
        raise BadClip(
            f"it has shape {clip.shape}; a clip is 1-D, (n_samples,): choose a channel or take their mean"
        )
    if problem := _format_problem(clip.dtype):
        raise BadClip(f"it has {problem}")
    return len(clip)
