"""Outlier detectors on one row of features per clip, with domains, sections and an honest threshold.

`BaseScorer` is the base for scorers of your own; it is abstract, so it is not among the estimators of
``__all__``.
"""

from ._band import BandScorer
from ._base import BaseScorer as BaseScorer
from ._column import ColumnScorer
from ._cosine_mean import CosineMeanScorer
from ._gamma_softmax import GammaSoftmaxScorer
from ._kmeans import KMeansScorer
from ._knn import KNNScorer
from ._knn_cosine import KNNCosineScorer
from ._lof import LOFScorer
from ._mahalanobis import MahalanobisScorer
from ._oevae import OEVAEScorer
from ._term import TermScorer
from ._threshold_mixin import ThresholdMixin as ThresholdMixin
from .thresholds import FewClipsWarning

__all__ = [
    "BandScorer",
    "ColumnScorer",
    "CosineMeanScorer",
    "FewClipsWarning",
    "GammaSoftmaxScorer",
    "KMeansScorer",
    "KNNCosineScorer",
    "KNNScorer",
    "LOFScorer",
    "MahalanobisScorer",
    "OEVAEScorer",
    "TermScorer",
]
