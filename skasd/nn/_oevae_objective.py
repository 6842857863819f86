"""The loss of classifier and variational autoencoder on one embedding."""

import torch
from torch import nn
from torch.nn import functional as F


class OEVAEObjective(nn.Module):
    """Training loss of an :class:`OEVAE`, whose weights it owns.

    Parameters
    ----------
    oevae : OEVAE
        Classifier and autoencoder.
    lambda_vae : float
        Weight of the autoencoder's terms.
    n_classes : int
        2: proxies and target; or the number of sections.

    See Also
    --------
    OEVAE : The equations.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import OEVAE, OEVAEObjective
    >>> objective = OEVAEObjective(OEVAE(feature_dim=8, latent_dim=4, domain_dim=1), 1e-3, n_classes=2)
    >>> objective.log_proba(torch.zeros(3, 8)).exp().sum(dim=1).detach().round(decimals=4)
    tensor([1., 1., 1.])
    """

    def __init__(self, oevae, lambda_vae, n_classes):
        super().__init__()
        self.oevae = oevae
        self.lambda_vae = lambda_vae
        self.n_classes = n_classes

    def forward(self, features, target):
        """Return the loss of embeddings (N, feature_dim) with ``label``, ``attribute`` and ``noise``."""
        output = self.oevae(features, noise=target["noise"], is_target=target["label"])
        return self.oevae.loss(output, target["label"], target["attribute"], lambda_vae=self.lambda_vae)

    def log_proba(self, features):
        """Return the log-probabilities (N, n_classes): of proxy and target, or of each section by itself."""
        logit = self.oevae.machine(features)
        return F.logsigmoid(torch.cat([-logit, logit], 1) if self.oevae.n_machines == 1 else logit)
