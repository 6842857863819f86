"""Docstring parts that the embedders share, so that each is written once."""

import inspect
import re


def with_shared_parameters(base):
    """Return a class decorator that writes the parameters of ``base`` where the docstring says ``{shared}``.

    Parameters that the class documents itself, or does not have, are left out of the shared part.
    """

    def decorate(cls):
        doc = inspect.getdoc(cls)
        own = set(re.findall(r"^(\w+) : ", doc, flags=re.MULTILINE))
        section = inspect.getdoc(base).split("Parameters\n----------\n")[1]
        section = re.split(r"\n\n(?=\w+\n-{3,}\n)", section)[0]
        entries = re.split(r"\n\n(?=\w+ : )", section.strip())
        wanted = set(inspect.signature(cls).parameters) - own
        cls.__doc__ = doc.replace("{shared}", "\n\n".join(e for e in entries if e.split(" : ")[0] in wanted))
        return cls

    return decorate
