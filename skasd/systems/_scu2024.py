"""SCU 2024: a three-branch classifier, an outlier-exposed variational autoencoder, and their weighted sum."""

from sklearn.pipeline import make_pipeline

from ..augment import MixupSMOTEAugmenter
from ..compose import PerSection, ScoreEnsemble
from ..embedders import MultiBranchEmbedder, OEVAEEmbedder
from ..features import LogMelTransformer
from ..scorers import KMeansScorer, OEVAEScorer
from ._official import official_autoencoder


def scu2024_classification(*, n_samples=160_000, squeeze_excitation=False, random_state=None, **embedder):
    """Return the classification-based model of J. Hai et al. (SCU), DCASE 2024 [1]_ (section 3.1).

    Wilkinghoff's network on the spectrum, the mel-spectrogram and, in a third branch, the phase of the short-time
    Fourier transform, with PReLU and Adamax; sub-cluster AdaCos; minimum of the cosine distances to the k-means centres
    of the source clips and to all target clips of the same machine and section.

    Parameters
    ----------
    n_samples : int, default=160000
        Length that clips are brought to.

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


def scu2024_oevae(omega=0.5, n_neighbors=1, *, augment=True, random_state=None, **embedder):
    """Return the OEVAE model of J. Hai et al. (SCU), DCASE 2024 [1]_ (sections 3.2 and 4.2).

    A ResNet-18 on log-mels of 2 s segments tells the machine from others, a variational autoencoder models its
    embedding;
    the score weighs the likelihood of the free latents and the distance to the nearest training clips.

    Parameters
    ----------
    omega : float in [0, 1], default=0.5
        Weight of the likelihood (equation 6); the report does not print its own.

    n_neighbors : {1, 2, 4}, default=1
        Neighbours of the distance.

    augment : bool, default=True
        Add clips by SMOTE and mixup before training, until sections and domains are balanced.

    random_state : int or None, default=None
        Seed of augmentation and network.

    **embedder
        Further parameters of :class:`~skasd.embedders.OEVAEEmbedder`.

    Returns
    -------
    Pipeline
        Unfitted; ``fit(clips, proxy=..., attribute=..., domain=...)`` with metadata routing enabled.

    Notes
    -----
    Frames of 64 ms, hop of 16 ms, 224 mel bands from 50 to 7800 Hz. The report standardises waveforms; here log-
    mels are
    standardised, by band, over the training clips. Its clips are augmented for the nearest neighbours too, here for the
    network only.

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
    front_end = LogMelTransformer(n_fft=1024, hop_length=256, n_mels=224, fmin=50.0, fmax=7800.0)
    augmenter = MixupSMOTEAugmenter(method="both", random_state=random_state) if augment else None
    settings = {
        "augmenter": augmenter,
        "output": ("alpha", "embedding"),
        "random_state": random_state,
        **embedder,
    }
    return make_pipeline(front_end, OEVAEEmbedder(**settings), OEVAEScorer(omega, n_neighbors))


def scu2024(weights=(1.0, 1.0, 1.0), *, random_state=None, n_jobs=None, **embedder):
    """Return the integration of J. Hai et al. (SCU), DCASE 2024 [1]_ (section 4.1).

    Weighted sum of the OEVAE model, the classification-based model and the official autoencoder with its selective
    Mahalanobis score, each standardised by its held-out scores of the training clips.

    Parameters
    ----------
    weights : sequence of three floats, default=(1.0, 1.0, 1.0)
        Weights of classification, OEVAE and baseline; the report does not print its own.

    random_state : int or None, default=None
        Seed of all networks.

    n_jobs : int or None, default=None
        Models trained in parallel.

    **embedder
        Further parameters of all embedders, as ``max_epochs=10`` or ``device="cuda"``.

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
    >>> [name for name, _ in scu2024().detectors]
    ['classification', 'oevae', 'baseline']
    """
    members = [
        ("classification", scu2024_classification(random_state=random_state, **embedder)),
        ("oevae", scu2024_oevae(random_state=random_state, **embedder)),
        ("baseline", official_autoencoder(2024, "mahalanobis", random_state=random_state, **embedder)),
    ]
    return ScoreEnsemble(members, weights=list(weights), n_jobs=n_jobs)
