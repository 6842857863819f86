"""ROC curves by domain."""

from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from .._typing import ArrayLike
from ..compose import fitted_steps
from ._base import (
    anomaly_score,
    check_length,
    check_scores,
    check_y,
    make_panels,
    skipped_note,
    with_shared_docstring,
)
from .style import NEUTRAL, PALETTE, ordered, plain_axes

ALL = "all clips"


@with_shared_docstring
class ROCByDomainDisplay:
    """ROC curves by the challenge's rule: normal clips of a domain against anomalies of all domains.

    Make one with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    fpr, tpr : dict of str to ndarray
        False and true positive rates of each curve, by domain; ``"all clips"`` is the curve of all domains
        together. A positive is an anomalous clip.
    roc_auc : dict of str to float
        Area under each curve.
    partial_auc : float
        Area under the curve of all clips where FPR <= ``max_fpr``, standardised by McClish's rule
        (0.5 is chance, 1 is best).
    n_skipped : int, default=0
        Number of clips left out because they have no score.
    {shared}

    Attributes
    ----------
    lines_ : dict of str to matplotlib Line2D
        The curves.
    {attributes}

    See Also
    --------
    ScoreDisplay : The scores themselves, with the threshold.

    Notes
    -----
    The rule is that of DCASE Challenge Task 2 since 2022 [1]_: AUC of a domain from its own normal clips
    and the anomalous clips of both, because an anomaly must be detected in any domain; pAUC from all clips, over FPR
    from 0 to 0.1, standardised as ``sklearn.metrics.roc_auc_score(..., max_fpr=0.1)``.

    References
    ----------
    .. [1] K. Dohi et al., "Description and discussion on DCASE 2022 challenge task 2: Unsupervised
       anomalous sound detection for machine condition monitoring applying domain generalization
       techniques", DCASE Workshop, 2022.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from skasd.plotting import ROCByDomainDisplay
    >>> display = ROCByDomainDisplay.from_predictions(
    ...     [0.1, 0.2, 0.6, 0.7, 0.5, 0.9], [1, 1, 1, 1, -1, -1],
    ...     domain=["source", "source", "target", "target", "source", "target"],
    ... )
    >>> display.roc_auc["source"], display.roc_auc["target"]
    (1.0, 0.5)
    """

    def __init__(
        self,
        *,
        fpr: Any,
        tpr: Any,
        roc_auc: Any,
        partial_auc: float,
        max_fpr: float = 0.1,
        n_skipped: int = 0,
        name: str | None = None,
    ):
        self.fpr = fpr
        self.tpr = tpr
        self.roc_auc = roc_auc
        self.partial_auc = partial_auc
        self.max_fpr = max_fpr
        self.n_skipped = n_skipped
        self.name = name

    @classmethod
    @with_shared_docstring
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        domain: ArrayLike | None = None,
        max_fpr: float = 0.1,
        name: str | None = None,
        ax: Any = None,
        **kwargs,
    ) -> Any:
        """Score clips with a fitted detector and draw its ROC curves.

        Parameters
        ----------
        estimator : estimator with ``score_samples``
            A fitted detector.
        name : str, default=None
            Default: the name of the (last) estimator's class.
        y : array-like of shape (n_clips,)
            +1 for a normal, -1 for an anomalous clip.
        {shared}

        Returns
        -------
        display : ROCByDomainDisplay
        """
        name = type(fitted_steps(estimator)[-1]).__name__ if name is None else name
        scores = anomaly_score(estimator, X)
        return cls.from_predictions(scores, y, domain=domain, max_fpr=max_fpr, name=name, ax=ax, **kwargs)

    @classmethod
    @with_shared_docstring
    def from_predictions(
        cls,
        anomaly_scores: ArrayLike,
        y: ArrayLike,
        *,
        domain: ArrayLike | None = None,
        max_fpr: float = 0.1,
        name: str | None = None,
        ax: Any = None,
        **kwargs,
    ) -> Any:
        """Draw the ROC curves of given anomaly scores.

        Parameters
        ----------
        y : array-like of shape (n_clips,)
            +1 for a normal, -1 for an anomalous clip.
        {shared}

        Returns
        -------
        display : ROCByDomainDisplay
        """
        if not 0 < max_fpr <= 1:
            raise ValueError(f"max_fpr must lie in (0, 1], got {max_fpr!r}.")
        scores = check_scores(anomaly_scores)
        y = check_y(y, scores.size)
        scored = ~np.isnan(scores)
        curves = {ALL: scored}
        if domain is not None:
            domain = check_length(domain, scores.size, "domain")
            own = {d: scored & ((domain == d) | (y == -1)) for d in ordered(domain)}
            curves = {**own, ALL: scored}
        fpr, tpr, roc_auc = {}, {}, {}
        for key, rows in curves.items():
            for label, kind in [(1, "normal"), (-1, "anomalous")]:
                if label not in y[rows]:
                    place = "" if key == ALL else f" of domain {str(key)!r}"
                    raise ValueError(f"No {kind} clip{place} has a score: a ROC curve needs both kinds.")
            fpr[key], tpr[key], _ = roc_curve(y[rows] == -1, scores[rows])
            roc_auc[key] = float(roc_auc_score(y[rows] == -1, scores[rows]))
        display = cls(
            fpr=fpr,
            tpr=tpr,
            roc_auc=roc_auc,
            partial_auc=float(roc_auc_score(y[scored] == -1, scores[scored], max_fpr=max_fpr)),
            max_fpr=max_fpr,
            n_skipped=int((~scored).sum()),
            name=name,
        )
        return display.plot(ax=ax, **kwargs)

    @with_shared_docstring
    def plot(self, ax: Any = None, *, name: str | None = None, **kwargs) -> Any:
        """Draw the curves.

        Parameters
        ----------
        name : str, default=None
            Written above the picture instead of the display's own name.
        **kwargs : dict
            Handed to :meth:`matplotlib.axes.Axes.plot` for every curve.
        {shared}

        Returns
        -------
        display : ROCByDomainDisplay
            The display itself, with ``ax_``, ``figure_`` and ``lines_``.
        """
        (self.ax_,) = make_panels("ROCByDomainDisplay", ax, 1, 1, (4.8, 4.8))
        self.figure_ = self.ax_.figure
        region = f"FPR ≤ {self.max_fpr:g}, all clips (pAUC = {self.partial_auc:.3f})"
        self.ax_.axvspan(0, self.max_fpr, color="#DDDDDD", linewidth=0, label=region, zorder=0)
        self.lines_ = {}
        domains = [key for key in self.fpr if key != ALL]
        styles = ["-", "--", "-.", ":"]
        for i, key in enumerate([*domains, ALL]):
            style = {
                "color": PALETTE[i % len(PALETTE)],
                "linestyle": styles[i % len(styles)],
                "linewidth": 2,
                "label": f"{key} (AUC = {self.roc_auc[key]:.3f})",
            }
            if domains and key == ALL:
                style.update(color=NEUTRAL, linestyle="-", linewidth=1)
            (self.lines_[key],) = self.ax_.plot(self.fpr[key], self.tpr[key], **{**style, **kwargs})
        self.ax_.plot([0, 1], [0, 1], color=NEUTRAL, linestyle=":", linewidth=1, label="chance")
        self.ax_.set(
            xlabel="false-alarm rate (FPR)",
            ylabel="hit rate (TPR)",
            xlim=(0, 1),
            ylim=(0, 1.01),
            aspect="equal",
        )
        self.ax_.legend(loc="lower right", fontsize="small", framealpha=0.9)
        name = self.name if name is None else name
        if name:
            self.ax_.set_title(name, loc="left", fontsize="medium")
        skipped_note(self.ax_, self.n_skipped)
        plain_axes(self.ax_)
        return self
