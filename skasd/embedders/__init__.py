"""Embedders: estimators that train a network on healthy clips and turn each clip into one row."""

from ._autoencoder import AutoencoderEmbedder
from ._base import BaseEmbedder
from ._checkpoint import Checkpoint
from ._dpt import DPTEmbedder
from ._early_stopping import EarlyStopping
from ._image import ImageMobileNetV2Embedder
from ._mfn import MFNEmbedder
from ._mobilenetv2 import MobileNetV2Embedder
from ._multibranch import MultiBranchEmbedder
from ._oevae import OEVAEEmbedder
from ._pretrained_embedder import PretrainedEmbedder
from ._vit import ViTEmbedder

__all__ = [
    "AutoencoderEmbedder",
    "BaseEmbedder",
    "Checkpoint",
    "DPTEmbedder",
    "EarlyStopping",
    "ImageMobileNetV2Embedder",
    "MFNEmbedder",
    "MobileNetV2Embedder",
    "MultiBranchEmbedder",
    "OEVAEEmbedder",
    "PretrainedEmbedder",
    "ViTEmbedder",
]
