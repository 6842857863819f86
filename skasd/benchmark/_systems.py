"""Systems that are benchmarked: names of published systems, estimators, or functions that make them."""

import ast
import difflib
import inspect
from collections import Counter
from collections.abc import Mapping

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

# these learn to classify the machines of a data set, so one detector serves them all
PUBLISHED_JOINTLY = ("cqupt2023", "cqupt2023_ensemble", "wilkinghoff_multibranch")
_TOLD_THE_MACHINE = ("secom2021_submission", "jless2022_submission")


class System:
    """A named recipe of detectors.

    Parameters
    ----------
    name : str
        Name in tables.
    source : str, estimator or callable
        The system as given.
    joint : bool or None, default=None
        Whether one detector serves all machines; None: as published.
    """

    def __init__(self, name, source, joint=None):
        self.name = name
        self.source = source
        self._function, self._args, self._kwargs = source, (), {}
        told = None
        published = False
        if isinstance(source, str):
            function, self._args, self._kwargs = _parse(source)
            self._function = _published(function, source)
            published = function in PUBLISHED_JOINTLY
            told = function in _TOLD_THE_MACHINE or function not in _names()
        elif not callable(source) and not hasattr(source, "get_params"):
            raise TypeError(
                f"The system {name!r} must be the name of a function in skasd.systems, an estimator or a function "
                f"that returns one, got {source!r}."
            )
        self.joint = published if joint is None else joint
        self._is_function = not hasattr(source, "get_params") or isinstance(source, type)
        self._told_machine = self._accepts("machine") if told is None else told

    def _accepts(self, name):
        """Tell whether the function has a parameter of that name, or takes any."""
        if not self._is_function:
            return False
        parameters = inspect.signature(self._function).parameters
        return name in parameters or (
            name == "random_state" and any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        )

    def make(self, seed, machine=None):
        """Return an unfitted detector with all its seeds set.

        Parameters
        ----------
        seed : int
            For every ``random_state`` that the system leaves open.
        machine : str or None, default=None
            For functions that have such a parameter.

        Returns
        -------
        estimator
        """
        if not self._is_function:
            return with_seed(clone(self.source), seed)
        given = dict(self._kwargs)
        seeded = "random_state" not in given and self._accepts("random_state")
        if seeded:
            given["random_state"] = seed
        if self._told_machine and "machine" not in given:
            given["machine"] = machine
        try:
            system = self._function(*self._args, **given)
        except TypeError as error:
            raise ValueError(f"The system {self.name!r} cannot be made: {error}") from error
        if not hasattr(system, "fit") or not hasattr(system, "get_params"):
            raise TypeError(f"The system {self.name!r} made {system!r}, which is no estimator.")
        own = seeded or "random_state" in self._kwargs
        return with_seed(clone(system), seed, only_missing=own)


def with_seed(estimator, seed, only_missing=False):
    """Set every `random_state` in an estimator, or those that are None.

    The first of each class gets the seed itself, so that equal first steps stay equal in all systems; further ones of
    the same class, such as members of an ensemble, get seeds derived from it.
    """
    parameters = estimator.get_params(deep=True)
    seen: Counter[str] = Counter()
    seeds = {}
    for name in sorted(parameters, key=lambda name: (name.count("__"), name)):
        owner, _, last = name.rpartition("__")
        if last == "random_state" and (parameters[name] is None or not only_missing):
            kind = type(parameters[owner] if owner else estimator).__name__
            words = [seed, seen[kind], *kind.encode()]
            seeds[name] = int(np.random.SeedSequence(words).generate_state(1)[0] >> 1) if seen[kind] else seed
            seen[kind] += 1
    return estimator.set_params(**seeds) if seeds else estimator


def as_systems(systems, joint):
    """Return a list of `System`.

    Parameters
    ----------
    systems : str, estimator, callable, list of these, or dict of name to one
        As in :func:`run`.
    joint : collection of str or None
        Names of systems with one detector for all machines; None: as published.

    Returns
    -------
    list of System
    """
    if isinstance(systems, Mapping):
        named = {str(name): source for name, source in systems.items()}
    else:
        several = isinstance(systems, (list, tuple, set)) and not hasattr(systems, "get_params")
        listed = list(systems) if several else [systems]
        names = [_name_of(source) for source in listed]
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise ValueError(f"Two systems are called {twice[0]!r}: give a dict of names to systems.")
        named = dict(zip(names, listed, strict=True))
    if not named:
        raise ValueError("systems is empty: there is nothing to run.")
    if unknown := sorted(set(joint or ()) - set(named)):
        raise ValueError(f"joint names {unknown}, which are not among the systems {list(named)}.")
    return [System(name, source, None if joint is None else name in joint) for name, source in named.items()]


def _name_of(source):
    if isinstance(source, str):
        return source
    if isinstance(source, Pipeline):
        return "+".join(type(step).__name__ for _, step in source.steps if not isinstance(step, str))
    return getattr(source, "__name__", type(source).__name__)


def _names():
    from .. import systems

    return systems.__all__


def _submissions():
    from ..systems import SECOM2021_SUBMISSIONS

    return tuple(SECOM2021_SUBMISSIONS)


def _published(function, source):
    """Return the function of skasd.systems of that name, or the one that makes the submission of that name."""
    from .. import systems

    if function in systems.__all__:
        return getattr(systems, function)
    if function in _submissions():
        return lambda *args, **kwargs: systems.secom2021_submission(function, *args, **kwargs)
    known = [*systems.__all__, *_submissions()]
    near = difflib.get_close_matches(function, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}? There are" if near else "there are"
    raise ValueError(f"Unknown system {source!r}: {hint} {', '.join(known)}.")


def _parse(text):
    """Split ``name``, ``name:key=value,...`` or ``name(value, key=value)`` into name, arguments and keywords."""
    name, colon, rest = text.partition(":")
    if "(" in name or not colon:
        name, bracket, rest = text.partition("(")
        if bracket and not rest.rstrip().endswith(")"):
            raise ValueError(f"{text!r} lacks its closing bracket.")
        rest = rest.rstrip()[:-1]
    try:
        call = ast.parse(f"f({rest})", mode="eval").body
        keywords = {keyword.arg: _value(keyword.value) for keyword in call.keywords}  # type: ignore[attr-defined]
        return name.strip(), tuple(map(_value, call.args)), keywords  # type: ignore[attr-defined]
    except (SyntaxError, ValueError, AttributeError):
        raise ValueError(
            f"{text!r} cannot be read: write a name, or as in 'secom2021:model=mfn,max_epochs=5'."
        ) from None


def _value(node):
    return node.id if isinstance(node, ast.Name) else ast.literal_eval(node)
