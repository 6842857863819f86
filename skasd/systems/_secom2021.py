"""SECOM 2021: convolutional networks on spectrograms, LOF for the source domain, k-NN for the target domain."""

from typing import Any, Literal

from sklearn.pipeline import make_pipeline

from ..compose import DomainDependent, PerSection
from ..embedders import MFNEmbedder, MobileNetV2Embedder
from ..features import STFTTransformer
from ..scorers import KNNCosineScorer, LOFScorer
from ._parts import chosen

_MODELS = {
    "mfn": (MFNEmbedder, {"architecture": "secom"}),
    "mobilenetv2": (MobileNetV2Embedder, {"variant": "secom"}),
}
_DETECTORS: dict[str, type] = {"lof": LOFScorer, "knn": KNNCosineScorer}
SECOM2021_SUBMISSIONS = {
    "Morita_SECOM_task2_1": lambda valve: ("lof", "lof"),
    "Morita_SECOM_task2_2": lambda valve: ("knn", "knn"),
    "Morita_SECOM_task2_3": lambda valve: ("knn" if valve else "lof", "knn"),
}


def secom2021(
    model: Literal["mfn", "mobilenetv2"] = "mfn",
    detector: Literal["lof", "knn"] = "lof",
    merge: Literal["mean", "std"] = "mean",
    *,
    target_detector: Literal["lof", "knn"] | None = None,
    standardize_input: Literal["bin", "global"] | None = None,
    **embedder,
) -> Any:
    """Return the system of K. Morita, T. Yano and K. Q. Tran (SECOM), DCASE 2021 [1]_.

    Spectrograms of 128 ms frames and 32 ms hop, patches of 1024 bins x 32 frames shifted by 16 frames (section 2.1,
    2.2), a network trained on the section indices with ArcFace, patch embeddings merged per clip, one detector per
    section (2.3, 3.1).

    Parameters
    ----------
    model : {"mfn", "mobilenetv2"}, default="mfn"
        Network: table 2 or table 1.

    detector : {"lof", "knn"}, default="lof"
        Detector of clips of the source domain, fitted on source clips: LOF with 4 neighbours, or the cosine distance
        to the nearest clip.

    merge : {"mean", "std"}, default="mean"
        How the embeddings of a clip's patches are merged.

    target_detector : {"lof", "knn"} or None, default=None
        Detector of clips of the target domain, fitted on source and target clips; None: as ``detector``.

    standardize_input : {"bin", "global"} or None, default=None
        Standardisation of the spectrograms over the training clips, by bin or as a whole. The report has none.

    **embedder
        Further parameters of the embedder, such as ``max_epochs=10`` or ``device="cuda"``.

    Returns
    -------
    Pipeline
        Unfitted; ``fit(clips, section=..., domain=...)`` with metadata routing enabled.
        Pass known sections and domains to ``decision_function(clips, section=..., domain=...)``.

    See Also
    --------
    secom2021_submission : The three submissions by name.

    Notes
    -----
    The report states no optimiser, number of epochs, scale or margin: the embedder's defaults are used. Spectrograms
    are magnitudes in dB, of 1025 bins without the Nyquist bin; the report does not name the scale.

    References
    ----------
    .. [1] K. Morita, T. Yano, K. Q. Tran, "Anomalous sound detection using CNN-based features by self supervised
       learning", DCASE2021 Challenge technical report, 2021.

    Examples
    --------
    >>> from skasd.systems import secom2021
    >>> secom2021(model="mobilenetv2", detector="knn")[-1].estimator.source
    KNNCosineScorer()
    """
    embedder_class, own = chosen("model", model, _MODELS)
    source = chosen("detector", detector, _DETECTORS)
    target = chosen("target_detector", target_detector or detector, _DETECTORS)
    return make_pipeline(
        STFTTransformer(n_fft=2048, hop_length=512, bins="no_nyquist", log="db"),
        PerSection(
            embedder_class(
                **{
                    **own,
                    "patch_frames": 32,
                    "patch_hop": 16,
                    "merge": merge,
                    "standardize_input": standardize_input,
                    "mixing": None,
                    "domain_mixing": False,
                    **embedder,
                }
            ),
            DomainDependent(source=source(), target=target()),
        ),
    )


def secom2021_submission(
    name: Literal["Morita_SECOM_task2_1", "Morita_SECOM_task2_2", "Morita_SECOM_task2_3"],
    machine: str | None = None,
    **embedder,
) -> Any:
    """Return a submission of SECOM 2021 by name (table 7 of the report).

    Parameters
    ----------
    name : {"Morita_SECOM_task2_1", "Morita_SECOM_task2_2", "Morita_SECOM_task2_3"}
        MobileFaceNet in all three. 1: LOF; 2: k-NN; 3: LOF for the source domain (k-NN for the valve), k-NN for the
        target domain.

    machine : str or None, default=None
        Machine type: embeddings of the valve are merged by their standard deviation, all others by the mean.

    **embedder
        Further parameters of the embedder.

    Returns
    -------
    Pipeline
        See :func:`secom2021`.

    Examples
    --------
    >>> from skasd.systems import secom2021_submission
    >>> secom2021_submission("Morita_SECOM_task2_3", machine="valve")[-1].embedder.merge
    'std'
    """
    valve = machine == "valve"
    detector, target = chosen("name", name, SECOM2021_SUBMISSIONS)(valve)
    return secom2021("mfn", detector, "std" if valve else "mean", target_detector=target, **embedder)
