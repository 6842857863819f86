"""The official baselines of the challenge."""

from typing import Any, Literal

from sklearn.pipeline import make_pipeline

from ..embedders import AutoencoderEmbedder, MobileNetV2Embedder
from ..features import LogMelTransformer
from ..scorers import ColumnScorer, GammaSoftmaxScorer
from ._parts import chosen, with_names


def official_log_mel(year):
    """Return the log-mels of the baselines of a year: 128 bands, 1024 points, hop 512.

    Until 2022 the baselines used a librosa version that pads by reflection, later ones pad with zeros.
    """
    return LogMelTransformer(
        n_fft=1024, hop_length=512, n_mels=128, power=2.0, pad_mode="reflect" if year <= 2022 else "constant"
    )


def official_mobilenetv2(year: Literal[2021, 2022] = 2022, **embedder) -> Any:
    """Return the MobileNetV2 baseline of the challenge of 2021 and 2022 [1]_.

    A MobileNetV2 with half the channels is trained to classify the section of log-mel patches of 64 frames; the anomaly
    score of a clip is the mean over its patches (hop of one frame) of ``log(1 - p) - log(p)``, p the probability of the
    clip's section; the threshold is the 90th percentile of a gamma distribution.

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
    Settings that differ: patches for training start at random frames, and an epoch takes one of each clip. The baseline
    cuts 32 patches from a clip of 10 s (hop 8) and trains on them for 20 epochs; hence 640 epochs. The gamma
    distribution is fitted to the anomaly scores of clips; the baseline uses another formula, due to a misplaced
    bracket. Without the section, the best-fitting one is used; the baseline uses the last. Weights are initialised as
    in PyTorch, not as in Keras.

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
            "standardize_input": None,
            "mixing": None,
            "domain_mixing": False,
            "max_epochs": 640,
            "batch_size": 32,
            "optimizer": "adam",
            "lr": 1e-5,
            "lr_schedule": "constant",
            "weight_decay": 0.0,
            **embedder,
        }
    )
    return with_names(make_pipeline(official_log_mel(year), network, GammaSoftmaxScorer(formula="negative")))


def official_autoencoder(
    year: int = 2024, score: Literal["mse", "mahalanobis", "mahalanobis_textbook"] = "mse", **embedder
) -> Any:
    """Return the autoencoder baseline of the challenge, 2020 to 2026 [1]_, [2]_.

    A dense autoencoder of windows of five log-mel frames; the anomaly score of a clip is its mean squared error
    or, since
    2023, the selective Mahalanobis score; the threshold is the 90th percentile of a gamma distribution.

    Parameters
    ----------
    year : int, default=2024
        2020 to 2026. Until 2022: batches of 512 windows, reflected clip ends; later: batches of 256, zeros.

    score : {"mse", "mahalanobis", "mahalanobis_textbook"}, default="mse"
        See :class:`~skasd.embedders.AutoencoderEmbedder`.

    **embedder
        Further parameters of the embedder.

    Returns
    -------
    Pipeline
        Unfitted; ``fit(clips)``, with ``domain=...`` for the covariances of the domains. One machine type
        until 2022, one
        machine and section later: put it into :class:`~skasd.compose.PerSection` or
        :class:`~skasd.compose.PerMachine` for several.

    Notes
    -----
    Settings that differ: all windows are trained on, whereas the baselines hold out a tenth to print a loss; the gamma
    distribution is fitted to the scores of clips, whereas the baselines since 2023 use those of mini-batches. Weights
    are initialised as in PyTorch. The 2020 to 2022 baselines have Keras's batch normalisation, which is that of the
    later ones.

    References
    ----------
    .. [1] Y. Koizumi et al., "Description and discussion on DCASE2020 Challenge Task 2", DCASE Workshop, 2020.
    .. [2] N. Harada, D. Niizumi, Y. Ohishi, D. Takeuchi, M. Yasuda, "First-shot anomaly detection for machine
       condition monitoring: a domain generalization baseline", EUSIPCO, 2023.

    Examples
    --------
    >>> from skasd.systems import official_autoencoder
    >>> official_autoencoder(2023, "mahalanobis")[1].batch_size
    256
    """
    chosen("year", year, dict.fromkeys(range(2020, 2027)))
    chosen("score", score, dict.fromkeys(("mse", "mahalanobis", "mahalanobis_textbook")))
    network = AutoencoderEmbedder(**{"batch_size": 512 if year <= 2022 else 256, "output": score, **embedder})
    return make_pipeline(official_log_mel(year), network, ColumnScorer(calibration="gamma"))
