"""Outlier-exposed embeddings with a variational autoencoder whose latents separate domain and sound."""

from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
import torch

from .. import nn
from .._metadata import DOMAINS
from .._sklearn_compat import Interval, StrOptions, fit_context
from .._typing import ArrayLike
from ..labels import as_label
from ._base import BaseEmbedder
from ._batches import BalancedBatches
from ._clips import take_rows
from ._docs import with_fit_docstring, with_shared_docstring
from ._embedding import merge
from ._exposure import attribute_values, held_out_clips, mean_power_levels
from ._patches import ClipSegments


@with_shared_docstring
class OEVAEEmbedder(BaseEmbedder):
    r"""Embed clips with a ResNet-18 that distinguishes a machine from others, and a variational autoencoder on top.

    The OEVAE of Hai et al. [1]_: clips of other machines (``proxy=``) stand in for anomalies, and a variational
    autoencoder models the embedding of the machine's own clips. Some of its latents are bound to an attribute that
    changes with the domain (load, speed ...), so that the others need not carry it; the negative log-likelihood of
    these others is an anomaly score.

    Parameters
    ----------
    embedding_dim : int, default=512
        Length of the embedding.

    width : int, default=64
        Channels of the first stage of the ResNet-18.

    latent_dim : int, default=64
        Number of latents.

    domain_dim : int, default=8
        Number of latents bound to the attribute.

    lambda_vae : float, default=0.001
        Weight of the autoencoder's loss relative to the classification loss. 1e-7 in [1]_, with which the latents do
        not separate; see Notes.

    standardize_embedding : bool, default=True
        Whether the embedding is standardised over the machine's clips before the autoencoder (:class:`skasd.nn.OEVAE`).
        False: it is used as it is, as in [1]_.

    standardize_alpha : bool, default=True
        Whether alpha is standardised by held-out clips of the machine: a tenth of each domain, in four runs of
        neighbouring clips (none of a domain where a tenth is fewer than two clips). If none can be held out, the
        training clips are used. False: alpha as in [1]_, and all clips are trained on.

    attribute_gain : "auto" or float, default="auto"
        Factor k of the attribute v in the prior N(k v, 1) of the bound latents. ``"auto"``: 5 divided by the smallest
        distance between two values.

    target_section : hashable or None, default=None
        The machine, one of the sections in ``section=``: clips of all other sections are proxies, beside those that
        ``proxy=`` marks. None: proxies are the clips that ``proxy=`` marks. See Notes.

    n_segments : int, default=8
        Segments per clip when embedding, of ``patch_frames`` frames each, equally spaced over the clip.

    patch_frames : int, default=126
        Frames of one segment: 126 are the 2 s of [1]_ with a hop of 16 ms. Clips shorter than a segment are repeated in
        time; if all training clips are shorter, the network is built for the longest of them (``patch_frames_``).

    merge : {"mean", "std", "segments"} or tuple of them, default="mean"
        How the embeddings of a clip's segments become one row; several are concatenated. ``"segments"``: side by side,
        ``n_segments`` times the length of the embedding; if a clip has fewer segments, they are repeated.

    output : {"embedding", "alpha", "latent", "log_proba"} or tuple of them, default="embedding"
        What ``transform`` returns; several are concatenated. ``"alpha"``: :math:`-\log p(z_c)`, the anomaly score of
        the free latents, standardised, one column. ``"latent"``: all latents, those bound to the attribute first.
        ``"log_proba"``: log-probabilities of ``classes_``. All but the embedding are means over segments. The two
        scores of [1]_ together: ``("alpha", "embedding")`` for :class:`skasd.scorers.OEVAEScorer`.

    {shared}

    Attributes
    ----------
    {attributes}

    exposed_to_ : {"proxies", "sections"}
        What was used as pseudo-anomalies.

    classes_ : ndarray of shape (n_classes,)
        ``["proxy", "target"]``, or the sections.

    attribute_gain_ : float
        The factor k.

    alpha_mean_, alpha_scale_ : float
        Mean and scale by which alpha is standardised; 0 and 1 without `standardize_alpha`.

    n_held_out_ : int
        Number of held-out clips, by which alpha is standardised.

    See Also
    --------
    skasd.scorers.OEVAEScorer : Weighs alpha and the distance to the nearest embeddings.
    skasd.nn.OEVAE : The loss.

    Notes
    -----
    The loss is :math:`L_{machine} + \lambda_{vae} (L_{vae1} + L_{vae2})`, equations 1 to 4 of [1]_ as in
    :class:`skasd.nn.OEVAE`. Settings are those of its section 4.2: log-mels of 224 bins, 8 segments of 2 s, 64 latents
    (8 of them bound), k = 5 / (smallest distance between two attribute values), Adam at 1e-3, 20 epochs, batches of 128
    with as many proxies as clips of the machine. An epoch of the report has 8 segments of every clip, an epoch here has
    one: hence 160 epochs. Two things differ: training segments are cut anywhere in the clips, and the autoencoder takes
    the standardised embedding, with a larger weight.

    That weight is 1e-7 in [1]_. Gradients of that size are near Adam's constant of 1e-8, so that encoder and decoder
    hardly change from their initial weights. At 1e-3, with the standardised embedding, the bound latents follow their
    prior within some hundred steps, and the free ones carry less of the attribute than the bound ones.

    Which clips are exposed to which:

    - ``proxy=`` marks clips: they are the pseudo-anomalies for all other clips;
    - ``target_section`` names a section: the clips of all other sections are pseudo-anomalies, as are marked ones;
    - there are none of either kind: each section (without sections, each cluster) has its own log-odds, with the clips
      of all others as pseudo-anomalies. The autoencoder then treats every clip as normal.

    ``attribute=`` takes one number or string for each clip. Strings are coded 0, 1, 2 ... in the order of the sorted
    values. If there are more than 20 different numbers, each is rounded to a twentieth of their range; v is centred, so
    that the encoder needs no large offset. Attributes of proxies are ignored. Without attributes v is the clip's mean
    power as in [1]_: the mean of the input array (for log-mels the mean level), rounded to whole standard deviations
    from -3 to 3.

    References
    ----------
    .. [1] J. Hai, D. Zhou, R. Liu, Y. I. Wu, "Anomalous sound detection by self-supervised learning of VAE with domain
       shift techniques", DCASE2024 Challenge technical report, 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.embedders import OEVAEEmbedder
    >>> X = np.random.default_rng(0).normal(size=(12, 16, 20)).astype("float32")
    >>> embedder = OEVAEEmbedder(64, width=8, max_epochs=1, patch_frames=16, output=("alpha", "embedding"))
    >>> embedder.fit_transform(X, proxy=[False, True] * 6, attribute=[10.0, 20.0, 30.0] * 4).shape
    (12, 65)
    """

    __metadata_request__fit = {"section": True, "domain": True, "attribute": True, "proxy": True}

    _parameter_constraints: dict = {
        **BaseEmbedder._parameter_constraints,
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "latent_dim": [Interval(Integral, 2, None, closed="left")],
        "domain_dim": [Interval(Integral, 1, None, closed="left")],
        "lambda_vae": [Interval(Real, 0, None, closed="left")],
        "standardize_embedding": ["boolean"],
        "standardize_alpha": ["boolean"],
        "attribute_gain": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "target_section": [object, None],
        "n_segments": [Interval(Integral, 1, None, closed="left")],
    }

    _outputs = ("embedding", "alpha", "latent", "log_proba")
    _merges = ("mean", "std", "segments")
    uses_proxies = True
    _training_batches = BalancedBatches

    def __init__(
        self,
        embedding_dim: int = 512,
        width: int = 64,
        latent_dim: int = 64,
        domain_dim: int = 8,
        *,
        lambda_vae: float = 1e-3,
        standardize_embedding: bool = True,
        standardize_alpha: bool = True,
        attribute_gain: Literal["auto"] | float = "auto",
        target_section: Any = None,
        n_segments: int = 8,
        patch_frames: int = 126,
        merge: Any = "mean",
        output: Any = "embedding",
        n_pseudo_classes: int = 10,
        standardize_input: Literal["bin", "global"] | None = "bin",
        augmenter: Any = None,
        max_epochs: int = 160,
        batch_size: int = 128,
        lr: float = 1e-3,
        lr_schedule: Literal["onecycle", "constant"] = "constant",
        optimizer: Literal["adam", "adamw", "adamax", "sgd"] | type = "adam",
        weight_decay: float = 0.0,
        device: str = "auto",
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
        n_threads: int | None = None,
        callbacks: Any = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        super().__init__(
            patch_frames=patch_frames,
            merge=merge,
            output=output,
            n_pseudo_classes=n_pseudo_classes,
            standardize_input=standardize_input,
            augmenter=augmenter,
            max_epochs=max_epochs,
            batch_size=batch_size,
            lr=lr,
            lr_schedule=lr_schedule,
            optimizer=optimizer,
            weight_decay=weight_decay,
            device=device,
            precision=precision,
            n_threads=n_threads,
            callbacks=callbacks,
            random_state=random_state,
            verbose=verbose,
            mixing=None,
            domain_mixing=False,
        )
        self.embedding_dim = embedding_dim
        self.width = width
        self.latent_dim = latent_dim
        self.domain_dim = domain_dim
        self.lambda_vae = lambda_vae
        self.standardize_embedding = standardize_embedding
        self.standardize_alpha = standardize_alpha
        self.attribute_gain = attribute_gain
        self.target_section = target_section
        self.n_segments = n_segments

    @fit_context(prefer_skip_nested_validation=True)
    @with_fit_docstring
    def fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        *,
        section: ArrayLike | None = None,
        domain: ArrayLike | None = None,
        attribute: Any = None,
        proxy: ArrayLike | None = None,
    ) -> Self:
        """Train the network on healthy clips and those of other machines.

        Parameters
        ----------
        section : array-like of shape (n_clips,) or None, default=None
            Machine, ID or section of each clip; see Notes.
        domain : array-like of {"source", "target"} of shape (n_clips,) or None, default=None
            Clips are held out by domain; also passed to the augmenter, if any.
        attribute : array-like of float or str of shape (n_clips,) or None, default=None
            What changes with the domain.
        proxy : array-like of bool of shape (n_clips,) or None, default=None
            Clips of other machines, which stand in for anomalies.
        {shared}

        Returns
        -------
        self : object
        """
        return self._fit(X, y, section=section, domain=domain, attribute=attribute, proxy=proxy)

    def _learn_classes(self, clips, metadata, seed):
        is_normal = self._is_normal(metadata, len(clips))
        if metadata.get("attribute") is None:
            metadata["attribute"] = mean_power_levels(clips, slice(None) if is_normal is None else is_normal)
        if is_normal is None:
            self.exposed_to_ = "sections"
            return super()._learn_classes(clips, metadata, seed)
        self.exposed_to_ = "proxies"
        self.pseudo_labels_ = None
        self.classes_ = np.array(["proxy", "target"])
        return is_normal.astype(int)

    def _is_normal(self, metadata, n_clips):
        """Return which clips are of the machine; None where all are and sections are exposed to each other."""
        proxy, section = metadata.get("proxy"), metadata.get("section")
        if self.target_section is not None and section is None:
            raise ValueError(f"target_section={self.target_section!r}, but no section= was given to fit.")
        is_normal = np.ones(n_clips, dtype=bool) if proxy is None else ~proxy
        if self.target_section is not None:
            machine = as_label(self.target_section)
            is_normal &= np.array([label == machine for label in section])
        if not is_normal.any():
            raise ValueError(
                f"No clip to train {type(self).__name__} on: none of n_samples={n_clips} is of the machine "
                f"(target_section={self.target_section!r}, {0 if proxy is None else proxy.sum()} proxies)."
            )
        return None if is_normal.all() else is_normal

    def _choose_held_out(self, metadata, n_clips):
        """Return which clips of the machine alpha is standardised by."""
        if not self.standardize_alpha:
            return np.zeros(n_clips, dtype=bool)
        is_normal = self._is_normal(metadata, n_clips)
        is_normal = np.ones(n_clips, dtype=bool) if is_normal is None else is_normal
        domain = metadata.get("domain")
        # by domain: ten target clips are too few to hold any out
        parts = [is_normal] if domain is None else [is_normal & (domain == name) for name in DOMAINS]
        return np.any([held_out_clips(part) for part in parts], axis=0)

    def _augment(self, clips, metadata):
        # proxies are not augmented; clips made from held-out ones carry their marks and are dropped
        n_clips = len(clips)
        held_out = self._choose_held_out(metadata, n_clips)
        proxy = held_out if metadata.get("proxy") is None else held_out | metadata["proxy"]
        clips, metadata = super()._augment(clips, {**metadata, "proxy": proxy, "held_out": held_out})
        held_out = metadata["held_out"]
        metadata["proxy"] = metadata["proxy"] & ~held_out
        keep = ~held_out | (np.arange(len(held_out)) < n_clips)
        return take_rows(clips, keep), {name: v if v is None else v[keep] for name, v in metadata.items()}

    def _make_targets(self, labels, n_classes, metadata):
        if self.exposed_to_ == "proxies":
            label = labels.astype(np.float32)
            is_normal = labels == 1
        else:
            label = np.eye(n_classes, dtype=np.float32)[labels]
            is_normal = np.ones(len(labels), dtype=bool)
        value = attribute_values(metadata["attribute"], is_normal)
        gain = self.attribute_gain
        self.attribute_gain_ = (
            nn.domain_gain(torch.from_numpy(value[is_normal])) if gain == "auto" else float(gain)
        )
        held_out = metadata.get("held_out")
        return {
            "label": label,
            "attribute": (self.attribute_gain_ * value).astype(np.float32),
            "held_out": self._choose_held_out(metadata, len(labels)) if held_out is None else held_out,
        }

    def _train(self, dataset, clips, labels):
        held_out = dataset.targets["held_out"].numpy()
        rows = np.flatnonzero(~held_out)
        super()._train(dataset.take(rows), clips, labels[rows])
        self.alpha_mean_, self.alpha_scale_, self.n_held_out_ = 0.0, 1.0, int(held_out.sum())
        if self.standardize_alpha:
            if not held_out.any():
                held_out = labels == 1 if self.exposed_to_ == "proxies" else ~held_out
            self._prepare_embedding()
            (alpha,) = self._embed(take_rows(clips, held_out), ["alpha"], verbose=0)
            alpha = alpha.astype(np.float64)
            spread = alpha.std()
            # the spread of equal scores is only rounding error: do not divide by it
            self.alpha_mean_ = float(alpha.mean())
            self.alpha_scale_ = float(spread) if spread > 1e-6 * abs(self.alpha_mean_) else 1.0

    def _make_batch(self, x, targets, generator):
        # drawn here, not in the network: all randomness of a run comes from its own generator
        return x, {**targets, "noise": torch.randn(len(x), self.latent_dim, generator=generator)}

    def _make_patches(self, clips, patch_frames):
        return ClipSegments(clips, patch_frames, self.n_segments)

    def _make_backbone(self, n_bins, n_frames):
        return nn.ResNet18(embedding_dim=self.embedding_dim, width=self.width)

    def _make_network(self, backbone, mean, scale, n_classes):
        if self.domain_dim >= self.latent_dim:
            raise ValueError(
                f"domain_dim={self.domain_dim} of latent_dim={self.latent_dim} latents are bound: leave some free."
            )
        n_machines = 1 if self.exposed_to_ == "proxies" else n_classes
        oevae = nn.OEVAE(
            self.embedding_dim,
            self.latent_dim,
            self.domain_dim,
            n_machines=n_machines,
            standardize=self.standardize_embedding,
        )
        return nn.StandardizedNetwork(
            backbone, nn.OEVAEObjective(oevae, self.lambda_vae, n_classes), mean, scale
        )

    def _merge(self, values, index, name):
        return merge(values, index, self.merge if name == "embedding" else "mean", self.n_segments)

    def _patch_outputs(self, network, x, names):
        embedding = network(x)
        objective = network.objective
        make = {
            "embedding": lambda: embedding,
            "alpha": lambda: (
                (objective.oevae.negative_log_likelihood(embedding) - self.alpha_mean_) / self.alpha_scale_
            ),
            "latent": lambda: objective.oevae.encode(embedding)[0],
            "log_proba": lambda: objective.log_proba(embedding),
        }
        return {name: make[name]() for name in names}
