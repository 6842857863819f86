"""Save and load fitted detectors."""

import os
import warnings
from typing import Any

from sklearn.base import BaseEstimator

from .._typing import PathName
from ._allowed import public_name
from ._coding import Decoder, Encoder
from ._container import ModelFileError, installed_versions, read, write
from ._objects import OBJECTS
from ._values import VALUES

_CODECS = [*VALUES, *OBJECTS]


def save(estimator: Any, path: PathName, *, trusted: tuple[str, ...] = ()):
    """Write an estimator to one file, from which :func:`load` makes one that gives identical scores.

    Parameters
    ----------
    estimator : estimator
        Fitted or not: any estimator of skasd, or of scikit-learn and imbalanced-learn around such, for example a
        pipeline, a grid search or a system of :mod:`skasd.systems`.

    path : path-like
        The file, by convention ``"....skasd"``. It is replaced atomically: if saving fails, an existing file is kept.

    trusted : tuple of str, default=()
        Further packages or modules whose classes and functions may be in the file, such as ``("mypackage",)``. Their
        objects must consist of their attributes alone. :func:`load` needs the same value.

    Raises
    ------
    TypeError
        If something in the estimator cannot be stored, with its place, such as ``Pipeline.steps[1][1].callbacks[0]``: a
        function, a class or an object of other packages, a lambda.

    ValueError
        If the parameters of an embedder were changed after ``fit`` so that they describe another network.

    OSError
        If the file cannot be written.

    See Also
    --------
    load : Reads the file.

    Notes
    -----
    The file is a zip archive, not compressed, of

    - ``manifest.json``: format and version, versions of the libraries, size and SHA-256 of every other part;
    - ``structure.json``: classes, parameters and fitted attributes, readable in any editor;
    - ``arrays/*.npy``: arrays, none of Python objects;
    - ``tensors.safetensors``: the networks' weights.

    There is no pickle in it. The same model gives the same bytes. An object in two places, such as an embedder shared
    by several detectors, is stored once and shared again after loading.

    Not stored: the losses of single batches (those of epochs are), and what callbacks recorded during training.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skasd import KNNScorer
    >>> from skasd.persistence import load, save
    >>> X = np.random.default_rng(0).normal(size=(50, 8))
    >>> detector = KNNScorer().fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(detector, Path(folder) / "knn.skasd")
    ...     again = load(Path(folder) / "knn.skasd")
    >>> np.array_equal(again.score_samples(X), detector.score_samples(X))
    True
    """
    if not isinstance(estimator, BaseEstimator):
        raise TypeError(
            f"save takes an estimator, got {type(estimator).__module__}.{type(estimator).__qualname__}"
            f"{' (a class: give an instance)' if isinstance(estimator, type) else ''}."
        )
    path = _check_path(path)
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path):
        raise ValueError(f"path={path!r} is a folder: give a file name.")
    if not os.path.isdir(folder):
        raise ValueError(f"path={path!r}: there is no folder {folder!r}. Make it first.")
    encoder = Encoder(_CODECS, _check_trusted(trusted))
    structure = encoder(estimator, type(estimator).__name__)
    write(path, public_name(type(estimator)), structure, encoder.arrays, encoder.tensors)


def load(path: PathName, *, device: str | None = None, trusted: tuple[str, ...] = ()) -> Any:
    """Read an estimator from a file of :func:`save`.

    Parameters
    ----------
    path : path-like
        The file.

    device : str or None, default=None
        Device of the networks, such as ``"cpu"``; None: that of the parameter ``device`` of each embedder, as in
        ``fit``, or the CPU if there is no such device.

    trusted : tuple of str, default=()
        Further packages or modules whose classes and functions may be in the file. Their code is imported and run:
        name only those you trust.

    Returns
    -------
    estimator : estimator

    Raises
    ------
    FileNotFoundError
        If there is no such file.

    ModelFileError
        If the file is not from :func:`save`, is a folder, pipe or device, was damaged or cut short, needs a later
        version of skasd, or names classes or functions outside skasd, scikit-learn, imbalanced-learn and
        ``trusted``. It is a ``ValueError``.

    Warns
    -----
    UserWarning
        If the file was written with another version of skasd or scikit-learn (for the latter the first two numbers
        count), because scores may differ then. If a network's device is not available.

    See Also
    --------
    save : Writes the file; describes its content.

    Notes
    -----
    Nothing in the file is run. Classes and functions are looked up by name among those of skasd, scikit-learn and
    imbalanced-learn, and functions only among those that only compute. Checksums find damage; they do not tell who
    wrote the file. A malicious file can still hold a useless model, or one that takes much time or memory.

    Scores are identical to the last bit with the same versions, the same kind of device and the same number of
    threads. Networks from CUDA load without it; in float32 instead of bfloat16 their scores differ in rounding.

    No other file is needed: neither recordings nor the checkpoint that ``pretrained`` names.

    Examples
    --------
    >>> from skasd.persistence import load
    >>> load(__file__)
    Traceback (most recent call last):
    ...
    skasd.persistence.ModelFileError: '...' cannot be loaded: it is no model file of skasd.save.
    """
    path = _check_path(path)
    trusted = _check_trusted(trusted)
    if device is not None:
        from ..nn import resolve_device

        device = resolve_device(device)
    manifest, structure, arrays, tensors = read(path)
    try:
        estimator = Decoder(_CODECS, trusted, device, arrays, tensors)(structure)
        if not isinstance(estimator, BaseEstimator):
            raise ValueError("there is no estimator in it")
    except Warning:  # a warning that the user's filters turn into an error
        raise
    except Exception as error:  # whatever is raised, the file is at fault
        raise ModelFileError(_explain(path, manifest, error)) from error
    if different := _different_versions(manifest):
        warnings.warn(f"{path!r} was saved with {different}: scores may differ.", UserWarning)
    return estimator


def describe(path: PathName) -> dict[str, Any]:
    """Describe a model file without building the estimator in it.

    Parameters
    ----------
    path : path-like
        A file of :func:`save`; its checksums are checked.

    Returns
    -------
    dict
        "estimator", the class by its dotted name; "format_version"; "versions" of the libraries it was written with, by
        name; "size" in bytes.

    Raises
    ------
    FileNotFoundError
        If there is no such file.

    ModelFileError
        If the file is not from :func:`save`, is damaged, or has a format of a later version.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skasd import KNNScorer
    >>> from skasd.persistence import describe, save
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(KNNScorer(), Path(folder) / "knn.skasd")
    ...     describe(Path(folder) / "knn.skasd")["estimator"]
    'skasd.KNNScorer'
    """
    path = _check_path(path)
    manifest = read(path)[0]
    known = {name: manifest.get(name) for name in ("estimator", "format_version", "versions")}
    return {**known, "size": os.path.getsize(path)}


def _check_path(path):
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path={path!r}: give the name of a file.")
    return os.fspath(path)


def _check_trusted(trusted):
    if isinstance(trusted, str) or not all(isinstance(name, str) and name for name in trusted):
        raise TypeError(f"trusted={trusted!r}: give a tuple of names of packages, as ('mypackage',).")
    return tuple(trusted)


def _explain(path, manifest, error):
    detail = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
    text = f"{path!r} cannot be loaded: {detail}."
    if different := _different_versions(manifest):
        text += f" It was saved with {different}."
    return text


def _different_versions(manifest):
    saved, installed = manifest["versions"], installed_versions()
    return ", ".join(
        f"{name} {saved.get(name)} (installed: {installed[name]})"
        for name, parts in (("skasd", None), ("scikit-learn", 2))
        if str(saved.get(name)).split(".")[:parts] != installed[name].split(".")[:parts]
    )
