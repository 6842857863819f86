"""SCU 2024: a three-branch classifier, an outlier-exposed variational autoencoder, and their weighted sum."""

from collections.abc import Sequence
from typing import Any, Literal

from sklearn.pipeline import make_pipeline

from ..augment import MixupSMOTEAugmenter
from ..compose import PerSection, ScoreEnsemble
from ..embedders import MultiBranchEmbedder, OEVAEEmbedder
from ..features import LogMelTransformer
from ..scorers import KMeansScorer, OEVAEScorer
from ._official import official_autoencoder


def scu2024_classification(
    *, n_samples: int = 160_000, squeeze_excitation: bool = False, random_state: int | None = None, **embedder
) -> Any:
    """Return the classification-based model of J. Hai et al. (SCU), DCASE 2024 [1]_ (section 3.1).

    Wilkinghoff's network on the spectrum, the mel-spectrogram and, in a third branch, the phase of the short-time
    Fourier transform, with PReLU and Adamax; sub-cluster AdaCos; minimum of the cosine distances to the k-means centres
    of the source clips and to all target clips of the same machine and section.

    Parameters
    ----------
    n_samples : int, default=160000
        Length to which clips are cropped or repeated.

    squeeze_excitation : bool, default=False
        Whether the branches use squeeze-and-excitation, as Wilkinghoff's network does since 2024. The report does not
        mention it.

    random_state : int or None, default=None
        Seed of the network and of k-means.

    **embedder
        Further parameters of :class:`~skasd.embedders.MultiBranchEmbedder`.

    Returns
    -------
    PerSection
        Unfitted; ``fit(clips, section=..., attribute=..., domain=...)`` with metadata routing enabled;
        ``decision_function(clips, section=...)`` compares a clip with its own section.

    Notes
    -----
    The report gives neither the mel bands of this model nor its feature exchange probability: 128 bands, 0.5.

    References
    ----------
    .. [1] J. Hai, D. Zhou, R. Liu, Y. I. Wu, "Anomalous sound detection by self-supervised learning of VAE with domain
       shift techniques", DCASE2024 Challenge technical report, 2024.

    Examples
    --------
    >>> from skasd.systems import scu2024_classification
    >>> scu2024_classification().embedder.optimizer
    'adamax'
    """
    settings = {
        "branches": ("spectrum", ("stft", LogMelTransformer()), "phase"),
        "n_samples": n_samples,
        "squeeze_excitation": squeeze_excitation,
        "activation": "prelu",
        "optimizer": "adamax",
        "random_state": random_state,
        **embedder,
    }
    return PerSection(MultiBranchEmbedder(**settings), KMeansScorer(random_state=random_state))


def scu2024_oevae(
    omega: Literal["auto"] | float = "auto",
    n_neighbors: Literal[1, 2, 4] = 1,
    *,
    augment: bool = True,
    standardize_waveform: bool = True,
    random_state: int | None = None,
    **embedder,
) -> Any:
    """Return the OEVAE model of J. Hai et al. (SCU), DCASE 2024 [1]_ (sections 3.2 and 4.2).

    A ResNet-18 on log-mels of 2 s segments distinguishes the machine from others, a variational autoencoder models its
    embedding; the score weighs the likelihood of the free latents and the distance of each segment to the nearest
    segments of the training clips.

    Parameters
    ----------
    omega : "auto" or float in [0, 1], default="auto"
        Weight of the likelihood (equation 6) relative to the distance, both standardised by held-out clips; the report
        does not state its own. "auto": only what exceeds every training clip counts, see
        :class:`~skasd.scorers.OEVAEScorer`.

    n_neighbors : {1, 2, 4}, default=1
        Number of neighbours for the distance.

    augment : bool, default=True
        Add clips by SMOTE and mixup before training until sections and domains are balanced, and add neighbour
        embeddings until domains are balanced.

    standardize_waveform : bool, default=True
        Bring each clip to a mean of 0 and a variance of 1.

    random_state : int or None, default=None
        Seed of augmentation and network.

    **embedder
        Further parameters of :class:`~skasd.embedders.OEVAEEmbedder`, such as the report's ``lambda_vae=1e-7``.

    Returns
    -------
    Pipeline
        Unfitted; ``fit(clips, proxy=..., attribute=..., domain=...)`` with metadata routing enabled.

    Notes
    -----
    Frames of 64 ms, hop of 16 ms, 224 mel bands from 50 to 7800 Hz. What differs from the report:

    - Log-mels are standardised by band over the training clips, in addition to the waveforms.
    - The autoencoder takes the standardised embedding, and ``lambda_vae`` is 1e-3: at the report's 1e-7 the latents do
      not separate (:class:`~skasd.embedders.OEVAEEmbedder`).
    - Neighbours are augmented as embeddings, so that the threshold can leave out a clip together with everything made
      from it; the report augments clips.
    - Likelihood and distance are standardised before they are weighted; for the likelihood a tenth of the machine's
      clips is held out. The plain sum of the report is
      ``scu2024_oevae(omega, standardize_alpha=False).set_params(oevaescorer__standardize_beta=False)``.

    The effect of outlier exposure was measured; see the page "Published systems" of the documentation.

    References
    ----------
    .. [1] J. Hai, D. Zhou, R. Liu, Y. I. Wu, "Anomalous sound detection by self-supervised learning of VAE with domain
       shift techniques", DCASE2024 Challenge technical report, 2024.

    Examples
    --------
    >>> from skasd.systems import scu2024_oevae
    >>> scu2024_oevae(omega=0.3)[1].latent_dim
    64
    """
    front_end = LogMelTransformer(
        n_fft=1024,
        hop_length=256,
        n_mels=224,
        fmin=50.0,
        fmax=7800.0,
        standardize_waveform=standardize_waveform,
    )
    # 1.0: every class as large as the largest, and no word about there being one only
    augmenter = MixupSMOTEAugmenter(sampling_strategy=1.0, random_state=random_state) if augment else None
    network = OEVAEEmbedder(
        **{
            "augmenter": augmenter,
            "output": ("alpha", "embedding"),
            "merge": "segments",
            "random_state": random_state,
            **embedder,
        }
    )
    scorer = OEVAEScorer(omega, n_neighbors, n_segments=network.n_segments, augmenter=augmenter)
    return make_pipeline(front_end, network, scorer)


def scu2024(
    weights: Sequence[float] = (1.0, 1.0, 1.0),
    *,
    random_state: int | None = None,
    n_jobs: int | None = None,
    **embedder,
) -> Any:
    """Return the integration of J. Hai et al. (SCU), DCASE 2024 [1]_ (section 4.1).

    Weighted sum of the OEVAE model, the classification-based model and the official autoencoder with its selective
    Mahalanobis score, each standardised by its held-out scores of the training clips.

    Parameters
    ----------
    weights : sequence of three floats, default=(1.0, 1.0, 1.0)
        Weights of classification, OEVAE and baseline; the report does not state its own.

    random_state : int or None, default=None
        Seed of all networks.

    n_jobs : int or None, default=None
        Models trained in parallel.

    **embedder
        Further parameters of all embedders, such as ``max_epochs=10`` or ``device="cuda"``.

    Returns
    -------
    ScoreEnsemble
        Unfitted; ``fit(clips, section=..., attribute=..., domain=..., proxy=...)`` with metadata routing enabled.

    References
    ----------
    .. [1] J. Hai, D. Zhou, R. Liu, Y. I. Wu, "Anomalous sound detection by self-supervised learning of VAE with domain
       shift techniques", DCASE2024 Challenge technical report, 2024.

    Examples
    --------
    >>> from skasd.systems import scu2024
    >>> [name for name, _ in scu2024().estimators]
    ['classification', 'oevae', 'baseline']
    """
    members = [
        ("classification", scu2024_classification(random_state=random_state, **embedder)),
        ("oevae", scu2024_oevae(random_state=random_state, **embedder)),
        ("baseline", official_autoencoder(2024, "mahalanobis", random_state=random_state, **embedder)),
    ]
    return ScoreEnsemble(members, weights=list(weights), n_jobs=n_jobs)
