"""Covariances of reconstruction errors, for the selective Mahalanobis score."""

import torch


class SelectiveCovariance:
    r"""Covariance of reconstruction errors per domain, accumulated batch by batch.

    Parameters
    ----------
    n_bins : int, default=128
        Length of a row: the bins of one frame. A vector of 640 holds five rows.

    Attributes
    ----------
    n_vectors : list of int
        Number of vectors of the source and of the target domain.

    See Also
    --------
    skasd.embedders.AutoencoderEmbedder : The score, by these covariances.

    Notes
    -----
    As in the code of the official baseline (not as in its paper): for each batch and domain, the residuals
    :math:`d = x - \hat x` are cut into rows of `n_bins`, the mean row *of the batch* is subtracted, and outer products
    are summed over all batches; the sum is divided by the number of *vectors* less one. A covariance over rows would
    divide by five times as much. With no target vectors the target's covariance is the source's. The precision is the
    inverse, without a ridge; where the covariance is singular (a silent band) it is the pseudo-inverse, which gives the
    missing directions zero weight. A domain should therefore have many more rows than `n_bins`: one 10 s clip has
    1,545.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import SelectiveCovariance
    >>> generator = torch.Generator().manual_seed(0)
    >>> covariance = SelectiveCovariance(n_bins=4)
    >>> for _ in range(10):
    ...     residuals = torch.randn(32, 20, generator=generator)
    ...     covariance.update(residuals, is_target=torch.rand(32, generator=generator) < 0.1)
    >>> covariance.precision().shape
    torch.Size([2, 4, 4])
    """

    def __init__(self, n_bins=128):
        self.n_bins = n_bins
        self.n_vectors = [0, 0]
        self._scatter = torch.zeros(2, n_bins, n_bins, dtype=torch.float64)

    def update(self, residual, is_target=None):
        """Add a batch.

        Parameters
        ----------
        residual : torch.Tensor of shape (n_vectors, input_dim)
            Inputs minus their reconstructions; `input_dim` is a multiple of `n_bins`.
        is_target : torch.Tensor of bool and shape (n_vectors,), default=None
            Which vectors are of the target domain; None: none.
        """
        # On the CPU, as not every accelerator has float64.
        rows = _rows(residual.detach().to("cpu", torch.float64), self.n_bins)
        if is_target is None:
            is_target = torch.zeros(len(rows), dtype=torch.bool)
        is_target = is_target.cpu()
        for domain, members in enumerate((~is_target, is_target)):
            of_domain = rows[members].flatten(0, 1)
            if len(of_domain) == 0:
                continue
            centred = of_domain - of_domain.mean(0)
            self._scatter[domain] += centred.T @ centred
            self.n_vectors[domain] += int(members.sum())

    def covariance(self):
        """Return the covariances (2, n_bins, n_bins) of source and target, in float64.

        Raises
        ------
        ValueError
            If a domain has only one vector, or the source none.
        """
        n_source, n_target = self.n_vectors
        if n_source < 2 or n_target == 1:
            raise ValueError(
                f"A covariance takes two vectors at least; there are {n_source} of the source and "
                f"{n_target} of the target domain."
            )
        source = self._scatter[0] / (n_source - 1)
        target = self._scatter[1] / (n_target - 1) if n_target else source
        return torch.stack([source, target])

    def precision(self):
        """Return the inverse covariances (2, n_bins, n_bins), in float64; errors as `covariance`."""
        return torch.linalg.pinv(self.covariance(), hermitian=True)


def _rows(residual, n_bins):
    if residual.shape[-1] % n_bins:
        raise ValueError(f"Vectors of length {residual.shape[-1]} do not consist of rows of {n_bins} bins.")
    return residual.unflatten(-1, (-1, n_bins))
