"""Additive angular margin loss."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._objective import Objective


class ArcFace(Objective):
    r"""Additive angular margin loss (ArcFace).

    Parameters
    ----------
    embedding_dim : int
        Length of the embeddings.
    n_classes : int
        Number of classes, at least 2.
    s : float, default=30.0
        Radius of the hypersphere: scale of the cosines.
    m : float, default=0.5
        Margin added to the angle of the true class, in radians, 0 to pi / 2.

    Attributes
    ----------
    weight : Parameter of shape (n_classes, embedding_dim)
        Centres of the classes; only their directions count.

    See Also
    --------
    AdaCos : Sets the scale by itself and needs no margin.
    CrossEntropy : Softmax of a linear layer.

    Notes
    -----
    With :math:`\theta_j` the angle between embedding and centre j, the loss of a clip of class y is

    .. math::
        \ell_y = -\log \frac{e^{s \cos(\theta_y + m)}}
                  {e^{s \cos(\theta_y + m)} + \sum_{j \neq y} e^{s \cos\theta_j}},

    equation 4 of [2]_ (where a bracket stands one place too far to the right). Mixed labels give
    :math:`\sum_c y_c \ell_c`: each term has the margin on its own class only. Beyond
    :math:`\theta_y = \pi - m`, where :math:`\cos(\theta_y + m)` would rise again,
    :math:`\cos\theta_y - m \sin m` takes its place, so that a larger angle always costs more.
    ``log_proba`` is the softmax of :math:`s \cos\theta` without margin.

    References
    ----------
    .. [1] J. Deng, J. Guo, N. Xue and S. Zafeiriou, "ArcFace: additive angular margin loss for deep face
       recognition", CVPR 2019.
    .. [2] J. Bai, Y. Jia, S. Huang, M. Wang and J. Chen, "JLESS submission to DCASE2022 Task 2: batch
       mixing strategy based method with anomaly detector for anomalous sound detection".

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import ArcFace
    >>> objective = ArcFace(embedding_dim=8, n_classes=3)
    >>> embedding = objective.weight.detach().clone()
    >>> objective.log_proba(embedding).argmax(dim=1).tolist()
    [0, 1, 2]
    """

    def __init__(self, embedding_dim: int, n_classes: int, s: float = 30.0, m: float = 0.5):
        super().__init__(embedding_dim, n_classes)
        if not s > 0:
            raise ValueError(f"s={s!r}: must be above 0")
        if not 0 <= m <= math.pi / 2:
            raise ValueError(f"m={m!r}: must be between 0 and pi / 2")
        self.s = s
        self.m = m
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_classes, embedding_dim)))

    def _loss(self, embedding: Tensor, target: Tensor) -> Tensor:
        cosine = self._cosine(embedding)
        with_margin = self.s * self._add_margin(cosine)
        others = _log_sum_exp_of_others(self.s * cosine)
        return (target * F.softplus(others - with_margin)).sum(dim=1).mean()

    def _log_proba(self, embedding: Tensor) -> Tensor:
        return F.log_softmax(self.s * self._cosine(embedding), dim=1)

    def _add_margin(self, cosine: Tensor) -> Tensor:
        # cos(theta + m) without the arc cosine, whose gradient is infinite at the poles.
        sine = ((1 - cosine) * (1 + cosine)).clamp_min(1e-7).sqrt()
        shifted = cosine * math.cos(self.m) - sine * math.sin(self.m)
        return torch.where(cosine > -math.cos(self.m), shifted, cosine - self.m * math.sin(self.m))


def _log_sum_exp_of_others(logits: Tensor) -> Tensor:
    """``log sum_{j != c} exp(logits_j)`` for every class c, in time linear in the number of classes."""
    top = F.one_hot(logits.argmax(dim=1), logits.shape[1]).bool()
    total = logits.logsumexp(dim=1, keepdim=True)
    # log(exp(total) - exp(logit)) is exact to rounding where the class has at most half of the sum ...
    share = (logits - total).exp().masked_fill(top, 0.0)
    # ... and the one class that may have more gets a sum of its own.
    without_top = logits.masked_fill(top, -torch.inf).logsumexp(dim=1, keepdim=True)
    return torch.where(top, without_top, total + torch.log1p(-share))
