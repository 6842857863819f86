"""Metadata that tells a detector which clips its training clips were made from."""

from sklearn import get_config
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from ._detection import DetectionMixin
from ._fit_wrapper import FitWrapper


def origins(n_clips, made):
    """Return the metadata ``origin`` of clips and of those that samplers made from them, as tuples of clips.

    ``made`` has the ``sample_origin_`` of the samplers, (n_new,) or (n_new, 2), in their order.
    """
    entries = [(clip,) for clip in range(n_clips)]
    for rows in made:
        entries += [entries[pair[0]] + entries[pair[-1]] for pair in rows.reshape(len(rows), -1)]
    return entries


def origin_parameter(estimator):
    """Return the name of the parameter of ``fit`` that takes ``origin``; None if there is none.

    ``estimator`` is a scorer, or may contain one: a pipeline, a wrapper, a detector made of detectors. In a pipeline
    the name is prefixed with those of the steps that lead to it, if routing is off.
    """
    requested = bool(get_routing_for_object(estimator).consumes("fit", ["origin"]))
    if get_config()["enable_metadata_routing"] or isinstance(
        estimator, DetectionMixin
    ):  # which routes whatever the setting
        return "origin" if requested else None
    if isinstance(estimator, Pipeline):
        step, last = estimator.steps[-1]
        inner = origin_parameter(last)
        return inner and f"{step}__{inner}"
    if isinstance(estimator, FitWrapper):
        return origin_parameter(estimator.estimator)
    return "origin" if has_fit_parameter(estimator, "origin") else None
