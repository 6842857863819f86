"""Wilkinghoff's multi-branch network."""

from typing import Any

from ..compose import PerSection, ScoreEnsemble
from ..embedders import MultiBranchEmbedder
from ..scorers import KMeansScorer


def wilkinghoff_multibranch(
    n_models: int = 1,
    *,
    n_samples: int = 160_000,
    random_state: int | None = None,
    n_jobs: int | None = None,
    **embedder,
) -> Any:
    """Return the multi-branch network with feature exchange of K. Wilkinghoff [1]_.

    Spectrum and spectrogram branches trained with sub-cluster AdaCos to classify machine, attributes and domain: one
    network for all machines. The score of a clip is its cosine distance to the nearest of 16 k-means centres of the
    source clips, or to the nearest target clip, of its own machine and section.

    Parameters
    ----------
    n_models : int, default=1
        Networks that differ in their seed; their anomaly scores are added (5 to 10 in [1]_).

    n_samples : int, default=160000
        Length to which clips are cropped or repeated; 288,000 (18 s) in the challenge of 2023.

    random_state : int or None, default=None
        Seed of the first network; the others have the following ones.

    n_jobs : int or None, default=None
        Networks trained in parallel.

    **embedder
        Further parameters of :class:`~skasd.embedders.MultiBranchEmbedder`.

    Returns
    -------
    PerSection or ScoreEnsemble
        Unfitted; ``fit(clips, section=..., attribute=..., domain=...)`` with metadata routing enabled: clips of all
        machines together, or of one. With several machines a section is a machine and its section, as "fan_00".
        ``decision_function(clips, section=...)`` compares a clip with its own section; ``score_samples`` takes the
        section that fits best.

    Notes
    -----
    The squeeze-and-excitation form of 2024; ``squeeze_excitation=False`` is that of 2023. As in the author's program,
    the clips of each machine and section are clustered separately.

    References
    ----------
    .. [1] K. Wilkinghoff, "Self-supervised learning for anomalous sound detection", ICASSP, 2024.

    Examples
    --------
    >>> from skasd.systems import wilkinghoff_multibranch
    >>> len(wilkinghoff_multibranch(n_models=5, random_state=0).estimators)
    5
    """
    settings = {"n_samples": n_samples, "squeeze_excitation": True, **embedder}

    def one(number):
        seed = None if random_state is None else random_state + number
        return PerSection(MultiBranchEmbedder(**settings, random_state=seed), KMeansScorer(random_state=seed))

    if n_models == 1:
        return one(0)
    members = [(f"model_{number}", one(number)) for number in range(n_models)]
    return ScoreEnsemble(members, standardize_scores=None, n_jobs=n_jobs)
