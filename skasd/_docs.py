"""Docstring parts that the classes of a room share, so that each is written once."""

import inspect
import re
from collections.abc import Callable

CLIPS = """
sample_rate : int, default=16000
    Sample rate in Hz. Files at another rate are resampled to it; arrays must be at it.

channel : "mean" or int, default="mean"
    What to take of files with several channels.

on_error : {"raise", "skip"}, default="raise"
    With "raise", an error lists all clips that cannot be used. With "skip", a warning does, and their features are NaN.

limits : dict or None, default=None
    Bounds beyond which a clip is bad, where they differ from :data:`skasd.clips.LIMITS`, as ``{"max_seconds": 7200}``.

n_jobs : int or None, default=None
    Number of threads, each working on a clip of its own.

verbose : int, default=0
    Show a progress bar if positive.
"""


def shared_docstring(parameters: str = "", attributes: str = "") -> Callable:
    """Return a class decorator that completes a docstring with entries that several classes share.

    In the section "Parameters" of the class, ``{shared}`` stands for the parameters that the class has and does not
    document itself; all stand in the order of the signature, with the defaults of the class. ``{attributes}`` stands
    for the attributes that it does not document itself. The shared entries are given as in a docstring.
    """

    def complete(cls):
        if cls.__doc__ is None:  # python -OO
            return cls
        head, own, tail = re.split(
            r"(?<=Parameters\n----------\n)(.*?)(?=\n\n[\w ]+\n-{3,}\n)",
            inspect.cleandoc(cls.__doc__),
            maxsplit=1,
            flags=re.DOTALL,
        )
        own, shared = _entries(own), _entries(parameters)
        entries = [
            own.get(name) or _with_default(shared[name], parameter.default)
            for name, parameter in inspect.signature(cls).parameters.items()
        ]
        documented = ", ".join(re.findall(r"^(.+) : ", tail, flags=re.MULTILINE)).split(", ")
        others = [entry for name, entry in _entries(attributes).items() if name not in documented]
        cls.__doc__ = head + "\n\n".join(entries) + tail.replace("{attributes}", "\n\n".join(others))
        return cls

    return complete


def _entries(section):
    """Return the entries of a section of a docstring by name."""
    return {entry.split(" : ")[0]: entry for entry in re.split(r"\n+(?=\w+ : |\{)", section.strip())}


def _with_default(entry, default):
    """Return the entry of a parameter with this default, as docstrings have it: strings in double quotes."""
    text = f'"{default}"' if isinstance(default, str) else repr(default)
    return re.sub(r"default=.*", lambda _: f"default={text}", entry, count=1)
