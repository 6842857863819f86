"""A system of one's own: long and short frames, one detector each, their scores added."""

from sklearn.pipeline import make_pipeline

from skasd import ClipStatistics, KNNScorer, LogMelTransformer, MahalanobisScorer, ScoreEnsemble


def two_resolutions(*, contamination=0.1, n_jobs=None):
    """Return a detector that listens with frames of 128 ms for tones and with frames of 16 ms for knocks.

    Parameters
    ----------
    contamination : float, default=0.1
        False-alarm rate that the threshold aims at.

    n_jobs : int, default=None
        Threads of the front ends.

    Returns
    -------
    ScoreEnsemble
        Unfitted.
    """
    tones = make_pipeline(
        LogMelTransformer(n_fft=2048, hop_length=1024, n_jobs=n_jobs),
        ClipStatistics(["mean"]),
        MahalanobisScorer(),
    )
    knocks = make_pipeline(
        LogMelTransformer(n_fft=256, hop_length=128, n_mels=40, n_jobs=n_jobs),
        ClipStatistics(["std", "max"]),
        KNNScorer(domain_normalization="zscore"),
    )
    return ScoreEnsemble([("tones", tones), ("knocks", knocks)], contamination=contamination)
