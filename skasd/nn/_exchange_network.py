"""Branches trained together, with parts of their embeddings exchanged between clips."""

import torch
from torch import nn

from ._feature_exchange import feature_exchange


class ExchangeObjective(nn.Module):
    """Classification of the embedding, plus that of an embedding whose parts are exchanged between clips.

    Parameters
    ----------
    classification : Module
        Objective of the classes.
    exchange : Module or None
        Objective of one set of classes per branch, and one for clips that are left as they are; None: nothing is
        exchanged.
    p : float
        Probability of an exchange.

    See Also
    --------
    feature_exchange : The exchange.
    ExchangeNetwork : The network.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import ExchangeObjective, SubclusterAdaCos
    >>> objective = ExchangeObjective(SubclusterAdaCos(4, 2), SubclusterAdaCos(4, 6, trainable=True), p=0.5)
    >>> branches = [torch.ones(3, 2), torch.ones(3, 2)]
    >>> target = {"label": torch.eye(2)[[0, 1, 1]], "seed": torch.tensor([0])}
    >>> objective((branches, torch.ones(3, 4)), target).shape
    torch.Size([])
    """

    def __init__(self, classification, exchange, p):
        super().__init__()
        self.classification = classification
        self.exchange = exchange
        self.p = p
        self.n_classes = classification.n_classes

    def forward(self, outputs, target):
        """Return the loss of ``(branches, embedding)``; nothing is exchanged in evaluation mode."""
        branches, embedding = outputs
        loss = self.classification(embedding, target["label"])
        if self.training and self.exchange is not None:
            generator = torch.Generator().manual_seed(int(target["seed"]))
            branches, label = feature_exchange(branches, target["label"], self.p, generator)
            loss = loss + self.exchange(torch.cat(branches, dim=1), label)
        return loss

    def log_proba(self, embedding):
        """Return the log-probabilities (N, n_classes) of embeddings (N, embedding_dim)."""
        return self.classification.log_proba(embedding)


class ExchangeNetwork(nn.Module):
    """The branches; the objective is a submodule, so that its weights are in the state.

    Parameters
    ----------
    backbone : MultiBranchNet
        The branches.
    objective : Module
        Training loss, as :class:`ExchangeObjective`.

    Attributes
    ----------
    autocast : torch.dtype or None
        Precision of the backbone under autocast; None, as at first: that of its weights.

    See Also
    --------
    ExchangeObjective : Its loss.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import ExchangeNetwork, ExchangeObjective, MultiBranchNet, SubclusterAdaCos
    >>> backbone = MultiBranchNet([("spectrum", 8000)], branch_dim=4)
    >>> network = ExchangeNetwork(backbone, ExchangeObjective(SubclusterAdaCos(4, 2), None, p=0.0))
    >>> network({"spectrum": torch.rand(3, 8000)}).shape
    torch.Size([3, 4])
    """

    def __init__(self, backbone, objective):
        super().__init__()
        self.backbone = backbone
        self.objective = objective
        self.autocast = None

    def forward(self, inputs=None, **named):
        """Return the embeddings of a dict of inputs; of inputs by keyword those of each branch and all together."""
        inputs = named if inputs is None else inputs
        device = next(iter(inputs.values())).device.type
        with torch.autocast(device, dtype=self.autocast, enabled=self.autocast is not None):
            branches, embedding = self.backbone(inputs)
        return ([branch.float() for branch in branches], embedding.float()) if named else embedding.float()
