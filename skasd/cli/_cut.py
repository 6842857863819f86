"""``skasd cut``: windows of one length of long recordings."""

import os
from collections import Counter
from pathlib import Path

from tqdm import tqdm

from .._whole_file import check_output
from ..clips import ClipError, cut_recording
from ..datasets import find_recordings
from . import _recordings


def run(args, console):
    """Read, cut, write."""
    if not (args.window > 0 and (args.hop is None or 0 < args.hop <= args.window)):
        hop = "" if args.hop is None else f" and --hop {args.hop:g}"
        raise ValueError(f"--window {args.window:g}{hop}: must be above 0, the hop at most a window.")
    places = _places(args.recordings)
    output = Path(args.output)
    if output.is_dir() and any(output.iterdir()):
        raise FileExistsError(f"{args.output!r} is there and not empty: give a new folder.")
    check_output(output, is_folder=True)
    names = Counter(place.with_suffix("") for place in places.values())
    console.note(
        f"cutting {len(places)} recording{'s' * (len(places) > 1)} into windows of {args.window:g} s"
    )
    paths, bad, n_windows = list(places), {}, 0
    for number, path in enumerate(tqdm(paths, unit="file", disable=not console.shows_progress, leave=False)):
        place = places[path]
        # a.wav and a.flac would have windows of the same names
        name = place.stem if names[place.with_suffix("")] == 1 else place.name.replace(".", "_")
        try:
            windows = cut_recording(path, output / place.parent, args.window, hop=args.hop, name=name)
        except ClipError as error:
            bad[number] = str(error.__cause__)
            continue
        n_windows += len(windows)
    _recordings.say_left_out(paths, bad, console)
    n_recordings = len(paths) - len(bad)
    console.say(
        f"windows: {args.output} ({n_windows} windows of {n_recordings} recording{'s' * (n_recordings != 1)})"
    )
    console.result(
        output=args.output,
        n_windows=n_windows,
        n_recordings=n_recordings,
        left_out=[paths[number] for number in bad],
    )
    return 2 if not n_windows else 1 if bad else 0


def _places(where):
    """Return the relative path of each recording below its argument, with the folder's name if there are several."""
    places: dict[str, Path] = {}
    for name in where:
        folder = Path(name) if os.path.isdir(name) else None
        own = Path(folder.resolve().name if folder and len(where) > 1 else "")
        for path in find_recordings([name]):
            place = own / (os.path.relpath(path, folder) if folder else os.path.basename(path))
            places.setdefault(path, place)
    path_at: dict[Path, str] = {}
    for path, place in places.items():
        if (other := path_at.setdefault(place, path)) != path:
            raise ValueError(
                f"Windows of {other!r} and {path!r} would have the same names: cut them one by one."
            )
    return places
