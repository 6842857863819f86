"""The names by which parameters choose objectives, mixings and optimisers."""

import torch

from .. import nn

OBJECTIVES = {
    "arcface": nn.ArcFace,
    "adacos": nn.AdaCos,
    "subcluster_adacos": nn.SubclusterAdaCos,
    "focal": nn.FocalLoss,
    "cross_entropy": nn.CrossEntropy,
    "binary_cross_entropy": nn.BinaryCrossEntropy,
}
MIXINGS = {"mixup": nn.Mixup, "fmix": nn.FMix}
OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adamax": torch.optim.Adamax,
    "sgd": torch.optim.SGD,
}
