"""Networks, losses and batch mixing in plain torch."""

from ._adacos import AdaCos
from ._arcface import ArcFace
from ._attention import EncoderLayer as EncoderLayer
from ._attention import axis_positions as axis_positions
from ._autoencoder import DenseAutoencoder
from ._balanced_batch_sampler import BalancedBatchSampler
from ._cnn14 import Cnn14
from ._compiled_encoder import CompiledEncoder as CompiledEncoder
from ._device import resolve_device
from ._domain_batch_sampler import DomainBatchSampler
from ._dual_path import DualPathTransformer
from ._exchange_network import ExchangeNetwork, ExchangeObjective
from ._feature_exchange import feature_exchange
from ._folding import fold_batch_norm
from ._inverted_residual import InvertedResidual as InvertedResidual
from ._linear_objective import BinaryCrossEntropy, CrossEntropy, FocalLoss
from ._machine_encoder import LocalBlock as LocalBlock
from ._machine_encoder import MachineEncoder
from ._masked_network import JointObjective, MaskedNetwork
from ._mixing import FMix, Mixup, OneOf, domain_partners
from ._mobilefacenet import MobileFaceNet
from ._mobilenetv2 import MobileNetV2
from ._mobilenetv3 import MobileNetV3
from ._multibranch import MultiBranchNet
from ._oevae import OEVAE, OEVAEOutput, domain_gain
from ._oevae_objective import OEVAEObjective
from ._prelu import PReLU
from ._resnet import ResNet18
from ._selective_covariance import SelectiveCovariance
from ._sound_events import SoundEventMixing
from ._spectrum_branch import SpectrumBranch
from ._standardized_network import StandardizedNetwork
from ._stft_branch import STFTBranch
from ._subcluster_adacos import SubclusterAdaCos
from ._vit import ViT
from ._window_network import WindowError, WindowNetwork

__all__ = [
    "OEVAE",
    "AdaCos",
    "ArcFace",
    "BalancedBatchSampler",
    "BinaryCrossEntropy",
    "Cnn14",
    "CrossEntropy",
    "DenseAutoencoder",
    "DomainBatchSampler",
    "DualPathTransformer",
    "ExchangeNetwork",
    "ExchangeObjective",
    "FMix",
    "FocalLoss",
    "JointObjective",
    "MachineEncoder",
    "MaskedNetwork",
    "Mixup",
    "MobileFaceNet",
    "MobileNetV2",
    "MobileNetV3",
    "MultiBranchNet",
    "OEVAEObjective",
    "OEVAEOutput",
    "OneOf",
    "PReLU",
    "ResNet18",
    "STFTBranch",
    "SelectiveCovariance",
    "SoundEventMixing",
    "SpectrumBranch",
    "StandardizedNetwork",
    "SubclusterAdaCos",
    "ViT",
    "WindowError",
    "WindowNetwork",
    "domain_gain",
    "domain_partners",
    "feature_exchange",
    "fold_batch_norm",
    "resolve_device",
]
