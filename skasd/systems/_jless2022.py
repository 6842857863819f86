"""JLESS 2022: batch mixing across domains, MobileFaceNet and the dual-path transformer, a choice per machine."""

from functools import partial
from typing import Any, Literal

from sklearn.pipeline import make_pipeline

from ..compose import PerMachine, PerSection, ScoreEnsemble
from ..embedders import DPTEmbedder, MFNEmbedder
from ..features import LogMelTransformer, STFTTransformer
from ..scorers import ColumnScorer, CosineMeanScorer, GammaSoftmaxScorer
from ._parts import chosen, lof, on_columns, with_names

_MIXUP, _BOTH = ("mixup",), ("fmix", "mixup")
# table 3: features, loss, augmentation, detector of the machines for which MobileFaceNet was chosen
JLESS_TABLE_3: dict[Any, tuple] = {
    "ToyCar": ("stft", "arcface", _MIXUP, "lof"),
    "ToyTrain": ("stft", "arcface", _BOTH, "lof"),
    "fan": ("stft", "arcface", _BOTH, "lof"),
    "gearbox": ("logmel", "focal", _BOTH, "lof"),
    "slider": ("logmel", "focal", _BOTH, "log_softmax"),
    "valve": ("logmel", "arcface", _MIXUP, "lof"),
}
# table 2: the detectors of MobileFaceNet on log-mels, cosine where it stands on spectrograms
_TABLE_2_LOGMEL: dict[str, Any] = {
    **dict.fromkeys(("ToyCar", "ToyTrain", "gearbox"), "lof"),
    **dict.fromkeys(("bearing", "fan", "slider", "valve"), "log_softmax"),
}
_BEARING: tuple[Any, Any] = ("focal", _MIXUP)  # loss and augmentation in table 3
_FEATURES = {
    "stft": (lambda: STFTTransformer(n_fft=1024, hop_length=512, bins="no_nyquist", log="db"), 32, "secom"),
    "logmel": (lambda: LogMelTransformer(n_fft=1024, hop_length=512, n_mels=128), 64, "jless"),
}
_DETECTORS = {
    "lof": lof,
    "cosine": partial(CosineMeanScorer, by_domain=False),
    "log_softmax": GammaSoftmaxScorer,
}


def jless2022_mfn(
    features: Literal["stft", "logmel"] | None = None,
    loss: Literal["arcface", "focal"] | None = None,
    detector: Literal["lof", "cosine", "log_softmax"] | None = None,
    *,
    machine: Literal["ToyCar", "ToyTrain", "fan", "gearbox", "slider", "valve"] | None = None,
    mixing: Any = None,
    standardize_input: Literal["bin", "global"] | None = None,
    **embedder,
) -> Any:
    """Return the MobileFaceNet system of J. Bai et al. (JLESS), DCASE 2022 [1]_.

    MobileFaceNet on STFT patches of 512 x 32 or log-mel patches of 128 x 64, trained on the sections with every
    mini-batch mixed of source and target clips (section 2.1), and one detector per section on clip embeddings (2.4).

    Parameters
    ----------
    features : {"stft", "logmel"} or None, default=None
        None: what table 3 has for ``machine``, else "logmel".

    loss : {"arcface", "focal"} or None, default=None
        None: what table 3 has for ``machine``, else "arcface".

    detector : {"lof", "cosine", "log_softmax"} or None, default=None
        LOF with 4 neighbours, cosine distance to the section's mean, or the log-softmax of the section with a gamma
        threshold at the 90th percentile. None: what table 3 has for ``machine``, else "lof".

    machine : {"ToyCar", "ToyTrain", "fan", "gearbox", "slider", "valve"} or None, default=None
        Machine type, for the choices of table 3. For the bearing the table has the dual-path transformer.

    mixing : {"mixup", "fmix"}, tuple of them or None, default=None
        Batch mixing. None: what table 3 has for ``machine``, else mixup.

    standardize_input : {"bin", "global"} or None, default=None
        Standardisation of the spectrograms over the training clips, by bin or as a whole. The report has none.

    **embedder
        Further parameters of :class:`~skasd.embedders.MFNEmbedder`.

    Returns
    -------
    Pipeline
        Unfitted; ``fit(clips, section=..., domain=...)`` with metadata routing enabled;
        ``decision_function(clips, section=...)`` where the section is known.

    Notes
    -----
    The network for 512 x 32 is "the same as" SECOM's (section 2.2). The report states no optimiser, epochs, scale,
    margin, gamma of the focal loss or parameters of mixing: the embedder's defaults are used. STFT magnitudes are in
    dB, without the Nyquist bin.

    References
    ----------
    .. [1] J. Bai, Y. Jia, S. Huang, M. Wang, J. Chen, "JLESS submission to DCASE2022 Task 2: batch mixing strategy
       based method with anomaly detector for anomalous sound detection", DCASE2022 Challenge technical report, 2022.

    Examples
    --------
    >>> from skasd.systems import jless2022_mfn
    >>> jless2022_mfn(machine="gearbox")[-1].embedder.loss
    'focal'
    """
    table = (
        ("logmel", "arcface", _MIXUP, "lof") if machine is None else chosen("machine", machine, JLESS_TABLE_3)
    )
    front_end, patch_frames, architecture = chosen("features", features or table[0], _FEATURES)
    kind = detector or table[3]
    scorer = chosen("detector", kind, _DETECTORS)()
    network = MFNEmbedder(
        **{
            "architecture": architecture,
            "patch_frames": patch_frames,
            "loss": loss or table[1],
            "mixing": mixing or table[2],
            "domain_mixing": True,
            "standardize_input": standardize_input,
            "output": "log_proba" if kind == "log_softmax" else "embedding",
            **embedder,
        }
    )
    if kind == "log_softmax":  # a column for each section
        return with_names(make_pipeline(front_end(), network, scorer))
    return make_pipeline(front_end(), PerSection(network, scorer))


def jless2022_dpt(
    loss: Literal["focal", "cross_entropy"] = "focal",
    *,
    mixing: Any = "mixup",
    standardize_input: Literal["bin", "global"] | None = None,
    **embedder,
) -> Any:
    """Return the dual-path transformer system of J. Bai et al. (JLESS), DCASE 2022 [1]_.

    A dual-path transformer on log-mel patches of 128 x 64 that restores masked areas and classifies the section; the
    anomaly score adds the negative log-softmax of the section and the mean squared error of the reconstruction
    ("log-softmax & MSE", tables 2 and 3), each standardised by its scores of the training clips.

    Parameters
    ----------
    loss : {"focal", "cross_entropy"}, default="focal"
        Focal loss in table 3, cross-entropy in section 3.3.

    mixing : {"mixup", "fmix"}, tuple of them or None, default="mixup"
        Batch mixing; mixup in table 3.

    standardize_input : {"bin", "global"} or None, default=None
        Standardisation of the spectrograms over the training clips, by bin or as a whole. The report has none.

    **embedder
        Further parameters of :class:`~skasd.embedders.DPTEmbedder`.

    Returns
    -------
    Pipeline
        Unfitted; ``fit(clips, section=..., domain=...)`` with metadata routing enabled;
        ``decision_function(clips, section=...)`` where the section is known.

    Notes
    -----
    The report does not say how the two scores are combined. Sizes of the network are the library's, see the embedder.

    With few clips the network's values stay near zero, and its error on decibels is little more than their mean square:
    loud clips then have low scores. ``standardize_input="bin"`` prevents this.

    References
    ----------
    .. [1] J. Bai, Y. Jia, S. Huang, M. Wang, J. Chen, "JLESS submission to DCASE2022 Task 2: batch mixing strategy
       based method with anomaly detector for anomalous sound detection", DCASE2022 Challenge technical report, 2022.

    Examples
    --------
    >>> from skasd.systems import jless2022_dpt
    >>> [name for name, _ in jless2022_dpt()[-1].estimators]
    ['log_softmax', 'mse']
    """
    network = DPTEmbedder(
        **{
            "loss": loss,
            "mixing": mixing,
            "domain_mixing": True,
            "standardize_input": standardize_input,
            "patch_frames": 64,
            "output": ("log_proba", "reconstruction_error"),
            **embedder,
        }
    )
    both = ScoreEnsemble(
        [
            ("log_softmax", with_names(on_columns(slice(0, -1), GammaSoftmaxScorer()))),
            ("mse", on_columns([-1], ColumnScorer())),
        ]
    )
    return with_names(make_pipeline(_FEATURES["logmel"][0](), network, both))


def jless2022_ensemble(*, n_jobs: int | None = None, **embedder) -> Any:
    """Return submission 1 of J. Bai et al. (JLESS), DCASE 2022: for each machine the system of table 3.

    Parameters
    ----------
    n_jobs : int or None, default=None
        Machines fitted in parallel.

    **embedder
        Further parameters of all embedders, such as ``max_epochs=10`` or ``device="cuda"``.

    Returns
    -------
    PerMachine
        Unfitted; ``fit(clips, machine=..., section=..., domain=...)`` with metadata routing enabled.
        :func:`jless2022_mfn` for six machines, :func:`jless2022_dpt` for the bearing.

    See Also
    --------
    jless2022_submission : All three submissions, machine by machine.

    Notes
    -----
    For every machine the best of the three rows of table 4 for submissions 2 and 3.

    Examples
    --------
    >>> from skasd.systems import jless2022_ensemble
    >>> sorted(name for name, _ in jless2022_ensemble().estimators)
    ['ToyCar', 'ToyTrain', 'bearing', 'fan', 'gearbox', 'slider', 'valve']
    """
    systems = [
        (machine, jless2022_submission(1, machine, **embedder)) for machine in (*JLESS_TABLE_3, "bearing")
    ]
    return PerMachine(systems, n_jobs=n_jobs)


def jless2022_submission(
    number: Literal[1, 2, 3],
    machine: Literal["ToyCar", "ToyTrain", "bearing", "fan", "gearbox", "slider", "valve"],
    *,
    model: Literal["mfn", "dpt"] = "mfn",
    **embedder,
) -> Any:
    """Return what submission 1, 2 or 3 of J. Bai et al. (JLESS), DCASE 2022 [1]_, has for a machine (table 4).

    Parameters
    ----------
    number : {1, 2, 3}
        1: the best of the rows of 2 and 3, which is the choice of table 3. 2: MobileFaceNet on log-mels, or the
        dual-path transformer. 3: MobileFaceNet with the features of table 3.

    machine : {"ToyCar", "ToyTrain", "bearing", "fan", "gearbox", "slider", "valve"}
        Machine type.

    model : {"mfn", "dpt"}, default="mfn"
        Which of the two rows of submission 2.

    **embedder
        Further parameters of the embedder.

    Returns
    -------
    Pipeline
        Unfitted; see :func:`jless2022_mfn` and :func:`jless2022_dpt`.

    Notes
    -----
    Table 4 names networks only. Features and detectors are read from tables 2 and 3: submission 2 is the row "MFN
    Log-Mel" of table 2 (LOF for ToyCar, ToyTrain and gearbox, log-softmax for the others; the slider's 0.8174 is its
    figure); submission 3 has what table 3 chose wherever that is MobileFaceNet with LOF, and for bearing and slider
    the row "MFN STFT" with the cosine distance. Read this way, every score of table 4 is the harmonic mean of the two
    areas of table 2 and of a pAUC between 0.48 and 0.82. Losses and augmentation are those of table 3.

    References
    ----------
    .. [1] J. Bai, Y. Jia, S. Huang, M. Wang, J. Chen, "JLESS submission to DCASE2022 Task 2: batch mixing strategy
       based method with anomaly detector for anomalous sound detection", DCASE2022 Challenge technical report, 2022.

    Examples
    --------
    >>> from skasd.systems import jless2022_submission
    >>> jless2022_submission(2, "slider")[-1]
    GammaSoftmaxScorer()
    """
    chosen("number", number, dict.fromkeys((1, 2, 3)))
    chosen("machine", machine, _TABLE_2_LOGMEL)
    if chosen("model", model, {"mfn": False, "dpt": True}):
        if number != 2:
            raise ValueError(f"model='dpt' is a row of submission 2, not of {number}.")
        return jless2022_dpt(**embedder)
    if number == 1 and machine == "bearing":
        return jless2022_dpt(**embedder)
    table: Any = JLESS_TABLE_3.get(machine)
    loss, mixing = _BEARING if table is None else table[1:3]
    if number == 2:
        return jless2022_mfn("logmel", loss, _TABLE_2_LOGMEL[machine], mixing=mixing, **embedder)
    if number == 3 and (table is None or table[3] != "lof"):
        return jless2022_mfn("stft", loss, "cosine", mixing=mixing, **embedder)
    own: Any = machine
    return jless2022_mfn(machine=own, **embedder)
