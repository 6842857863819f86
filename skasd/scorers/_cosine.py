"""Unit vectors, in which cosine distance is half the squared Euclidean distance."""

import numpy as np


def unit_rows(X):
    """Scale every row to length one, free of overflow; a row of zeros gets a dimension of its own.

    The extra last column is 1 for rows of zeros and 0 for all others, so a row of zeros has the cosine
    distance 1 to every other row and 0 to another row of zeros.
    """
    units = np.zeros((X.shape[0], X.shape[1] + 1))
    largest = np.abs(X).max(axis=1, keepdims=True)
    zero = largest[:, 0] == 0
    np.divide(X, largest, out=units[:, :-1], where=~zero[:, None])
    units[zero, -1] = 1
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    return units


def cosine_distance(units, others):
    """Return ``1 - cos``, in [0, 2], of rows of unit length, taken pairwise or against one vector.

    As half the squared difference it does not cancel for nearly parallel vectors.
    """
    difference = units - others
    distance = np.einsum("ij,ij->i", difference, difference) / 2
    # what is left between unit vectors that differ by rounding
    return np.where(distance < (32 * np.finfo(float).eps) ** 2, 0, distance)
