"""A choice between detectors on healthy clips alone."""

import time
from collections.abc import Sequence
from numbers import Integral
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.parallel import Parallel, delayed

from .._metadata import as_mask
from .._sklearn_compat import Interval, StrOptions, num_samples, validate_params
from ..labels import as_labels, group_rows
from ..metrics import partial_auc
from ..scorers.recordings import deal_recordings
from ..scorers.thresholds import no_word_on_few_clips
from ._healthy_selection import HealthySelection
from ._pseudo_anomalies import Material, kind_of

_GRID = 0.01  # figures that differ by less than this grid shows share a rank
_MOST_FOLDS = 40  # of all sections


@validate_params(
    {
        "inputs": [StrOptions({"auto", "clips", "spectrograms", "rows"})],
        "sample_rate": [Interval(Integral, 1, None, closed="left")],
        "channel": [StrOptions({"mean"}), Integral],
        "n_folds": [Interval(Integral, 2, None, closed="left")],
        "max_clips": [Interval(Integral, 10, None, closed="left")],
        "refit": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=True,
)
def select_without_anomalies(
    candidates: Sequence[Any],
    X: Any,
    *,
    section: Any = None,
    domain: Any = None,
    proxy: Any = None,
    groups: Any = None,
    inputs: Literal["auto", "clips", "spectrograms", "rows"] = "auto",
    sample_rate: int = 16000,
    channel: Literal["mean"] | int = "mean",
    n_folds: int = 5,
    max_clips: int = 200,
    refit: bool = True,
    n_jobs: int | None = None,
    random_state: int | np.random.RandomState | None = None,
    verbose: int = 0,
) -> HealthySelection:
    r"""Choose between detectors by how well they tell healthy clips from pseudo-anomalies.

    Each candidate is fitted to the healthy clips of some recordings. It must then distinguish the healthy clips of the
    other recordings from pseudo-anomalies: clips changed as faults would change them, clips of other sections, and
    clips of other machines. No anomalous clip is needed or used.

    Parameters
    ----------
    candidates : sequence of estimators or of (str, estimator) tuples
        Outlier detectors or pipelines that end in one, not fitted. Put the simplest first, or the one you would use
        without a comparison: if the data cannot separate two candidates, the earlier one is chosen.
    X : array-like of shape (n_clips, n_samples), list of 1-D arrays, list of paths, spectrograms or rows
        Healthy clips, as the candidates take them.
    section : sequence of hashables of length n_clips, default=None
        Each section is treated as a separate machine: candidates are fitted to its clips, and clips of other sections
        are a kind of pseudo-anomalies.
    domain : sequence of {"source", "target"} of length n_clips, default=None
        Passed to candidates that request it.
    proxy : sequence of bool of length n_clips, default=None
        Clips of other machines: a kind of pseudo-anomalies. Candidates that request `proxy` are trained with the
        proxies of the other folds.
    groups : sequence of hashables of length n_clips, default=None
        The recording of each clip. None: inferred from the file names, else from the order of the clips, by the rule of
        the thresholds (:class:`~skasd.scorers.BaseScorer`).
    inputs : {"auto", "clips", "spectrograms", "rows"}, default="auto"
        What X holds. Rows cannot be perturbed. "auto": paths, 1-D and 2-D arrays are clips, 3-D arrays and lists of 2-D
        ones spectrograms in decibels.
    sample_rate : int, default=16000
        Sample rate of waveforms, in Hz. Files are resampled to it, and candidates must use the same.
    channel : "mean" or int, default="mean"
        What to take of files with several channels.
    n_folds : int, default=5
        Number of folds; fewer if there are fewer recordings.
    max_clips : int, default=200
        Number of held-out clips to score, over all folds of a section, evenly chosen if there are more. Each kind of
        pseudo-anomalies has as many.
    refit : bool, default=True
        Whether to fit the chosen candidate to all clips.
    n_jobs : int or None, default=None
        Number of folds to process in parallel, each in its own process.
    random_state : int, RandomState instance or None, default=None
        Seeds the perturbations. Candidates whose `random_state` is None are given a seed.
    verbose : int, default=0
        Show a progress bar if positive.

    Returns
    -------
    HealthySelection
        The chosen estimator, and a table of the results on which the choice is based.

    Raises
    ------
    ValueError
        If there are fewer than two candidates or two recordings, if there is no kind of pseudo-anomalies, or if a
        candidate works at another sample rate.

    See Also
    --------
    skasd.augment.add_fault : The perturbations.
    skasd.compose.SelectBest : Chooses with labelled anomalies.

    Notes
    -----
    **Kinds.** "other sections", "proxies", and the perturbed clips of :data:`skasd.augment.FAULTS`, each with
    severities from hardly audible to plain. They were fixed in advance, according to what faults do to sound, and are
    the same for every machine.

    **Figures.** For each fold (with sections: each section and fold) and kind, the mean of AUC and pAUC (false-alarm
    rates up to 0.1) of the held-out healthy clips against the pseudo-anomalies. Perturbed clips are made from the same
    clips.

    **Rule.** In every fold and for every kind, the candidates are ranked by this figure, rounded to two decimals; ties
    share their mean rank. Ranks are averaged over kinds and folds. All kinds have equal weight: a kind that every
    candidate or no candidate detects does not decide, and a large lead in one kind weighs as much as a small one in
    another. The first candidate whose mean rank is within one standard error of the best is chosen. The standard error
    is that of the difference of mean ranks over folds, with the variance multiplied by :math:`1 / n + 1 / (K - 1)`
    instead of :math:`1 / n` for n differences of K folds, since folds share their training clips [1]_.

    A candidate that learns from sections (as classes) sees only one here, and makes pseudo-classes: the result does not
    show what it would learn from several sections.

    Pseudo-anomalies are not anomalies: the choice is only as good as their resemblance to real faults of the machine.
    On the real machines tested it was no better than the default detector without a choice; docs/measurements.md has
    the table.

    References
    ----------
    .. [1] C. Nadeau, Y. Bengio, "Inference for the generalization error", Machine Learning 52, 2003.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skasd import ClipStatistics, KNNScorer, LogMelTransformer, MahalanobisScorer
    >>> from skasd.datasets import make_machine_sounds
    >>> from skasd.model_selection import select_without_anomalies
    >>> clips = make_machine_sounds(n_train=30, n_test=0, duration=1.0, random_state=0)
    >>> candidates = [
    ...     make_pipeline(LogMelTransformer(), ClipStatistics(), scorer)
    ...     for scorer in (MahalanobisScorer(), KNNScorer())
    ... ]
    >>> chosen = select_without_anomalies(candidates, clips.X, random_state=0)
    >>> chosen.best_index_
    0
    """
    names, candidates = _check_candidates(candidates, sample_rate, inputs)
    inputs = kind_of(X) if inputs == "auto" else inputs
    material = Material(X, inputs, sample_rate, channel)
    n_clips = num_samples(X)
    known = {"section": section, "domain": domain, "groups": groups, "proxy": proxy}
    known = {name: as_labels(name, values, n_clips) for name, values in known.items() if values is not None}
    is_proxy = as_mask("proxy", proxy, n_clips) if proxy is not None else np.zeros(n_clips, dtype=bool)
    random = check_random_state(random_state)
    seed = int(random.randint(2**31 - 1))
    candidates = [seeded(candidate, seed) for candidate in candidates]

    jobs, n_recordings = _plan(material, known, is_proxy, n_folds, max_clips, random)
    work = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_work)(names, candidates, material, known, is_proxy, job) for job in jobs
    )
    from tqdm.auto import tqdm

    rows = [
        row for part in tqdm(work, "choosing", len(jobs), unit="fold", disable=not verbose) for row in part
    ]
    folds = pd.DataFrame(rows)
    results, conclusive, message = _judge(folds, names, max(job["n_folds"] for job in jobs))
    best = int(np.flatnonzero(results["chosen"])[0])
    fitted = None
    if refit:
        fitted = _fit(names[best], candidates[best], material, known, is_proxy, np.arange(n_clips))
    return HealthySelection(
        fitted,
        best,
        names[best],
        results,
        folds,
        tuple(dict.fromkeys(folds["kind"])),
        n_recordings,
        conclusive,
        message,
    )


def _check_candidates(candidates, sample_rate, inputs):
    """Return names and estimators."""
    pairs = [each if isinstance(each, tuple) else (_name_of(each), each) for each in candidates]
    if len(pairs) < 2:
        raise ValueError(f"candidates holds {len(pairs)} estimators: give two at least to choose between.")
    names = [name for name, _ in pairs]
    for i, (name, estimator) in enumerate(pairs):
        if not hasattr(estimator, "fit") or not hasattr(estimator, "score_samples"):
            raise TypeError(
                f"The candidate {name!r} must be an outlier detector with fit and score_samples, got {estimator!r}."
            )
        if names.count(name) > 1:
            names[i] = f"{name} ({i})"
        rates = {
            value
            for key, value in estimator.get_params().items()
            if key.split("__")[-1] == "sample_rate" and inputs in ("auto", "clips")
        }
        if rates - {sample_rate}:
            raise ValueError(
                f"The candidate {name!r} works at {sorted(rates)} Hz, and the clips would be read at "
                f"sample_rate={sample_rate}: give all the same."
            )
    return names, [estimator for _, estimator in pairs]


def _name_of(estimator: BaseEstimator) -> str:
    if isinstance(estimator, Pipeline):
        return " -> ".join(_name_of(step) for _, step in estimator.steps)
    return type(estimator).__name__


def seeded(estimator, seed):
    """Return a clone of an estimator in which each `random_state` that is None is a seed."""
    estimator = clone(estimator)
    unset = {
        name: seed
        for name, value in estimator.get_params().items()
        if name.split("__")[-1] == "random_state" and value is None
    }
    return estimator.set_params(**unset)


def _plan(material, known, is_proxy, n_folds, max_clips, random):
    """Return the folds of all sections, as dicts, and the number of recordings."""
    own = np.flatnonzero(~is_proxy)
    sections = {None: own}
    if "section" in known:
        sections = {name: own[rows] for name, rows in group_rows(known["section"][own]).items()}
    proxies = np.flatnonzero(is_proxy)
    jobs, n_recordings, most = [], 0, 0
    for name, rows in sections.items():
        domain = known["domain"][rows] if "domain" in known else None
        if "groups" in known:
            recordings = known["groups"][rows]
        else:
            recordings = as_labels("groups", list(material.recordings(rows, domain)), len(rows))
        found = len(set(recordings))
        n_recordings += found
        most = max(most, found)
        if found < 2:
            continue
        n = min(n_folds, found)
        fold_of = deal_recordings(recordings, n, domain=domain)
        others = np.setdiff1d(own, rows)
        for fold in range(n):
            per_fold = -(-max_clips // n)
            tested = proxies[np.arange(len(proxies)) * n // max(len(proxies), 1) == fold]
            kinds = {"other sections": others, "proxies": tested}
            jobs.append(
                {
                    "section": name,
                    "fold": fold,
                    "n_folds": n,
                    "train": rows[fold_of != fold],
                    "proxies": tested,
                    "held_out": _evenly(rows[fold_of == fold], per_fold),
                    "kinds": {kind: _evenly(which, per_fold) for kind, which in kinds.items() if len(which)},
                    "seeds": random.randint(2**31 - 1, size=len(material.faults)).tolist(),
                }
            )
    if not jobs:
        raise ValueError(
            f"A choice needs two recordings at least, of one section; got {most} of {len(own)} clips. Give healthy "
            "clips of other recordings, or groups= where there are more than were found."
        )
    if not material.faults and not any(job["kinds"] for job in jobs):
        raise ValueError(
            "There is nothing to stand in for anomalies: of rows no perturbed clips can be made. Give clips or "
            "spectrograms, section= of several sections, or proxy= clips of other machines."
        )
    if len(jobs) > _MOST_FOLDS:  # a sample of many sections says enough
        jobs = [jobs[i] for i in _evenly(np.arange(len(jobs)), _MOST_FOLDS)]
    return jobs, n_recordings


def _evenly(rows, most):
    return rows if len(rows) <= most else rows[np.arange(most) * len(rows) // most]


def _work(names, candidates, material, known, is_proxy, job):
    """Return the figures of all candidates in one fold."""
    clips = material.load(job["held_out"])
    pseudo = {kind: material.together(material.load(rows)) for kind, rows in job["kinds"].items()}
    for fault, seed in zip(material.faults, job["seeds"], strict=True):
        pseudo[fault] = material.perturbed(clips, fault, seed)
    clips = material.together(clips)
    rows = np.union1d(job["train"], np.setdiff1d(np.flatnonzero(is_proxy), job["proxies"]))
    figures = []
    for name, candidate in zip(names, candidates, strict=True):
        start = time.perf_counter()
        with no_word_on_few_clips():  # thresholds play no part
            fitted = _fit(name, candidate, material, known, is_proxy, rows)
        healthy = _anomaly_scores(fitted, clips)
        of_kinds = {kind: _anomaly_scores(fitted, made) for kind, made in pseudo.items()}
        seconds = time.perf_counter() - start
        for kind, scores in of_kinds.items():
            truth = np.repeat([1, -1], [len(healthy), len(scores)])
            both = np.concatenate([healthy, scores])
            figures.append(
                {
                    "candidate": name,
                    "section": job["section"],
                    "fold": job["fold"],
                    "kind": kind,
                    "AUC": partial_auc(truth, both, max_fpr=1.0),
                    "pAUC": partial_auc(truth, both),
                    "seconds": seconds / len(of_kinds),
                }
            )
    return figures


def _fit(name, candidate, material, known, is_proxy, rows):
    """Return a candidate fitted to some of the clips, with what it requests of what is known about them."""
    with config_context(enable_metadata_routing=True):
        wanted = get_routing_for_object(candidate).consumes("fit", known)
        if "proxy" not in wanted:
            rows = rows[~is_proxy[rows]]
        metadata = {each: known[each][rows] for each in sorted(wanted)}
        try:
            return clone(candidate).fit(material.take(rows), **metadata)
        except ValueError as error:
            raise ValueError(f"The candidate {name!r}, fitted to {len(rows)} clips: {error}") from error


def _anomaly_scores(fitted, X):
    return -np.asarray(fitted.score_samples(X), dtype=float)


def _judge(folds, names, n_folds):
    """Return the table of candidates, whether there is one winner, and what to say."""
    where = ["section", "fold"] if folds["section"].notna().any() else ["fold"]
    figure = np.round((folds["AUC"] + folds["pAUC"]) / 2 / _GRID) * _GRID
    folds["rank"] = figure.groupby([folds[name] for name in [*where, "kind"]]).rank(ascending=False)
    by_fold = folds.pivot_table(index=where, columns="candidate", values="rank", sort=False)[names]
    mean = by_fold.mean()
    difference = by_fold.sub(by_fold[mean.idxmin()], axis=0)
    n = len(by_fold)
    # the training clips of two folds overlap: Nadeau and Bengio (2003)
    se = difference.std(ddof=1) * np.sqrt(1 / n + 1 / (n_folds - 1))
    gap = mean - mean.min()
    within = gap <= se
    chosen = names[int(np.argmax(within.to_numpy()))]
    results = pd.DataFrame(
        {
            "candidate": names,
            "mean_rank": mean.to_numpy(),
            "difference": gap.to_numpy(),
            "se": se.to_numpy(),
            "within_one_se": within.to_numpy(),
            "chosen": [name == chosen for name in names],
        }
    )
    figures = folds.groupby(["candidate", "kind"], sort=False)[["AUC", "pAUC"]].mean().unstack()
    figures.columns = [f"{figure} {kind}" for figure, kind in figures.columns]
    seconds = folds.groupby("candidate")["seconds"].sum().rename("seconds")
    results = results.join(figures, on="candidate").join(seconds, on="candidate")
    tied = [name for name in names if within[name] and name != chosen]
    message = f"{chosen!r} is chosen: mean rank {mean[chosen]:.2f} of {len(names)} candidates, over {n} folds"
    if tied:
        message += (
            f". The data cannot tell it from {', '.join(map(repr, tied))} (mean ranks within one standard error of "
            f"the best, {mean.min():.2f}): the first of them stands"
        )
    return results, not tied, message + "."
