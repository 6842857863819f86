"""A different detector for each machine."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any

from ._by_machine import ByMachine


class PerMachine(ByMachine):
    """Use for each machine the detector that was chosen for it.

    Parameters
    ----------
    estimators : list of (str, estimator) tuples
        Detectors, or pipelines that end in one, by name.

    choice : dict or None, default=None
        Name of the estimator by machine; the key None is for clips given without a machine. None: each estimator has
        the name of its machine.

    n_jobs : int or None, default=None
        Number of machines fitted in parallel.

    Attributes
    ----------
    choice_ : dict
        Name of the estimator by machine.
    estimators_ : dict
        The fitted estimator of each machine.
    scale_ : dict
        Standard deviation of each estimator's held-out training scores, by machine.
    offset_ : float
        ``decision_function = score_samples - offset_``; 0.
    threshold_ : float
        ``-offset_``.
    training_scores_ : ndarray of shape (n_training_clips,)
        Held-out anomaly scores of the training clips, by the estimator of their machine.
    n_features_in_ : int
        Number of features seen in `fit`, if the estimators have this attribute.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, if `X` has feature names that are all strings.

    See Also
    --------
    SelectBest : Chooses by validation.
    PerSection : The same detector for every section, behind one embedder.
    ScoreEnsemble : All detectors together for every clip.

    Notes
    -----
    [1]_ (Table 3) and [2]_ (the third submission, section 2) submit for each type of machine the system that did best
    on the development set: "a single model can not show good detection performance on all machines".

    Every estimator is fitted only to the clips of its machines. Its decision is divided by `scale_`, which keeps sign
    and order within a machine and makes units comparable: one detector may give distances, another log-probabilities.
    If the machine is not given, the greatest decision counts. The best of several machines makes a clip look more
    normal than its own machine does, so fewer clips are called anomalous.

    With ``section=`` and no ``machine=`` the sections are the machines. Metadata is passed to the estimators that
    request it, whether metadata routing is enabled or not.

    References
    ----------
    .. [1] J. Bai, Y. Jia, S. Huang, M. Wang and J. Chen, "JLESS submission to DCASE2022 Task2: batch mixing
       strategy based method with anomaly detector for anomalous sound detection", DCASE2022 Challenge,
       technical report.
    .. [2] S. Kazakova, A. Semenov, A. Surkov and S. Astapov, "Anomalous sound detection with autoencoder
       and image MobileNet using outlier exposure approach", DCASE2022 Challenge, technical report.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.compose import PerMachine
    >>> from skasd.scorers import LOFScorer, MahalanobisScorer
    >>> X = np.random.default_rng(0).normal(size=(100, 3)) + np.repeat([[0], [9]], 50, axis=0)
    >>> machine = np.repeat(["fan", "valve"], 50)
    >>> detector = PerMachine([("fan", LOFScorer()), ("valve", MahalanobisScorer())]).fit(X, machine=machine)
    >>> detector.predict([[0, 0, 0], [9, 9, 9]], machine=["fan", "fan"])
    array([ 1, -1])
    """

    _parameter_constraints: dict = {
        "estimators": [list],
        "choice": [Mapping, None],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self, estimators: Any, choice: Mapping[Any, str] | None = None, *, n_jobs: int | None = None
    ):
        self.estimators = estimators
        self.choice = choice
        self.n_jobs = n_jobs

    def _choose(self, names, X, y, groups, metadata, routed):
        choice = {name: name for name in names} if self.choice is None else self.choice
        if unknown := sorted({repr(name) for name in choice.values() if name not in names}):
            raise ValueError(
                f"choice names the unknown estimator {', '.join(unknown)}; estimators has {names}."
            )
        missing = [machine for machine in groups if machine not in choice]
        if missing == [None]:
            raise ValueError(
                "There is an estimator for each machine, but neither machine= nor section= was given to fit; "
                "choice={None: name} is for clips without machine."
            )
        if missing:
            raise ValueError(
                f"There is no estimator for {self._named} {missing[0]!r}; there is one for {list(choice)}."
            )
        return {machine: choice[machine] for machine in groups}
