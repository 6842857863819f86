"""A pytest plugin for machines without a GPU: a device "cuda" that computes on the CPU and refuses what CUDA refuses.

``pytest -p tests.simulated_cuda -m cuda`` runs the tests marked so. Operations on tensors of both devices, NumPy arrays
of tensors on the GPU, and generators of the host for random numbers on the GPU are errors. That finds tensors on the
wrong device; it says nothing about speed, rounding or memory. With a GPU the plugin does nothing.
"""

import threading
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

_CUDA = torch.device("cuda", 0)
# operations that take tensors of the host beside those of the GPU
_MIXED = ("index", "index_put", "index_put_", "_index_put_impl_")


def _is_cuda(device):
    return isinstance(device, str | torch.device) and torch.device(device).type == "cuda"


class _OnGPU(torch.Tensor):
    """Says that it is on the GPU; its numbers are in ``held``, an ordinary tensor."""

    __torch_function__ = torch._C._disabled_torch_function_impl
    device = property(lambda self: _CUDA)
    is_cuda = property(lambda self: True)
    is_cpu = property(lambda self: False)

    @staticmethod
    def __new__(cls, values, requires_grad=False):
        held = values.detach()
        made = torch.Tensor._make_subclass(cls, held, requires_grad)
        made.held = held
        return made

    def numpy(self, **kwargs):
        raise TypeError("can't convert cuda:0 device type tensor to numpy: use Tensor.cpu() first")

    def __array__(self, *args, **kwargs):
        return self.numpy()

    def data_ptr(self):
        raise RuntimeError("a kernel for the CPU was given a tensor of the GPU")

    def cpu(self):
        return self.to("cpu")

    def cuda(self):
        return self

    def tolist(self):
        return self.held.tolist()

    def __reduce_ex__(self, protocol):
        return _restored, (self.held, self.requires_grad)

    def __deepcopy__(self, memo):
        made = _OnGPU(self.held.clone(), self.requires_grad)
        if isinstance(self, torch.nn.Parameter):
            made._is_param = True
        memo[id(self)] = made
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        name = func._schema.name.removeprefix("aten::")
        kwargs = dict(kwargs or {})
        given = tree_flatten((args, kwargs))[0]
        on_gpu = {id(each.held): each for each in given if isinstance(each, _OnGPU)}
        on_host = [each for each in given if isinstance(each, torch.Tensor) and not isinstance(each, _OnGPU)]
        takes_both = name == "copy_" or (name in _MIXED and isinstance(args[0], _OnGPU))
        if any(each.ndim for each in on_host) and not takes_both:
            raise RuntimeError(f"{name}: expected all tensors to be on the same device, got cuda:0 and cpu")
        if any(isinstance(each, torch.Generator) for each in given):
            raise RuntimeError(f"{name}: expected a generator of cuda, got one of the CPU")
        if kwargs.get("device") is not None:
            kwargs["device"] = torch.device("cpu")
        values = func(*tree_map(_values, args), **tree_map(_values, kwargs))
        if name == "copy_" and not isinstance(args[0], _OnGPU):
            return args[0]

        def wrapped(each):
            if not isinstance(each, torch.Tensor):
                return each
            return (
                on_gpu[id(each)] if id(each) in on_gpu else _OnGPU(each)
            )  # the former where changed in place

        return tree_map(wrapped, values)


def _values(each):
    return each.held if isinstance(each, _OnGPU) else each


def _restored(values, requires_grad):
    return (
        _OnGPU(values, requires_grad) if torch.cuda.is_available() else values.requires_grad_(requires_grad)
    )


class _ToHost(torch.autograd.Function):
    @staticmethod
    def forward(ctx, tensor):
        return tensor.held.clone()

    @staticmethod
    def backward(ctx, gradient):
        return _OnGPU(gradient)


class _Transfers(TorchFunctionMode):
    """What makes tensors on the GPU and what brings them back."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", "")
        if name == "cuda":
            return args[0] if isinstance(args[0], _OnGPU) else self._moved(args[0])
        if name == "to":
            return self._to(func, args[0], list(args[1:]), kwargs)
        if name == "one_hot" and isinstance(args[0], _OnGPU):  # makes tensors inside, by the device of `held`
            return _OnGPU(func(args[0].held, *args[1:], **kwargs))
        if not _is_cuda(kwargs.get("device")):
            return func(*args, **kwargs)
        if kwargs.get("generator") is not None:
            raise RuntimeError(f"{name}: expected a generator of cuda, got one of the CPU")
        kwargs["device"] = torch.device("cpu")
        requires_grad = kwargs.pop("requires_grad", False)
        return _OnGPU(func(*args, **kwargs), requires_grad)

    def _moved(self, tensor):
        return _OnGPU(tensor.detach().clone(), tensor.requires_grad)

    def _to(self, func, tensor, args, kwargs):
        others = [each for each in args if not isinstance(each, torch.Tensor)]
        like = [each for each in args if isinstance(each, torch.Tensor)]
        named = [each for each in others if isinstance(each, str | torch.device)]
        device = like[0].device if like else named[0] if named else kwargs.get("device")
        rest = [*(each.dtype for each in like), *(each for each in others if each not in named)]
        kwargs = {name: value for name, value in kwargs.items() if name not in ("device", "non_blocking")}
        rest = [each for each in rest if each is not None and not isinstance(each, bool)]
        if device is not None and _is_cuda(device) != isinstance(tensor, _OnGPU):
            tensor = self._moved(tensor) if _is_cuda(device) else _ToHost.apply(tensor)
        return func(tensor, *rest, **kwargs) if rest or kwargs else tensor


def pytest_configure(config):
    """Put the device there for the whole run, in all threads."""
    if torch.cuda.is_available():
        return
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    run = threading.Thread.run

    def run_with_device(thread):
        with _Transfers():
            run(thread)

    answers = {"is_available": True, "is_bf16_supported": True, "device_count": 1, "synchronize": None}
    for name, answer in answers.items():
        mock.patch.object(torch.cuda, name, return_value=answer).start()
    mock.patch.object(threading.Thread, "run", run_with_device).start()
    _Transfers().__enter__()
