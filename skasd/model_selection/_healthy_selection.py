"""The outcome of a choice between detectors on healthy clips alone."""

from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class HealthySelection:
    """Outcome of a choice between detectors on healthy clips alone.

    Parameters
    ----------
    best_estimator_ : estimator or None
        The chosen candidate, fitted to all clips; None with ``refit=False``.
    best_index_ : int
        Its position among the candidates.
    best_name_ : str
        Its name.
    results_ : DataFrame
        One row per candidate, in their order: ``candidate``; ``mean_rank`` over folds and kinds, 1 is the best; its
        ``difference`` from the best mean rank, with standard error ``se``; ``within_one_se``; ``chosen``; ``AUC KIND``
        and ``pAUC KIND`` for each kind of pseudo-anomalies; ``seconds`` of fitting and scoring.
    folds_ : DataFrame
        One row per candidate, section, fold and kind: ``AUC``, ``pAUC`` and ``rank``.
    kinds_ : tuple of str
        The kinds of pseudo-anomalies.
    n_recordings_ : int
        Number of recordings.
    is_conclusive_ : bool
        Whether the chosen candidate is the only one within a standard error of the best mean rank.
    message_ : str
        The outcome in a sentence.

    See Also
    --------
    select_without_anomalies : Returns it.
    """

    best_estimator_: Any
    best_index_: int
    best_name_: str
    results_: pd.DataFrame
    folds_: pd.DataFrame
    kinds_: tuple[str, ...]
    n_recordings_: int
    is_conclusive_: bool
    message_: str
