"""Anomalous sound detection for machines, as scikit-learn estimators.

The names below load on first use, so that ``import skasd`` costs next to nothing and torch is
not imported before an estimator that needs it is touched.
"""

import lazy_loader

__version__ = "0.1.0.dev0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "augment",
        "benchmark",
        "cli",
        "clips",
        "compose",
        "datasets",
        "embedders",
        "features",
        "metrics",
        "model_selection",
        "nn",
        "persistence",
        "plotting",
        "report",
        "scorers",
        "systems",
    ],
    submod_attrs={
        "augment": ["MixupSMOTEAugmenter", "WaveformAugmenter"],
        "compose": [
            "Augmented",
            "DomainDependent",
            "NormalOnly",
            "PerSection",
            "ScoreEnsemble",
            "SelectBest",
        ],
        "embedders": [
            "AutoencoderEmbedder",
            "DPTEmbedder",
            "ImageMobileNetV2Embedder",
            "MFNEmbedder",
            "MobileNetV2Embedder",
            "MultiBranchEmbedder",
            "OEVAEEmbedder",
            "ViTEmbedder",
        ],
        "features": [
            "ClipStatistics",
            "LogMelTransformer",
            "PhaseTransformer",
            "STFTTransformer",
            "SpectrogramImageTransformer",
            "SpectrumTransformer",
        ],
        "persistence": ["ModelFileError", "load", "save"],
        "scorers": [
            "ColumnScorer",
            "CosineMeanScorer",
            "GammaSoftmaxScorer",
            "KMeansScorer",
            "KNNCosineScorer",
            "KNNScorer",
            "LOFScorer",
            "MahalanobisScorer",
            "OEVAEScorer",
        ],
    },
)
__all__ += ["__version__"]
