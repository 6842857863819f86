"""``skasd update``: further healthy recordings for a model."""

from joblib import parallel_config

from .. import load, save
from .._whole_file import check_output
from . import _recordings, _remarks, _systems


def run(args, console):
    """Read, update, save."""
    output = args.model if args.output is None else args.output
    detector = load(args.model)
    if not hasattr(detector, "update"):
        raise ValueError(
            f"{args.model} holds a {type(detector).__name__}, which cannot learn further recordings: 'skasd fit' on "
            "old and new ones makes another model; 'skasd calibrate' sets the threshold of this one."
        )
    check_output(output)
    read_by = getattr(detector, "read_by_", {})
    section_from = read_by.get("section_from") if args.section_from is None else args.section_from
    groups_from = read_by.get("groups_from") if args.groups_from is None else args.groups_from
    table, decided = _recordings.healthy_ones(args, section_from)
    console.note(decided)
    table = _recordings.new_ones(table, detector, console)
    paths = table["path"].tolist()
    known = _known(detector, table, groups_from)
    console.note(f"learning from {len(paths)} more healthy recordings")

    def update(clips, rows):
        return detector.update(clips, **{name: values[rows] for name, values in known.items()})

    with _systems.progress(detector, console), parallel_config("threading", n_jobs=args.n_jobs or 1):
        _, kept, bad = _recordings.use(paths, update, console)
        _remarks.learn_more(detector, [paths[i] for i in kept], console)
    if detector.reference_["paths"] is not None:
        detector.training_paths_ = detector.reference_["paths"].tolist()
    save(detector, output)
    console.note(detector.summary())
    console.say(f"model: {output} ({len(kept)} recordings more, {detector.n_clips_} in all)")
    console.result(
        model=output,
        n_added=len(kept),
        n_clips=detector.n_clips_,
        n_kept=len(detector.reference_["rows"]),
        threshold=detector.threshold_,
        left_out=[paths[i] for i in bad],
    )
    return 1 if bad else 0


def _known(detector, table, groups_from):
    """Return the metadata of further recordings that the detector was fitted with, by name."""
    clips = getattr(detector, "reference_", None) or {}
    known = {}
    for name in ("section", "domain"):
        if clips.get(name) is not None:
            known[name] = table[name].to_numpy(dtype=object)
    if groups_from is not None:
        known["groups"] = _recordings.groups(table["path"].tolist(), groups_from)
    elif clips.get("groups_given"):
        raise ValueError(
            "The model was fitted with groups=: --groups-from must say what recording a file is of."
        )
    return known
