"""Fit on recorded and augmented clips."""

from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils import column_or_1d

from .._sklearn_compat import HasMethods, fit_context, num_samples
from .._typing import ArrayLike
from ._fit_wrapper import FitWrapper
from ._origin import origin_parameter, origins


class Augmented(FitWrapper):
    """Add clips made by an augmenter before fitting an estimator.

    For waveform augmenters, which come before the front end: ``Augmented(WaveformAugmenter(), pipeline)``. Feature
    augmenters are passed to the embedder (``augmenter=``). New clips carry the metadata of the clips they were made
    from; test clips are never augmented. A scorer receives the clips that each new one was made from (``origin``). New
    clips are added to its references; its threshold is set from recorded clips, each held out with everything made from
    it.

    Parameters
    ----------
    augmenter : object with ``augment(X, y=None, **metadata)``
        :class:`~skasd.augment.WaveformAugmenter` or :class:`~skasd.augment.MixupSMOTEAugmenter`.

    estimator : estimator
        Detector, embedder or pipeline to be fitted on old and new clips.

    Attributes
    ----------
    augmenter_ : object
        The augmenter that was used.

    estimator_ : estimator
        The fitted estimator.

    See Also
    --------
    NormalOnly : Drops anomalous clips before fitting; put it around this.

    Notes
    -----
    ITMO 2022 (S. Kazakova et al., "Anomalous sound detection with autoencoder and image MobileNet using outlier
    exposure approach", section 2.1) adds 1000 clips made by pitch shift and time stretch of 500.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.augment import MixupSMOTEAugmenter
    >>> from skasd.compose import Augmented
    >>> from skasd.scorers import KNNScorer
    >>> X = np.random.default_rng(0).normal(size=(30, 3))
    >>> domain = ["source"] * 25 + ["target"] * 5
    >>> detector = Augmented(MixupSMOTEAugmenter(random_state=0), KNNScorer()).fit(X, domain=domain)
    >>> detector.estimator_.training_scores_.shape
    (30,)
    """

    _parameter_constraints: dict = {"augmenter": [HasMethods("augment")], "estimator": "no_validation"}

    def __init__(self, augmenter: Any, estimator: Any):
        self.augmenter = augmenter
        self.estimator = estimator

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: ArrayLike | None = None, **params) -> Self:
        """Fit the estimator on the clips and on those that the augmenter makes from them.

        Parameters
        ----------
        X : array-like or list of n_clips items
            Whatever the augmenter and the estimator take: clips, time-frequency arrays, embeddings.

        y : array-like of shape (n_clips,) or None, default=None
            +1 normal, -1 anomalous; no clips are made from anomalous ones.

        **params : dict
            Metadata, one entry per clip; passed to the estimator for old and new clips.

        Returns
        -------
        self : object
        """
        params = self._routed_to_fit(params)
        y = None if y is None else column_or_1d(y)
        augmenter = clone(self.augmenter)
        n_clips = num_samples(X)
        X, y, params = augmenter.augment(X, y, **params)
        params = {name: value for name, value in params.items() if value is not None}
        made = getattr(augmenter, "sample_origin_", ())
        if len(made) and (parameter := origin_parameter(self.estimator)):
            kept = getattr(augmenter, "kept_", np.arange(n_clips))
            place = np.zeros(n_clips, dtype=np.intp)
            place[kept] = np.arange(len(kept))
            params[parameter] = origins(len(kept), [place[made]])
        return self._fit_inner(X, y, params, augmenter_=augmenter)
