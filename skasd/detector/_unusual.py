"""Warning about training clips that hardly sound like the machine."""

import warnings

import numpy as np

from ..labels import group_rows

# times the median of held-out scores; healthy clips, of 3 to 200, stay below 4 (docs/decisions.md)
_UNUSUAL = 5.0


def warn_about_unusual_clips(clips, scores, names):
    """Warn if the held-out score of a training clip is far above the median of its section and domain.

    Only the most unusual clip is named: it changes the scores of those that were held out beside it.

    Parameters
    ----------
    clips : dict
        As `reference_clips` returns them.
    scores : ndarray of shape (n_clips,)
    names : sequence of str of length n_clips
        What the warning calls the clips.
    """
    medians = _medians(clips, scores)
    unusual = np.flatnonzero((medians > 0) & (scores > _UNUSUAL * medians))
    if not len(unusual):
        return
    times = scores[unusual] / medians[unusual]
    first = unusual[times.argmax()]
    warnings.warn(
        f"{names[first]} sounds unlike the other clips to learn from: its score, held out, is {times.max():.0f} times "
        "the median. Listen to it: speech, silence or a fault among these clips widens what passes for normal.",
        UserWarning,
    )


def _medians(clips, scores):
    medians = np.empty(len(scores))
    known = [clips[name] for name in ("section", "domain") if clips[name] is not None]
    of_clip = np.empty(len(scores), dtype=object)
    of_clip[:] = list(zip(*known, strict=True)) if known else [()] * len(scores)
    for rows in group_rows(of_clip).values():
        medians[rows] = np.median(scores[rows])
    return medians
