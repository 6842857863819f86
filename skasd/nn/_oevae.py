"""Variational autoencoder on an outlier-exposed embedding."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MOMENTUM = 0.1  # of the running statistics, as in batch normalisation
LEAST_VARIANCE = 1e-12


class OEVAEOutput(NamedTuple):
    """Outputs of :class:`OEVAE` for N embeddings."""

    machine_logit: Tensor
    """Log-odds of the target machine, of shape (N,), or of each of several, (N, n_machines)."""
    mean: Tensor
    """Means of the latents, of shape (N, latent_dim), those bound to the domain first."""
    log_variance: Tensor
    """Logarithms of their variances, of shape (N, latent_dim)."""
    inputs: Tensor
    """Input of the autoencoder: the embeddings, standardised or not, of shape (N, feature_dim)."""
    reconstruction: Tensor
    """The same as decoded from sampled latents, of shape (N, feature_dim)."""


class OEVAE(nn.Module):
    """Variational autoencoder and machine classifier on the embedding of a feature extractor.

    Parameters
    ----------
    feature_dim : int, default=512
        Length of the feature extractor's embedding.
    latent_dim : int, default=64
        Number of latents.
    domain_dim : int, default=8
        Number of latents, the first ones, that are bound to the domain attribute; 1 ... `latent_dim` - 1.
    hidden : int, default=128
        Width of the one hidden layer of encoder and decoder.
    n_machines : int, default=1
        Number of target machines. With several, each has its own log-odds, with the clips of all others as
        pseudo-anomalies.
    standardize : bool, default=True
        Whether the autoencoder takes the embedding centred and scaled to a mean variance of 1 over the target
        machine's clips: those of the batch in training, running statistics otherwise. False: the embedding as it is,
        exactly as in the report's equations.

    Attributes
    ----------
    embedding_dim : int
        `feature_dim`: the embedding is the feature extractor's.

    See Also
    --------
    domain_gain : The factor k of the attribute.
    ResNet18 : The feature extractor of the report.

    Notes
    -----
    The report [1]_ (section 3.2) gives 8 of 64 latents :math:`z_d`, bound to an attribute v by
    :math:`N(k v, 1)`, and the rest :math:`z_c`, to be free of the domain, with :math:`N(0, 1)`.
    Encoder (feature_dim - hidden - 2 x latent_dim) and decoder (latent_dim - hidden - feature_dim), with
    ReLU, are this library's choice; the machine classifier is one dense layer. The embedding is not
    detached: classifier and autoencoder train the feature extractor together.

    The mean of an embedding after ReLU is far larger than its spread. Without standardisation the decoder learns that
    mean first, and the embedding's scale decides how many latents are worth their divergence. With it, encoder and
    decoder see the differences between clips from the first step on, and the loss does not depend on the scale.

    References
    ----------
    .. [1] J. Hai, D. Zhou, R. Liu, Y. I. Wu. Anomalous sound detection by self-supervised learning of VAE
       with domain shift techniques. Technical report, DCASE2024 Challenge Task 2.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import OEVAE
    >>> net = OEVAE(feature_dim=32)
    >>> features = torch.randn(6, 32)
    >>> is_target = torch.tensor([1, 1, 1, 0, 0, 0])
    >>> output = net(features, generator=torch.Generator().manual_seed(0), is_target=is_target)
    >>> loss = net.loss(output, is_target, attribute=torch.arange(6.0))
    >>> loss.shape, net.negative_log_likelihood(features).shape
    (torch.Size([]), torch.Size([6]))
    """

    def __init__(
        self, feature_dim=512, latent_dim=64, domain_dim=8, hidden=128, n_machines=1, standardize=True
    ):
        super().__init__()
        if not 1 <= domain_dim < latent_dim:
            raise ValueError(f"domain_dim={domain_dim!r}: must be in 1 ... latent_dim - 1 = {latent_dim - 1}")
        self.embedding_dim = feature_dim
        self.latent_dim = latent_dim
        self.domain_dim = domain_dim
        self.n_machines = n_machines
        self.standardize = standardize
        self.register_buffer("running_mean", torch.zeros(feature_dim))
        self.register_buffer("running_variance", torch.ones(()))
        self.machine = nn.Linear(feature_dim, n_machines)
        self.encoder = nn.Sequential(
            nn.Linear(feature_dim, hidden), nn.ReLU(), nn.Linear(hidden, 2 * latent_dim)
        )
        self.decoder = nn.Sequential(nn.Linear(latent_dim, hidden), nn.ReLU(), nn.Linear(hidden, feature_dim))

    def forward(self, features, generator=None, noise=None, is_target=None):
        """Classify, encode, sample and decode embeddings.

        Parameters
        ----------
        features : torch.Tensor of shape (N, feature_dim)
            Embeddings.
        generator : torch.Generator, default=None
            Source of randomness of the latents during training. In evaluation mode the latents are their means.
        noise : torch.Tensor of shape (N, latent_dim), default=None
            Standard normal numbers to use in training mode, drawn by the caller.
        is_target : torch.Tensor of shape (N,) or (N, n_machines), default=None
            As in `loss`: embeddings whose statistics are used in training mode. The others enter the autoencoder as
            zeros. None: all.

        Returns
        -------
        OEVAEOutput
            ``machine_logit``, ``mean``, ``log_variance``, ``inputs`` and ``reconstruction``.
        """
        inputs = self._training_inputs(features, is_target) if self.training else self._inputs(features)
        mean, log_variance = self.encoder(inputs).chunk(2, dim=1)
        latent = mean
        if self.training:
            if noise is None:
                device = generator.device if generator is not None else mean.device
                noise = torch.randn(mean.shape, generator=generator, device=device)
            latent = mean + (0.5 * log_variance).exp() * noise.to(mean)
        logit = self.machine(features)
        logit = logit[:, 0] if self.n_machines == 1 else logit
        return OEVAEOutput(logit, mean, log_variance, inputs, self.decoder(latent))

    def encode(self, features):
        """Return mean and log-variance of the latents, each of shape (N, latent_dim), by the running statistics."""
        return self.encoder(self._inputs(features)).chunk(2, dim=1)

    def _inputs(self, features):
        if not self.standardize:
            return features
        return (features - self.running_mean) / self.running_variance.clamp(min=LEAST_VARIANCE).sqrt()

    def _training_inputs(self, features, is_target):
        """Standardise by the target machine's rows; those of others, however far away, must not reach the gradient."""
        if not self.standardize:
            return features
        rows = features if is_target is None else features[of_target(is_target)]
        if len(rows) > 1:
            mean = rows.mean(0)
            variance = (rows - mean).square().mean()
            self.running_mean.lerp_(mean.detach(), MOMENTUM)
            self.running_variance.lerp_(variance.detach(), MOMENTUM)
        else:
            mean, variance = self.running_mean, self.running_variance
        rows = (rows - mean) / variance.clamp(min=LEAST_VARIANCE).sqrt()
        if is_target is None:
            return rows
        return torch.zeros_like(features).masked_scatter(of_target(is_target)[:, None], rows)

    def negative_log_likelihood(self, features):
        r"""Return the negative log-likelihood of the domain-free latents.

        Parameters
        ----------
        features : torch.Tensor of shape (N, feature_dim)
            Embeddings.

        Returns
        -------
        torch.Tensor of shape (N,)
            :math:`-\log p(z_c)` under :math:`N(0, I)`, at the mean of :math:`z_c`; higher: more anomalous.
        """
        free = self.encode(features)[0][:, self.domain_dim :]
        return 0.5 * (free.square().sum(1) + free.shape[1] * math.log(2 * math.pi))

    def kl_terms(self, mean, log_variance, attribute, k=1.0):
        r"""Return the Kullback-Leibler divergences of both parts of the latents from their priors.

        Parameters
        ----------
        mean, log_variance : torch.Tensor of shape (N, latent_dim)
            Posterior of the latents.
        attribute : torch.Tensor of shape (N,)
            Physical parameter v.
        k : float, default=1.0
            Factor of v.

        Returns
        -------
        domain, free : torch.Tensor of shape (N,)
            :math:`KL(N(\mu_d, \sigma_d^2) \| N(k v, 1))` and :math:`KL(N(\mu_c, \sigma_c^2) \| N(0, 1))`,
            summed over the latents of each part.
        """
        prior = torch.zeros_like(mean)
        prior[:, : self.domain_dim] = (k * attribute[:, None]).to(mean)
        kl = 0.5 * ((mean - prior).square() + log_variance.exp() - log_variance - 1)
        return kl[:, : self.domain_dim].sum(1), kl[:, self.domain_dim :].sum(1)

    def loss(self, output, is_target, attribute, k=1.0, lambda_vae=1e-3):
        r"""Return the loss of classifier and variational autoencoder together.

        Parameters
        ----------
        output : OEVAEOutput
            Output of the module for the embeddings.
        is_target : torch.Tensor of shape (N,)
            1 for clips of the target machine, 0 for pseudo-anomalies (clips of other machines); between
            them for mixed clips, which count as pseudo-anomalies for the autoencoder. With several
            machines of shape (N, n_machines), one-hot; the autoencoder is trained on the clips of all of them.
        attribute : torch.Tensor of shape (N,)
            Physical parameter v of the target machine's clips (load, speed, mean power); ignored for pseudo-anomalies.
        k : float, default=1.0
            Factor of v, see :func:`domain_gain`.
        lambda_vae : float, default=1e-3
            Weight of the autoencoder's terms; 1e-7 in the report.

        Returns
        -------
        torch.Tensor of shape ()
            The loss.

        Notes
        -----
        Equations 1 to 4 of the report:

        .. math::
            L &= L_{machine} + \lambda_{vae} (L_{vae1} + L_{vae2}) \\
            L_{machine} &= -\frac{1}{M} \sum_i t_i \log p_i + (1 - t_i) \log (1 - p_i) \\
            L_{vae1} &= \frac{1}{M} \sum_i KL(N(\mu_d, \sigma_d^2) \| N(k v, 1))
                        + KL(N(\mu_c, \sigma_c^2) \| N(0, 1)) \\
            L_{vae2} &= \frac{1}{M} \sum_i \| f_i - \hat f_i \|^2

        with :math:`t` = `is_target` and :math:`f` the autoencoder's input. Equation 2 is printed with
        :math:`(t_i - 1) \log p_i`, which has no minimum; the binary cross-entropy is meant. Divergences and squared
        errors are summed over dimensions and averaged over samples, those of the autoencoder over the target machine's
        clips only ("trained exclusively on normal samples"); without any such clip they are 0.

        Encoder and decoder learn from the second term alone, and Adam steps do not depend on the scale of a gradient
        as long as it is far above Adam's `eps` (1e-8). At the report's 1e-7 it is not: both stay close to their initial
        values. Down to about 1e-5 the weight only decides how much the autoencoder shapes the embedding.
        """
        target = is_target.to(output.machine_logit)
        machine = F.binary_cross_entropy_with_logits(output.machine_logit, target)
        # Rows are picked and not weighted by 0: a foreign clip's attribute may be NaN.
        normal = of_target(is_target)
        domain, free = self.kl_terms(output.mean[normal], output.log_variance[normal], attribute[normal], k)
        error = (output.inputs - output.reconstruction)[normal].square().sum(1)
        return machine + lambda_vae * (domain + free + error).sum() / normal.sum().clamp(min=1)


def of_target(is_target):
    """Return which rows are of a target machine: of the one, or of any of several (one-hot)."""
    return is_target == 1 if is_target.ndim == 1 else (is_target == 1).any(1)


def domain_gain(attribute):
    """Return the factor k of the domain attribute: 5 divided by the smallest distance between two values.

    Parameters
    ----------
    attribute : torch.Tensor of shape (n,)
        Values of the attribute in the training set.

    Returns
    -------
    float
        5 / (smallest distance between two different values); 1 if all are the same.

    Notes
    -----
    Section 4.2 of the report by Hai et al. (DCASE2024): neighbouring values then lie five standard
    deviations apart in the bound latents. Meant for an attribute of a few levels: continuous values (a clip's
    mean power) have a tiny least distance, so group or round them first.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import domain_gain
    >>> domain_gain(torch.tensor([10.0, 20.0, 22.5, 20.0]))
    2.0
    """
    values = torch.as_tensor(attribute, dtype=torch.float64).unique()
    return 5 / values.diff().min().item() if len(values) > 1 else 1.0
