"""Docstring parts that the scorers share, so that each is written once."""

from .._docs import shared_docstring

PARAMETERS = """
contamination : float in (0, 0.5], default=0.1
    False-alarm rate that the threshold aims at: the share of normal clips called anomalous.

calibration : {"cross", "train", "gamma"}, default="cross"
    Where the threshold comes from, see `BaseScorer`.

domain_normalization : {"zscore"} or None, default=None
    Whether to standardise the scores per domain before the minimum over domains, see `BaseScorer`.

augmenter : object with ``augment(X, y=None, **metadata)`` or None, default=None
    Adds made rows to the reference, see `BaseScorer`.

by_domain : bool, default=True
    Whether each `domain` that `fit` gets has a reference of its own. False: one reference from all clips; both domains
    still count the same for the threshold.
"""

ATTRIBUTES = """
offset_ : float
    ``decision_function = score_samples - offset_``.

threshold_ : float
    ``-offset_``: clips with an anomaly score above it are called anomalous.

training_scores_ : ndarray of shape (n_training_clips,)
    Anomaly scores of the recorded rows that were used, in their order, from which the threshold was set; held out,
    unless ``calibration="train"``.

blocks_ : ndarray of int of shape (n_training_clips,)
    The block of each of these rows: rows of a block were held out together.

n_recordings_ : int
    Number of blocks.

attainable_rate_ : float
    ``1 / (n_recordings_ + 1)``, the lowest false-alarm rate that this number of recordings can support.

calibration_scores_, calibration_weights_ : ndarray of shape (n_clips,)
    The scores that threshold and p-values come from, and their weights (None: equal): those of the training clips, or
    of the clips given to `set_threshold`.

n_features_in_ : int
    Number of features seen in `fit`.

feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Names of the features, where `X` had names that are all strings.
"""

NEIGHBOR_PARAMETERS = """
n_neighbors : int, default=1
    Number of neighbours; a domain with fewer other clips uses those it has, see `n_neighbors_`.

density_normalization : {"ratio", "difference", "variance"} or None, default=None
    Local-density normalisation of the distances, see Notes. It serves domain shift without knowing the domains, so
    leave `domain` out.

n_density_neighbors : int, default=1
    Number of neighbours K of a training clip that its density is taken from.

density_decay : float in (0, 1], default=1.0
    Factor of the weight in the density from each neighbour to the next: 1 for the plain mean of the K nearest. With
    less, and `n_density_neighbors` as large as the number of clips, the weighted ranking of [2]_.

calibration : {"cross", "train", "gamma"}, default="cross"
    Where the threshold comes from, see `BaseScorer`. "cross" is the exact leave-one-out. With "train" and one neighbour
    the threshold is 0, as every training clip is its own nearest: almost every new clip lies above.
"""

NEIGHBOR_ATTRIBUTES = """
references_ : dict
    The search index over the training rows, by domain ("all" without domains).

n_neighbors_ : dict
    Number of neighbours used, by domain.
"""

with_shared_docstring = shared_docstring(PARAMETERS, ATTRIBUTES)
with_neighbor_docstring = shared_docstring(PARAMETERS + NEIGHBOR_PARAMETERS, NEIGHBOR_ATTRIBUTES + ATTRIBUTES)
