"""The official baselines of the challenge."""

from sklearn.pipeline import make_pipeline

from ..embedders import MobileNetV2Embedder
from ..features import LogMelTransformer
from ..scorers import GammaSoftmaxScorer
from ._parts import chosen


def official_log_mel(year):
    """Return the log-mels of the baselines of a year: 128 bands, 1024 points, hop 512.

    Until 2022 the baselines ran with a librosa that pads by reflection, later ones with zeros.
    """
    return LogMelTransformer(
        n_fft=1024, hop_length=512, n_mels=128, power=2.0, pad_mode="reflect" if year <= 2022 else "constant"
    )


def official_mobilenetv2(year=2022, **embedder):
    """Return the MobileNetV2 baseline of the challenge of 2021 and 2022 [1]_.

    A MobileNetV2 with half the channels is trained to name the section of log-mel patches of 64 frames; the anomaly
    score of a clip is the mean over its patches (hop of one frame) of ``log(1 - p) - log(p)``, p the probability of
    the clip's section; the threshold is the 90th percentile of a gamma distribution.

    Parameters
    ----------
    year : {2021, 2022}, default=2022
        The two years' baselines are alike.

    **embedder
        Further parameters of :class:`~skasd.embedders.MobileNetV2Embedder`.

    Returns
    -------
    Pipeline
        Unfitted; ``fit(clips, section=...)`` with metadata routing enabled; ``decision_function(clips, section=...)``
        where the section is known.

    Notes
    -----
    Settings that differ: patches for training start at random frames, as many as the baseline cuts at a hop of 8
    (32 a clip of 10 s); the gamma distribution is fitted to the scores that clips are judged by, where the baseline,
    by a misplaced bracket, takes another formula; without the section, the best-fitting one is taken, the baseline
    takes the last. Weights start as PyTorch's do, not as Keras's.

    References
    ----------
    .. [1] K. Dohi et al., "Description and discussion on DCASE 2022 Challenge Task 2", arXiv:2206.05876, 2022.

    Examples
    --------
    >>> from skasd.systems import official_mobilenetv2
    >>> official_mobilenetv2(2021)[1].width
    0.5
    """
    chosen("year", year, {2021: None, 2022: None})
    network = MobileNetV2Embedder(
        **{
            "embedding_dim": None,
            "width": 0.5,
            "variant": "official",
            "in_channels": 3,
            "loss": "cross_entropy",
            "patch_frames": 64,
            "patch_hop": 1,
            "output": "log_odds",
            "standardize": None,
            "mixing": None,
            "domain_mixing": False,
            "max_epochs": 20,
            "crops_per_clip": 32,
            "batch_size": 32,
            "optimizer": "adam",
            "lr": 1e-5,
            "lr_schedule": "constant",
            "weight_decay": 0.0,
            **embedder,
        }
    )
    return make_pipeline(official_log_mel(year), network, GammaSoftmaxScorer(formula="negative"))
