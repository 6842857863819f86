"""PReLU whose backward pass is vectorised on the CPU."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class _PReLUFunction(torch.autograd.Function):
    """``max(x, 0) + w min(x, 0)``; the weight has one entry, or one per channel (dimension 1)."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.prelu(x, weight.to(x.dtype))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor | None]:
        x, weight = ctx.saved_tensors
        grad = grad.to(x.dtype)  # autocast may have made the output narrower than the input
        # One buffer serves both gradients: in a network's large tensors, touching fresh memory costs more
        # than the arithmetic. First dy/dw = min(x, 0), summed in the weight's precision because
        # half floats would overflow ...
        buffer = x.clamp_max(0).mul_(grad)
        grad_weight = None
        if ctx.needs_input_grad[1]:
            dims = list(range(x.ndim)) if weight.numel() == 1 else [d for d in range(x.ndim) if d != 1]
            grad_weight = buffer.sum(dims, dtype=weight.dtype).reshape(weight.shape)
        # ... then the gradient of x: that of relu, pulled towards the incoming one by w where x <= 0.
        torch.ops.aten.threshold_backward.grad_input(grad, x, 0, grad_input=buffer)
        return buffer.lerp_(grad, _broadcast(weight, x)), grad_weight


def _broadcast(weight: Tensor, x: Tensor) -> Tensor:
    w = weight.to(x.dtype)
    return w if weight.numel() == 1 else w.view(-1, *(1,) * (x.ndim - 2))


class PReLU(nn.PReLU):
    r"""Parametric ReLU, :class:`torch.nn.PReLU` with a faster backward pass on the CPU.

    Same parameters, state dict, output and gradient as :class:`torch.nn.PReLU`.

    Parameters
    ----------
    num_parameters : int, default=1
        1, or the number of channels (dimension 1 of the input) for one slope each.
    init : float, default=0.25
        Initial slope.
    device : torch.device or None, default=None
        Device of the slopes.
    dtype : torch.dtype or None, default=None
        Type of the slopes; None: torch's default.

    See Also
    --------
    MobileFaceNet : The network that uses it.

    Notes
    -----
    :math:`f(x) = \max(x, 0) + w \min(x, 0)`, see [1]_. PyTorch computes the backward pass of it on the
    CPU element by element, which takes 40 % of a training step of a MobileFaceNet; here it is
    written in vectorised operations. On other devices, without gradients and under ``torch.compile`` or
    ``torch.export`` the operation of PyTorch is called. Second derivatives are not supported on the CPU.

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers", ICCV 2015.

    Examples
    --------
    >>> import torch
    >>> from skasd.nn import PReLU
    >>> PReLU(1)(torch.tensor([[-2.0, 3.0]])).tolist()
    [[-0.5, 3.0]]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply the activation.

        Parameters
        ----------
        input : Tensor
            Of any shape; with one slope per channel of shape (N, channels, ...).

        Returns
        -------
        Tensor
            Of the same shape and memory format.
        """
        vectorised = (
            input.device.type == "cpu" and torch.is_grad_enabled() and not torch.compiler.is_compiling()
        )
        if not vectorised:
            return F.prelu(input, self.weight)
        return _PReLUFunction.apply(input, self.weight)
