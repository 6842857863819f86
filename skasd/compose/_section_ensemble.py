"""Statistics and trained networks in one score for each section."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from .._metadata import warn_about_labels
from .._sklearn_compat import Interval, fit_context, num_samples
from .._typing import ArrayLike
from .._unfitted import unfitted_on_failure
from ..features import ClipStatistics, check_time_frequency
from ..labels import as_labels
from ..scorers import BaseScorer, TermScorer
from ..scorers.recordings import recording_blocks
from ._detection import StepsMixin
from ._per_section import PerSection
from ._rows import check_lengths, not_proxies, take
from ._section_scores import SectionScores


class SectionEnsemble(StepsMixin, BaseEstimator):
    r"""Spectrograms of several sections in, one score of statistics and of networks that tell sections apart out.

    What `AnomalousSoundDetector` does with ``mode="best"`` where sections and clips are many, for those who have
    spectrograms and no waveforms.

    Parameters
    ----------
    networks : list of (str, embedder) tuples
        Embedders of spectrograms, each trained `n_folds` times, as ``[("MFN", MFNEmbedder()), ("DPT",
        DPTEmbedder())]``. May be empty.

    n_folds : int, default=5
        Number of parts of the recordings, each left out by one network of each kind, see `SectionScores`.

    max_clips : int or None, default=3000
        Most clips that a network is trained on, see `SectionScores`.

    contamination : float in (0, 0.5], default=0.1
        False-alarm rate that the threshold aims at.

    random_state : int, RandomState instance or None, default=None
        Seeds the networks.

    Attributes
    ----------
    steps_ : list of estimators
        `ClipStatistics`, a `SectionScores` for each of the networks, and a `PerSection` of scorers of the rows.
    sections_ : list
        The known sections; empty if none was given.
    offset_ : float
        ``decision_function = score_samples - offset_`` where the section is not given.
    threshold_ : float
        ``-offset_``.
    training_scores_ : ndarray of shape (n_training_clips,)
        Held-out anomaly scores.
    n_features_in_ : int
        Number of bins of the spectrograms.

    See Also
    --------
    skasd.detector.AnomalousSoundDetector : Takes waveforms.
    ScoreEnsemble : Combines any detectors.

    Notes
    -----
    The anomaly score is a sum of terms of equal weight, each in units of its spread over training clips that were left
    out: the Mahalanobis distance of the means and standard deviations of all bins, and that of the means by themselves,
    which standard deviations drown where a sound is steady; and of each kind of network the Mahalanobis distance and
    the local outlier factor of its embedding, mean over its folds. Nothing is weighted by how well it did anywhere.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.compose import SectionEnsemble
    >>> from skasd.embedders import DPTEmbedder
    >>> X = np.random.default_rng(0).normal(size=(40, 16, 20)).astype("float32")
    >>> network = DPTEmbedder(max_epochs=1, patch_frames=16)
    >>> detector = SectionEnsemble([("DPT", network)], random_state=0).fit(X, section=["a", "b"] * 20)
    >>> detector.decision_function(X[:2] + 9, section=["a", "b"]) < 0
    array([ True,  True])
    """

    __metadata_request__fit = {"section": True, "domain": True, "proxy": True, "groups": True}

    _parameter_constraints: dict = {
        "networks": [list],
        "n_folds": [Interval(Integral, 2, None, closed="left")],
        "max_clips": [Interval(Integral, 1, None, closed="left"), None],
        "contamination": BaseScorer._parameter_constraints["contamination"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        networks: Sequence[tuple[str, Any]],
        *,
        n_folds: int = 5,
        max_clips: int | None = 3000,
        contamination: float = 0.1,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.networks = networks
        self.n_folds = n_folds
        self.max_clips = max_clips
        self.contamination = contamination
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        *,
        section: Any = None,
        domain: Any = None,
        proxy: Any = None,
        groups: Any = None,
    ) -> Self:
        """Train the networks and fit a scorer to the clips of each section.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_bins, n_frames) or list of arrays (n_bins, n_frames_i)
            Spectrograms of healthy clips. Those that are NaN everywhere are left out.
        y : array-like of shape (n_clips,), default=None
            Not learnt from: all clips are taken to be healthy. A warning is issued if it holds anything but 1.
        section : sequence of hashables of length n_clips, default=None
            Machine, ID or setting of each clip: each gets a scorer of its own, and networks tell them apart.
        domain : sequence of {"source", "target"} of length n_clips, default=None
            Each domain gets a reference of its own.
        proxy : sequence of bool of length n_clips, default=None
            Clips of other machines; they are left out.
        groups : sequence of hashables of length n_clips, default=None
            The recording of each clip. None: what the order of the clips shows.

        Returns
        -------
        self : object
        """
        for item in self.networks:
            if not isinstance(item, (tuple, list)) or len(item) != 2:
                raise ValueError(f"networks must be a list of (name, embedder) tuples, got {item!r} in it.")
        warn_about_labels(y, self)
        n_clips = num_samples(X)
        check_lengths(n_clips, section=section, domain=domain, groups=groups)
        with unfitted_on_failure(self):
            X, missing = check_time_frequency(self, X)
            kept = np.flatnonzero(not_proxies(proxy, n_clips) & ~missing)
            if not len(kept):
                raise ValueError(
                    f"No clip to learn from: n_samples={n_clips}, all of them skipped or proxies."
                )
            X, known = take(X, kept), {"section": section, "domain": domain, "groups": groups}
            known = {
                name: as_labels(name, values, n_clips)[kept]
                for name, values in known.items()
                if values is not None
            }
            statistics = ClipStatistics()
            rows = [statistics.fit_transform(X)]
            recordings = recording_blocks(rows[0], **known).tolist()
            networks = []
            for _, embedder in self.networks:
                scores = SectionScores(
                    embedder, n_folds=self.n_folds, max_clips=self.max_clips, random_state=self.random_state
                )
                rows.append(scores.fit_transform(X, **{**known, "groups": recordings}))
                networks.append(scores)
            scorer = self._scorer(statistics.n_features_in_, networks)
            self.steps_ = [statistics, *networks, PerSection(None, scorer).fit(np.hstack(rows), **known)]
            self.sections_ = self.steps_[-1].sections_
            self.training_scores_ = self.steps_[-1].training_scores_
        return self

    def _scorer(self, n_bins, networks):
        means_and_deviations, means = np.arange(2 * n_bins), np.arange(n_bins)
        ready, _ = ready_columns(networks, 2 * n_bins)
        return TermScorer(bands=[means_and_deviations, means], ready=ready, contamination=self.contamination)

    def _rows(self, X):
        return np.hstack([step.transform(X) for step in self.steps_[:-1]])


def ready_columns(networks, first):
    """Return which columns, from ``first`` on, are the scores of fitted networks, and how many of them a section has.

    Columns are a dict of section to list of int; a list without sections.
    """
    sections = [name for network in networks for name in network.column_sections_]
    ready: dict = {name: [] for name in sections}
    for column, name in enumerate(sections):
        ready[name].append(first + column)
    n_ready = len(next(iter(ready.values()))) if ready else 0
    return (ready.get(None, []) if None in ready or not ready else ready), n_ready
