"""Batches that hold both domains."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import Sampler


class DomainBatchSampler(Sampler[Tensor]):
    """Indices of batches that each hold clips of the source and of the target domain.

    Parameters
    ----------
    is_target : array-like of shape (n_clips,)
        True for clips of the target domain.
    batch_size : int
        Largest number of clips in a batch; at least 2 where both domains occur.
    generator : torch.Generator
        Source of all randomness, drawn from at each epoch.
    target_share : float, default=0.25
        Share of target clips in a batch, above 0 and below 1. If the data hold a larger share, theirs is used, so that
        target clips are never seen less often than source clips.

    See Also
    --------
    domain_partners : Mixes the domains of such a batch with each other.

    Notes
    -----
    The batch mixing strategy of [1]_ (section 2.1): with 1 % of target clips, most batches of a plain
    shuffle would hold none. The share is not stated there.

    One epoch uses each source clip once. Target clips are drawn from successive shuffled lists of all of them, so that
    within an epoch their counts differ by at most one. Source clips are spread evenly over the batches: there is no
    short last batch, batches have ``batch_size`` clips or a little less, and none holds a single clip (which batch
    normalisation cannot train on) unless the data or ``batch_size`` are one clip.

    With clips of one domain only, an epoch is each clip once in shuffled order.

    References
    ----------
    .. [1] J. Bai, Y. Jia, S. Huang, M. Wang and J. Chen, "JLESS submission to DCASE2022 Task 2: batch
       mixing strategy based method with anomaly detector for anomalous sound detection".

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import DomainBatchSampler
    >>> is_target = torch.arange(100) == 7
    >>> sampler = DomainBatchSampler(is_target, batch_size=16, generator=torch.Generator().manual_seed(0))
    >>> [int((rows == 7).sum()) for rows in sampler]
    [4, 4, 4, 4, 4, 4, 4, 4, 4]
    """

    def __init__(self, is_target, batch_size: int, generator: torch.Generator, *, target_share: float = 0.25):
        is_target = torch.as_tensor(is_target, dtype=torch.bool)
        if is_target.ndim != 1 or len(is_target) == 0:
            raise ValueError(f"is_target of shape {tuple(is_target.shape)}: must be (n_clips,), n_clips >= 1")
        if not 0 < target_share < 1:
            raise ValueError(f"target_share={target_share!r}: must be above 0 and below 1")
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size!r}: must be at least 1")
        self.generator = generator
        self._source = (~is_target).nonzero()[:, 0]
        self._target = is_target.nonzero()[:, 0]
        if len(self._source) == 0:
            self._source, self._target = self._target, self._source
        self._n_target = 0
        if len(self._target):
            if batch_size < 2:
                raise ValueError(f"batch_size={batch_size!r}: a batch of both domains has at least 2 clips")
            share = max(target_share, len(self._target) / len(is_target))
            self._n_target = min(max(round(share * batch_size), 1), batch_size - 1)
        self._n_batches = -(-len(self._source) // (batch_size - self._n_target))

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return self._n_batches

    def __iter__(self) -> Iterator[Tensor]:
        """Draw an epoch: int64 tensors of row numbers, in random order within each batch."""
        for source, target in zip(
            self._shuffled(self._source).tensor_split(self._n_batches), self._target_draws(), strict=True
        ):
            batch = torch.cat([source, target])
            yield batch[self._permutation(len(batch))] if len(target) else batch

    def _target_draws(self) -> list[Tensor]:
        n_draws = self._n_batches * self._n_target
        if n_draws == 0:
            return [self._target] * self._n_batches
        n_rounds = -(-n_draws // len(self._target))
        draws = torch.cat([self._shuffled(self._target) for _ in range(n_rounds)])[:n_draws]
        return list(draws.split(self._n_target))

    def _shuffled(self, rows: Tensor) -> Tensor:
        return rows[self._permutation(len(rows))]

    def _permutation(self, n: int) -> Tensor:
        return torch.randperm(n, generator=self.generator, device=self.generator.device).cpu()
