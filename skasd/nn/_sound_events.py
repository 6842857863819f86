"""Mixing of clips into several sound events at once."""

import math
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class SoundEventMixing:
    r"""Let several clips of a batch sound at once.

    Sound event detection trains on this: with some probability a clip is overlaid by others, each at a
    random gain, and every machine that sounds is a positive class. A model trained this way is not misled by a second
    machine, unlike one trained with a softmax.

    Parameters
    ----------
    n_events : int, default=3
        Largest number of simultaneous events, at least 2. The number is uniform in 2 ... `n_events`.
    p : float, default=0.5
        Probability that a clip is overlaid at all.
    gain_db : tuple of (float, float), default=(-6.0, 6.0)
        Range of the gain in dB of an added event, uniform, drawn for each separately. A clip's own gain is 0 dB.

    See Also
    --------
    Mixup : Blends the inputs themselves, and the labels by their weights.

    Notes
    -----
    Inputs are power spectra in dB (log-mels), *before* any standardisation. Sounds of different machines
    are incoherent, so their powers add:

    .. math:: x = 10 \log_{10} \sum_k 10^{(x_k + g_k) / 10}

    with :math:`x_k` the events and :math:`g_k` their gains. That is the log-mel of the sum of the
    waveforms but for the cross terms, which vanish in the mean. Targets are joined:
    :math:`y = \max_k y_k`, multi-hot.

    The report [1]_ (section 2.1.2) says "several events will be simulated simultaneously with a certain
    probability"; number, p and gains are this library's.

    References
    ----------
    .. [1] Y. Zeng, H. Liu, Y. Zhou. General anomalous sound detection using sound event
       classification and detection. Technical report, DCASE2023 Challenge Task 2.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import SoundEventMixing
    >>> mixing = SoundEventMixing(n_events=2, p=1.0, gain_db=(0.0, 0.0))
    >>> x, y = torch.tensor([[60.0, 0.0], [0.0, 60.0]]), torch.eye(2)
    >>> x, y = mixing(x, y, generator=torch.Generator(), partner=torch.tensor([1, 0]))
    >>> x.round(), y
    (tensor([[60., 60.],
            [60., 60.]]), tensor([[1., 1.],
            [1., 1.]]))
    """

    n_events: int = 3
    p: float = 0.5
    gain_db: tuple[float, float] = (-6.0, 6.0)

    def __post_init__(self):
        if self.n_events < 2:
            raise ValueError(f"n_events={self.n_events!r}: must be at least 2, one event alone is no mixture")
        if not 0 <= self.p <= 1:
            raise ValueError(f"p={self.p!r}: must be in [0, 1]")
        if not self.gain_db[0] <= self.gain_db[1]:
            raise ValueError(f"gain_db={self.gain_db!r}: must be a range (low, high)")

    def __call__(self, x, y, *, generator, partner=None):
        """Overlay the clips of a batch.

        Parameters
        ----------
        x : torch.Tensor of shape (N, ...)
            Power spectra in dB.
        y : torch.Tensor of shape (N, n_classes) and floating point
            Targets, one-hot or multi-hot.
        generator : torch.Generator
            Source of randomness.
        partner : torch.Tensor of int and shape (N,), default=None
            Rows that give the first added event; None draws a permutation. Further events always come from
            permutations.

        Returns
        -------
        x : torch.Tensor of shape (N, ...)
            The mixtures in dB; clips that were not chosen are unchanged.
        y : torch.Tensor of shape (N, n_classes)
            Every class that sounds.
        """
        if y.ndim != 2 or not y.is_floating_point():
            raise ValueError(
                f"y of shape {tuple(y.shape)} and {y.dtype}: must be one-hot or multi-hot, floating point "
                "and of shape (N, n_classes)"
            )
        n = len(x)
        device = generator.device

        def uniform(*shape):
            return torch.rand(*shape, generator=generator, device=device)

        mixed = uniform(n) < self.p
        n_events = torch.randint(2, self.n_events + 1, (n,), generator=generator, device=device)
        low, high = self.gain_db
        gains = low + (high - low) * uniform(self.n_events, n)
        gains[0] = 0
        # An event that does not sound has no power: a gain of minus infinity dB.
        sounds = mixed & (torch.arange(self.n_events, device=device)[:, None] < n_events)
        sounds[0] = True
        gains = gains.masked_fill(~sounds, -math.inf).to(x)
        rows = [torch.arange(n, device=device)]
        rows += [torch.randperm(n, generator=generator, device=device) for _ in range(self.n_events - 1)]
        if partner is not None:
            rows[1] = partner.to(device)
        rows, mixed, sounds = (t.to(x.device) for t in (torch.stack(rows), mixed, sounds))

        bel = math.log(10) / 10
        levels = x[rows] + gains.reshape(*gains.shape, *[1] * (x.ndim - 1))
        mixture = torch.logsumexp(levels * bel, dim=0) / bel
        x = torch.where(mixed.reshape(-1, *[1] * (x.ndim - 1)), mixture, x)
        return x, (y[rows] * sounds[..., None]).amax(0)
