"""Mixing of clips within a batch."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy.special import betaincinv
from torch import Tensor


@dataclass(frozen=True)
class Mixup:
    r"""Mixup: weighted means of pairs of clips and of their labels.

    Parameters
    ----------
    alpha : float, default=1.0
        The weight is drawn from Beta(alpha, alpha) for each clip; 1 is uniform on [0, 1], smaller values favour weights
        near 0 and 1.
    p : float, default=0.5
        Probability that a clip is mixed at all.

    See Also
    --------
    FMix : Exchanges areas instead of blending.
    domain_partners : Partners from the other domain.

    Notes
    -----
    :math:`\tilde x = \lambda x_i + (1 - \lambda) x_j`, :math:`\tilde y = \lambda y_i + (1 - \lambda) y_j`
    (equations 1 and 2 of [2]_; [1]_). The report [2]_ does not state alpha; 1 and p=0.5 are
    what K. Wilkinghoff's systems use.

    References
    ----------
    .. [1] H. Zhang, M. Cisse, Y. N. Dauphin and D. Lopez-Paz, "mixup: beyond empirical risk minimization",
       ICLR 2018.
    .. [2] J. Bai, Y. Jia, S. Huang, M. Wang and J. Chen, "JLESS submission to DCASE2022 Task 2: batch
       mixing strategy based method with anomaly detector for anomalous sound detection".

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import Mixup
    >>> x, y = torch.eye(2).view(2, 1, 1, 2), torch.eye(2)
    >>> generator = torch.Generator().manual_seed(0)
    >>> x_mixed, y_mixed = Mixup(p=1.0)(x, y, generator=generator)
    >>> bool(torch.allclose(x_mixed.view(2, 2), y_mixed))
    True
    """

    alpha: float = 1.0
    p: float = 0.5

    def __post_init__(self):
        _check(self.alpha, self.p)

    def __call__(
        self, x: Tensor, y: Tensor, *, generator: torch.Generator, partner: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mix a batch.

        Parameters
        ----------
        x : Tensor of shape (N, ...)
            Clips, floating point.
        y : Tensor of shape (N, n_classes)
            Class weights, floating point.
        generator : torch.Generator
            Source of all randomness.
        partner : Tensor of shape (N,), default=None
            Row that each clip is mixed with. None: a random permutation of the batch.

        Returns
        -------
        x_mixed, y_mixed : Tensor
            New tensors of the same shapes.
        """
        partner = _check_batch(x, y, generator, partner)
        weight = _mixing_weights(len(x), self.alpha, self.p, generator)
        by_clip = weight.to(x.device, x.dtype).view(-1, *(1,) * (x.ndim - 1))
        return torch.lerp(x[partner], x, by_clip), _mix_labels(y, partner, weight)


@dataclass(frozen=True)
class FMix:
    r"""FMix: areas of random shape are exchanged between pairs of clips, labels mixed by area.

    Parameters
    ----------
    alpha : float, default=1.0
        The share of the area that a clip keeps is drawn from Beta(alpha, alpha) for each clip.
    decay : float, default=3.0
        Power by which the spectrum of the mask falls with frequency: larger values make fewer, larger areas.
    p : float, default=0.5
        Probability that a clip is mixed at all.

    See Also
    --------
    Mixup : Blends instead of exchanging areas.
    domain_partners : Partners from the other domain.

    Notes
    -----
    :math:`\tilde x = M x_i + (1 - M) x_j` (equation 3 of [2]_). The binary mask M is complex Gaussian noise
    in Fourier space divided by frequency to the power of ``decay``, transformed back and
    thresholded so that a share :math:`\lambda` of the cells is 1 [1]_: exactly ``round(lambda * cells)`` of
    them, and that share is also the label's weight. Lowest frequency: one cycle per longer side.

    References
    ----------
    .. [1] E. Harris, A. Marcu, M. Painter, M. Niranjan, A. Prügel-Bennett and J. Hare, "FMix: enhancing
       mixed sample data augmentation", arXiv:2002.12047.
    .. [2] J. Bai, Y. Jia, S. Huang, M. Wang and J. Chen, "JLESS submission to DCASE2022 Task 2: batch
       mixing strategy based method with anomaly detector for anomalous sound detection".

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import FMix
    >>> x, y = torch.stack([torch.zeros(1, 8, 8), torch.ones(1, 8, 8)]), torch.eye(2)
    >>> generator = torch.Generator().manual_seed(0)
    >>> x_mixed, y_mixed = FMix(p=1.0)(x, y, generator=generator)
    >>> bool(torch.allclose(x_mixed.mean(dim=(1, 2, 3)), y_mixed[:, 1]))
    True
    """

    alpha: float = 1.0
    decay: float = 3.0
    p: float = 0.5

    def __post_init__(self):
        _check(self.alpha, self.p)
        if not self.decay >= 0:
            raise ValueError(f"decay={self.decay!r}: must be at least 0")

    def __call__(
        self, x: Tensor, y: Tensor, *, generator: torch.Generator, partner: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mix a batch.

        Parameters
        ----------
        x : Tensor of shape (N, n_bins, n_frames) or (N, channels, n_bins, n_frames)
            Patches, floating point; all channels of a patch share its mask.
        y : Tensor of shape (N, n_classes)
            Class weights, floating point.
        generator : torch.Generator
            Source of all randomness.
        partner : Tensor of shape (N,), default=None
            Row that each clip is mixed with. None: a random permutation of the batch.

        Returns
        -------
        x_mixed, y_mixed : Tensor
            New tensors of the same shapes.
        """
        partner = _check_batch(x, y, generator, partner)
        if x.ndim not in (3, 4):
            raise ValueError(
                f"x of shape {tuple(x.shape)}: FMix needs (N, n_bins, n_frames) or "
                "(N, channels, n_bins, n_frames)"
            )
        size = (x.shape[-2], x.shape[-1])
        n_cells = size[0] * size[1]
        weight = _mixing_weights(len(x), self.alpha, self.p, generator)
        n_kept = (weight * n_cells).round()
        noise = low_frequency_noise(len(x), size, self.decay, generator).flatten(1)
        # Ranks instead of a threshold: ties cannot spoil the area.
        order = noise.argsort(dim=1, descending=True)
        keeps = torch.arange(n_cells, device=order.device) < n_kept[:, None]
        mask = torch.zeros_like(keeps).scatter_(1, order, keeps).view(-1, *(1,) * (x.ndim - 3), *size)
        return torch.where(mask.to(x.device), x, x[partner]), _mix_labels(y, partner, n_kept / n_cells)


@dataclass(frozen=True)
class OneOf:
    """One of several mixings, chosen at random for each batch.

    Parameters
    ----------
    mixings : tuple of callable
        Callables such as :class:`Mixup` and :class:`FMix`.

    See Also
    --------
    Mixup : Blends clips.
    FMix : Exchanges areas of clips.

    Notes
    -----
    "fmix mixup" in table 3 of [1]_; that report does not say how the two are combined.

    References
    ----------
    .. [1] J. Bai, Y. Jia, S. Huang, M. Wang and J. Chen, "JLESS submission to DCASE2022 Task 2: batch
       mixing strategy based method with anomaly detector for anomalous sound detection".

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import FMix, Mixup, OneOf
    >>> mixing = OneOf((FMix(), Mixup()))
    >>> generator = torch.Generator().manual_seed(0)
    >>> x_mixed, y_mixed = mixing(torch.zeros(4, 1, 8, 8), torch.eye(4), generator=generator)
    """

    mixings: tuple[Callable[..., tuple[Tensor, Tensor]], ...]

    def __post_init__(self):
        if not self.mixings:
            raise ValueError("mixings=(): must hold at least one mixing")

    def __call__(
        self, x: Tensor, y: Tensor, *, generator: torch.Generator, partner: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mix a batch; parameters and return values are those of the mixing chosen."""
        chosen = torch.randint(len(self.mixings), (), generator=generator, device=generator.device)
        return self.mixings[int(chosen)](x, y, generator=generator, partner=partner)


def domain_partners(is_target: Tensor, generator: torch.Generator) -> Tensor:
    """Draw for every clip of a batch a partner from the other domain.

    Parameters
    ----------
    is_target : Tensor of shape (N,)
        True for clips of the target domain.
    generator : torch.Generator
        Source of all randomness.

    Returns
    -------
    Tensor of shape (N,)
        Row of each clip's partner, for the ``partner`` of a mixing. A random permutation if the batch holds one domain
        only.

    Notes
    -----
    The batch mixing of J. Bai et al., "JLESS submission to DCASE2022 Task 2", section 2.1: source
    and target are mixed with each other, so that the network sees the scarce target domain in many mixtures.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import domain_partners
    >>> is_target = torch.tensor([False, False, True])
    >>> domain_partners(is_target, torch.Generator().manual_seed(0))[:2].tolist()
    [2, 2]
    """
    is_target = is_target.to(generator.device, torch.bool)
    target, source = is_target.nonzero()[:, 0], (~is_target).nonzero()[:, 0]
    if len(target) == 0 or len(source) == 0:
        return torch.randperm(len(is_target), generator=generator, device=generator.device)
    partner = torch.empty(len(is_target), dtype=torch.long, device=generator.device)
    for rows, others in [(source, target), (target, source)]:
        drawn = torch.randint(len(others), (len(rows),), generator=generator, device=generator.device)
        partner[rows] = others[drawn]
    return partner


def low_frequency_noise(n: int, size: tuple[int, int], decay: float, generator: torch.Generator) -> Tensor:
    """Return n fields of Gaussian noise whose amplitude falls with frequency to the power of ``decay``."""
    n_rows, n_columns = size
    device = generator.device
    rows = torch.fft.fftfreq(n_rows, device=device)[:, None]
    columns = torch.fft.rfftfreq(n_columns, device=device)
    frequency = torch.hypot(rows, columns).clamp_min(1 / max(size))
    noise = torch.randn(
        n, n_rows, n_columns // 2 + 1, dtype=torch.complex64, generator=generator, device=device
    )
    return torch.fft.irfft2(noise / frequency**decay, s=size)


def _check(alpha: float, p: float) -> None:
    if not (alpha > 0 and math.isfinite(alpha)):
        raise ValueError(f"alpha={alpha!r}: must be above 0 and finite")
    if not 0 <= p <= 1:
        raise ValueError(f"p={p!r}: must be between 0 and 1")


def _check_batch(x: Tensor, y: Tensor, generator: torch.Generator, partner: Tensor | None) -> Tensor:
    if y.ndim != 2 or not y.is_floating_point():
        raise ValueError(
            f"y of shape {tuple(y.shape)} and {y.dtype}: labels to mix must be (N, n_classes) class weights; "
            "use torch.nn.functional.one_hot(y).float() on class indices"
        )
    if len(x) != len(y):
        raise ValueError(f"x has {len(x)} clips and y has {len(y)}")
    if partner is None:
        partner = torch.randperm(len(x), generator=generator, device=generator.device)
    return partner.to(x.device)


def _mixing_weights(n: int, alpha: float, p: float, generator: torch.Generator) -> Tensor:
    """Weights of the clips themselves, float64: Beta(alpha, alpha) with probability p, else 1."""
    # By the inverse of the distribution function: PyTorch draws beta variates from its global generator only.
    uniform = torch.rand(2, n, dtype=torch.float64, generator=generator, device=generator.device).cpu()
    weight = torch.from_numpy(betaincinv(alpha, alpha, uniform[0].numpy()))
    return torch.where(uniform[1] < p, weight, 1.0).to(generator.device)


def _mix_labels(y: Tensor, partner: Tensor, weight: Tensor) -> Tensor:
    return torch.lerp(y[partner], y, weight.to(y.device, y.dtype)[:, None])
