"""``skasd fit``: learn what a healthy machine sounds like."""

import os

import numpy as np
import pandas as pd
from sklearn import config_context

from .. import save
from .._whole_file import check_output
from ..compose import fitted_steps, requested_metadata
from ..datasets import load_recordings
from . import _recordings, _remarks, _systems

_LONG = 60.0  # seconds


def run(args, console):
    """Fit, save, report."""
    table, where = _recordings.of_one_machine(args, args.section_from)
    table = _recordings.to_learn_from(table).assign(proxy=False)
    console.note(table.attrs["decided"])
    if args.proxies is not None:
        others = load_recordings(args.proxies).query("y != -1").assign(proxy=True)
        table = pd.concat([table, others], ignore_index=True)
    check_output(args.output)
    machine = table["machine"].iloc[0]
    detector = _systems.make(args, machine)
    # proxies have the machine that they stand in for
    metadata = {"machine": np.full(len(table), machine, dtype=object)}
    metadata |= _recordings.metadata(table, ("section", "domain", "attribute", "proxy"))
    n_others = int(table["proxy"].sum())
    groups = _recordings.groups(table.loc[~table["proxy"], "path"].tolist(), args.groups_from)
    if groups is not None:  # proxies come last, and set no threshold
        metadata["groups"] = np.append(groups, ["proxy"] * n_others)
    others = f" and {n_others} of other machines below {args.proxies}" if n_others else ""
    console.note(f"learning from {len(table) - n_others} recordings below {where}{others}")

    # the default detector recognises recordings by itself, and finds them again in what `update` adds
    by_itself = {"groups"} if args.groups_from is None and hasattr(detector, "update") else set()

    def fit(paths, rows):
        known = {name: values[rows] for name, values in metadata.items() if name not in by_itself}
        return detector.fit(paths, **requested_metadata(detector, "fit", known))

    with config_context(enable_metadata_routing=True), _systems.progress(detector, console):
        _, kept, bad = _recordings.use(table["path"].tolist(), fit, console)
    proxy = table["proxy"].to_numpy(dtype=bool)
    # for the report, which compares new recordings with them
    detector.training_paths_ = [os.path.abspath(table["path"].iloc[i]) for i in kept if not proxy[i]]
    detector.read_by_ = {"section_from": args.section_from, "groups_from": args.groups_from}
    if groups is not None:
        groups = groups[[i for i in kept if not proxy[i]]]
    # groups_: those that the default detector recognised
    console.note(_held_out(detector, args, getattr(detector, "groups_", groups)))
    _remarks.learn(detector, detector.training_paths_, console, args.n_jobs)
    if (longest := detector.training_conditions_.longest_) > _LONG:
        console.note(
            f"the longest recording lasts {longest:.4g} s and is one clip with one score, in which a short fault is "
            "averaged away: 'skasd cut' makes windows of such recordings"
        )
    save(detector, args.output)
    console.say(f"model: {args.output} ({args.system}, {len(kept)} recordings)")
    console.result(
        model=args.output,
        system=args.system,
        n_clips=len(kept),
        left_out=[table["path"].iloc[i] for i in bad],
    )
    return 1 if bad else 0


def _held_out(detector, args, groups):
    """Return a sentence on how recordings are held out for the threshold."""
    n_blocks = getattr(fitted_steps(detector)[-1], "n_recordings_", None)
    if groups is not None:
        n_recordings = n_blocks or len(set(groups))
        why = "--groups-from" if args.groups_from is not None else "by their names"
        return f"{n_recordings} recordings ({why}); the threshold leaves whole recordings out"
    unknown = "file names do not show which files come from one recording (--groups-from REGEX tells)"
    return (
        unknown if n_blocks is None else f"{unknown}; the threshold leaves out {n_blocks} stretches of files"
    )
