"""Base class of the objectives."""

import inspect
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._inverted_residual import check_sizes


class Objective(nn.Module, ABC):
    """A loss that owns the weights of its classes.

    A subclass has a parameter ``weight`` and defines ``_loss(embedding, target)`` with soft targets, and
    ``_log_proba(embedding)``. Both get embeddings in the precision of ``weight``, outside autocast: losses
    of half-precision embeddings lose digits or overflow.
    """

    weight: Tensor
    min_classes = 2  # a softmax over one class is constant and teaches nothing

    def __init__(self, embedding_dim: int, n_classes: int):
        super().__init__()
        check_sizes(embedding_dim=embedding_dim)
        if n_classes < self.min_classes:
            raise ValueError(
                f"n_classes={n_classes!r}: {type(self).__name__} needs at least {self.min_classes} classes"
            )
        self.embedding_dim = embedding_dim
        self.n_classes = n_classes

    def forward(self, embedding: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss of a batch.

        Parameters
        ----------
        embedding : Tensor of shape (N, embedding_dim)
            Embeddings.
        target : Tensor of shape (N,) and an integer type, or (N, n_classes) and floating point
            Class indices, or one weight per class (mixed labels).

        Returns
        -------
        Tensor of shape ()
            The loss, in the precision of the class weights.
        """
        with torch.autocast(device_type=embedding.device.type, enabled=False):
            embedding = embedding.to(self.weight.dtype)
            return self._loss(embedding, self._soft(target))

    def log_proba(self, embedding: Tensor) -> Tensor:
        """Return log-probabilities of the classes, without any margin.

        Parameters
        ----------
        embedding : Tensor of shape (N, embedding_dim)
            Embeddings.

        Returns
        -------
        Tensor of shape (N, n_classes)
            Natural logarithms.
        """
        with torch.autocast(device_type=embedding.device.type, enabled=False):
            return self._log_proba(embedding.to(self.weight.dtype))

    @abstractmethod
    def _loss(self, embedding: Tensor, target: Tensor) -> Tensor: ...

    @abstractmethod
    def _log_proba(self, embedding: Tensor) -> Tensor: ...

    def _soft(self, target: Tensor) -> Tensor:
        if target.ndim == 2 and target.shape[1] == self.n_classes:
            return target.to(self.weight.dtype)
        if target.ndim == 1 and not target.is_floating_point():
            return F.one_hot(target.long(), self.n_classes).to(self.weight.dtype)
        raise ValueError(
            f"target of shape {tuple(target.shape)} and {target.dtype}: must be class indices of shape (N,) "
            f"or class weights of shape (N, {self.n_classes})"
        )

    def _cosine(self, embedding: Tensor) -> Tensor:
        """Cosine of the angle between each embedding and each row of ``weight``."""
        # An embedding of all zeros has cosine 0; the eps bounds the gradient near it.
        return F.linear(F.normalize(embedding, dim=1, eps=1e-4), F.normalize(self.weight, dim=1))

    def extra_repr(self) -> str:
        """Return the settings that ``print`` shows."""
        return ", ".join(f"{name}={getattr(self, name)}" for name in inspect.signature(type(self)).parameters)
