"""Networks of the default detector that are trained to distinguish sections: when, and which."""

import numpy as np
from sklearn.pipeline import make_pipeline

from ..compose import SectionScores, route_metadata
from ..embedders import DPTEmbedder, MFNEmbedder
from ..features import LogMelTransformer
from ..labels import group_rows
from ..scorers.recordings import recording_blocks

FEWEST_SECTIONS = 3
FEWEST_CLIPS_OF_SECTION = 100
FEWEST_CLIPS = 800
MOST_CLIPS = 3000  # training clips of a network: 80 kB each as log-mels in half precision, for 10 s
_SEED = 0


def are_many(section):
    """Return whether there are enough sections and clips for networks to learn from, given the section of each clip."""
    if section is None or len(section) < FEWEST_CLIPS:
        return False
    sizes = [len(rows) for rows in group_rows(section).values()]
    return len(sizes) >= FEWEST_SECTIONS and min(sizes) >= FEWEST_CLIPS_OF_SECTION


def with_networks(features, X, clips, *, sample_rate, channel, on_error, limits, n_jobs, verbose):
    """Train networks if there are enough sections and clips, and add their scores to the rows of the clips.

    The fitted networks join ``features``, the `FeatureUnion` of the fitted encoders. X are the clips that could be
    used, ``clips`` what `reference_clips` made of them, the other parameters those of the front end.
    """
    if not are_many(clips["section"]):
        return clips
    front = LogMelTransformer(
        sample_rate=sample_rate,
        channel=channel,
        on_error=on_error,
        limits=limits,
        n_jobs=n_jobs,
        dtype="float16",
    )
    known = {name: clips[name] for name in ("section", "domain") if clips[name] is not None}
    recordings = recording_blocks(clips["rows"], groups=clips["groups"], **known).tolist()
    rows = [clips["rows"]]
    for name, network in (("MFN", MFNEmbedder(verbose=verbose)), ("DPT", DPTEmbedder(verbose=verbose))):
        scores = SectionScores(make_pipeline(front, network), max_clips=MOST_CLIPS, random_state=_SEED)
        with route_metadata():
            rows.append(scores.fit_transform(X, groups=recordings, **known))
        features.transformer_list.append((name, scores))
    return {**clips, "rows": np.hstack(rows).astype(clips["rows"].dtype)}
