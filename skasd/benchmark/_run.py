"""Systems x data sets x machines x seeds."""

import datetime
import platform
import sys
from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, Literal

from .._sklearn_compat import Interval, StrOptions, validate_params
from .._typing import PathName
from ._compute import compute, open_store
from ._data import as_data_sets
from ._folder import write_folder
from ._identity import versions
from ._plan import make_cells
from ._systems import as_systems
from ._tables import assemble


@validate_params(
    {
        "classes": [str, None],
        "year": [Interval(Integral, 2020, 2026, closed="both"), None],
        "joint": ["array-like", set, None],
        "n_jobs": [Integral, None],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
        "verbose": ["verbose"],
        "on_error": [StrOptions({"raise", "record"})],
    },
    prefer_skip_nested_validation=True,
)
def run(
    systems: Any,
    data: Any,
    *,
    seeds: int | Sequence[int] = 1,
    classes: str | None = None,
    year: int | None = None,
    joint: Sequence[str] | None = None,
    out: PathName | None = None,
    n_jobs: int | None = None,
    n_threads: int | None = 1,
    verbose: int = 0,
    on_error: Literal["raise", "record"] = "raise",
) -> Any:
    """Fit and score systems on the machines of data sets, with several seeds; resume an interrupted run.

    Parameters
    ----------
    systems : str, estimator, callable, list of these, or dict of name to one
        What to compare. A string is a function of `skasd.systems`, with arguments as in
        ``"secom2021:model=mfn,detector=knn,max_epochs=5"`` or ``"secom2021('mfn', 'knn')"``, or the name of a
        submission ("Morita_SECOM_task2_3"). A callable returns an unfitted estimator; it gets ``random_state=seed``
        and ``machine=name`` if it has such parameters.
    data : DataFrame, Bunch, (X, DataFrame), str, path-like, or dict of name to one
        What the loaders of `skasd.datasets` return: the table of `load_recordings`, `load_dcase` and `load_folder`,
        what `make_machine_sounds` returns, or clips of any kind with such a table; or a folder or CSV file, which
        `load_recordings` then reads. Clips of split "train" are trained on unless they are known to be anomalous; clips
        of split "test" are scored. Rows with True in a column ``proxy`` are given to detectors that learn from clips of
        other machines; without such a column these detectors get the training clips of the other machines.
    seeds : int or sequence of int, default=1
        Number of seeds, counted from 0, or the seeds. Every ``random_state`` in a detector is set. Detectors without
        any are fitted once for all seeds.
    classes : str or None, default=None
        Column that detectors get as ``section`` in ``fit``, such as "attribute" if a machine has one section only;
        None: the section.
    year : int or None, default=None
        Year of the challenge whose rules the figures follow. None: ``table.attrs["year"]`` if present; else 2026 (same
        figures as all years since 2022) if there are clips of the target domain, 2020 if there is one domain.
        Evaluation clips without labels may have none. The year also determines the names of submission files.
    joint : collection of str or None, default=None
        Names of systems with one detector for all machines of a data set, where each section of each machine is a
        separate section. None: those published this way, `cqupt2023`, `cqupt2023_ensemble` and
        `wilkinghoff_multibranch`.
    out : path-like or None, default=None
        Folder for results and for finished cells, from which an interrupted run resumes. None: nothing is kept.
    n_jobs : int or None, default=None
        Cells computed in parallel by joblib; ``joblib.parallel_config`` sets the backend. None: 1, or the value of
        `parallel_config`. Workers on other machines need access to `out` and the files of the clips.
    n_threads : int or None, default=1
        Threads of torch and of matrix products within a cell; every ``n_threads`` in a detector is set to it. With the
        same number, figures are the same to the last bit whatever `n_jobs` and backend. None: no limit.
    verbose : int, default=0
        1: progress bar.
    on_error : {"raise", "record"}, default="raise"
        What to do, once all other cells are done, about cells that failed: raise one error that lists them, or list
        them in ``failures``. Either way they are retried next time.

    Returns
    -------
    BenchmarkResult
        With the tables ``table``, ``scores``, ``timings`` and ``failures``, and ``summary()``.

    Raises
    ------
    ValueError, TypeError
        For unknown systems, data without training or test clips.
    RuntimeError
        If cells failed, after all others have been stored, unless ``on_error="record"``.

    Warns
    -----
    UserWarning
        For clips that could not be read: they are left out of training and have no score; figures are those of the
        other clips. For data without an official score, such as data with a domain that has no test clips.

    See Also
    --------
    skasd.metrics.official_score : The rules.
    sklearn.model_selection.cross_validate : One estimator, with splits made by cross-validation.

    Notes
    -----
    A cell is one detector: a system with one seed on one machine (or on all, see `joint`) of one data set. It is stored
    in ``out/cells`` as soon as it is finished, under a name that is a hash of all that its scores depend on: class
    and parameters of the detector, clips (path, size and time of change of files, samples of arrays), their
    metadata, seed, versions of the packages. So a run with other arguments in the same folder never uses a wrong cell,
    a run with more seeds or systems computes only the new cells, and two processes may share one folder.

    Systems that begin with the same steps on the same clips share them: a transformer with the same parameters,
    including the seed, is fitted once and its output, if it is arrays, is kept in ``out/cells/shared`` (in a temporary
    folder without `out`) until all cells are done. Pipelines and the embedder of a `skasd.compose.PerSection` are split
    for this; steps inside other meta-estimators are not shared. Scores equal those of ``fit`` and ``score_samples`` of
    the whole detector. Nothing in the folder is pickled.

    At test time a detector gets what the challenge gives: the section if the machine has several, the domain in 2021,
    and the machine with `joint`. Detectors whose ``decision_function`` takes one of these are scored with it: the
    anomaly score is the threshold minus the decision.

    ``out`` gets ``results.csv`` (``table``), ``timings.csv``, ``failures.csv``,
    ``scores/<system>/seed_<seed>/<machine>.csv``, ``submissions/<system>/seed_<seed>/`` (the challenge's files, where
    sections are numbers) and ``run.json`` (arguments, versions). With several data sets there is one more folder,
    ``seed_<seed>/<data>/``. Files of an earlier run in the same folder are removed, its cells stay.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skasd import ClipStatistics, KNNScorer, LogMelTransformer, MahalanobisScorer
    >>> from skasd.benchmark import run
    >>> from skasd.datasets import make_machine_sounds
    >>> data = make_machine_sounds(n_train=30, n_test=20, duration=0.5, random_state=0)
    >>> scorers = {"kNN": KNNScorer(), "Mahalanobis": MahalanobisScorer()}
    >>> front_end = [LogMelTransformer(n_mels=32), ClipStatistics()]
    >>> systems = {name: make_pipeline(*front_end, scorer) for name, scorer in scorers.items()}
    >>> result = run(systems, {"synthetic": data})
    >>> result.table.query("system == 'kNN' and metric == 'AUC' and machine == ''")["domain"].tolist()
    ['', 'source', 'target']
    >>> result.summary()["official score"].columns.tolist()
    ['mean', 'std', 'ci95', 'jackknife']
    """
    started = datetime.datetime.now(datetime.UTC)
    recipes = as_systems(systems, joint)
    data_sets = as_data_sets(data, classes, year)
    seeds = _check_seeds(seeds)
    cells = make_cells(data_sets, recipes, seeds, n_threads)
    with open_store(out) as store:
        done, errors = compute(cells, store, n_jobs, verbose)
    settings = {
        "systems": {recipe.name: _shown(recipe.source) for recipe in recipes},
        "joint": [recipe.name for recipe in recipes if recipe.joint],
        "data": {
            d.name: {"year": d.year, "machines": d.machines, "n_clips": len(d.table), "folder": d.folder}
            for d in data_sets
        },
        "seeds": seeds,
        "classes": classes,
        "n_threads": n_threads,
        "versions": {"python": sys.version.split()[0], **versions()},
        "platform": platform.platform(),
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    result = assemble(cells, done, errors, data_sets, settings)
    if out is not None:
        result.out = Path(out)
        write_folder(result, result.out, {d.name: d.year for d in data_sets})
    if len(result.failures) and on_error == "raise":
        lines = [
            f"  {' / '.join(str(v) for v in row[:4] if v != '')}: {row[4]}"
            for row in result.failures.to_numpy()
        ]
        kept = " The others are stored and are not computed again." if out is not None else ""
        raise RuntimeError(
            f"{len(lines)} of {len(cells)} cells failed:\n" + "\n".join(lines) + f"\n{kept}".rstrip()
        )
    return result


def _check_seeds(seeds):
    if isinstance(seeds, Integral) and not isinstance(seeds, bool):
        if seeds < 1:
            raise ValueError(f"seeds={seeds} must be a number of seeds, 1 or more, or a sequence of seeds.")
        return list(range(int(seeds)))
    listed = list(seeds)
    if not listed or not all(isinstance(seed, Integral) and 0 <= seed < 2**32 for seed in listed):
        raise ValueError(
            f"seeds={seeds!r} must be a number of seeds or a sequence of integers from 0 to 2**32 - 1."
        )
    if len(set(listed)) < len(listed):
        raise ValueError(f"seeds={seeds!r} has a seed twice.")
    return [int(seed) for seed in listed]


def _shown(source):
    return source if isinstance(source, str) else _long_repr(source)


def _long_repr(source):
    if hasattr(source, "get_params") and not isinstance(source, type):
        return source.__repr__(N_CHAR_MAX=100_000)
    return f"{getattr(source, '__module__', '')}.{getattr(source, '__qualname__', repr(source))}"
