"""What a full reference should leave out: clips evenly over time, or those that resemble others most.

    python benchmarks/thinning.py

A detector of at most 200 of 1600 healthy clips, with 0.1 false alarms asked for: the share of 20,000 new healthy ones
that it calls anomalous. Nothing was chosen by it: the even sample is the one whose means are those of all clips.
"""

import numpy as np
from scipy.spatial.distance import pdist, squareform

from skasd import MahalanobisScorer
from skasd.detector._reference_clips import bounded, reference_clips

N_ALL, N_KEPT, N_NEW, N_COLUMNS = 1600, 200, 20000, 10


def evenly(rows):
    """Return what `AnomalousSoundDetector` keeps."""
    return bounded(reference_clips(np.zeros((len(rows), 1)), rows), N_KEPT)["rows"]


def without_nearest(rows):
    """Return the rows left when again and again the later one of the two nearest is taken away."""
    distances = squareform(pdist(rows / rows.std(axis=0)))
    np.fill_diagonal(distances, np.inf)
    left = np.ones(len(rows), dtype=bool)
    while left.sum() > N_KEPT:
        nearest = np.unravel_index(distances.argmin(), distances.shape)
        later = max(nearest)
        left[later] = False
        distances[later] = distances[:, later] = np.inf
    return rows[left]


def main():
    """Print the rates."""
    for name in ("normal", "Student's t, 5 degrees of freedom"):
        rates = []
        for seed in range(10):
            random = np.random.default_rng(seed)

            def draw(n, random=random, name=name):
                shape = (n, N_COLUMNS)
                return random.normal(size=shape) if name == "normal" else random.standard_t(5, size=shape)

            rows, new = draw(N_ALL), draw(N_NEW)
            kept = (rows, evenly(rows), without_nearest(rows))
            rates.append([np.mean(MahalanobisScorer().fit(part).predict(new) == -1) for part in kept])
        mean, deviation = np.mean(rates, axis=0), np.std(rates, axis=0)
        said = [f"{m:.3f} ± {d:.3f}" for m, d in zip(mean, deviation, strict=True)]
        print(f"{name}: all {said[0]}, evenly {said[1]}, without the nearest {said[2]}")


if __name__ == "__main__":
    main()
