"""The detector for those who do not want to choose one."""

from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import FeatureUnion
from sklearn.utils.validation import check_is_fitted

from .._docs import CLIPS, shared_docstring
from .._metadata import check_metadata, warn_about_labels
from .._sklearn_compat import Interval, StrOptions, fit_context, num_samples
from .._typing import ArrayLike
from .._unfitted import unfitted_on_failure
from ..clips import check_clips
from ..compose import PerSection, StepsMixin, not_proxies, take
from ..embedders import PretrainedEmbedder
from ._lengths import warn_about_long_clips
from ._networks import with_networks
from ._reference_clips import (
    bounded,
    joined,
    names_of,
    recordings_found,
    reference_clips,
    usable,
    without_copies,
)
from ._rows import encoders, find_terms, row_scorer, rows_of
from ._summary import summary
from ._unusual import warn_about_unusual_clips

_OF_EMBEDDERS = ("sample_rate", "channel", "on_error", "limits", "n_jobs", "verbose")


@shared_docstring(CLIPS)
class AnomalousSoundDetector(StepsMixin, BaseEstimator):
    r"""Clips of a healthy machine in, a detector of faults out; nothing has to be chosen or tuned.

    A frozen encoder that comes with the library turns each clip into a row; the row's distance from those of the
    training clips is the anomaly score, and the threshold is set so that it holds for recordings that were not
    trained on.

    Parameters
    ----------
    mode : {"fast", "best"}, default="fast"
        "fast": the shipped encoder; a hundred clips of 10 s take seconds. "best": also the larger encoders whose
        weights are on this computer (:func:`skasd.weights.fetch`), and with at least 800 clips of three or more
        sections, 100 of each, networks trained to distinguish these (minutes to hours without a GPU). Without either,
        it is the same as "fast".

    contamination : float in (0, 0.5], default=0.1
        False-alarm rate that the threshold aims at: the share of clips of new healthy recordings called anomalous.

    sample_rate : int, default=16000
        Sample rate in Hz. Files at another rate are resampled to it; arrays must be at it. With 32000 it hears up to 15
        kHz.

    on_error : {"raise", "skip"}, default="raise"
        With "raise", an error lists all clips that cannot be used. With "skip", a warning does; they are left out of
        `fit`, score NaN and are predicted -1.

    max_clips : int or None, default=10000
        Maximum number of clips per section that are learnt and kept, as rows, for `update`; see Notes for the
        selection. None: all. 0: all are learnt and none is kept, which makes model files smaller and `update`
        impossible.

    {shared}

    Attributes
    ----------
    steps_ : list of estimators
        The steps that clips pass through: a `FeatureUnion` of encoders and networks, and a `PerSection` of scorers of
        the rows.
    terms_ : dict
        The terms of the score: by name, the groups of columns of the rows whose scores are averaged.
    sections_ : list
        The known sections; empty if none was given.
    groups_ : ndarray of shape (n_training_clips,) or None
        The recording of each clip, as given or found in the file names; None if neither is available.
    n_clips_ : int
        Number of usable clips that `fit` and `update` were given.
    reference_ : dict or None
        What `update` starts from: "rows" of the clips, float32 of shape (n_training_clips, n_columns), and what is
        known of them. None with ``max_clips=0``.
    offset_ : float
        ``decision_function = score_samples - offset_`` if the section is not given.
    threshold_ : float
        ``-offset_``.
    training_scores_ : ndarray of shape (n_training_clips,)
        Held-out anomaly scores of the clips learnt from.
    n_features_in_ : int
        Number of samples of the clips seen in `fit`, if these were an array.

    See Also
    --------
    skasd.embedders.PretrainedEmbedder : The rows.
    skasd.scorers.BandScorer : The scores.
    skasd.embedders.MFNEmbedder : A network trained on the machine's own clips to distinguish their sections.

    Notes
    -----
    A row holds means and standard deviations of 128 log-mel bands, and the layers "9" and "11" of the encoder, averaged
    over time with their 8 positions along frequency kept apart (:class:`PretrainedEmbedder`). The anomaly score is the
    sum of five terms: the Mahalanobis distance (Ledoit-Wolf shrinkage) of the statistics, that of each layer, and for
    each layer the mean of the distances of its single positions. Each is in units of its spread over held-out training
    clips (:class:`BandScorer`). All terms have the same weight, for every machine. A larger encoder adds two layers of
    its own in the same way. Networks add four terms: Mahalanobis distance and local outlier factor of the embeddings of
    a MobileFaceNet and of a dual-path transformer, each trained five times, on at most 3000 clips, each time
    without a fifth of the recordings (:class:`~skasd.compose.SectionEnsemble`).

    Each section has its own scorer. Each domain has its own mean; both share one covariance.

    The threshold depends on the recordings that the clips come from: `groups` if given; otherwise those found in the
    file names (:func:`skasd.datasets.recordings_of`); otherwise blocks of consecutive clips. See
    :class:`skasd.scorers.BaseScorer`.

    A clip becomes one row, whatever its length, so a fault in part of a long clip is averaged away. Cut long recordings
    into windows of one length (``python -m skasd cut``), and name the recording of each window in `groups`.

    Only the row of a clip is kept (896 numbers), so memory and model files grow by 3.6 kB per clip, up to 36 MB per
    section (`max_clips`). From more clips, a sample is learnt: balanced over domains, and within a domain over
    recordings, as far as possible, and spread evenly over the time of each recording. It does not depend on how the
    clips sound, nor on how many arrived at a time.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd import AnomalousSoundDetector
    >>> random = np.random.default_rng(0)
    >>> healthy = random.normal(scale=0.1, size=(20, 16000)).astype(np.float32)
    >>> detector = AnomalousSoundDetector().fit(healthy)
    >>> hum = 0.1 * np.sin(np.arange(16000, dtype=np.float32) / 9)
    >>> detector.predict([random.normal(scale=0.1, size=16000), healthy[0] + hum])
    array([ 1, -1])
    """

    # a clip's metadata, as of the scorers behind
    __metadata_request__fit = {"section": True, "domain": True, "proxy": True, "groups": True}

    _parameter_constraints: dict = {
        "mode": [StrOptions({"fast", "best"})],
        "contamination": [Interval(Real, 0, 0.5, closed="right")],
        **{name: PretrainedEmbedder._parameter_constraints[name] for name in _OF_EMBEDDERS},
        "max_clips": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        *,
        mode: Literal["fast", "best"] = "fast",
        contamination: float = 0.1,
        sample_rate: int = 16000,
        channel: Literal["mean"] | int = "mean",
        on_error: Literal["raise", "skip"] = "raise",
        limits: dict | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        max_clips: int | None = 10000,
    ):
        self.mode = mode
        self.contamination = contamination
        self.sample_rate = sample_rate
        self.channel = channel
        self.on_error = on_error
        self.limits = limits
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.max_clips = max_clips

    @fit_context(prefer_skip_nested_validation=True)
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
        """Learn what a healthy machine sounds like.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
            Clips of healthy machines.
        y : array-like of shape (n_clips,), default=None
            Not learnt from, as in scikit-learn's outlier detectors: all clips are taken to be healthy. A warning is
            issued if it holds anything but 1, such as -1 or 0. ``NormalOnly(AnomalousSoundDetector())`` leaves out
            clips labelled -1.
        section : sequence of hashables of length n_clips, default=None
            Machine, ID or setting of each clip: each gets its own model.
        domain : sequence of {"source", "target"} of length n_clips, default=None
            Each domain gets its own reference; a clip near either is normal.
        proxy : sequence of bool of length n_clips, default=None
            Clips of other machines; they are left out.
        groups : sequence of hashables of length n_clips, default=None
            The recording, day or unit that each clip comes from. None: found in the file names, otherwise blocks of
            consecutive clips.

        Returns
        -------
        self : object

        Warns
        -----
        FewClipsWarning
            If there are too few recordings for the false-alarm rate `contamination`.
        UserWarning
            If `y` holds anything but 1, some clips are copies of others or more than twice as long as most, or one
            sounds unlike the others (its held-out score is above 5 times the median).
        """
        checked = check_clips(X)
        warn_about_labels(y, self)
        warn_about_long_clips(checked, self.sample_rate)
        n_clips = num_samples(X)
        kept = np.flatnonzero(not_proxies(proxy, n_clips))
        if not len(kept):
            raise ValueError(f"No clip to learn from: all {n_clips} are proxies.")
        known = check_metadata(n_clips, section=section, domain=domain, groups=groups)
        X, checked = take(X, kept), take(checked, kept)
        known = {name: take(values, kept) for name, values in known.items()}
        common = {name: getattr(self, name) for name in _OF_EMBEDDERS}
        with unfitted_on_failure(self):
            features = FeatureUnion(encoders(self.mode, **common))
            rows = rows_of([step.fit(X) for _, step in features.transformer_list], X)
            clips, heard = reference_clips(checked, rows, **known), usable(rows)
            if self.mode == "best":
                clips = with_networks(features, take(X, heard), clips, **common)
            self._learn(features, clips, kept[heard])
            self._keep_names_of(features.transformer_list[0][1])
        return self

    def update(self, X: Any, *, section: Any = None, domain: Any = None, groups: Any = None) -> Self:
        """Learn further healthy clips, without hearing the earlier ones again.

        The result is the same scorers and threshold as those of a `fit` to all clips, the earlier ones first. A
        threshold that `set_threshold` set is replaced. If anything goes wrong, the detector stays as it was.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), list of 1-D arrays, or list of paths
            Clips of healthy machines, none of which was learnt before.
        section : sequence of hashables of length n_clips, default=None
            Machine, ID or setting of each clip, known or new; required if `fit` was given it.
        domain : sequence of {"source", "target"} of length n_clips, default=None
            Required if `fit` was given it.
        groups : sequence of hashables of length n_clips, default=None
            The recording, day or unit that each clip comes from, which may continue that of earlier clips; required if
            `fit` was given it. None: as in `fit`, from the names of all files or the order of all clips.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If the detector holds no rows of its clips (fitted with ``max_clips=0``, or from an earlier version's
            file); if `section` or `domain` is given in `update` alone, or any of the three in `fit` alone; if no clip
            can be used.

        Warns
        -----
        FewClipsWarning
            If there are still too few recordings for the false-alarm rate `contamination`.

        Examples
        --------
        >>> import numpy as np
        >>> from skasd import AnomalousSoundDetector
        >>> healthy = np.random.default_rng(0).normal(scale=0.1, size=(30, 8000)).astype(np.float32)
        >>> detector = AnomalousSoundDetector().fit(healthy[:20]).update(healthy[20:])
        >>> detector.n_clips_
        30
        """
        check_is_fitted(self)
        self._validate_params()
        if getattr(self, "reference_", None) is None:
            raise ValueError(
                "This detector holds no rows of the clips that it learnt from, because it was fitted with max_clips=0 "
                "or comes from an earlier version's file: fit it again, with max_clips=10000, on old and new clips."
            )
        checked, n_before = check_clips(X), self.n_clips_
        known = check_metadata(len(checked), section=section, domain=domain, groups=groups)
        rows = self._rows(X)
        new = reference_clips(checked, rows, n_before, **known)
        clips = joined(self.reference_, new, n_before, self.steps_[-1].estimators_)
        self._learn(self.steps_[0], clips, np.append(np.arange(n_before), n_before + usable(rows)))
        return self

    def summary(self) -> str:
        """Say in a few lines what was learnt and what to expect of it.

        Returns
        -------
        str
        """
        check_is_fitted(self)
        return summary(self)

    def _recordings_of(self, X):
        return recordings_found(check_clips(X))

    def _rows(self, X):
        return rows_of([step for _, step in self.steps_[0].transformer_list], X)

    def _learn(self, features, clips, places):
        """Fit a scorer to the rows of clips; nothing is changed before that is done.

        ``places`` has the place of each usable clip among those given, by which warnings name it.
        """
        clips = without_copies(clips, places)
        if self.max_clips:
            clips = bounded(clips, self.max_clips)
        terms = find_terms(features, clips["rows"])
        scorer = row_scorer(features, terms, clips["section"], self.contamination)
        known = {name: clips[name] for name in ("section", "domain", "groups") if clips[name] is not None}
        sections = PerSection(None, scorer).fit(clips["rows"], **known)
        self.terms_ = terms
        self.steps_ = [features, sections]
        self.groups_ = clips["groups"]
        self.n_clips_ = len(places)
        self.sections_ = sections.sections_
        self.training_scores_ = sections.training_scores_
        self.reference_ = None if self.max_clips == 0 else clips
        warn_about_unusual_clips(clips, self.training_scores_, names_of(clips, places))
