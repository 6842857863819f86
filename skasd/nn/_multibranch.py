"""Networks of several branches on several features."""

import torch
from torch import nn

from ._spectrum_branch import SpectrumBranch
from ._stft_branch import STFTBranch

_KINDS = {"spectrum": SpectrumBranch, "stft": STFTBranch, "phase": STFTBranch}


class MultiBranchNet(nn.Module):
    """Branches on several features of a clip, their embeddings side by side.

    Parameters
    ----------
    branches : sequence of (str, int), default=(("spectrum", 80000), ("stft", 513))
        Kind and number of bins of each branch. Kinds: "spectrum" (:class:`SpectrumBranch`), "stft" and
        "phase" (both :class:`STFTBranch`).
    branch_dim : int, default=128
        Length of the embedding of a branch.
    activation : {"relu", "prelu"}, default="relu"
        Activation of all layers.
    squeeze_excitation : bool, default=False
        Whether the branches use squeeze-and-excitation.
    bn_momentum : float, default=0.1
        Weight of a batch in the running statistics of batch normalisation.

    Attributes
    ----------
    embedding_dim : int
        Length of the whole embedding, `branch_dim` times the number of branches.
    names : tuple of str
        Names of the branches, the keys of a dict of inputs: the kinds; a kind's second branch is "stft_2".

    See Also
    --------
    feature_exchange : Trains the branches by exchanging their embeddings between clips.

    Notes
    -----
    The two branches by default are those of K. Wilkinghoff's network [1]_ (with squeeze-and-excitation in its
    2024 form, without in 2023); the third, "phase", with the same structure as the one on the
    spectrogram, and PReLU are those of [2]_, section 3.1.

    References
    ----------
    .. [1] K. Wilkinghoff. Self-supervised learning for anomalous sound detection. ICASSP 2024, 276-280.
    .. [2] J. Hai, D. Zhou, R. Liu, Y. I. Wu. Anomalous sound detection by self-supervised learning of VAE
       with domain shift techniques. Technical report, DCASE2024 Challenge Task 2.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import MultiBranchNet
    >>> net = MultiBranchNet(branches=(("spectrum", 8000), ("stft", 65)))
    >>> inputs = {"spectrum": torch.rand(4, 8000), "stft": torch.rand(4, 1, 65, 40)}
    >>> branches, embedding = net(inputs)
    >>> [b.shape for b in branches], embedding.shape
    ([torch.Size([4, 128]), torch.Size([4, 128])], torch.Size([4, 256]))
    """

    def __init__(
        self,
        branches=(("spectrum", 80_000), ("stft", 513)),
        branch_dim=128,
        activation="relu",
        squeeze_excitation=False,
        bn_momentum=0.1,
    ):
        super().__init__()
        modules: dict[str, nn.Module] = {}
        for kind, n_bins in branches:
            if kind not in _KINDS:
                raise ValueError(f"Unknown kind of branch {kind!r}: must be one of {sorted(_KINDS)}.")
            number = sum(name.split("_")[0] == kind for name in modules) + 1
            name = kind if number == 1 else f"{kind}_{number}"
            modules[name] = _KINDS[kind](n_bins, branch_dim, activation, squeeze_excitation, bn_momentum)
        if not modules:
            raise ValueError("branches is empty; give at least one (kind, n_bins).")
        self.branches = nn.ModuleDict(modules)
        self.names = tuple(modules)
        self.embedding_dim = branch_dim * len(modules)

    def forward(self, inputs):
        """Embed a batch.

        Parameters
        ----------
        inputs : dict of str to torch.Tensor
            The input of each branch by its name.

        Returns
        -------
        branches : list of torch.Tensor of shape (N, branch_dim)
            Embedding of each branch.
        embedding : torch.Tensor of shape (N, embedding_dim)
            The same side by side.
        """
        if set(inputs) != set(self.names):
            raise ValueError(
                f"Expected one input for each of the branches {self.names}, got {sorted(inputs)}."
            )
        branches = [branch(inputs[name]) for name, branch in self.branches.items()]
        return branches, torch.cat(branches, dim=1)
