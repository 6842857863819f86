"""Cosine loss with an adaptive scale."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._objective import Objective

# Below it a softmax over cosines can hardly prefer any class: with two classes AdaCos' own start is 0.
_MIN_SCALE = 1.0


class AdaCos(Objective):
    r"""Cosine softmax loss that adapts its scale during training (AdaCos).

    Parameters
    ----------
    embedding_dim : int
        Length of the embeddings.
    n_classes : int
        Number of classes C, at least 2.
    max_scale : float, default=30.0
        Largest scale; see Notes.

    Attributes
    ----------
    weight : Parameter of shape (n_classes, embedding_dim)
        Centres of the classes; only their directions count.
    scale : Tensor of shape ()
        The current scale s, part of the state dict.

    See Also
    --------
    SubclusterAdaCos : Several centres per class.
    ArcFace : Fixed scale and an angular margin.

    Notes
    -----
    Cross-entropy of the softmax of :math:`s \cos\theta_j`, with :math:`\theta_j` the angle to centre j.
    At first :math:`s = \sqrt 2 \log(C - 1)`; each training batch then sets

    .. math::
        s \leftarrow \frac{\log B}{\cos\min(\pi / 4, \theta_{med})}, \quad
        B = \frac 1 N \sum_i \sum_{j \neq y_i} e^{s \cos\theta_{ij}},

    with :math:`\theta_{med}` the median angle to the own class ([1]_, equations 12 to 16), before its loss is computed.
    With mixed labels, class j counts :math:`1 - y_{ij}` times in B, and a clip's own angle is
    :math:`\sum_j y_{ij} \theta_{ij}`.

    B contains the scale in its exponent, so the update can feed on itself; and with few classes B falls
    towards 1 and the scale towards 0. The scale is therefore held between 1 and ``max_scale``,
    and a batch whose B is not finite leaves it unchanged. It changes in training mode only.

    References
    ----------
    .. [1] X. Zhang, R. Zhao, Y. Qiao, X. Wang and H. Li, "AdaCos: adaptively scaling cosine logits for
       effectively learning deep face representations", CVPR 2019.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import AdaCos
    >>> objective = AdaCos(embedding_dim=8, n_classes=11)
    >>> round(objective.scale.item(), 4)  # sqrt(2) log(10)
    3.2563
    """

    scale: Tensor

    def __init__(self, embedding_dim: int, n_classes: int, max_scale: float = 30.0):
        super().__init__(embedding_dim, n_classes)
        self.max_scale = max_scale
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_classes, embedding_dim)))
        self.register_buffer("scale", initial_scale(n_classes, max_scale))

    def _loss(self, embedding: Tensor, target: Tensor) -> Tensor:
        cosine = self._cosine(embedding)
        if self.training:
            with torch.no_grad():
                others = self.scale * cosine + torch.log1p(-target.clamp(0, 1))
                own_angle = (target * angle(cosine)).sum(dim=1)
                update_scale(self.scale, others, own_angle, self.max_scale)
        log_proba = F.log_softmax(self.scale.clone() * cosine, dim=1)
        return -(target * log_proba).sum(dim=1).mean()

    def _log_proba(self, embedding: Tensor) -> Tensor:
        return F.log_softmax(self.scale * self._cosine(embedding), dim=1)


def initial_scale(n_centres: int, max_scale: float) -> Tensor:
    """Scale before the first batch, ``sqrt(2) log(n_centres - 1)`` within the limits."""
    if not max_scale >= _MIN_SCALE:
        raise ValueError(f"max_scale={max_scale!r}: must be at least {_MIN_SCALE}")
    return torch.tensor(min(max(math.sqrt(2) * math.log(n_centres - 1), _MIN_SCALE), max_scale))


def angle(cosine: Tensor) -> Tensor:
    """Angle in radians; rounding may have left the cosine outside [-1, 1]."""
    return torch.acos(cosine.clamp(-1, 1))


def update_scale(scale: Tensor, logits: Tensor, own_angle: Tensor, max_scale: float) -> None:
    """Set ``scale`` in place to ``log(mean_i sum_j exp(logits_ij)) / cos(min(pi / 4, median own_angle))``."""
    log_b = logits.flatten().logsumexp(dim=0) - math.log(len(logits))
    new = log_b / torch.cos(own_angle.median().clamp_max(math.pi / 4))
    scale.copy_(torch.where(new.isfinite(), new.clamp(_MIN_SCALE, max_scale), scale))
