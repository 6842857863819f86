"""Anomaly scores by networks that were trained on other recordings, as columns."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .._sklearn_compat import HasMethods, Interval, fit_context, num_samples
from .._unfitted import unfitted_on_failure
from ..labels import as_labels, group_rows
from ..model_selection import seeded
from ..scorers import BaseScorer, LOFScorer, MahalanobisScorer
from ..scorers.recordings import deal_recordings
from ..scorers.thresholds import no_word_on_few_clips
from ._rows import check_lengths, keep_names, route_metadata, take, take_rows
from ._scored_clips import requested_metadata

_CHUNK = 128  # clips that are embedded at a time


class SectionScores(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""Score clips against every section by embedders that were each trained without a part of the recordings.

    A network knows the clips that it was trained on, so that their scores say little about those of new clips. Here
    every training clip is scored by the one network that has not seen its recording, and a new clip by all of them.

    Parameters
    ----------
    embedder : transformer
        Trained once for each fold, as :class:`~skasd.embedders.MFNEmbedder`, or a pipeline that ends in one. Gets those
        of `section` and `domain` that it requests.

    scorers : sequence of scorers or None, default=None
        Each scores the embeddings of a section's clips: one column. None: `MahalanobisScorer` and `LOFScorer`, the
        distance from the whole of the section and that from its nearest clips.

    n_folds : int, default=5
        Number of parts of the recordings, and of embedders. At least 2.

    max_clips : int or None, default=None
        Most clips that an embedder is trained on: of more, as many of each section and domain as can be, evenly spread
        over their order. None: all.

    random_state : int, RandomState instance or None, default=None
        Seeds the embedders: each `random_state` in them that is None.

    Attributes
    ----------
    embedders_ : list of transformers
        By fold.

    scorers_ : list of dict
        By fold: the fitted scorers of each section.

    folds_ : ndarray of int of shape (n_clips,)
        The fold of each training clip, whose embedder was not trained on it.

    sections_ : list
        The known sections; [None] if none was given.

    column_sections_ : list
        The section of each column.

    n_features_in_ : int
        Number of features seen in `fit`, where the embedder has one.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where `X` had names that are all strings.

    See Also
    --------
    PerSection : One embedder that is trained on all clips.
    SectionEnsemble : Networks and statistics in one score.

    Notes
    -----
    ``fit_transform`` is not ``fit`` followed by ``transform``: as in :class:`sklearn.preprocessing.TargetEncoder` it
    returns what is known about each training clip without the clip. A threshold that is set from these scores holds
    for new recordings as far as the mean over the embedders varies no more than one of them: it varies less, so
    that there are rather fewer false alarms.

    The recordings of each section and domain are dealt to the folds, the largest first, to the fold that has the fewest
    clips of this section. Where there are fewer recordings than folds, stretches of clips stand in for them.

    Columns stand section by section, and in each scorer by scorer. Clips are embedded 128 at a time: with a pipeline
    from clips to embeddings no more spectrograms are held than that, and in `fit` than `max_clips`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skasd.compose import SectionScores
    >>> X = np.random.default_rng(0).normal(size=(60, 2)) + np.repeat([[0, 0], [9, 9]], 30, axis=0)
    >>> section = np.repeat(["00", "01"], 30)
    >>> scores = SectionScores(StandardScaler()).fit(X, section=section)
    >>> scores.column_sections_
    ['00', '00', '01', '01']
    >>> scores.transform([[0, 0]]).shape
    (1, 4)
    """

    __metadata_request__fit = {"section": True, "domain": True, "groups": True}

    _parameter_constraints: dict = {
        "embedder": [HasMethods(["fit", "transform"])],
        "scorers": ["array-like", None],
        "n_folds": [Interval(Integral, 2, None, closed="left")],
        "max_clips": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        embedder: Any,
        scorers: Sequence[Any] | None = None,
        *,
        n_folds: int = 5,
        max_clips: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.embedder = embedder
        self.scorers = scorers
        self.n_folds = n_folds
        self.max_clips = max_clips
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any = None, *, section: Any = None, domain: Any = None, groups: Any = None
    ) -> Self:
        """Train the embedders and fit the scorers.

        Parameters
        ----------
        X : clips or features of n_clips
            Whatever the embedder takes.
        y : object, default=None
            Not used, present for API consistency.
        section : sequence of hashables of length n_clips, default=None
            None: all clips are of one.
        domain : sequence of {"source", "target"} of length n_clips, default=None
            For embedder and scorers.
        groups : sequence of hashables of length n_clips, default=None
            The recording of each clip. None: each clip is one.

        Returns
        -------
        self : object
        """
        self.fit_transform(X, y, section=section, domain=domain, groups=groups)
        return self

    @fit_context(prefer_skip_nested_validation=False)
    def fit_transform(
        self, X: Any, y: Any = None, *, section: Any = None, domain: Any = None, groups: Any = None
    ) -> np.ndarray:
        """Train the embedders, fit the scorers, and return scores of each clip by those that have not seen it.

        Parameters
        ----------
        X : clips or features of n_clips
            Whatever the embedder takes.
        y : object, default=None
            Not used, present for API consistency.
        section, domain, groups : sequence of length n_clips, default=None
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_clips, n_sections * n_scorers)
            Anomaly scores.

        Raises
        ------
        ValueError
            If a section has fewer clips than there are folds.
        """
        n_clips = num_samples(X)
        check_lengths(n_clips, section=section, domain=domain, groups=groups)
        sections = {None: np.arange(n_clips)}
        if section is not None:
            sections = group_rows(as_labels("section", section, n_clips))
        known = {"section": section, "domain": domain}
        known = {
            name: as_labels(name, values, n_clips) for name, values in known.items() if values is not None
        }
        if (smallest := min(map(len, sections.values()))) < self.n_folds:
            raise ValueError(
                f"n_folds={self.n_folds} needs as many clips of each section, got n_samples={smallest} of one."
            )
        if wrong := [scorer for scorer in self._scorers() if not isinstance(scorer, BaseScorer)]:
            raise TypeError(
                f"scorers must be scorers of this package, such as LOFScorer(), got {wrong[0]!r}."
            )
        with unfitted_on_failure(self):
            self.sections_ = list(sections)
            self.folds_ = _deal(sections, known.get("domain"), groups, n_clips, self.n_folds)
            seeds = check_random_state(self.random_state).randint(2**31 - 1, size=self.n_folds)
            self.embedders_: list = []
            self.scorers_: list = []
            for fold, seed in enumerate(seeds.tolist()):
                rows = np.flatnonzero(self.folds_ != fold)
                metadata = {name: values[rows] for name, values in known.items()}
                self._fit_member(
                    take(X, rows), metadata, seed, {s: np.isin(rows, sections[s]) for s in sections}
                )
            per_section = len(self.scorers_[0][self.sections_[0]])
            self.column_sections_ = [name for name in self.sections_ for _ in range(per_section)]
            self._n_features_out = len(self.column_sections_)
            keep_names(self, self.embedders_[0])
            scores = np.empty((n_clips, self._n_features_out))
            for fold in range(self.n_folds):
                rows = np.flatnonzero(self.folds_ == fold)
                scores[rows] = self._member_scores(fold, take(X, rows))
        return scores

    def transform(self, X: Any) -> np.ndarray:
        """Return the mean over the embedders of the scores of each clip against each section.

        Parameters
        ----------
        X : clips or features
            Whatever the embedder takes.

        Returns
        -------
        ndarray of shape (n_clips, n_sections * n_scorers)
            Anomaly scores.
        """
        check_is_fitted(self)
        return np.mean([self._member_scores(fold, X) for fold in range(len(self.embedders_))], axis=0)

    def _fit_member(self, X, metadata, seed, sections):
        embedder = seeded(self.embedder, seed)
        domain = metadata.get("domain")
        trained = _spread_evenly(sections.values(), domain, self.max_clips)
        used = requested_metadata(embedder, "fit", metadata)
        with route_metadata():
            embedder.fit(take(X, trained), **take_rows(used, trained, num_samples(X)))
        # those left out for their number are no more unknown than the others: of the same recordings
        embeddings = _embed(embedder, X)
        with no_word_on_few_clips():
            fitted = {
                name: [
                    clone(scorer).fit(embeddings[own], domain=None if domain is None else domain[own])
                    for scorer in self._scorers()
                ]
                for name, own in sections.items()
            }
        self.embedders_.append(embedder)
        self.scorers_.append(fitted)

    def _member_scores(self, fold, X):
        embeddings = _embed(self.embedders_[fold], X)
        return np.column_stack(
            [
                scorer.anomaly_score(embeddings)
                for name in self.sections_
                for scorer in self.scorers_[fold][name]
            ]
        )

    def _scorers(self):
        if self.scorers is not None:
            return self.scorers
        return [MahalanobisScorer(calibration="train"), LOFScorer(calibration="train")]


def _deal(sections, domain, groups, n_clips, n_folds):
    """Return the fold of each clip, so that each fold has a share of every section."""
    groups = as_labels("groups", range(n_clips) if groups is None else groups, n_clips)
    fold_of = np.empty(n_clips, dtype=int)
    for rows in sections.values():
        if len(set(groups[rows])) < n_folds:
            fold_of[rows] = np.arange(len(rows)) * n_folds // len(rows)
        else:
            fold_of[rows] = deal_recordings(
                groups[rows], n_folds, domain=None if domain is None else domain[rows]
            )
    return fold_of


def _embed(embedder, X):
    n_clips = num_samples(X)
    parts = [np.arange(n_clips)[start : start + _CHUNK] for start in range(0, max(n_clips, 1), _CHUNK)]
    return np.concatenate([embedder.transform(take(X, rows)) for rows in parts])


def _spread_evenly(sections, domain, max_clips):
    """Return at most some rows, of each section and domain as many as can be."""
    strata = []
    for own in map(np.flatnonzero, sections):
        strata += [own] if domain is None else [own[rows] for rows in group_rows(domain[own]).values()]
    left = sum(map(len, strata)) if max_clips is None else max_clips
    kept = []
    for number, rows in enumerate(sorted(strata, key=len)):
        n = min(len(rows), left // (len(strata) - number))
        kept.append(rows[np.arange(n) * len(rows) // max(n, 1)])
        left -= n
    return np.sort(np.concatenate(kept))
