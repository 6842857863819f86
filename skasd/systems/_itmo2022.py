"""ITMO 2022: outlier exposure for an autoencoder and for an image network, the better of the two per machine."""

from typing import Any

from sklearn.pipeline import make_pipeline

from .._typing import PathName
from ..augment import WaveformAugmenter
from ..compose import Augmented, PerMachine
from ..embedders import AutoencoderEmbedder, ImageMobileNetV2Embedder
from ..features import LogMelTransformer, SpectrogramImageTransformer
from ..scorers import ColumnScorer

# section 2: the third submission
_CHOICE = {
    "fan": "autoencoder",
    "slider": "image",
    "ToyCar": "autoencoder",
    "ToyTrain": "autoencoder",
    "gearbox": "image",
    "valve": "image",
    "bearing": "autoencoder",
}

# tables 2 and 3: the machine whose clips served as outliers, by system and machine
ITMO_OUTLIERS = {
    "autoencoder": {
        "ToyCar": "gearbox",
        "ToyTrain": "slider",
        "bearing": "gearbox",
        "fan": "slider",
        "gearbox": "fan",
        "slider": "valve",
        "valve": "slider",
    },
    "image": {
        "ToyCar": "gearbox",
        "ToyTrain": "slider",
        "bearing": "gearbox",
        "fan": "gearbox",
        "gearbox": "fan",
        "slider": "valve",
        "valve": "slider",
    },
}


def itmo2022_autoencoder(**embedder) -> Any:
    """Return the outlier-exposed autoencoder of S. Kazakova et al. (ITMO), DCASE 2022 [1]_ (section 2.2).

    The official autoencoder, trained to an error of 0 on clips of the machine and of 1 on those of another one; the
    score of a clip is the distance of its error from 0 (equation 1); the threshold is the 90th percentile.

    Parameters
    ----------
    **embedder
        Parameters of :class:`~skasd.embedders.AutoencoderEmbedder`.

    Returns
    -------
    Pipeline
        Unfitted; ``fit(clips, proxy=...)`` with metadata routing enabled; 3000 clips of each kind in the report.
        ``skasd.systems.ITMO_OUTLIERS["autoencoder"]`` names the other machine that did best for each (table 2).

    Notes
    -----
    The report does not say how its mel-spectrograms are scaled. Log-mels are standardised here, so that an error of 1
    is about that of reconstructing nothing.

    References
    ----------
    .. [1] S. Kazakova, A. Semenov, A. Surkov, S. Astapov, "Anomalous sound detection with autoencoder and image
       MobileNet using outlier exposure approach", DCASE2022 Challenge technical report, 2022.

    Examples
    --------
    >>> from skasd.systems import itmo2022_autoencoder
    >>> itmo2022_autoencoder()[1].outlier_exposure
    True
    """
    settings = {"outlier_exposure": True, "standardize_input": "bin", "output": "mse", **embedder}
    return make_pipeline(
        LogMelTransformer(), AutoencoderEmbedder(**settings), ColumnScorer(contamination=0.1)
    )


def itmo2022_image(
    pretrained: PathName | None = None,
    *,
    n_clips: int = 500,
    n_added: int = 1000,
    alpha: float = 0.04,
    n_jobs: int | None = None,
    random_state: int | None = None,
    **embedder,
) -> Any:
    """Return the image MobileNetV2 of S. Kazakova et al. (ITMO), DCASE 2022 [1]_ (sections 2.1 and 2.2).

    Spectrograms of 256 ms frames as pictures of 320 x 320, of few clips and their pitch-shifted or time-stretched
    copies; a MobileNetV2 trained to distinguish the machine from another one; clips whose probability is below
    ``1 - alpha`` times the mean of the training clips are anomalous (equation 2).

    Parameters
    ----------
    pretrained : path-like or None, default=None
        Checkpoint of torchvision's MobileNetV2 to start from, as in the report.

    n_clips : int, default=500
        Number of the machine's clips drawn at random for training; at most all.

    n_added : int, default=1000
        Copies of them that are added, half of them pitch-shifted and half stretched: a multiple of ``2 * n_clips``. 0:
        all clips are trained on, none is added.

    alpha : float, default=0.04
        Margin of the threshold.

    n_jobs : int or None, default=None
        Threads for augmentation.

    random_state : int or None, default=None
        Seed of augmentation and network.

    **embedder
        Further parameters of :class:`~skasd.embedders.ImageMobileNetV2Embedder`.

    Returns
    -------
    Augmented or Pipeline
        Unfitted; ``fit(clips, proxy=...)`` with metadata routing enabled.
        ``skasd.systems.ITMO_OUTLIERS["image"]`` names the other machine that the report used for each (table 3).

    Raises
    ------
    ValueError
        If the copies cannot be distributed evenly.

    Notes
    -----
    The report states neither ranges of pitch and stretch nor optimiser and epochs. All proxies are trained on.

    References
    ----------
    .. [1] S. Kazakova, A. Semenov, A. Surkov, S. Astapov, "Anomalous sound detection with autoencoder and image
       MobileNet using outlier exposure approach", DCASE2022 Challenge technical report, 2022.

    Examples
    --------
    >>> from skasd.systems import itmo2022_image
    >>> itmo2022_image().augmenter.n_samples
    500
    """
    n_copies, rest = divmod(n_added, 2 * n_clips)
    if rest or n_added < 0:
        raise ValueError(f"n_added={n_added!r}: give 0 or a multiple of 2 * n_clips, {2 * n_clips}.")
    pipeline = make_pipeline(
        SpectrogramImageTransformer((320, 320)),
        ImageMobileNetV2Embedder(pretrained=pretrained, random_state=random_state, **embedder),
        ColumnScorer(weights=-1.0, calibration="mean", margin=alpha),
    )
    if not n_added:
        return pipeline
    augmenter = WaveformAugmenter(
        n_samples=n_clips, keep="drawn", n_copies=n_copies, n_jobs=n_jobs, random_state=random_state
    )
    return Augmented(augmenter, pipeline)


def itmo2022(
    *,
    pretrained: PathName | None = None,
    n_clips: int = 500,
    n_added: int = 1000,
    random_state: int | None = None,
    n_jobs: int | None = None,
    **embedder,
) -> Any:
    """Return the third submission of S. Kazakova et al. (ITMO), DCASE 2022: for each machine the better system.

    Parameters
    ----------
    pretrained : path-like or None, default=None
        As in :func:`itmo2022_image`.

    n_clips : int, default=500
        As in :func:`itmo2022_image`.

    n_added : int, default=1000
        As in :func:`itmo2022_image`.

    random_state : int or None, default=None
        Seed of augmentation and networks.

    n_jobs : int or None, default=None
        Machines fitted in parallel.

    **embedder
        Further parameters of both embedders, such as ``max_epochs=10`` or ``device="cuda"``.

    Returns
    -------
    PerMachine
        Unfitted; ``fit(clips, machine=..., proxy=...)`` with metadata routing enabled, where ``machine`` of a
        proxy is the
        machine that it is a proxy for. The autoencoder for fan, ToyCar, ToyTrain and bearing, the image network for
        slider, gearbox and valve (section 2).

    Examples
    --------
    >>> from skasd.systems import itmo2022
    >>> itmo2022().choice["gearbox"]
    'image'
    """
    systems = [
        ("autoencoder", itmo2022_autoencoder(random_state=random_state, **embedder)),
        (
            "image",
            itmo2022_image(
                pretrained, n_clips=n_clips, n_added=n_added, random_state=random_state, **embedder
            ),
        ),
    ]
    return PerMachine(systems, dict(_CHOICE), n_jobs=n_jobs)
