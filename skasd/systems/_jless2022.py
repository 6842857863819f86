"""JLESS 2022: batch mixing across domains, MobileFaceNet and the dual-path transformer, a choice per machine."""

from sklearn.pipeline import make_pipeline

from ..compose import PerSection, ScoreEnsemble, SelectBest
from ..embedders import DPTEmbedder, MFNEmbedder
from ..features import LogMelTransformer, STFTTransformer
from ..scorers import ColumnScorer, GammaSoftmaxScorer
from ._parts import chosen, cosine_to_mean, lof, on_columns

_MIXUP, _BOTH = ("mixup",), ("fmix", "mixup")
# table 3: features, loss, augmentation, detector of the machines for which MobileFaceNet was chosen
JLESS_TABLE_3 = {
    "ToyCar": ("stft", "arcface", _MIXUP, "lof"),
    "ToyTrain": ("stft", "arcface", _BOTH, "lof"),
    "fan": ("stft", "arcface", _BOTH, "lof"),
    "gearbox": ("logmel", "focal", _BOTH, "lof"),
    "slider": ("logmel", "focal", _BOTH, "log_softmax"),
    "valve": ("logmel", "arcface", _MIXUP, "lof"),
}
_FEATURES = {
    "stft": (lambda: STFTTransformer(n_fft=1024, hop_length=512, bins="no_nyquist", log="db"), 32, "secom"),
    "logmel": (lambda: LogMelTransformer(n_fft=1024, hop_length=512, n_mels=128), 64, "jless"),
}
_DETECTORS = {"lof": lof, "cosine": cosine_to_mean, "log_softmax": GammaSoftmaxScorer}


def jless2022_mfn(features=None, loss=None, detector=None, *, machine=None, mixing=None, **embedder):
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
        Machine type, for the choices of table 3. For the bearing the table chose the dual-path transformer.

    mixing : {"mixup", "fmix"}, tuple of them or None, default=None
        Batch mixing. None: what table 3 has for ``machine``, else mixup.

    **embedder
        Further parameters of :class:`~skasd.embedders.MFNEmbedder`.

    Returns
    -------
    Pipeline
        Unfitted; ``fit(clips, section=..., domain=...)`` with metadata routing enabled;
        ``decision_function(clips, section=...)`` where the section is known.

    Notes
    -----
    The network for 512 x 32 is "the same as" SECOM's (section 2.2). The report prints no optimiser, epochs, scale,
    margin, gamma of the focal loss or parameters of mixing: the embedder's defaults stand. STFT magnitudes are in dB,
    without the Nyquist bin.

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
    detector = detector or table[3]
    scorer = chosen("detector", detector, _DETECTORS)()
    network = MFNEmbedder(
        **{
            "architecture": architecture,
            "patch_frames": patch_frames,
            "loss": loss or table[1],
            "mixing": mixing or table[2],
            "domain_mixing": True,
            "output": "log_proba" if detector == "log_softmax" else "embedding",
            **embedder,
        }
    )
    if detector == "lof":
        return make_pipeline(front_end(), PerSection(network, scorer))
    return make_pipeline(front_end(), network, scorer)  # these scorers keep the sections apart themselves


def jless2022_dpt(loss="focal", *, mixing="mixup", **embedder):
    """Return the dual-path transformer system of J. Bai et al. (JLESS), DCASE 2022 [1]_.

    A dual-path transformer on log-mel patches of 128 x 64 that restores masked areas and names the section; the anomaly
    score adds the negative log-softmax of the section and the mean squared error of the reconstruction ("log-softmax
    & MSE", tables 2 and 3), each standardised by its scores of the training clips.

    Parameters
    ----------
    loss : {"focal", "cross_entropy"}, default="focal"
        Focal loss in table 3, cross-entropy in section 3.3.

    mixing : {"mixup", "fmix"}, tuple of them or None, default="mixup"
        Batch mixing; mixup in table 3.

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

    References
    ----------
    .. [1] J. Bai, Y. Jia, S. Huang, M. Wang, J. Chen, "JLESS submission to DCASE2022 Task 2: batch mixing strategy
       based method with anomaly detector for anomalous sound detection", DCASE2022 Challenge technical report, 2022.

    Examples
    --------
    >>> from skasd.systems import jless2022_dpt
    >>> [name for name, _ in jless2022_dpt()[-1].detectors]
    ['log_softmax', 'mse']
    """
    network = DPTEmbedder(
        **{
            "loss": loss,
            "mixing": mixing,
            "domain_mixing": True,
            "patch_frames": 64,
            "output": ("log_proba", "reconstruction_error"),
            **embedder,
        }
    )
    both = ScoreEnsemble(
        [
            ("log_softmax", on_columns(slice(0, -1), GammaSoftmaxScorer())),
            ("mse", on_columns([-1], ColumnScorer())),
        ]
    )
    return make_pipeline(_FEATURES["logmel"][0](), network, both)


def jless2022_ensemble(*, n_jobs=None, **embedder):
    """Return submission 1 of J. Bai et al. (JLESS), DCASE 2022: for each machine the system of table 3.

    Parameters
    ----------
    n_jobs : int or None, default=None
        Machines fitted in parallel.

    **embedder
        Further parameters of all embedders, as ``max_epochs=10`` or ``device="cuda"``.

    Returns
    -------
    SelectBest
        Unfitted; ``fit(clips, machine=..., section=..., domain=...)`` with metadata routing enabled.
        :func:`jless2022_mfn` for six machines, :func:`jless2022_dpt` for the bearing.

    Examples
    --------
    >>> from skasd.systems import jless2022_ensemble
    >>> sorted(jless2022_ensemble().by)
    ['ToyCar', 'ToyTrain', 'bearing', 'fan', 'gearbox', 'slider', 'valve']
    """
    systems = [(machine, jless2022_mfn(machine=machine, **embedder)) for machine in JLESS_TABLE_3]
    systems.append(("bearing", jless2022_dpt(**embedder)))
    return SelectBest(systems, by={machine: machine for machine, _ in systems}, n_jobs=n_jobs)
