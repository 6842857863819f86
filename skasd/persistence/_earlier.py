"""Classes and parameters that were renamed or removed since the version that wrote a file.

Add a line here when you rename or remove a class or a parameter of a public estimator. A file with a name that is
neither here nor in the class is refused with a message for the user.
"""

from sklearn.base import BaseEstimator

from ._allowed import public_name

# by former dotted name: the present one
CLASSES: dict[str, str] = {}

SCORER = "skasd.scorers.BaseScorer"

# by present dotted name of a class (the shortest, as "skasd.LOFScorer"; applies to its subclasses as well): the present
# name of a parameter or fitted attribute by its former one
RENAMED: dict[str, dict[str, str]] = {
    "skasd.DomainDependent": {"detectors_": "estimators_"},
    "skasd.MahalanobisScorer": {"standardize": "standardize_features"},
    "skasd.OEVAEScorer": {"standardize": "standardize_beta"},
    "skasd.PerSection": {"detector": "estimator", "detectors_": "estimators_"},
    "skasd.ScoreEnsemble": {
        "detectors": "estimators",
        "detectors_": "estimators_",
        "named_detectors_": "named_estimators_",
        "standardize": "standardize_scores",
    },
    "skasd.embedders.BaseEmbedder": {"standardize": "standardize_input"},
    SCORER: {"_normalization": "normalization_"},
}

# by the same names: for each removed parameter, the values with which the estimator did what it does now without it
REMOVED: dict[str, dict[str, tuple]] = {
    "skasd.embedders.BaseEmbedder": {
        "checkpoint_dir": (None,),
        "crops_per_clip": (1,),
        "early_stopping": (None,),
        "loss_params": (None, {}),
        "validation_fraction": (0.1,),
        "warm_start": (False,),
    },
    "skasd.DPTEmbedder": {"dropout": (0.0,), "heads": (2,), "mlp_ratio": (4,)},
}


def present_name(name):
    """Return the present dotted name of a class in a file."""
    return CLASSES.get(name, name)


def present_state(cls, state):
    """Return the parameters and fitted attributes in a file by their present names.

    Raises ValueError if a parameter was removed and its value in the file matters.
    """
    names = [public_name(base) for base in cls.__mro__]
    renamed = {old: new for name in names for old, new in RENAMED.get(name, {}).items()}
    removed = {old: values for name in names for old, values in REMOVED.get(name, {}).items()}
    known = None
    if cls.__module__.startswith(
        "skasd."
    ):  # parameters of a base may be attributes of the class, which fixes them
        known = {
            name
            for base in cls.__mro__
            if issubclass(base, BaseEstimator)
            for name in base._get_param_names()
        }
    present, gone = {}, []
    for name, value in state.items():
        name = renamed.get(name, name)
        # names that neither begin nor end with _ are parameters
        if known is None or name in known or name.startswith("_") or name.endswith("_"):
            present[name] = value
        elif not any(type(value) is type(without) and value == without for without in removed.get(name, ())):
            gone.append(f"{name}={value!r}")
    if gone:
        raise ValueError(
            f"{cls.__name__} no longer has {', '.join(gone)} (CHANGELOG.md says what to use instead): load the file "
            "with the version of skasd that wrote it, or fit again"
        )
    return _without_sections(cls, present) if SCORER in names else present


def _without_sections(cls, state):
    """Return the state of a scorer from a version whose references and normalization were dicts by section."""
    sections, references = state.get("sections_"), state.get("references_")
    if sections is None or not isinstance(references, dict):
        return state
    if "columns_" not in state and public_name(cls) == "skasd.GammaSoftmaxScorer":
        del state["references_"]
        return {**state, "columns_": {name: references[name]["all"] for name in sections}}
    if sections:
        raise ValueError(
            f"{cls.__name__} no longer keeps one model per section, and the file holds one for each of {sections}: fit "
            f"PerSection(None, {cls.__name__}()) again"
        )
    state = {name: value for name, value in state.items() if name not in ("sections_", "section_offset_")}
    return {**state, "references_": references[None], "normalization_": state["normalization_"].get(None)}
