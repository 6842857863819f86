"""AdaCos with several centres per class."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._adacos import angle, initial_scale, update_scale
from ._objective import Objective


class SubclusterAdaCos(Objective):
    r"""AdaCos with several centres per class (sub-cluster AdaCos).

    Parameters
    ----------
    embedding_dim : int
        Length of the embeddings.
    n_classes : int
        Number of classes C, at least 2.
    n_subclusters : int, default=16
        Centres per class K.
    trainable : bool, default=False
        Whether the centres are learnt. Left at their random start they are nearly orthogonal to each
        other and a class cannot collapse into one point.
    max_scale : float, default=30.0
        Largest scale; see Notes.

    Attributes
    ----------
    weight : Parameter of shape (n_classes * n_subclusters, embedding_dim)
        Centres, those of a class next to each other; only their directions count.
    scale : Tensor of shape ()
        The current scale s, part of the state dict.

    See Also
    --------
    AdaCos : One centre per class.

    Notes
    -----
    :math:`p_c = \sum_{k \in c} \mathrm{softmax}_k(s \cos\theta)` over all C K centres, loss
    :math:`-\sum_c y_c \log p_c` [1]_. At first :math:`s = \sqrt 2 \log(C K - 1)`; each training batch
    then sets, before its loss is taken,

    .. math::
        s \leftarrow \frac{\log B}{\cos\min(\pi / 4, \theta_{med})}, \quad
        B = \frac 1 N \sum_i \sum_{j=1}^{C K} e^{s \cos\theta_{ij}},

    where :math:`\theta_{med}` is the median over clips of :math:`n_i \sum_j y_{ij} \theta_{ij}`, the sum
    over all centres with each class's label repeated for its centres and :math:`n_i` the number of
    classes in the clip's label, as in the authors' program; with many centres that is always above pi / 4.

    B includes the own class, so log B is near :math:`s \cos\theta` of the best centre: once clips come
    closer than 45 degrees to a centre, each update enlarges the scale, and without a limit it grows until
    every probability is 0 or 1 and nothing is learnt. The scale is therefore held between 1 and
    ``max_scale``, and a batch whose B is not finite leaves it unchanged. It changes in training mode only.

    References
    ----------
    .. [1] K. Wilkinghoff, "Sub-cluster AdaCos: learning representations for anomalous sound detection",
       IJCNN 2021.
    .. [2] K. Wilkinghoff, "Design choices for learning embeddings from auxiliary tasks for domain
       generalization in anomalous sound detection", ICASSP 2023.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import SubclusterAdaCos
    >>> objective = SubclusterAdaCos(embedding_dim=8, n_classes=3, n_subclusters=4)
    >>> objective.log_proba(torch.ones(2, 8)).exp().sum(dim=1).round(decimals=4)
    tensor([1., 1.])
    """

    scale: Tensor

    def __init__(
        self,
        embedding_dim: int,
        n_classes: int,
        n_subclusters: int = 16,
        trainable: bool = False,
        max_scale: float = 30.0,
    ):
        super().__init__(embedding_dim, n_classes)
        if n_subclusters < 1:
            raise ValueError(f"n_subclusters={n_subclusters!r}: must be at least 1")
        self.n_subclusters = n_subclusters
        self.trainable = trainable
        self.max_scale = max_scale
        n_centres = n_classes * n_subclusters
        # A fixed centre is still a parameter, so that a state dict fits either way; optimisers skip it.
        self.weight = nn.Parameter(
            nn.init.xavier_uniform_(torch.empty(n_centres, embedding_dim)), requires_grad=trainable
        )
        self.register_buffer("scale", initial_scale(n_centres, max_scale))

    def _loss(self, embedding: Tensor, target: Tensor) -> Tensor:
        cosine = self._cosine(embedding)
        if self.training:
            with torch.no_grad():
                repeated = target.repeat_interleave(self.n_subclusters, dim=1)
                n_labels = (target != 0).sum(dim=1)
                own_angle = n_labels * (repeated * angle(cosine)).sum(dim=1)
                update_scale(self.scale, self.scale * cosine, own_angle, self.max_scale)
        return -(target * self._class_log_proba(cosine)).sum(dim=1).mean()

    def _log_proba(self, embedding: Tensor) -> Tensor:
        return self._class_log_proba(self._cosine(embedding))

    def _class_log_proba(self, cosine: Tensor) -> Tensor:
        by_centre = F.log_softmax(self.scale.clone() * cosine, dim=1)
        return by_centre.view(-1, self.n_classes, self.n_subclusters).logsumexp(dim=2)
