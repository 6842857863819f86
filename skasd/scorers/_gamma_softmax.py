"""Scores from the class probabilities of a section classifier."""

from typing import Any, Literal

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp

from .._sklearn_compat import StrOptions
from .._typing import ArrayLike
from ..labels import find_columns, group_rows, sort_labels
from ._base import BaseScorer
from ._docs import with_shared_docstring
from .thresholds import p_values

SMALLEST_PROBABILITY = np.finfo(float).eps  # 2.22e-16, the clamp of the challenge's baselines
LARGEST_SUM = 1.001  # of a row's probabilities: 1, and what float32 adds
LEAST_SUM = 0.1  # of the training clip whose patches agree best


@with_shared_docstring
class GammaSoftmaxScorer(BaseScorer):
    r"""Improbability of a clip's own section under a section classifier, with a gamma threshold.

    The input is not an embedding but the log-probabilities of the classes, one column per section, as an
    embedder with ``output="log_proba"`` gives them; anything else is an error.

    Parameters
    ----------
    formula : {"nll", "log_odds", "negative"}, default="nll"
        "nll": :math:`-\log p`; "log_odds": :math:`\log(1 - p) - \log p` with p and 1 - p clamped at
        2.22e-16, as in the challenge's MobileNetV2 baselines; "negative": the negative of the column as it is,
        whatever it holds: for an embedder's ``output="log_odds"``, which takes the mean over a clip's patches of
        the odds themselves, as those baselines do, and for classes that do not exclude one another
        (``target="sed"``).

    contamination : float in (0, 0.5], default=0.1
        False-alarm rate that the threshold aims at; 0.1 is the 90th percentile of the report and the
        baselines.

    calibration : {"gamma", "cross", "train"}, default="gamma"
        How the threshold is set, see `BaseScorer`. There is no reference to leave a clip out of, so "cross" differs
        from "train" only by its quantile. If the classifier was trained on the same clips, their scores are lower than
        those of new clips; only clips not used for its training give an honest threshold.

    {shared}

    Attributes
    ----------
    columns_ : dict
        Column of the class, by section; empty without sections.
    sections_ : list
        The known sections; empty without sections.
    section_offset_ : float
        The offset if `decision_function` is given the section.
    n_features_in_ : int
        Number of classes seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if `X` has feature names that are all strings.

    {attributes}

    See Also
    --------
    CosineMeanScorer : Distance to the mean of the section's embeddings.

    Notes
    -----
    The column of a section is found in `fit`. If the columns of `X` have the names that an embedder gives them
    (``set_output(transform="pandas")``), it is the one with the section's label: that of the log-probability, or with
    ``formula="negative"`` that of the log-odds. Columns without such names are found from the training clips: with as
    many sections as columns, each section gets its own column, such that the clips are as probable as possible; with
    fewer or more, it is the column most probable for the section's clips on average. Without `section` in `fit`, each
    clip's most probable column counts; `domain` is not used.

    The exponentials of a row of log-probabilities add up to 1. Those of an embedder are means over the patches of a
    clip, which add up to less if patches disagree, but never to more. So `fit` and scoring raise an error for a row
    that adds up to more than 1.001, and `fit` if no row reaches 0.1.

    The log-softmax detector of [1]_ (section 2.4) takes the scores of the training clips as gamma-distributed, and the
    90th percentile as the threshold; so do the baselines of the 2021 and 2022 challenges [2]_.

    References
    ----------
    .. [1] J. Bai, Y. Jia, S. Huang, M. Wang and J. Chen, "JLESS submission to DCASE2022 Task2: batch mixing
       strategy based method with anomaly detector for anomalous sound detection", DCASE2022 Challenge,
       technical report.
    .. [2] Y. Kawaguchi et al., "Description and discussion on DCASE 2021 Challenge Task 2: unsupervised
       anomalous sound detection for machine condition monitoring under domain shifted conditions", DCASE
       Workshop, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.scorers import GammaSoftmaxScorer
    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.2, 0.8], [0.1, 0.9], [0.4, 0.6]])
    >>> section = ["00", "00", "00", "01", "01", "01"]
    >>> scorer = GammaSoftmaxScorer(contamination=0.15).fit(np.log(p), section=section)
    >>> scorer.anomaly_score(np.log([[0.5, 0.5], [0.1, 0.9]]), section=["00", "00"]).round(2)
    array([0.69, 2.3 ])

    Behind an embedder:

    >>> from sklearn.pipeline import make_pipeline
    >>> from skasd import LogMelTransformer, MFNEmbedder
    >>> detector = make_pipeline(LogMelTransformer(), MFNEmbedder(output="log_proba"), GammaSoftmaxScorer())
    """

    __metadata_request__fit = {"section": True, "domain": False, "proxy": True, "origin": True}
    __metadata_request__decision_function = {"section": True}
    __metadata_request__predict = {"section": True}

    _parameter_constraints: dict = {
        "formula": [StrOptions({"nll", "log_odds", "negative"})],
        "contamination": BaseScorer._parameter_constraints["contamination"],
        "calibration": BaseScorer._parameter_constraints["calibration"],
    }

    by_domain = False  # no parameter here
    domain_normalization = None  # no parameter here: there is one score per clip, whatever the domain
    augmenter = None  # nor is there a reference to add rows to

    def __init__(
        self,
        *,
        formula: Literal["nll", "log_odds", "negative"] = "nll",
        contamination: float = 0.1,
        calibration: Literal["gamma", "cross", "train"] = "gamma",
    ):
        self.formula = formula
        self.contamination = contamination
        self.calibration = calibration

    def _learn(self, X, sets, blocks, domain, section):
        """Find the column of each section, and set the threshold from the scores of the training clips."""
        self._check_log_probabilities(X, LEAST_SUM)
        rows_of = {} if section is None else group_rows(section)
        self.sections_ = list(rows_of)
        self.columns_ = self._find_columns(X, rows_of)
        self._section_scores, self._shift = self._score_known(X, section)[blocks.recorded], 0.0
        self._calibrate_on(self._section_scores)
        self.section_offset_ = self.offset_
        self._finish(self._score_rows(X), blocks, None)

    def _follow(self, change):
        self.section_offset_ += change
        self._shift += change

    def _find_columns(self, X, sections):
        if not sections:
            return {}
        names = getattr(self, "feature_names_in_", None)
        columns = find_columns(names, "log_proba", sections)
        if columns is None and self.formula == "negative":
            columns = find_columns(names, "log_odds", sections)
        return _most_probable_columns(X, sections) if columns is None else columns

    def _check_log_probabilities(self, X, least=0.0):
        """Raise if a row adds up to more than one, or if no row reaches `least`."""
        if self.formula == "negative":
            return
        log_sum = logsumexp(X, axis=1)
        with np.errstate(over="ignore"):
            largest = np.exp(log_sum.max())
        if least <= largest <= LARGEST_SUM:
            return
        raise ValueError(
            "X does not hold log-probabilities of classes: the probabilities of a row are to add up to 1, but those "
            f"of row {log_sum.argmax()}, whose largest entry is {X[log_sum.argmax()].max():g}, add up to "
            f"{largest:.3g}, the most of all. Have the embedder before this scorer give log-probabilities in place of "
            "embeddings: MFNEmbedder(output='log_proba'), or pipeline.set_params(mfnembedder__output='log_proba'). For "
            "log-odds, and for classes that do not exclude one another (target='sed'), set formula='negative'."
        )

    def decision_function(self, X: ArrayLike, *, section: Any = None) -> np.ndarray:
        """Return the signed distance to the threshold; negative means anomalous.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_classes)
            Log-probabilities, or what `formula` takes.
        section : sequence of hashables of length n_clips, default=None
            The section of each clip, where known: its column and `section_offset_` decide.

        Returns
        -------
        ndarray of shape (n_clips,)
            ``score_samples(X) - offset_`` if `section` is not given; NaN for rows that are NaN everywhere.
        """
        if section is None:
            return super().decision_function(X)
        return -self.anomaly_score(X, section=section) - self.section_offset_

    def p_value(self, X: ArrayLike, *, section: Any = None) -> np.ndarray:  # type: ignore[override]
        """Return how rarely a healthy clip would score as high as each clip: the conformal p-value.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_classes)
            Log-probabilities, or what `formula` takes.
        section : sequence of hashables of length n_clips, default=None
            The section of each clip, where known: the p-value is from the scores that `section_offset_` is from.

        Returns
        -------
        ndarray of shape (n_clips,)
            In [0, 1]; NaN for rows that are NaN everywhere. After `set_threshold`, the scores of training clips of
            known section are shifted as the threshold was.
        """
        scores = self.anomaly_score(X, section=section)
        if section is None:
            return self.p_value_of_scores(scores)
        return p_values(scores + self._shift, self._section_scores, self.contamination, self.calibration)

    def _score_rows(self, X):
        columns = np.array(list(self.columns_.values()) or range(X.shape[1]))
        return self._score_reference(X, columns[X[:, columns].argmax(axis=1)])

    def _score_known(self, X, section):
        if section is None:
            return self._score_rows(X)
        if unknown := sort_labels({name for name in section if name not in self.columns_}):
            raise ValueError(
                f"Unknown section {', '.join(map(repr, unknown))}; known sections: {self.sections_}. "
                "Fit with section= to teach them, or score without section."
            )
        return self._score_reference(X, np.array([self.columns_[name] for name in section]))

    def _score_reference(self, X, columns):
        """Return the scores of rows against the class of a column, one for each row."""
        self._check_log_probabilities(X)
        log_p = X[np.arange(len(X)), columns]
        if self.formula != "log_odds":
            return -log_p
        log_p = np.minimum(log_p, 0)  # float32 may round up
        floor = np.log(SMALLEST_PROBABILITY)
        with np.errstate(divide="ignore"):  # p = 1
            return np.maximum(np.log(-np.expm1(log_p)), floor) - np.maximum(log_p, floor)


def _most_probable_columns(X, sections):
    """Return the column of each section, as `GammaSoftmaxScorer` finds it in log-probabilities."""
    means = np.array([X[rows].mean(axis=0) for rows in sections.values()])
    columns = (
        linear_sum_assignment(means, maximize=True)[1] if len(means) == X.shape[1] else means.argmax(axis=1)
    )
    return dict(zip(sections, columns.tolist(), strict=True))
