"""Exchange of branch embeddings between clips."""

import torch


def feature_exchange(branches, y, p=0.5, generator=None):
    """Exchange the embeddings of single branches between clips (FeatEx).

    A network that has to distinguish own from foreign parts of an embedding learns to put information about the clip
    into every branch.

    Parameters
    ----------
    branches : sequence of torch.Tensor of shape (N, branch_dim)
        Embeddings of M >= 2 branches.
    y : torch.Tensor of shape (N, C) and floating point
        Targets, one-hot or mixed.
    p : float, default=0.5
        Probability that a clip's embedding is exchanged.
    generator : torch.Generator, default=None
        Source of randomness.

    Returns
    -------
    branches : list of torch.Tensor of shape (N, branch_dim)
        The embeddings, some exchanged.
    y_featex : torch.Tensor of shape (N, (M + 1) * C)
        Their targets.

    See Also
    --------
    MultiBranchNet : Gives the embeddings of the branches.

    Notes
    -----
    For two branches [1]_ the first branch (on the spectrum) is replaced by that of the reversed batch. The
    targets have three parts: a clip that is unchanged has :math:`[y, 0, 0]`, one that is exchanged
    :math:`[0, y / 2, y' / 2]` with the donor's target :math:`y'`. The result is trained with an objective of
    its own, whose centres are trainable, added to that on the unchanged embedding.

    For M branches the last one stays and every other comes from a different clip, the m-th (from 0) from the
    reversed batch moved on by m; the targets have M + 1 parts, :math:`[0, y / M, y'_0 / M, ...]`.

    References
    ----------
    .. [1] K. Wilkinghoff. Self-supervised learning for anomalous sound detection. ICASSP 2024, 276-280.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import feature_exchange
    >>> spectrum, stft = torch.tensor([[1.0], [2.0]]), torch.tensor([[10.0], [20.0]])
    >>> branches, y = feature_exchange([spectrum, stft], torch.eye(2), p=1.0)
    >>> torch.cat(branches, dim=1), y
    (tensor([[ 2., 10.],
            [ 1., 20.]]), tensor([[0.0000, 0.0000, 0.5000, 0.0000, 0.0000, 0.5000],
            [0.0000, 0.0000, 0.0000, 0.5000, 0.5000, 0.0000]]))
    """
    n_branches = len(branches)
    if n_branches < 2:
        raise ValueError(f"An exchange takes two branches at least; there is {n_branches}.")
    if y.ndim != 2 or not y.is_floating_point() or len(y) != len(branches[0]):
        raise ValueError(
            f"y of shape {tuple(y.shape)} and {y.dtype}: must be of shape ({len(branches[0])}, n_classes) "
            "and floating point"
        )
    n = len(y)
    device = generator.device if generator is not None else None
    exchanged = (torch.rand(n, 1, generator=generator, device=device) < p).to(y.device)
    reverse = torch.arange(n - 1, -1, -1, device=y.device)
    donors = [reverse.roll(-m) for m in range(n_branches - 1)]
    mixed = [torch.where(exchanged, b[d], b) for b, d in zip(branches, donors, strict=False)]
    share = exchanged.to(y) / n_branches
    targets = [y * ~exchanged, y * share, *(y[d] * share for d in donors)]
    return [*mixed, branches[-1]], torch.cat(targets, dim=1)
