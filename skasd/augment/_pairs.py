"""Pairs of clips that are combined, and their weights."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

# values interpolated at a time: bounds the memory beside input and output
_CHUNK = 2**22


def smote_pairs(X, rows, k_neighbors, n_new, rng):
    """Pair clips of one class, ``rows`` of X, with their neighbours.

    ``rng`` is called in the order of imbalanced-learn's SMOTE: the same seed gives the same clips. Returns the pairs
    (n_new, 2), and the weight of the second, from U(0, 1); 0 where there is no neighbour.
    """
    k = min(k_neighbors, len(rows) - 1)
    if k == 0:
        return np.repeat([[rows[0], rows[0]]], n_new, axis=0), np.zeros(n_new)
    X = X[rows]
    if X.dtype == np.float16:
        X = X.astype(np.float32)
    neighbors = NearestNeighbors(n_neighbors=k + 1).fit(X).kneighbors(X, return_distance=False)[:, 1:]
    drawn = rng.randint(0, neighbors.size, size=n_new)
    weight = rng.uniform(size=n_new)
    first, column = np.divmod(drawn, k)
    return np.stack([rows[first], rows[neighbors[first, column]]], axis=1), weight


def mixup_pairs(rows, pools, alpha, across, n_new, rng):
    """Pair clips, drawn from ``rows``, with any others.

    ``pools`` says for some of the rows each where the second is drawn from; together they hold all rows. With
    ``across`` the first has the larger weight. Returns the pairs (n_new, 2), and the weight of the second, from
    Beta(alpha, alpha); 0 where there is no second.
    """
    first = rows[rng.randint(0, len(rows), size=n_new)]
    second = first.copy()
    for members, pool in pools:
        here = np.flatnonzero(np.isin(first, members))
        if len(pool) > 1:
            # one of the others, each with the same chance: the last one stands in for the clip itself
            drawn = pool[rng.randint(0, len(pool) - 1, size=len(here))]
            second[here] = np.where(drawn == first[here], pool[-1], drawn)
    weight = rng.beta(alpha, alpha, size=n_new)
    if across:
        weight = np.minimum(weight, 1 - weight)
    return np.stack([first, second], axis=1), np.where(first == second, 0.0, weight)


def mixup_pools(rows, free, section, partners):
    """Return by class, cut where `partners` says, its rows and those that mixup pairs them with."""
    free = np.flatnonzero(free)
    if partners == "class":
        return {label: [(members, members)] for label, members in rows.items()}
    if partners == "any" or section is None:
        return {label: [(members, free)] for label, members in rows.items()}
    names = section.tolist()
    mates = {}
    for row in free:
        mates.setdefault(names[row], []).append(row)
    # a class (a domain) may hold clips of several sections: each is mixed within its own
    return {
        label: [
            (np.intersect1d(members, mates[name]), np.array(mates[name]))
            for name in dict.fromkeys(names[row] for row in members)
        ]
        for label, members in rows.items()
    }


def append_interpolated(X, origin, weight):
    """Return X with a clip appended for each pair of rows, at `weight` between the first and the second."""
    n_clips, n_new = len(X), len(origin)
    if not n_new:
        return X
    flat = X.reshape(n_clips, -1)
    out = np.empty((n_clips + n_new, *X.shape[1:]), dtype=X.dtype)
    out[:n_clips] = X
    new = out[n_clips:].reshape(n_new, -1)
    working = np.float64 if X.dtype == np.float64 else np.float32
    chunk = max(1, _CHUNK // max(flat.shape[1], 1))
    for start in range(0, n_new, chunk):
        part = slice(start, start + chunk)
        first, second = (flat[i].astype(working, copy=False) for i in origin[part].T)
        second -= first
        second *= weight[part, None].astype(working)
        second += first
        new[part] = second
    return out
