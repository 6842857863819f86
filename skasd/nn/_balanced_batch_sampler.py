"""Mini-batches of which one half is of the machine."""

import torch

from ._domain_batch_sampler import DomainBatchSampler


class BalancedBatchSampler:
    """Indices of mini-batches with as many clips of the machine as of others, the proxies.

    An epoch is every clip of the machine once; proxies are drawn by going through shuffled lists of all of them.

    Parameters
    ----------
    is_normal : Tensor of bool of shape (n_clips,)
        True for clips of the machine.
    batch_size : int
        Largest number of clips in a batch.
    generator : torch.Generator
        Random generator.

    See Also
    --------
    DomainBatchSampler : Mini-batches of both domains.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import BalancedBatchSampler
    >>> is_normal = torch.arange(10) < 4
    >>> [is_normal[batch].tolist() for batch in BalancedBatchSampler(is_normal, 4, torch.Generator())]
    [[True, True, False, False], [True, True, False, False]]
    """

    def __init__(self, is_normal, batch_size, generator):
        self.generator = generator
        self.normal = is_normal.nonzero()[:, 0]
        self.proxies = (~is_normal).nonzero()[:, 0]
        nothing = torch.zeros(len(self.normal), dtype=torch.bool)
        self.batches = DomainBatchSampler(nothing, max(1, batch_size // 2), generator)

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        queue = self.proxies[:0]
        for positions in self.batches:
            while len(queue) < len(positions):
                order = torch.randperm(len(self.proxies), generator=self.generator)
                queue = torch.cat([queue, self.proxies[order]])
            drawn, queue = queue[: len(positions)], queue[len(positions) :]
            yield torch.cat([self.normal[positions], drawn])
