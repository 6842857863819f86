"""Frozen encoders as transformers of clips."""

import os
from collections.abc import Sequence
from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import validate_data

from .._docs import CLIPS, shared_docstring
from .._sklearn_compat import Interval, StrOptions
from .._threads import fixed_threads, resolve_threads
from .._typing import PathName
from .._unfitted import forget_features
from ..clips import BadClip, Clips, check_clips, check_limits
from ..features import check_sliding
from ._loading import ENCODERS, load_encoder
from ._rows import SlidingRow, row_of


@shared_docstring(CLIPS)
class PretrainedEmbedder(TransformerMixin, BaseEstimator):
    """Turn each clip into a row: means over time of the middle layers of a frozen network.

    Nothing is trained: the network has learnt general features from other sounds, and a scorer after it learns what is
    normal for a machine. The default encoder comes with the library.

    Parameters
    ----------
    encoder : {"skasd", "efficientat_mn04", "efficientat_mn10", "panns_cnn14_16k", "transformers"}, default="skasd"
        The network. ``"skasd"`` is :class:`skasd.nn.MachineEncoder`, made for recordings at 16 to 32 kHz;
        ``"efficientat_mn04"`` and ``"efficientat_mn10"`` are the audio taggers of EfficientAT [1]_, MobileNetV3 of
        width 0.4 and 1.0; ``"panns_cnn14_16k"`` is Cnn14 of PANNs at 16 kHz [2]_; ``"transformers"`` any audio model
        of the package ``transformers`` (extra ``pretrained``) with hidden states over time, such as audio spectrogram
        transformers, wav2vec 2.0, HuBERT, WavLM and the encoder of Whisper.

    weights : path-like or None, default=None
        File of the weights, as its authors published it; with ``"transformers"`` the folder of the model and of its
        feature extractor, as ``save_pretrained`` writes it. None: the file that comes with the library (``"skasd"``),
        or one that is downloaded once, checked by its SHA-256 and kept (``"efficientat_mn04"``; see
        :func:`skasd.weights.fetch`). Required for the others. No code in a file is run.

    layer : str, int, tuple of them or None, default=None
        The layer, or several whose columns are concatenated. "6", "9" and "11" of ``"skasd"``, and "mel", the means and
        standard deviations over time of its log-mels, by default 9; 0 to 16 of ``"efficientat_..."``, the outputs of
        ``features[layer]``, by default 9; blocks 1 to 6 of ``"panns_cnn14_16k"``, by default 4; the number of a hidden
        state with ``"transformers"``, by default the one in the middle.

    bands : bool, default=True
        Whether to keep the positions along frequency separate; otherwise they are averaged too. Models of
        ``transformers`` other than audio spectrogram transformers have no such positions.

    sample_rate : int, default=16000
        Sample rate in Hz. Files at another rate are resampled to it; arrays must have it. For encoders that work at
        another rate clips are resampled once more.

    on_error : {"raise", "skip"}, default="raise"
        With "raise", an error lists all clips that cannot be used. With "skip", a warning lists them, and their rows
        are NaN.

    device : str, default="auto"
        Where the network runs: ``"auto"`` is CUDA if available, else the CPU; or any torch device.

    n_threads : int or None, default=None
        Threads of torch for each clip; ``"skasd"`` uses one on the CPU. None: the environment variable
        ``SKASD_NUM_THREADS``, else 1.

    {shared}

    Attributes
    ----------
    bands_ : ndarray of int of shape (n_columns,)
        Frequency position of each column, from low to high frequencies; numbering continues from layer to layer.
        Columns of one position are adjacent.

    frequencies_ : ndarray of shape (n_columns,)
        Frequency of each column's position in Hz; NaN if it has none. For "skasd" it is that of the position's lowest
        mel band.

    layers_ : ndarray of str of shape (n_columns,)
        The layer of each column.

    device_ : str
        Device of the network in `fit`. A detector loaded elsewhere uses `device`.

    weights_sha256_ : str
        SHA-256 of the weights.

    encoder_ : object
        The frozen network (``network``) with its front end.

    n_features_in_ : int
        Number of samples per clip in `fit`, if the clips were an array.

    See Also
    --------
    skasd.nn.MachineEncoder : The network that comes with the library.
    skasd.weights.CHECKPOINTS : Sources, licences and checksums of the weights.
    skasd.scorers.MahalanobisScorer : Scores the rows.

    Notes
    -----
    A row holds the mean over time of each channel at each position along frequency. `fit` checks the parameters and
    the weights; the network stays as it is, and `transform` works without `fit`.

    Each clip is processed separately: its row does not depend, to the last bit, on other clips or on `n_jobs`. Only the
    row of a clip is kept.

    ``"skasd"`` is local in time: an output depends on 0.77 s of sound, and the row is the mean of one output every 0.1
    s. The log-mel frames of shorter clips are mirrored at both ends. The mels of a recording at 16 kHz are those of the
    same sound at 32 kHz in all bands below 8 kHz; higher bands are at their floor. Rates that are not a multiple of 1
    kHz or not within 16 to 48 kHz are resampled. The other encoders process a clip as a whole, in pieces of equal
    length if it is longer than 12 s (``"transformers"``: 10.24 s). Clips shorter than 50 ms (``"transformers"``: 0.1 s,
    ``"panns_cnn14_16k"``: 0.33 s) are repeated.

    Saved detectors hold a reference to the weights and their SHA-256, not the weights themselves: with weights other
    than those of `fit`, `transform` raises an error. If the file has moved, set its path with
    ``set_params(weights=...)``.

    References
    ----------
    .. [1] F. Schmid, K. Koutini, G. Widmer, "Efficient large-scale audio tagging via Transformer-to-CNN knowledge
       distillation", ICASSP 2023.
    .. [2] Q. Kong et al., "PANNs: large-scale pretrained audio neural networks for audio pattern recognition",
       IEEE/ACM Transactions on Audio, Speech, and Language Processing 28, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd import PretrainedEmbedder
    >>> clips = np.random.default_rng(0).normal(scale=0.1, size=(2, 16000)).astype(np.float32)
    >>> embedder = PretrainedEmbedder().fit(clips)
    >>> embedder.transform(clips).shape
    (2, 256)
    >>> embedder.get_feature_names_out()[[0, 32]]
    array(['layer 9 17 Hz 0', 'layer 9 350 Hz 0'], dtype=object)
    >>> embedder.bands_[[0, 32]]
    array([0, 1])
    """

    _parameter_constraints: dict = {
        "encoder": [StrOptions(set(ENCODERS))],
        "weights": [str, os.PathLike, None],
        "layer": [str, Integral, tuple, list, None],
        "bands": ["boolean"],
        "sample_rate": [Interval(Integral, 1000, None, closed="left")],
        "channel": [StrOptions({"mean"}), Integral],
        "on_error": [StrOptions({"raise", "skip"})],
        "limits": [dict, None],
        "device": [str],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        encoder: Literal[
            "skasd", "efficientat_mn04", "efficientat_mn10", "panns_cnn14_16k", "transformers"
        ] = "skasd",
        *,
        weights: PathName | None = None,
        layer: str | int | Sequence[str | int] | None = None,
        bands: bool = True,
        sample_rate: int = 16000,
        channel: Literal["mean"] | int = "mean",
        on_error: Literal["raise", "skip"] = "raise",
        limits: dict | None = None,
        device: str = "auto",
        n_threads: int | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ):
        self.encoder = encoder
        self.weights = weights
        self.layer = layer
        self.bands = bands
        self.sample_rate = sample_rate
        self.channel = channel
        self.on_error = on_error
        self.limits = limits
        self.device = device
        self.n_threads = n_threads
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters, the weights and the kind of X; nothing is learnt.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
            The clips. Files are not opened.

        y : object, default=None
            Not used, present for API consistency.

        Returns
        -------
        self : object
            The embedder itself.
        """
        self._validate_params()
        check_limits(self.limits)
        encoder, sha256 = self._load()
        clips = check_clips(X)
        forget_features(self)
        if isinstance(clips, np.ndarray):
            validate_data(self, X, skip_check_array=True)
            if self.on_error == "raise":
                self._clips(clips).map(lambda i, waveform: None)
        self.weights_sha256_ = sha256
        self.device_ = encoder.device
        n_columns = [layer.n_columns for layer in encoder.layers for _ in range(self._n_positions(layer))]
        frequencies = [
            layer.frequencies if self.bands and layer.frequencies is not None else [np.nan]
            for layer in encoder.layers
        ]
        self.frequencies_ = np.repeat(np.concatenate(frequencies), n_columns)
        self.bands_ = np.repeat(np.arange(len(n_columns)), n_columns)
        n_of_layers = [layer.n_columns * self._n_positions(layer) for layer in encoder.layers]
        self.layers_ = np.repeat(encoder.wanted, n_of_layers)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Turn each clip into one row.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
            The clips; arrays are assumed to be at `sample_rate`.

        Returns
        -------
        ndarray of shape (n_clips, n_columns), float32
            Layer by layer, position by position, channel by channel. Clips skipped with ``on_error="skip"`` are NaN.

        Raises
        ------
        skasd.clips.ClipError
            If clips cannot be used and `on_error` is "raise". The message lists all of them.

        ValueError
            If the weights are not those of `fit`.
        """
        encoder = self.encoder_
        rows = np.full((len(clips := self._checked(X)), self._n_columns(encoder)), np.nan, np.float32)
        clips.fill(rows, self._write, encoder, **self._options())
        rows[list(clips.causes)] = np.nan
        return rows

    def maps(self, X: Any) -> list:
        """Return the maps whose means over time are the rows.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
            A few clips.

        Returns
        -------
        list of lists of ndarrays of shape (n_channels, n_positions, n_steps), float32
            For each clip the map of each layer; None for clips skipped with ``on_error="skip"``.
        """
        encoder = self.encoder_

        def whole(i, waveform):
            pieces = zip(*encoder.maps(waveform, self.sample_rate), strict=True)
            return [np.ascontiguousarray(np.concatenate(parts, -1)) for parts in pieces]

        with fixed_threads(resolve_threads(self.n_threads)):
            return self._checked(X).map(whole, **self._options())

    @property
    def encoder_(self) -> Any:
        """The frozen network with its front end; its weights are those of `fit`."""
        self._validate_params()
        encoder, sha256 = self._load()
        if (wanted := getattr(self, "weights_sha256_", sha256)) != sha256:
            raise ValueError(
                f"encoder={self.encoder!r}, weights={self.weights!r}: these weights have the SHA-256 {sha256}; this "
                f"embedder was fitted with others, of SHA-256 {wanted}. Give those, or fit again."
            )
        return encoder

    def sliding_step(self) -> int | None:
        """Return the number of samples that a hop must be a multiple of, so that windows share outputs of the network.

        Returns
        -------
        int or None
            0.1 s with ``encoder="skasd"`` at a sample rate that needs no resampling; else None.
        """
        return self.encoder_.sliding_step(self.sample_rate)

    def sliding(self, n_samples: int, hop: int) -> Any:
        """Return a function that turns successive windows of a stream into rows.

        Log-mel frames and outputs of the network are computed once; the first window takes as long as in `transform`,
        later ones are faster by what they share.

        Parameters
        ----------
        n_samples : int
            Length of a window.
        hop : int
            Samples from one window to the next: a multiple of `sliding_step`.

        Returns
        -------
        function : callable
            Called as ``function(window)`` with one window after another, of shape (n_samples,), float32. Returns what
            `transform` gives for it, of shape (n_columns,). Call ``function.reset()`` if the next window does not
            follow the last one.

        Raises
        ------
        ValueError
            If windows cannot share any outputs.

        Examples
        --------
        >>> import numpy as np
        >>> from skasd import PretrainedEmbedder
        >>> sound = np.random.default_rng(0).normal(scale=0.1, size=48000).astype(np.float32)
        >>> embedder = PretrainedEmbedder()
        >>> function = embedder.sliding(32000, embedder.sliding_step() * 10)
        >>> rows = [function(sound[start : start + 32000]) for start in (0, 16000)]
        >>> np.allclose(rows[1], embedder.transform([sound[16000:]])[0])
        True
        """
        encoder = self.encoder_
        check_sliding(encoder.sliding_step(self.sample_rate), n_samples, hop)
        return SlidingRow(encoder, n_samples, hop, self.bands, resolve_threads(self.n_threads))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the columns: layer, centre of the frequency position, channel.

        Parameters
        ----------
        input_features : object, default=None
            Not used, present for API consistency.

        Returns
        -------
        names : ndarray of str of shape (n_columns,)
            Such as "layer 9 350 Hz 12"; without positions "layer 9 12".
        """
        self._validate_params()
        return self._load()[0].column_names(self.bands)

    def _load(self):
        """Return the encoder and the SHA-256 of its weights."""
        return load_encoder(
            self.encoder, self.weights, self.layer, self.sample_rate, self.device, self.verbose
        )

    def _checked(self, X):
        if hasattr(self, "n_features_in_"):
            # clips may have another length than those seen in fit, but not other column names
            validate_data(self, X, reset=False, skip_check_array=True, ensure_2d=False)
        return self._clips(X)

    def _clips(self, X):
        names = ("sample_rate", "channel", "on_error", "limits")
        return Clips(X, **{name: getattr(self, name) for name in names})

    def _options(self):
        return {"n_jobs": self.n_jobs, "verbose": self.verbose, "description": "embedding"}

    def _write(self, clips, rows, encoder, **options):
        """Compute the rows of clips into `rows`; see `Clips.fill`."""
        if encoder is None:
            encoder = self.encoder_

        def write(i, waveform):
            rows[i][:] = row_of(encoder, encoder.maps(waveform, self.sample_rate), self.bands)
            if not np.isfinite(rows[i]).all():  # NaN would mean that the clip was skipped
                raise BadClip("its row is not finite: scale its samples to [-1, 1)")

        with fixed_threads(resolve_threads(self.n_threads)):
            clips.map(write, **options)

    def _n_positions(self, layer):
        return len(layer.frequencies) if self.bands and layer.frequencies is not None else 1

    def _n_columns(self, encoder):
        return sum(layer.n_columns * self._n_positions(layer) for layer in encoder.layers)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = []
        return tags
