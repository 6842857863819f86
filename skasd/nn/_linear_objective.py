"""Objectives on top of a linear layer."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._objective import Objective


class LinearObjective(Objective):
    """Objective whose logits are a linear function of the embedding.

    ``weight`` and ``bias`` are named and shaped as in :class:`torch.nn.Linear`, and start like one.
    """

    def __init__(self, embedding_dim: int, n_classes: int):
        super().__init__(embedding_dim, n_classes)
        linear = nn.Linear(embedding_dim, n_classes)
        self.weight = linear.weight
        self.bias = linear.bias

    def _logits(self, embedding: Tensor) -> Tensor:
        return F.linear(embedding, self.weight, self.bias)

    def _log_proba(self, embedding: Tensor) -> Tensor:
        return F.log_softmax(self._logits(embedding), dim=1)


class CrossEntropy(LinearObjective):
    r"""Cross-entropy of the softmax of a linear layer.

    Parameters
    ----------
    embedding_dim : int
        Length of the embeddings.
    n_classes : int
        Number of classes, at least 2.

    Attributes
    ----------
    weight : Parameter of shape (n_classes, embedding_dim)
        Weights of the linear layer.
    bias : Parameter of shape (n_classes,)
        Biases of the linear layer.

    See Also
    --------
    FocalLoss : Weighs hard clips more.
    ArcFace : Classes as directions, kept apart by a margin.

    Notes
    -----
    :math:`-\sum_c y_c \log p_c`, averaged over the batch.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import CrossEntropy
    >>> objective = CrossEntropy(embedding_dim=4, n_classes=2)
    >>> objective(torch.zeros(3, 4), torch.tensor([0, 1, 1])).shape
    torch.Size([])
    """

    def _loss(self, embedding: Tensor, target: Tensor) -> Tensor:
        return -(target * self._log_proba(embedding)).sum(dim=1).mean()


class FocalLoss(LinearObjective):
    r"""Focal loss of the softmax of a linear layer.

    Parameters
    ----------
    embedding_dim : int
        Length of the embeddings.
    n_classes : int
        Number of classes, at least 2.
    gamma : float, default=2.0
        Adjustable factor, at least 0: how much less well-classified clips count. 0 is the cross-entropy.

    Attributes
    ----------
    weight : Parameter of shape (n_classes, embedding_dim)
        Weights of the linear layer.
    bias : Parameter of shape (n_classes,)
        Biases of the linear layer.

    See Also
    --------
    CrossEntropy : Counts all clips alike.

    Notes
    -----
    :math:`-(1 - p_t)^\gamma \log p_t`, equation 6 of [2]_, with :math:`p_t` the softmax probability of
    the labelled class. (Equation 5 also has a branch for classes that are not the label's, as in detection
    with one sigmoid per class [1]_; in a softmax those are pushed down by the label's term.) Mixed
    labels give :math:`-\sum_c y_c (1 - p_c)^\gamma \log p_c`. ``log_proba`` is the plain log-softmax.

    References
    ----------
    .. [1] T.-Y. Lin, P. Goyal, R. Girshick, K. He and P. Dollár, "Focal loss for dense object detection",
       ICCV 2017.
    .. [2] J. Bai, Y. Jia, S. Huang, M. Wang and J. Chen, "JLESS submission to DCASE2022 Task 2: batch
       mixing strategy based method with anomaly detector for anomalous sound detection".

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import CrossEntropy, FocalLoss
    >>> focal, plain = FocalLoss(4, 3), CrossEntropy(4, 3)
    >>> _ = plain.load_state_dict(focal.state_dict())
    >>> embedding, target = torch.ones(2, 4), torch.tensor([0, 2])
    >>> bool(focal(embedding, target) < plain(embedding, target))
    True
    """

    def __init__(self, embedding_dim: int, n_classes: int, gamma: float = 2.0):
        super().__init__(embedding_dim, n_classes)
        if not gamma >= 0:
            raise ValueError(f"gamma={gamma!r}: must be at least 0")
        self.gamma = gamma

    def _loss(self, embedding: Tensor, target: Tensor) -> Tensor:
        log_p = self._log_proba(embedding)
        # 1 - p keeps its digits for p near 1; the floor keeps the slope of a root (gamma < 1) finite at 0.
        rest = (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).tiny)
        return -(target * rest.pow(self.gamma) * log_p).sum(dim=1).mean()


class BinaryCrossEntropy(LinearObjective):
    r"""Binary cross-entropy of one sigmoid per class: several classes may be present, or none.

    Parameters
    ----------
    embedding_dim : int
        Length of the embeddings.
    n_classes : int
        Number of classes, at least 1.

    Attributes
    ----------
    weight : Parameter of shape (n_classes, embedding_dim)
        Weights of the linear layer.
    bias : Parameter of shape (n_classes,)
        Biases of the linear layer.

    See Also
    --------
    CrossEntropy : Exactly one class per clip.

    Notes
    -----
    :math:`-y \log p - (1 - y) \log(1 - p)` with :math:`p` the sigmoid of the class's logit, averaged over
    classes and batch (equation 1 of [1]_). Targets are class indices, or (N, n_classes) with entries
    between 0 and 1, any number of them above 0. ``log_proba`` is the log-sigmoid: its exponentials do not
    sum to 1.

    References
    ----------
    .. [1] Y. Zeng, H. Liu and Y. Zhou, "General anomalous sound detection using sound event classification
       and detection", DCASE2023 Challenge.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import BinaryCrossEntropy
    >>> objective = BinaryCrossEntropy(embedding_dim=4, n_classes=3)
    >>> both = torch.tensor([[1.0, 1.0, 0.0]])
    >>> objective(torch.zeros(1, 4), both).item() > 0
    True
    """

    min_classes = 1

    def _loss(self, embedding: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(self._logits(embedding), target)

    def _log_proba(self, embedding: Tensor) -> Tensor:
        return F.logsigmoid(self._logits(embedding))
