"""Embedders: estimators that train a network on healthy clips and turn each clip into one row."""

from ._base import BaseEmbedder
from ._mfn import MFNEmbedder
from ._mobilenetv2 import MobileNetV2Embedder

__all__ = ["BaseEmbedder", "MFNEmbedder", "MobileNetV2Embedder"]
