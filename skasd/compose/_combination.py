"""Bring the scores of different detectors to one scale, and combine them."""

import numpy as np

COMBINE = {"sum": np.sum, "product": np.prod, "max": np.max, "min": np.min}


def spread(scores):
    """Return the standard deviation of the scores that are not NaN, 1 where they do not vary."""
    scores = scores[~np.isnan(scores)]
    if not len(scores):
        return 1.0
    deviation = float(scores.std())
    # the spread of equal scores is only rounding
    return deviation if deviation > 1e-12 * abs(scores.mean()) else 1.0


class Standardization:
    """Standardise scores by the held-out scores of training clips that are not NaN."""

    def __init__(self, kind, held_out):
        self.kind = kind
        self.known = np.sort(held_out[~np.isnan(held_out)])
        self.mean = float(self.known.mean())
        self.spread = spread(self.known)

    def __call__(self, scores):
        """Return the scores, of shape (n_clips,), standardised."""
        if self.kind == "zscore":
            return (scores - self.mean) / self.spread
        if self.kind == "rank":
            return self._rank(scores)
        return scores

    def rank_knots(self):
        """Return the distinct held-out scores in ascending order, and the share of all scores below each."""
        n = len(self.known)
        values, first = np.unique(self.known, return_index=True)
        last = np.append(first[1:], n)  # a value that occurs more than once has the middle of its places
        share = (first + last + 1) / 2 / (n + 1)
        return np.append(np.nextafter(values[0], -np.inf), values), np.append(1 / (n + 1), share)

    def _rank(self, scores):
        values, share = self.rank_knots()
        ranks = np.interp(scores, values, share)
        return ranks + np.maximum(scores - values[-1], 0) / self.spread


def combine_scores(scores, combine, weights, names):
    """Return one score per clip from standardised scores (n_clips, n_detectors); ``names`` are for messages."""
    if combine == "product":
        for name, column in zip(names, scores.T, strict=True):
            if (column < 0).any():
                raise ValueError(
                    f"combine='product' needs anomaly scores that are not negative, but {name!r} gives "
                    f"{np.nanmin(column):g}. Use standardize_scores='rank', combine='sum', or a detector whose "
                    "score is a distance."
                )
        return np.prod(scores**weights, axis=1)
    weighted = scores * weights
    if not callable(combine):
        return COMBINE[combine](weighted, axis=1)
    combined = np.asarray(combine(weighted))
    if combined.shape != (len(scores),):
        raise ValueError(
            f"combine={combine!r} returned shape {combined.shape} for scores of shape {scores.shape}; it "
            f"must return one score per clip, shape ({len(scores)},)."
        )
    return combined
