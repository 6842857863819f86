"""Several networks on several features of the same clips: Wilkinghoff's embeddings."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.utils.validation import validate_data

from .. import nn
from .._sklearn_compat import Interval, StrOptions, fit_context
from .._typing import ArrayLike
from .._unfitted import forget_features
from ..clips import Clips, check_clips
from ..labels import encode
from ._base import BaseEmbedder
from ._branches import (
    Spectra,
    features,
    kind_of,
    make_transformers,
)
from ._choices import make_objective, names_of
from ._classes import pseudo_labels, section_labels
from ._docs import with_fit_docstring, with_shared_docstring


@with_shared_docstring
class MultiBranchEmbedder(BaseEmbedder):
    r"""Embed clips with networks on their spectrum and spectrogram, trained together to classify the clips.

    Wilkinghoff's network [1]_: one branch sees the spectrum of the whole clip, one its spectrogram; their concatenated
    embeddings are trained to classify machines, attributes and domains. It is the first step of a pipeline: it takes
    the clips themselves and computes the features of each batch, because clips are mixed as waveforms.

    Parameters
    ----------
    branches : tuple of {"spectrum", "stft", "phase"} or of (str, transformer) tuples, default=("spectrum", "stft")
        Kind of each branch, which determines its network and, unless a transformer is given, its input:
        ``SpectrumTransformer(n_samples)``, ``STFTTransformer(center=False)``, ``PhaseTransformer(center=False)``. With
        a transformer, such as ``("stft", LogMelTransformer())``, the branch sees its output for the waveform.

    n_samples : int, default=160000
        Length of the input. Longer clips are cropped at random in training and cut into windows at ``patch_hop`` when
        embedding; shorter ones are repeated. 10 s at 16 kHz by default; [1]_ has 18 s (288,000).

    on_error : {"raise", "skip"}, default="raise"
        With "raise", an error lists all clips that cannot be used. With "skip", a warning lists them, they are not
        trained on, and their rows are NaN.

    n_jobs : int or None, default=None
        Number of threads that read clips and compute features.

    branch_dim : int, default=128
        Length of the embedding of a branch.

    activation : {"relu", "prelu"}, default="relu"
        Activation of all layers; ``"prelu"`` in [2]_.

    squeeze_excitation : bool, default=False
        Whether the branches use squeeze-and-excitation, as in the 2024 form of the network.

    feature_exchange : float, default=0.5
        Probability with which a branch's embedding is exchanged between clips during training (FeatEx). 0: never. No
        effect with a single branch.

    patch_hop : int or None, default=None
        Samples between the windows of clips longer than ``n_samples`` when embedding; None: half a window.

    merge : {"mean", "std"} or tuple of them, default="mean"
        How the embeddings of a clip's windows become one row; several are concatenated.

    mixing : {"mixup"}, callable or None, default="mixup"
        Mixing of the waveforms of a batch during training. A callable is called as
        ``mixing(x, y, generator=generator, partner=None)`` with waveforms of shape (n, 1, n_samples).

    {shared}

    Attributes
    ----------
    {attributes}

    transformers_ : dict of str to transformer
        Transformers that compute the features, by branch name.

    classes_ : ndarray of shape (n_classes,)
        Classes, in order; tuples if they combine several kinds of metadata.

    pseudo_labels_ : ndarray of int of shape (n_clips,) or None
        Cluster of each training clip if clusters were used as classes.

    patch_frames_ : int
        ``n_samples``.

    n_features_in_ : int
        Number of samples per clip, if the clips are an array.

    See Also
    --------
    skasd.scorers.KMeansScorer : The detector of [1]_: normalises the rows and uses cosine distances.
    skasd.nn.MultiBranchNet : The network.

    Notes
    -----
    The class of a clip is the tuple of its known metadata: ``section``, ``attribute``, ``domain`` and whether it is a
    ``proxy``. Clips of other machines marked by ``proxy=`` are thus trained on, as classes of their own (scorers leave
    them out). If no metadata distinguish the clips, clusters of spectral statistics are the classes.

    As in [1]_: sub-cluster AdaCos with 16 fixed centres per class
    (``loss=functools.partial(skasd.nn.SubclusterAdaCos, trainable=True)`` learns them), Adam at 1e-3, 10 epochs,
    batches of 64, mixup of waveforms with probability 0.5 and weights from U(0, 1). The mixup partner in [1]_ is the
    reversed batch; here it is drawn at random. FeatEx has its own objective with trainable centres, added to the first
    with weight 1 (:func:`skasd.nn.feature_exchange`).

    [2]_ (section 3.1) adds a branch on the phase, PReLU and Adamax:
    ``MultiBranchEmbedder(("spectrum", "stft", "phase"), activation="prelu", optimizer="adamax")``.

    The waveforms of all clips are kept in memory as float32 (an array of float32 is not copied).

    References
    ----------
    .. [1] K. Wilkinghoff, "Self-supervised learning for anomalous sound detection", ICASSP, 2024.
    .. [2] J. Hai, D. Zhou, R. Liu, Y. I. Wu, "Anomalous sound detection by self-supervised learning of VAE with domain
       shift techniques", DCASE2024 Challenge technical report, 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.embedders import MultiBranchEmbedder
    >>> clips = np.random.default_rng(0).normal(size=(12, 4000)).astype("float32")
    >>> embedder = MultiBranchEmbedder(n_samples=4000, max_epochs=1, random_state=0)
    >>> embedder.fit_transform(clips, section=["a", "b"] * 6).shape
    (12, 256)
    """

    __metadata_request__fit = {"section": True, "domain": True, "attribute": True, "proxy": True}

    _parameter_constraints: dict = {
        **BaseEmbedder._parameter_constraints,
        "branches": [tuple, list],
        "n_samples": [Interval(Integral, 2, None, closed="left")],
        "sample_rate": [Interval(Integral, 1, None, closed="left")],
        "channel": [StrOptions({"mean"}), Integral],
        "on_error": [StrOptions({"raise", "skip"})],
        "limits": [dict, None],
        "n_jobs": [Integral, None],
        "branch_dim": [Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({"relu", "prelu"})],
        "squeeze_excitation": ["boolean"],
        "feature_exchange": [Interval(Real, 0, 1, closed="both")],
        "mixing": [StrOptions({"mixup"}), callable, None],
    }

    uses_proxies = True
    _n_rows = 1  # of waveforms

    def __init__(
        self,
        branches: Any = ("spectrum", "stft"),
        n_samples: int = 160_000,
        *,
        sample_rate: int = 16_000,
        channel: Literal["mean"] | int = "mean",
        on_error: Literal["raise", "skip"] = "raise",
        limits: dict | None = None,
        n_jobs: int | None = None,
        branch_dim: int = 128,
        activation: Literal["relu", "prelu"] = "relu",
        squeeze_excitation: bool = False,
        feature_exchange: float = 0.5,
        loss: Any = "subcluster_adacos",
        patch_hop: int | None = None,
        merge: Any = "mean",
        output: Any = "embedding",
        n_pseudo_classes: int = 10,
        mixing: Literal["mixup"] | Callable | None = "mixup",
        max_epochs: int = 10,
        batch_size: int = 64,
        lr: float = 1e-3,
        optimizer: Literal["adam", "adamw", "adamax", "sgd"] | type = "adam",
        weight_decay: float = 1e-5,
        device: str = "auto",
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
        n_threads: int | None = None,
        callbacks: Any = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        super().__init__(
            loss=loss,
            patch_hop=patch_hop,
            merge=merge,
            output=output,
            n_pseudo_classes=n_pseudo_classes,
            mixing=mixing,
            max_epochs=max_epochs,
            batch_size=batch_size,
            lr=lr,
            optimizer=optimizer,
            weight_decay=weight_decay,
            device=device,
            precision=precision,
            n_threads=n_threads,
            callbacks=callbacks,
            random_state=random_state,
            verbose=verbose,
            standardize_input=None,
            domain_mixing=False,
            lr_schedule="constant",
        )
        self.branches = branches
        self.n_samples = n_samples
        self.sample_rate = sample_rate
        self.channel = channel
        self.on_error = on_error
        self.limits = limits
        self.n_jobs = n_jobs
        self.branch_dim = branch_dim
        self.activation = activation
        self.squeeze_excitation = squeeze_excitation
        self.feature_exchange = feature_exchange

    @fit_context(prefer_skip_nested_validation=True)
    @with_fit_docstring
    def fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        *,
        section: ArrayLike | None = None,
        domain: ArrayLike | None = None,
        attribute: ArrayLike | None = None,
        proxy: ArrayLike | None = None,
    ) -> Self:
        """Train the network on clips.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
            The clips.
        section : array-like of shape (n_clips,) or None, default=None
            Machine, ID or section of each clip.
        domain : array-like of {"source", "target"} of shape (n_clips,) or None, default=None
            Domain of each clip.
        attribute : array-like of shape (n_clips,) or None, default=None
            Attribute of each clip, any hashable.
        proxy : array-like of bool of shape (n_clips,) or None, default=None
            Clips of other machines: classes of their own.
        {shared}

        Returns
        -------
        self : object
        """
        self.transformers_ = make_transformers(
            self.branches, self.n_samples, sample_rate=self.sample_rate, n_jobs=self.n_jobs
        )
        return self._fit(X, y, section=section, domain=domain, attribute=attribute, proxy=proxy)

    def transform(self, X: Any) -> np.ndarray:
        """Turn each clip into one row.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
            The clips.

        Returns
        -------
        ndarray of shape (n_clips, n_features), float32
            What ``output`` names; NaN for clips skipped with ``on_error="skip"``.
        """
        return self._transform(X, names_of("output", self.output, self._outputs))

    def _check_clips(self, X, reset):
        """Read the waveforms, (n_clips, 1, n_samples) or a list of arrays of shape (1, n_samples_i)."""
        given = check_clips(X)
        if reset:
            forget_features(self)
        if isinstance(given, np.ndarray):
            # clips may have another length than those seen in fit, but not other column names
            validate_data(self, X, reset=reset, skip_check_array=True, ensure_2d=reset)
        clips = Clips(
            given,
            sample_rate=self.sample_rate,
            channel=self.channel,
            on_error=self.on_error,
            limits=self.limits,
        )
        options = {"n_jobs": self.n_jobs, "verbose": self.verbose}
        if isinstance(given, np.ndarray) and given.dtype == np.float32:
            clips.map(lambda i, waveform: None, **options)
            waveforms = given
        else:
            lengths = np.maximum(clips.n_samples, 1)  # of clips not known to be bad
            good = lengths[clips.n_samples > 0]
            if len(np.unique(good)) <= 1:
                waveforms = np.empty((len(clips), good[0] if len(good) else 1), dtype=np.float32)
            else:
                waveforms = [np.empty(length, dtype=np.float32) for length in lengths]

            def write(i, waveform):
                waveforms[i][...] = waveform

            clips.map(write, **options)
        missing = np.zeros(len(clips), dtype=bool)
        missing[list(clips.causes)] = True
        if isinstance(waveforms, list):
            return [waveform[None] for waveform in waveforms], missing
        return waveforms[:, None], missing

    def _choose_patch_frames(self, lengths):
        return self.n_samples

    def _learn_classes(self, clips, metadata, seed):
        labels = section_labels(metadata.get("section"), metadata["y"])
        known = [metadata.get(name) for name in ("attribute", "domain", "proxy")]
        parts = [
            part.tolist() for part in (labels, *known) if part is not None and len(set(part.tolist())) > 1
        ]
        joined = parts[0] if len(parts) == 1 else list(zip(*parts, strict=True)) or None
        labels = section_labels(joined, None)
        self.pseudo_labels_ = None
        if labels is None:
            spectra = Spectra(self.transformers_, self._make_patches(clips, self.n_samples))
            labels = self.pseudo_labels_ = pseudo_labels(spectra, self.n_pseudo_classes, seed)
        self.classes_, labels = encode(labels.tolist())
        return labels

    # -- branches ------------------------------------------------------------------------------------------------

    def _features(self, waveforms):
        return features(self.transformers_, waveforms)

    def _make_backbone(self, n_bins, n_frames):
        # the transformers' output for silence gives the sizes
        inputs = self._features(torch.zeros(1, 1, n_frames))
        return nn.MultiBranchNet(
            [(kind_of(name), x.shape[-2] if x.ndim > 2 else x.shape[1]) for name, x in inputs.items()],
            self.branch_dim,
            self.activation,
            self.squeeze_excitation,
        )

    def _make_network(self, backbone, mean, scale, n_classes):
        classification = make_objective(self.loss, backbone.embedding_dim, n_classes)
        exchange = None
        if self.feature_exchange > 0 and len(backbone.names) > 1:
            exchange = nn.SubclusterAdaCos(
                backbone.embedding_dim,
                (len(backbone.names) + 1) * n_classes,
                getattr(classification, "n_subclusters", 16),
                trainable=True,
            )
        return nn.ExchangeNetwork(
            backbone, nn.ExchangeObjective(classification, exchange, self.feature_exchange)
        )

    def _make_batch(self, x, targets, generator):
        # drawn here, not in the objective: all randomness of a run comes from its own generator
        seed = torch.randint(2**31 - 1, (1,), generator=generator)
        return self._features(x), {"label": targets["label"], "seed": seed}

    def _patch_outputs(self, network, x, names):
        inputs = {name: value.to(x.device) for name, value in self._features(x.cpu()).items()}
        return super()._patch_outputs(network, inputs, names)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = False
        return tags
