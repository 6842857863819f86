"""CQUPT 2023: sound event classification and detection as the auxiliary task, Mahalanobis distance."""

from typing import Any, Literal

from sklearn.pipeline import FeatureUnion, make_pipeline

from .._typing import PathName
from ..compose import PerSection, ScoreEnsemble
from ..embedders import MobileNetV2Embedder, ViTEmbedder
from ..features import LogMelTransformer
from ..scorers import GammaSoftmaxScorer, MahalanobisScorer
from ._parts import chosen, on_columns, with_names

_DIM = 128  # of every embedding of the report
_SETTINGS = {  # table 2 and section 3.2; 3 s are 301 frames at a hop of 10 ms, 0.5 s are 50
    "patch_frames": 301,
    "patch_hop": 50,
    "batch_size": 32,
    "optimizer": "adam",
    "lr": 1e-3,
    "lr_schedule": "constant",
    "weight_decay": 0.0,
    "domain_mixing": False,
    "max_epochs": 91,
}


def _network(model, target, standardize_input, embedder):
    own = {"mobilenetv2": {"variant": "cqupt", "embedding_dim": _DIM}, "vit": {}}
    embedder_class = {"mobilenetv2": MobileNetV2Embedder, "vit": ViTEmbedder}[model]
    loss, mixing = chosen(
        "target", target, {"sec": ("cross_entropy", None), "sed": ("binary_cross_entropy", "sound_events")}
    )
    return embedder_class(
        **{
            **own[model],
            **_SETTINGS,
            "loss": loss,
            "mixing": mixing,
            "standardize_input": standardize_input,
            **embedder,
        }
    )


def _front_end(pretrained):
    """Return the log-mels of section 3.2 or, where there are weights, those that PANNs' were trained on."""
    if pretrained is None:
        return LogMelTransformer(n_fft=512, hop_length=160, n_mels=64)
    return LogMelTransformer(
        sample_rate=32_000,
        n_fft=1024,
        hop_length=320,
        n_mels=64,
        fmin=50.0,
        fmax=14_000.0,
        pad_mode="reflect",
    )


def _mahalanobis():
    return MahalanobisScorer(standardize_features=False)


def cqupt2023(
    model: Literal["mobilenetv2", "vit"] = "mobilenetv2",
    target: Literal["sec", "sed"] = "sec",
    *,
    score: Literal["mahalanobis", "nll"] = "mahalanobis",
    pretrained: PathName | None = None,
    standardize_input: Literal["bin", "global"] | None = None,
    **embedder,
) -> Any:
    """Return a system of Y. Zeng, H. Liu and Y. Zhou (CQUPT), DCASE 2023 [1]_.

    One network learns to classify all machines, by sound event classification or detection; per machine, the anomaly
    score is the Mahalanobis distance of the embedding, with one mean per domain and the covariance of all its clips.

    Parameters
    ----------
    model : {"mobilenetv2", "vit"}, default="mobilenetv2"
        Network (sections 2.1 and 2.2).

    target : {"sec", "sed"}, default="sec"
        Sound event classification, or detection with several machines sounding at once.

    score : {"mahalanobis", "nll"}, default="mahalanobis"
        Equation 3, or the negative log-likelihood of the clip's machine that section 1 names.

    pretrained : path-like or None, default=None
        The published AudioSet weights of PANNs' MobileNetV2 [2]_, for ``model="mobilenetv2"``. Their log-mels come
        with them: 64 bands from 50 to 14,000 Hz at 32 kHz, to which recordings are resampled.

    standardize_input : {"bin", "global"} or None, default=None
        Standardisation of the log-mels over the training clips, by band or as a whole. The report has none.

    **embedder
        Further parameters of the embedder, such as ``max_epochs=10`` or ``device="cuda"``.

    Returns
    -------
    Pipeline
        Unfitted; ``fit(clips, section=machine, domain=...)`` with metadata routing enabled: the machines are the
        sections. ``decision_function(clips, section=machine)`` where the machine is known, as in the challenge.

    See Also
    --------
    cqupt2023_ensemble : The four submissions.

    Notes
    -----
    40,000 iterations of 32 clips are 91 passes over the 14,000 clips of that year; ``max_epochs`` keeps the passes. The
    covariance is shrunk (Ledoit-Wolf), so that it can be inverted with fewer clips than the report had.

    References
    ----------
    .. [1] Y. Zeng, H. Liu, Y. Zhou, "General anomalous sound detection using sound event classification and
       detection", DCASE2023 Challenge technical report, 2023.
    .. [2] Q. Kong et al., "PANNs: large-scale pretrained audio neural networks for audio pattern recognition",
       IEEE/ACM Transactions on Audio, Speech, and Language Processing 28, 2020.

    Examples
    --------
    >>> from skasd.systems import cqupt2023
    >>> cqupt2023("vit", "sed")[-1].embedder.mixing
    'sound_events'
    """
    if chosen("model", model, {"mobilenetv2": True, "vit": False}):
        embedder = {**embedder, "pretrained": pretrained}
    elif pretrained is not None:
        raise ValueError(
            f"pretrained={pretrained!r}: there are published weights for model='mobilenetv2' only."
        )
    network = _network(model, target, standardize_input, embedder)
    front_end = _front_end(pretrained)
    if chosen("score", score, {"mahalanobis": False, "nll": True}):
        # probabilities of machines that may sound at once do not sum to one; -log p is the same for both
        formula: Any = "negative" if target == "sed" else "nll"
        scorer = GammaSoftmaxScorer(formula=formula)
        return with_names(make_pipeline(front_end, network.set_params(output="log_proba"), scorer))
    return make_pipeline(front_end, PerSection(network, _mahalanobis()))


def cqupt2023_ensemble(
    number: Literal[1, 2, 3, 4] = 4,
    *,
    pretrained: PathName | None = None,
    standardize_input: Literal["bin", "global"] | None = None,
    **embedder,
) -> Any:
    """Return an ensemble of Y. Zeng, H. Liu and Y. Zhou (CQUPT), DCASE 2023, by its number (table 3 of the report).

    Parameters
    ----------
    number : {1, 2, 3, 4}, default=4
        1: the two MobileNetV2, classification and detection, added; 2: the two ViT, added; 3: 1 and 2 added; 4: 1 and 2
        multiplied.

    pretrained : path-like or None, default=None
        AudioSet weights of the MobileNetV2, with their log-mels for all networks; see :func:`cqupt2023`.

    standardize_input : {"bin", "global"} or None, default=None
        As in :func:`cqupt2023`.

    **embedder
        Further parameters of all embedders.

    Returns
    -------
    Pipeline
        Unfitted; see :func:`cqupt2023`. All networks share the log-mels.

    Notes
    -----
    Anomaly scores are added and multiplied as they are (section 4).

    Examples
    --------
    >>> from skasd.systems import cqupt2023_ensemble
    >>> cqupt2023_ensemble(4)[-1].estimator.combine
    'product'
    """
    models = chosen(
        "number",
        number,
        {1: ["mobilenetv2"], 2: ["vit"], 3: ["mobilenetv2", "vit"], 4: ["mobilenetv2", "vit"]},
    )
    networks: list = []
    sums: list = []
    for model in models:
        own = {**embedder, "pretrained": pretrained} if model == "mobilenetv2" else embedder
        pair = []
        for target in ("sec", "sed"):
            columns = slice(_DIM * len(networks), _DIM * (len(networks) + 1))
            networks.append((f"{model}_{target}", _network(model, target, standardize_input, own)))
            pair.append((target, on_columns(columns, _mahalanobis())))
        sums.append((model, ScoreEnsemble(pair, combine="sum", standardize_scores=None)))
    whole = sums[0][1]
    if len(sums) > 1:
        whole = ScoreEnsemble(sums, combine="product" if number == 4 else "sum", standardize_scores=None)
    return make_pipeline(_front_end(pretrained), PerSection(FeatureUnion(networks), whole))
