"""Data sets as the benchmark sees them: clips, their metadata, machines to train and test on."""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from .._metadata import check_ground_truth
from .._sklearn_compat import num_samples, safe_indexing
from ..datasets import load_recordings
from ..labels import as_labels, label_names
from ..metrics import year_of_rules
from ._identity import clip_identity

_KEPT = ("path", "machine", "section", "domain", "y", "attribute")


class DataSet:
    """Clips of one or several machines, with a split into training and test clips.

    Parameters
    ----------
    name : str
        Name in tables.
    data : DataFrame, Bunch, (X, DataFrame) or path-like
        Output of a loader, or input of `load_recordings`.
    classes : str or None
        Column that embedders learn to classify instead of the section.
    year : int or None
        Year whose rules the figures follow; None: from the data.
    """

    def __init__(self, name, data, classes=None, year=None):
        self.name = name
        self.classes = classes
        X, table = _clips_and_table(name, data)
        if classes is not None and classes not in table:
            raise ValueError(
                f"The data {name!r} have no column {classes!r} (classes); they have {list(table)}."
            )
        table = table.reset_index(drop=True)
        if "path" not in table:
            files = X is not None and all(isinstance(clip, (str, os.PathLike)) for clip in X)
            table["path"] = list(X) if files else [f"clip_{position:05d}" for position in range(len(table))]
        table["path"] = table["path"].astype(str)
        self.X = table["path"].tolist() if X is None else X
        for column, default in (
            ("machine", "machine"),
            ("section", "00"),
            ("attribute", ""),
            ("proxy", False),
        ):
            table[column] = default if column not in table else table[column].fillna(default)
        for column in ("machine", "section"):  # labels are text in tables and file names
            labels = as_labels(column, table[column], len(table))
            names = label_names(labels)
            table[column] = [names[label] for label in labels]
        table["proxy"] = table["proxy"].isin([True]) if "proxy" in table else False
        self.table = table
        proxy, y = (
            table["proxy"],
            pd.to_numeric(table["y"]) if "y" in table else pd.Series(np.nan, table.index),
        )
        check_ground_truth(f"y of the data {name!r}", y.dropna().tolist())
        table["y"] = y.astype("Int64")
        self._train = np.array((table["split"] == "train") & (table["y"].fillna(1) == 1))
        self._test = np.array((table["split"] == "test") & ~proxy)
        self.machines = list(dict.fromkeys(table.loc[~proxy & (self._train | self._test), "machine"]))
        self._check_splits()
        if year is None:
            labelled = table[self._test & table["y"].notna()]
            # evaluation clips without labels may have no domain either
            year = year_of_rules(labelled if len(labelled) else table[self._train & ~proxy])
        self.year = int(year)

    def _check_splits(self):
        for kind, mask in (("training", self._train & ~self.table["proxy"].to_numpy()), ("test", self._test)):
            lacking = sorted(set(self.machines) - set(self.table.loc[mask, "machine"]))
            if lacking or not self.machines:
                raise ValueError(
                    f"The data {self.name!r} have no {kind} clips of {', '.join(lacking) or 'any machine'}: the column "
                    '"split" must say "train" for healthy clips to learn from and "test" for those to be scored.'
                )

    def _domains_known(self, mask):
        return "domain" in self.table and self.table.loc[mask, "domain"].notna().all()

    @property
    def folder(self):
        """The folder that holds all files; "" for clips that are not files."""
        folders = {os.path.dirname(path) for path in self.table["path"]}
        try:
            return os.path.commonpath(folders)
        except ValueError:  # several drives, or relative and absolute paths
            return ""

    @cached_property
    def identity(self):
        """Metadata of each clip, one entry per row."""
        return clip_identity(self.X)

    def machines_of(self, joint):
        """Return the groups of machines that share a detector: all together, or each separately."""
        return [tuple(self.machines)] if joint else [(machine,) for machine in self.machines]

    def training(self, machines, exposed):
        """Return the training rows of some machines and their metadata.

        With ``exposed``, clips of other machines are added as proxies: those marked in the table, else, with one
        machine, the training clips of the others.
        """
        table = self.table
        own = table["machine"].isin(machines).to_numpy() & ~table["proxy"].to_numpy()
        proxy = np.zeros(len(table), dtype=bool)
        if exposed:
            proxy = table["proxy"].to_numpy()
            if not proxy.any():
                proxy = ~own
        keep = self._train & (own | proxy)
        rows = np.flatnonzero(keep)
        is_proxy = ~own[rows]
        known = {"section": self._labels(rows, is_proxy, len(machines) > 1)}
        if self._domains_known(keep):
            known["domain"] = table["domain"].to_numpy(dtype=object)[rows]
        elif self._domains_known(keep & own):
            known["domain"] = table["domain"].fillna("source").to_numpy(dtype=object)[rows]
        attribute = table["attribute"].to_numpy()[rows]
        if not all(isinstance(value, str) and value == "" for value in attribute):
            known["attribute"] = attribute
        if is_proxy.any():
            known["proxy"] = is_proxy
        # a proxy belongs to the machine that it is a proxy for
        names = table["machine"].to_numpy(dtype=object)[rows]
        known["machine"] = np.where(is_proxy, machines[0], names) if len(machines) == 1 else names
        return rows, known

    def testing(self, machines, training_sections):
        """Return the rows to score and the metadata that a detector may use.

        As in the challenges this is the section, and in 2021 the domain; nothing if there is only one section or if
        embedders learnt other classes.
        """
        table = self.table
        rows = np.flatnonzero(self._test & table["machine"].isin(machines).to_numpy())
        known = {}
        if self.year == 2021 and self._domains_known(self._test):
            known["domain"] = table["domain"].to_numpy(dtype=object)[rows]
        if len(machines) > 1:
            known["machine"] = table["machine"].to_numpy(dtype=object)[rows]
        if self.classes is None:
            sections = self._labels(rows, np.zeros(len(rows), dtype=bool), len(machines) > 1)
            trained = set(training_sections)
            if len(trained) > 1 and set(sections) <= trained:
                known["section"] = sections
        return rows, known

    def _labels(self, rows, is_proxy, joint):
        """Return the section of each clip; sections of different machines are different."""
        column = self.table[self.classes or "section"].to_numpy(dtype=object)[rows]
        if self.classes is not None:
            return column
        machine = self.table["machine"].to_numpy(dtype=object)[rows]
        full = as_labels("section", zip(machine, column, strict=True), len(rows))
        return np.where(is_proxy | joint, full, column)

    def take(self, rows):
        """Return some of the clips."""
        return safe_indexing(self.X, rows)

    def scores_table(self, rows):
        """Return the metadata of some of the clips, for the table of scores."""
        kept = [name for name in _KEPT if name in self.table]
        if "set" in self.table and self.table.loc[self._test, "set"].nunique() > 1:
            kept.append("set")  # development and evaluation clips are submitted apart
        return self.table.loc[rows, kept].reset_index(drop=True)


def as_data_sets(data, classes, year):
    """Return a list of `DataSet`, from the output of a loader, a folder, or a dict of names to these."""
    if isinstance(data, (str, os.PathLike)):
        data = {Path(data).resolve().name: data}
    is_dict = isinstance(data, Mapping) and not {"X", "table"} <= set(data)
    named = data if is_dict else {"data": data}
    if not named:
        raise ValueError("data is empty: there is nothing to run on.")
    return [DataSet(str(name), value, classes, year) for name, value in named.items()]


def _clips_and_table(name, data):
    if isinstance(data, (str, os.PathLike)):
        data = load_recordings(data)
    if isinstance(data, Mapping) and {"X", "table"} <= set(data):
        data = (data["X"], data["table"])
    if isinstance(data, pd.DataFrame):
        X, table = None, data
    elif isinstance(data, tuple) and len(data) == 2 and isinstance(data[1], pd.DataFrame):
        X, table = data
        if num_samples(X) != len(table):
            raise ValueError(
                f"The data {name!r} have {num_samples(X)} clips and a table of {len(table)} rows: one each is needed."
            )
    else:
        raise TypeError(
            f"The data {name!r} must be a folder, the table of a loader of skasd.datasets, or clips and table, "
            f"(X, table), got {type(data).__name__}."
        )
    needed = ["split"] + ["path"] * (X is None)
    if missing := [column for column in needed if column not in table]:
        raise ValueError(f"The table of the data {name!r} lacks {missing}; it has {list(table)}.")
    return X, table.copy()
