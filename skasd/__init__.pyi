# What editors and type checkers see of the package; `__init__.py` loads the same names lazily from here.
from . import (
    augment as augment,
    benchmark as benchmark,
    cli as cli,
    clips as clips,
    compose as compose,
    datasets as datasets,
    embedders as embedders,
    explain as explain,
    export as export,
    features as features,
    labels as labels,
    metrics as metrics,
    model_selection as model_selection,
    nn as nn,
    persistence as persistence,
    plotting as plotting,
    report as report,
    scorers as scorers,
    streaming as streaming,
    systems as systems,
    weights as weights,
)
from .augment import (
    MixupSMOTEAugmenter as MixupSMOTEAugmenter,
    WaveformAugmenter as WaveformAugmenter,
)
from .compose import (
    Augmented as Augmented,
    DomainDependent as DomainDependent,
    NormalOnly as NormalOnly,
    PerMachine as PerMachine,
    PerSection as PerSection,
    ScoreEnsemble as ScoreEnsemble,
    SectionEnsemble as SectionEnsemble,
    SectionScores as SectionScores,
    SelectBest as SelectBest,
)
from .detector import AnomalousSoundDetector as AnomalousSoundDetector
from .embedders import (
    AutoencoderEmbedder as AutoencoderEmbedder,
    DPTEmbedder as DPTEmbedder,
    ImageMobileNetV2Embedder as ImageMobileNetV2Embedder,
    MFNEmbedder as MFNEmbedder,
    MobileNetV2Embedder as MobileNetV2Embedder,
    MultiBranchEmbedder as MultiBranchEmbedder,
    OEVAEEmbedder as OEVAEEmbedder,
    PretrainedEmbedder as PretrainedEmbedder,
    ViTEmbedder as ViTEmbedder,
)
from .features import (
    ClipStatistics as ClipStatistics,
    LogMelTransformer as LogMelTransformer,
    PhaseTransformer as PhaseTransformer,
    SpectrogramImageTransformer as SpectrogramImageTransformer,
    SpectrumTransformer as SpectrumTransformer,
    STFTTransformer as STFTTransformer,
)
from .persistence import (
    ModelFileError as ModelFileError,
    load as load,
    save as save,
)
from .scorers import (
    BandScorer as BandScorer,
    ColumnScorer as ColumnScorer,
    CosineMeanScorer as CosineMeanScorer,
    GammaSoftmaxScorer as GammaSoftmaxScorer,
    KMeansScorer as KMeansScorer,
    KNNCosineScorer as KNNCosineScorer,
    KNNScorer as KNNScorer,
    LOFScorer as LOFScorer,
    MahalanobisScorer as MahalanobisScorer,
    OEVAEScorer as OEVAEScorer,
    TermScorer as TermScorer,
)

__version__: str
