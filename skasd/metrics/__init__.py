"""Metrics of anomalous sound detection, and the official scores of the DCASE Challenge.

Everywhere in this package ``y_true`` and decisions are coded +1 normal and -1 anomalous, and
``anomaly_score`` is higher for clips that are more anomalous: ``-detector.score_samples(X)``.
"""

from ._auc import auc_by_domain, harmonic_auc, partial_auc
from ._baselines import published_baseline
from ._decisions import decision_figures, f1_ev, precision_recall_f1_by_domain
from ._figures import score_figures, year_of_rules
from ._jackknife import JackknifeInterval, jackknife_interval
from ._official import OfficialScore, official_score
from ._scorer import HarmonicAUCScorer, harmonic_auc_scorer
from ._submission import evaluate_submission, write_submission

__all__ = [
    "HarmonicAUCScorer",
    "JackknifeInterval",
    "OfficialScore",
    "auc_by_domain",
    "decision_figures",
    "evaluate_submission",
    "f1_ev",
    "harmonic_auc",
    "harmonic_auc_scorer",
    "jackknife_interval",
    "official_score",
    "partial_auc",
    "precision_recall_f1_by_domain",
    "published_baseline",
    "score_figures",
    "write_submission",
    "year_of_rules",
]
