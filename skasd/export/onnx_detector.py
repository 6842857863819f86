"""Runs a detector that skasd has exported, with NumPy and onnxruntime alone.

This file imports nothing from skasd: copied to a gateway, it works there unchanged.
"""

import os
from typing import Any

import numpy as np

try:
    import onnxruntime
except ImportError as error:
    raise ImportError(
        "Exported detectors run with the package onnxruntime: pip install onnxruntime"
    ) from error

_FORMAT = "1"


class OnnxDetector:
    """A detector in an ONNX file written by :func:`skasd.export.to_onnx`.

    Parameters
    ----------
    path : path-like
        The file.
    n_threads : int, default=1
        Number of threads that compute one clip.

    Attributes
    ----------
    sample_rate : int
        Rate in Hz that clips must be at.
    min_samples : int
        Minimum number of samples of a clip.
    threshold_ : float
        Anomaly score above which a clip is called anomalous.
    offset_ : float
        ``-threshold_``.
    has_p_values : bool
        Whether there is `p_value`.
    properties : dict of str
        All properties of the file: versions, number of references, how the detector was made.

    Raises
    ------
    ValueError
        If the file was not exported by skasd.

    See Also
    --------
    skasd.export.to_onnx : Writes the file.

    Notes
    -----
    Needs NumPy and onnxruntime, nothing else of skasd; this module's file may be copied to where skasd is not
    installed. Each clip is scored separately: its score does not depend on the other clips.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from skasd import ClipStatistics, LogMelTransformer, MahalanobisScorer
    >>> from skasd.export import OnnxDetector, to_onnx
    >>> random = np.random.default_rng(0)
    >>> healthy = random.normal(scale=0.1, size=(20, 4000)).astype(np.float32)
    >>> fitted = make_pipeline(LogMelTransformer(), ClipStatistics(), MahalanobisScorer()).fit(healthy)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_onnx(fitted, Path(folder, "model.onnx"))
    ...     detector = OnnxDetector(Path(folder, "model.onnx"))
    >>> hum = 0.1 * np.sin(np.arange(4000, dtype=np.float32) / 9)
    >>> detector.predict([random.normal(scale=0.1, size=4000), healthy[0] + hum])
    array([ 1, -1])
    """

    def __init__(self, path: str | os.PathLike, *, n_threads: int = 1):
        path = os.fspath(path)
        if not os.path.isfile(path):
            raise FileNotFoundError(f"There is no file {path!r}.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = n_threads
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own types, which have no common base
            raise ValueError(f"{path!r} is no ONNX file that can be run: {error}") from error
        self.properties = dict(self._session.get_modelmeta().custom_metadata_map)
        if self.properties.get("format") != _FORMAT:
            raise ValueError(
                f"{path!r} is no detector of format {_FORMAT} that skasd.export.to_onnx wrote"
                + (f", but of format {found}." if (found := self.properties.get("format")) else ".")
            )
        self.sample_rate = int(self.properties["sample_rate"])
        self.min_samples = int(self.properties["min_samples"])
        self.threshold_ = float(self.properties["threshold"])
        self.offset_ = -self.threshold_
        self.has_p_values = "p_value" in [output.name for output in self._session.get_outputs()]

    def __repr__(self):
        return f"OnnxDetector({self.properties['detector']}, {self.sample_rate} Hz, threshold {self.threshold_:.6g})"

    def judge(self, X: Any) -> dict[str, np.ndarray]:
        """Return all outputs of the file for each clip, computed once.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), or list of 1-D arrays
            As in `anomaly_score`.

        Returns
        -------
        dict of str to ndarray of shape (n_clips,)
            ``"anomaly_score"``, ``"decision"`` and, where there are p-values, ``"p_value"``.
        """
        names = ["anomaly_score", "decision", "p_value"][: 2 + self.has_p_values]
        return dict(zip(names, self._run(X, names), strict=True))

    def anomaly_score(self, X: Any) -> np.ndarray:
        """Return the anomaly score of each clip; higher is more anomalous.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), or list of 1-D arrays
            Waveforms at `sample_rate`: floats in [-1, 1), or PCM as int16, int32 or uint8.

        Returns
        -------
        ndarray of shape (n_clips,)

        Raises
        ------
        ValueError
            If there is no clip, or one is empty, too short, not one-dimensional or not finite.
        """
        return self._run(X, ["anomaly_score"])[0]

    def score_samples(self, X: Any) -> np.ndarray:
        """Return how normal each clip is; higher is more normal.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), or list of 1-D arrays
            As in `anomaly_score`.

        Returns
        -------
        ndarray of shape (n_clips,)
        """
        return -self.anomaly_score(X)

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the signed distance to the threshold; negative means anomalous.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), or list of 1-D arrays
            As in `anomaly_score`.

        Returns
        -------
        ndarray of shape (n_clips,)
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """Return +1 for clips that sound normal and -1 for anomalous ones.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), or list of 1-D arrays
            As in `anomaly_score`.

        Returns
        -------
        ndarray of int of shape (n_clips,)
        """
        return self._run(X, ["anomaly_score", "decision"])[1].astype(int)

    def p_value(self, X: Any) -> np.ndarray:
        """Return how rarely a healthy clip would score as high as each clip: the conformal p-value.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), or list of 1-D arrays
            As in `anomaly_score`.

        Returns
        -------
        ndarray of shape (n_clips,)
            In (0, 1].

        Raises
        ------
        AttributeError
            If the exported detector has no p-values.
        """
        if not self.has_p_values:
            raise AttributeError("The exported detector keeps no scores that a p-value could come from.")
        return self._run(X, ["p_value"])[0]

    def _run(self, X, names):
        """Return outputs of the file by name, each of shape (n_clips,)."""
        found = []
        for number, clip in enumerate(_clips(X)):
            waveform = _waveform(number, clip, self.min_samples)
            values = [output[0] for output in self._session.run(names, {"waveform": waveform[None]})]
            if not np.isfinite(values).all():
                raise ValueError(f"X[{number}] has no finite score: scale its samples to [-1, 1).")
            found.append(values)
        return [np.array(column) for column in zip(*found, strict=True)]


def _clips(X):
    """Return the clips, of which there must be one at least."""
    if isinstance(X, (str, bytes, os.PathLike)) or np.isscalar(X):
        raise ValueError(
            f"X is {X!r}; give waveforms: an array (n_clips, n_samples) or a list of 1-D arrays."
        )
    if isinstance(X, np.ndarray) and X.ndim != 2 and X.dtype != object:
        raise ValueError(f"X has shape {X.shape}; clips are (n_clips, n_samples): one clip is X[None].")
    if len(X) == 0:
        raise ValueError("X has no clips.")
    return X


def _waveform(number, clip, min_samples):
    """Return a clip as float32, PCM scaled to [-1, 1); raise if it is none."""
    clip = np.asarray(clip)
    if clip.ndim != 1:
        raise ValueError(
            f"X[{number}] has shape {clip.shape}; a clip is 1-D, (n_samples,): choose a channel or take their mean."
        )
    if len(clip) < max(min_samples, 1):
        raise ValueError(f"X[{number}] has {len(clip)} samples; at least {max(min_samples, 1)} are needed.")
    if clip.dtype == np.uint8:
        return (clip.astype(np.float32) - 128) / 128
    if clip.dtype.kind == "i" and clip.dtype.itemsize < 8:
        return (clip * 0.5 ** (8 * clip.dtype.itemsize - 1)).astype(np.float32)
    if clip.dtype.kind != "f":
        raise ValueError(
            f"X[{number}] has dtype {clip.dtype}, which is no format of samples: give float in [-1, 1), int16 or int32."
        )
    if not np.isfinite(clip).all():
        raise ValueError(f"X[{number}] contains NaN or infinite samples.")
    return np.ascontiguousarray(clip, np.float32)
