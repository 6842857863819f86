"""Pipelines with samplers whose new rows carry metadata."""

from typing import Any

import imblearn.pipeline
import sklearn.pipeline
from sklearn import get_config
from sklearn.utils import Bunch

from ._later_clips import LaterClipsMixin
from ._origin import origin_parameter, origins


class Pipeline(LaterClipsMixin, imblearn.pipeline.Pipeline):
    """A pipeline with samplers, whose new clips carry the metadata of the clips they were made from.

    Transformers, samplers (:class:`~skasd.augment.MixupSMOTEAugmenter`) and a final estimator, as in imbalanced-learn's
    pipeline: samplers add clips in ``fit`` and are not used in scoring. In imbalanced-learn, metadata given to ``fit``
    (``domain``, ``section`` ...) would be too short for the steps after a sampler; here it is extended.

    Parameters
    ----------
    steps : list of (str, estimator)
        Names and estimators, in their order.

    transform_input : list of str, default=None
        Metadata that is transformed like X, as in scikit-learn.

    memory : str or joblib.Memory or None, default=None
        Cache of the fitted transformers.

    verbose : bool, default=False
        Print the time that each step takes to fit.

    Attributes
    ----------
    named_steps : Bunch
        The steps by name.

    n_features_in_ : int
        That of the first step.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        That of the first step, if it has one.

    See Also
    --------
    make_pipeline : The same without names.
    Augmented : Adds clips before the front end.

    Notes
    -----
    New clips are made only from healthy ones. A scorer at the end receives what they were made from (``origin``): they
    join its references; its threshold is set from recorded clips, each held out with everything made from it.

    A sampler needs a method ``extend_metadata(metadata)``; the samplers of imbalanced-learn have none and raise an
    error if a later step gets metadata.

    Examples
    --------
    >>> import numpy as np
    >>> import sklearn
    >>> from skasd import ClipStatistics, KNNScorer, LogMelTransformer, MixupSMOTEAugmenter
    >>> from skasd.compose import make_pipeline
    >>> clips = np.random.default_rng(0).normal(size=(12, 8000))
    >>> domain = ["source"] * 9 + ["target"] * 3
    >>> detector = make_pipeline(
    ...     LogMelTransformer(), ClipStatistics(), MixupSMOTEAugmenter(random_state=0), KNNScorer()
    ... )
    >>> with sklearn.config_context(enable_metadata_routing=True):
    ...     scores = detector.fit(clips, domain=domain).score_samples(clips)
    >>> detector[-2].sampling_strategy_
    {'source': 0, 'target': 6}
    """

    def _check_method_params(self, method, props, **kwargs):
        params = super()._check_method_params(method, props, **kwargs)
        return _FitParams(self, params) if method.startswith("fit") else params


def make_pipeline(*steps, memory=None, transform_input=None, verbose=False) -> Any:
    """Return a :class:`Pipeline` of steps that are named after their types.

    Parameters
    ----------
    *steps : estimators
        Transformers, samplers, and a final estimator.

    memory : str, object with the joblib.Memory interface or None, default=None
        As in :class:`Pipeline`.

    transform_input : list of str or None, default=None
        As in :class:`Pipeline`.

    verbose : bool, default=False
        As in :class:`Pipeline`.

    Returns
    -------
    Pipeline

    Examples
    --------
    >>> from skasd import KNNScorer, MixupSMOTEAugmenter
    >>> from skasd.compose import make_pipeline
    >>> list(make_pipeline(MixupSMOTEAugmenter(), KNNScorer()).named_steps)
    ['mixupsmoteaugmenter', 'knnscorer']
    """
    names = sklearn.pipeline.make_pipeline(*steps).steps
    return Pipeline(names, memory=memory, transform_input=transform_input, verbose=verbose)


class _FitParams:
    """Metadata routed to the steps, by name, extended for the clips made by the samplers before each step."""

    def __init__(self, pipeline, params):
        self.pipeline = pipeline
        self.params = params

    def __getitem__(self, name):
        params = dict(self.params[name])
        place = list(self.pipeline.named_steps).index(name)
        *before, step = [step for _, step in self.pipeline.steps[: place + 1]]
        if hasattr(step, "fit_resample") and not get_config()["enable_metadata_routing"]:
            params["fit_resample"] = params[
                "fit"
            ]  # imbalanced-learn fills in the methods of other steps only
        samplers = [step for step in before if hasattr(step, "fit_resample")]
        for sampler in samplers:
            params = {method: _extend(sampler, values) for method, values in params.items()}
        if samplers and all(hasattr(sampler, "sample_origin_") for sampler in samplers):
            made = [sampler.sample_origin_ for sampler in samplers]
            parameter = origin_parameter(step) if any(map(len, made)) and hasattr(step, "predict") else None
            if parameter:
                origin = origins(samplers[0].n_clips_, made)
                for method in ("fit", "fit_predict"):
                    params[method] = {**params.get(method, {}), parameter: origin}
        return Bunch(**params)


def _extend(sampler, metadata):
    """Return the metadata, by name, of the clips and of those that the sampler made."""
    given = {name: values for name, values in metadata.items() if values is not None}
    if given and not hasattr(sampler, "extend_metadata"):
        raise TypeError(
            f"{type(sampler).__name__} does not say which rows it made its rows of, so {', '.join(given)} cannot be "
            "extended for the steps after it. skasd.augment.MixupSMOTEAugmenter does."
        )
    return {**metadata, **sampler.extend_metadata(given)} if given else metadata
