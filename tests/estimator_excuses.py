"""The scikit-learn estimator checks that an estimator fails on purpose, each with its reason.

``EXPECTED_FAILURES[class name][check name]`` is the reason; ``QUICK[class name]`` holds the parameters
that make the class quick enough for some hundred fits (never ones that make a check pass by switching
off what it looks at).
"""

# transformers whose rows are clips, waveforms in time
_OF_CLIPS = {
    "check_n_features_in_after_fitting": (
        "columns are points in time, not features: clips to transform may be longer or shorter than those "
        "in fit"
    ),
    "check_estimators_dtypes": (
        "64-bit integers are refused: no audio format has them, so their full scale, and with it the level "
        "of the sound, would be a guess; int8 to int32, uint8 and floats pass"
    ),
}

_PARTLY_NAN = (
    "NaN marks clips that were skipped as unreadable, which are NaN everywhere; a clip of which a part is "
    "NaN, as this check makes them, is a mistake and raises"
)

EXPECTED_FAILURES: dict[str, dict[str, str]] = {
    "LogMelTransformer": _OF_CLIPS,
    "PhaseTransformer": _OF_CLIPS,
    "STFTTransformer": _OF_CLIPS,
    "SpectrogramImageTransformer": _OF_CLIPS,
    "SpectrumTransformer": _OF_CLIPS,
    "ClipStatistics": {"check_estimators_pickle": _PARTLY_NAN},
}

QUICK: dict[str, dict] = {}
