"""New training clips between those at hand: SMOTE and mixup."""

import sys
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_target_type
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from .._metadata import check_metadata
from .._sklearn_compat import Interval, StrOptions
from .._typing import ArrayLike
from ._alignment import append_metadata, healthy_rows, is_ground_truth
from ._counts import count_new
from ._pairs import append_interpolated, mixup_pairs, mixup_pools, smote_pairs


class MixupSMOTEAugmenter(BaseOverSampler):
    r"""Add clips interpolated between training clips, by SMOTE, mixup or both.

    An imbalanced-learn sampler for embeddings and for time-frequency arrays. As a step of a
    :class:`skasd.compose.Pipeline` the steps after it are fitted on the new clips too, with their metadata; in an
    imbalanced-learn pipeline without metadata. :meth:`augment` is what embedders and scorers call
    (``augmenter=``).

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        How many clips each class should have.

        - str: which classes are brought to the size of the largest: ``"minority"``, ``"not minority"``,
          ``"not majority"`` (``"auto"``) or ``"all"``.
        - float: every class gets at least this multiple of the size of the largest. ``0.2`` brings small
          classes to a fifth of the largest, ``1.0`` balances, ``2.0`` doubles the largest class as well.
          :meth:`fit_resample` by y takes it as imbalanced-learn does: two classes and at most 1.
        - dict: the number of clips by class, where ``balance`` defines the classes: a section, a domain, or a tuple
          (section, domain).
        - callable: takes the class of every clip, returns such a dict.

    method : {"both", "smote", "mixup"}, default="both"
        ``"smote"``: between a clip and one of its nearest neighbours in its class. ``"mixup"``: between any
        two clips. ``"both"``: each makes half of the new clips.

    balance : {"auto", "section", "domain", "both"}, default="auto"
        What the classes are. ``"both"``: every pair of section and domain. ``"auto"``: by section, domain or both,
        whichever are given; by y if neither is.

    k_neighbors : int, default=5
        Nearest neighbours that SMOTE interpolates with; a class of n clips has at most n - 1.

    alpha : float, default=1.0
        Mixup weights are drawn from Beta(alpha, alpha); 1.0 is the uniform distribution on (0, 1).

    partners : {"class", "section", "any"}, default="class"
        Where mixup takes the second clip from: the same class; the same section, whatever the domain; or all
        clips. Across classes the first clip keeps the larger weight, and its labels.

    random_state : int, RandomState instance or None, default=None
        Which clips are combined, and with which weights.

    Attributes
    ----------
    sampling_strategy_ : dict
        Number of new clips by class.
    sample_origin_ : ndarray of int of shape (n_new, 2)
        Rows of X between which each new clip lies.
    partner_weight_ : ndarray of shape (n_new,)
        Weight w of the second: the new clip is ``(1 - w) * X[i] + w * X[j]``.
    sample_method_ : ndarray of str of shape (n_new,)
        "smote", "mixup" or "copy".
    n_clips_ : int
        Number of clips in X, new ones not counted.
    n_features_in_ : int
        Number of columns (2-D) or bins (3-D) seen in ``fit`` or ``fit_resample``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where X had names that are all strings.

    See Also
    --------
    WaveformAugmenter : More clips from waveforms.
    imblearn.over_sampling.SMOTE : The same interpolation; classes of at most k clips are an error there.

    Notes
    -----
    SMOTE [1]_ draws a clip :math:`x_i` of the class, one of its k nearest neighbours :math:`x_j` (Euclidean)
    and u from U(0, 1): :math:`x_i + u (x_j - x_i)`. Mixup [2]_ draws any two clips and
    :math:`\lambda` from Beta(alpha, alpha): :math:`\lambda x_i + (1 - \lambda) x_j`. Hai et al. ([3]_,
    sections 2.1 and 2.2) train on both beside the original clips, to even out domains and attributes.

    Small classes: of n clips, SMOTE uses the min(k, n - 1) neighbours that there are. From a single clip,
    with no partner to mix it with, copies are made (``sample_method_`` says "copy").

    Clips marked as proxies (``proxy``), as anomalous (y = -1) or skipped (NaN everywhere) stay in their
    place, are not counted, and are neither multiplied nor mixed with.

    References
    ----------
    .. [1] N. V. Chawla et al., "SMOTE: Synthetic minority over-sampling technique", JAIR 16, 2002.
    .. [2] H. Zhang et al., "mixup: Beyond empirical risk minimization", ICLR 2018.
    .. [3] J. Hai et al., "Anomalous sound detection by self-supervised learning of VAE with domain shift
       techniques", DCASE 2024 Challenge Task 2, technical report.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.augment import MixupSMOTEAugmenter
    >>> X = np.random.default_rng(0).normal(size=(12, 64, 20))  # log-mels of 12 clips
    >>> domain = ["source"] * 9 + ["target"] * 3
    >>> load = np.arange(12.0)
    >>> augmenter = MixupSMOTEAugmenter(random_state=0)
    >>> X_more, _, more = augmenter.augment(X, domain=domain, attribute=load)
    >>> X_more.shape, np.unique(more["domain"], return_counts=True)[1]
    ((18, 64, 20), array([9, 9]))
    >>> more["attribute"][12:].min() >= 9  # between the loads of the target clips
    np.True_
    """

    __metadata_request__fit_resample = {"section": True, "domain": True, "attribute": True, "proxy": True}

    _parameter_constraints: dict = {
        **BaseOverSampler._parameter_constraints,
        "sampling_strategy": [
            Interval(Real, 0, None, closed="neither"),
            StrOptions({"auto", "minority", "not minority", "not majority", "all"}),
            Mapping,
            callable,
        ],
        "method": [StrOptions({"both", "smote", "mixup"})],
        "balance": [StrOptions({"auto", "section", "domain", "both"})],
        "k_neighbors": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "partners": [StrOptions({"class", "section", "any"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        sampling_strategy: float | str | dict | Callable = "auto",
        method: Literal["both", "smote", "mixup"] = "both",
        balance: Literal["auto", "section", "domain", "both"] = "auto",
        k_neighbors: int = 5,
        alpha: float = 1.0,
        partners: Literal["class", "section", "any"] = "class",
        random_state: int | np.random.RandomState | None = None,
    ):
        super().__init__(sampling_strategy=sampling_strategy)
        self.method = method
        self.balance = balance
        self.k_neighbors = k_neighbors
        self.alpha = alpha
        self.partners = partners
        self.random_state = random_state

    def __getattr__(self, name):
        # scikit-learn's Pipeline looks for `transform` and would say no more than that there is none
        caller = sys._getframe(1)
        if name == "transform" and (caller.f_globals.get("__name__"), caller.f_code.co_name) == (
            "sklearn.pipeline",
            "_validate_steps",
        ):
            raise TypeError(
                f"{type(self).__name__} makes rows, which no step of scikit-learn's Pipeline can. Make the pipeline "
                "by skasd.compose.make_pipeline, which extends metadata (domain=, section= ...) by what holds for the "
                "rows made, or by imblearn.pipeline.make_pipeline, for fits without metadata."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def fit_resample(
        self,
        X: Any,
        y: ArrayLike | None = None,
        *,
        section: ArrayLike | None = None,
        domain: ArrayLike | None = None,
        attribute: ArrayLike | None = None,
        proxy: ArrayLike | None = None,
    ):
        """Add clips, imbalanced-learn's way.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bins, n_frames)
            Embeddings or time-frequency arrays.
        y : array-like of shape (n_clips,), default=None
            The ground truth, +1 normal and -1 anomalous: clips are made of normal ones only. Any other labels are the
            classes, unless section or domain is given.
        section, domain, attribute, proxy : array-like of shape (n_clips,), default=None
            See :meth:`augment`, which also returns them for the new clips.

        Returns
        -------
        X_resampled : of the type of X, of shape (n_clips + n_new, ...)
            The clips, then the new ones.
        y_resampled : of the type of y, of shape (n_clips + n_new,)
            Their y; None where none was given.
        """
        if section is None and domain is None and y is not None and not is_ground_truth(y):
            return super().fit_resample(X, y)
        validate_data(self, X, dtype=_FLOATS, allow_nd=True, ensure_all_finite="allow-nan")
        X, y_new, _ = self.augment(X, y, section=section, domain=domain, attribute=attribute, proxy=proxy)
        return X, y_new if y is None or not hasattr(y, "iloc") else type(y)(y_new, name=y.name)

    def extend_metadata(self, metadata: Any) -> Any:
        """Extend what is known about the clips by what holds for those that were added.

        Parameters
        ----------
        metadata : dict of str to array-like of shape (n_clips,)
            By name. A numeric ``attribute`` is interpolated; all else is taken from the nearer clip.

        Returns
        -------
        dict of str to ndarray of shape (n_clips + n_new,)
        """
        check_is_fitted(self, "sample_origin_")
        return append_metadata(
            check_metadata(self.n_clips_, **metadata), self.sample_origin_, self.partner_weight_
        )

    def augment(
        self,
        X: Any,
        y: ArrayLike | None = None,
        *,
        section: ArrayLike | None = None,
        domain: ArrayLike | None = None,
        attribute: ArrayLike | None = None,
        proxy: ArrayLike | None = None,
        **metadata,
    ):
        """Add clips and keep y and the metadata aligned.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bins, n_frames)
            Embeddings or time-frequency arrays of one length.
        y : array-like of shape (n_clips,), default=None
            +1 normal / -1 anomalous, or classes.
        section : array-like of shape (n_clips,), default=None
            Machine, section or attribute label.
        domain : array-like of {"source", "target"} of shape (n_clips,), default=None
            Domain.
        attribute : array-like of shape (n_clips,), default=None
            Numbers are interpolated like the clips, other values come from the nearer of the two clips.
        proxy : array-like of bool of shape (n_clips,), default=None
            Clips of other machines, left as they are.
        **metadata : array-like of shape (n_clips,) or None
            Anything else; from the nearer of the two clips.

        Returns
        -------
        X_augmented : ndarray or data frame of shape (n_clips + n_new, ...)
            The clips, then the new ones, in the precision of X; of a data frame a new one with its columns. X
            itself where there is nothing to add.
        y_augmented : ndarray of shape (n_clips + n_new,) or None
            Their y.
        metadata_augmented : dict of str to ndarray of shape (n_clips + n_new,) or None
            What was given, by name.
        """
        self._validate_params()
        table = X if hasattr(X, "iloc") else None
        X = _as_array(X)
        metadata = check_metadata(
            len(X), y=y, section=section, domain=domain, attribute=attribute, proxy=proxy, **metadata
        )
        free = healthy_rows(metadata["y"], metadata["proxy"], len(X)) & ~_skipped(X)
        if not free.any():
            raise ValueError(
                f"None of the {len(X)} clips can be used: all are skipped, proxies or anomalous."
            )
        classes = self._classes(metadata, len(X))
        rows: dict = {}
        for row in np.flatnonzero(free):
            rows.setdefault(classes[row], []).append(row)
        rows = {label: np.array(members) for label, members in rows.items()}
        self.sampling_strategy_ = count_new(
            self.sampling_strategy, rows, [classes[i] for i in np.flatnonzero(free)], self._sampling_type
        )
        pools = mixup_pools(rows, free, metadata["section"], self.partners)
        X = self._interpolate(X, rows, pools)
        if table is not None:
            X = type(table)(X, columns=table.columns)
        metadata = append_metadata(metadata, self.sample_origin_, self.partner_weight_)
        return X, metadata.pop("y"), metadata

    def _fit_resample(self, X, y):
        free = ~_skipped(X)
        rows = {label: np.flatnonzero(free & (y == label)) for label in self.sampling_strategy_}
        empty = [label for label, members in rows.items() if not members.size]
        if empty:
            raise ValueError(f"All clips of class {empty[0]} are NaN (skipped): it cannot be enlarged.")
        X = self._interpolate(X, rows, mixup_pools(rows, free, None, self.partners))
        nearer = np.where(self.partner_weight_ > 0.5, *self.sample_origin_.T[::-1])
        return X, np.concatenate([y, y[nearer]])

    def _check_X_y(self, X, y, accept_sparse=None):
        y, binarize_y = check_target_type(y, indicate_one_vs_all=True)
        X, y = validate_data(
            self, X, y, reset=True, dtype=_FLOATS, allow_nd=True, ensure_all_finite="allow-nan"
        )
        _skipped(X)
        return X, y, binarize_y

    def _classes(self, metadata, n_clips):
        """Return the class of every clip, as ``balance`` says."""
        wanted = {"both": ["section", "domain"], "auto": []}.get(self.balance, [self.balance])
        missing = [name for name in wanted if metadata[name] is None]
        if missing:
            raise ValueError(
                f"balance={self.balance!r} needs {' and '.join(missing)}: give it, or set balance='auto'."
            )
        if self.balance == "auto":
            wanted = [name for name in ("section", "domain") if metadata[name] is not None] or ["y"]
        columns = [metadata[name].tolist() for name in wanted if metadata[name] is not None]
        if len(columns) > 1:
            return list(zip(*columns, strict=True))
        return columns[0] if columns else [None] * n_clips

    def _interpolate(self, X, rows, pools):
        """Return X with the new clips appended; set the attributes that tell how they were made."""
        rng = check_random_state(self.random_state)
        self.n_clips_ = len(X)
        flat = X.reshape(len(X), -1)
        origin, weight, method = [np.empty((0, 2), dtype=np.intp)], [np.empty(0)], [np.empty(0, dtype="<U5")]
        for label, n_new in self.sampling_strategy_.items():
            n_smote = {"smote": n_new, "mixup": 0, "both": (n_new + 1) // 2}[self.method]
            for name, n in [("smote", n_smote), ("mixup", n_new - n_smote)]:
                if not n:
                    continue
                if name == "smote":
                    pairs, w = smote_pairs(flat, rows[label], self.k_neighbors, n, rng)
                else:
                    across = self.partners != "class"
                    pairs, w = mixup_pairs(rows[label], pools[label], self.alpha, across, n, rng)
                origin.append(pairs)
                weight.append(w)
                method.append(np.where(pairs[:, 0] == pairs[:, 1], "copy", name))
        self.sample_origin_ = np.concatenate(origin)
        self.partner_weight_ = np.concatenate(weight)
        self.sample_method_ = np.concatenate(method)

        return append_interpolated(X, self.sample_origin_, self.partner_weight_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.target_tags.required = False
        return tags


_FLOATS = [np.float64, np.float32, np.float16]


def _as_array(X):
    """Return X as a float array of two or more dimensions."""
    if isinstance(X, list) and len({np.shape(clip) for clip in X}) > 1:
        raise ValueError(
            "Clips of different lengths cannot be interpolated: cut them to one length, or embed them first."
        )
    return check_array(X, dtype=_FLOATS, allow_nd=True, ensure_all_finite="allow-nan")


def _skipped(X):
    """Return which clips are NaN everywhere; a clip that is partly NaN is an error."""
    flat = X.reshape(len(X), -1)
    # the sum is NaN exactly where a value is: no second array of X's size
    suspects = np.flatnonzero(np.isnan(flat.sum(axis=1, dtype=np.float64)))
    skipped = np.zeros(len(X), dtype=bool)
    for row in suspects:
        if not np.isnan(flat[row]).all():
            raise ValueError(
                f"Clip {row} is NaN in part: only a clip that is NaN everywhere (skipped) may hold NaN."
            )
        skipped[row] = True
    return skipped
