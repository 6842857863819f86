"""Device of a network."""

import torch


def resolve_device(device: str | torch.device) -> str:
    """Return the name of the device that a parameter stands for.

    Parameters
    ----------
    device : str or torch.device
        "auto" is CUDA if available, else the CPU.

    Returns
    -------
    str
        Such as "cpu" or "cuda:1".

    Raises
    ------
    ValueError
        If there is no such device.

    Examples
    --------
    >>> from skasd.nn import resolve_device
    >>> resolve_device("cpu")
    'cpu'
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device={device!r} is no torch device: use 'auto', 'cpu' or 'cuda'.") from error
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device={device!r}, but torch sees no CUDA device: use device='auto' or 'cpu'.")
    try:
        torch.zeros(1, device=resolved).item()
    except (RuntimeError, AssertionError) as error:  # the latter where torch was built without the device
        reason = str(error).splitlines()[0].rstrip(".")
        raise ValueError(
            f"device={device!r} cannot be used ({reason}): use 'auto', 'cpu' or 'cuda'."
        ) from error
    return str(resolved)
