"""Fetching published weights."""

import os
from pathlib import Path

from .._typing import PathName
from .._whole_file import whole_file
from ._register import CHECKPOINTS, sha256_of


class FetchError(OSError):
    """Weights that could not be fetched; the message says why, and what to do instead."""


def fetch(name: str, *, sha256: str | None = None, folder: PathName | None = None, verbose: int = 0) -> Path:
    """Return the file of a known checkpoint, downloading it if necessary.

    Parameters
    ----------
    name : str
        Encoder, one of those in :data:`CHECKPOINTS` that have an address, as ``"efficientat_mn04"``.

    sha256 : str or None, default=None
        The SHA-256 that the file must have. None: that of the register.

    folder : path-like or None, default=None
        Where the file is kept. None: the folder named by the environment variable ``SKASD_CACHE``, else the user's
        cache folder.

    verbose : int, default=0
        Show a progress bar if positive.

    Returns
    -------
    Path

    Raises
    ------
    FetchError
        If there is no network, the connection is cut, the server has no such file, or what it sends has another
        checksum. Nothing of it is kept.

    ValueError
        If the checkpoint has no address, or if neither the register nor `sha256` has a checksum for it: files from
        the network are not used unchecked.

    Examples
    --------
    >>> from skasd.weights import CHECKPOINTS
    >>> CHECKPOINTS["efficientat_mn04"].licence
    'MIT'
    """
    if name not in CHECKPOINTS or CHECKPOINTS[name].url is None:
        fetched = [known for known, checkpoint in CHECKPOINTS.items() if checkpoint.url]
        raise ValueError(f"name={name!r} is not of a checkpoint that can be fetched: there are {fetched}.")
    checkpoint = CHECKPOINTS[name]
    by_hand = f"Download {checkpoint.url} by hand and give weights=<its path>"
    wanted = sha256 or checkpoint.sha256
    if wanted is None:
        raise ValueError(
            f"The SHA-256 of {checkpoint.file} ({name!r}) is not known to this library, and files from the network are "
            f"not used unchecked. {by_hand}, or call skasd.weights.fetch with the sha256= that its authors told you."
        )
    import pooch  # what is below is met by few
    import requests

    path = Path(folder or kept_in(), checkpoint.file)
    if path.is_file() and sha256_of(path) == wanted.lower():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        try:
            pooch.HTTPDownloader(progressbar=verbose > 0, chunk_size=1 << 16)(checkpoint.url, part, None)
        except requests.exceptions.RequestException as error:
            raise FetchError(
                f"{checkpoint.file} could not be fetched ({type(error).__name__}: {error}). {by_hand}."
            ) from error
        if (found := sha256_of(part)) != wanted.lower():
            raise FetchError(
                f"What {checkpoint.url} sent has the SHA-256 {found}, not {wanted}: it was cut short or changed on the "
                f"way, and nothing of it was kept. Try again; or {by_hand[0].lower()}{by_hand[1:]}."
            )
    return path


def kept_in() -> Path:
    """Return the folder of fetched files: that of the environment variable ``SKASD_CACHE``, else the user's caches."""
    import pooch

    return Path(os.environ.get("SKASD_CACHE") or pooch.os_cache("skasd"))


def at_hand() -> dict[str, Path]:
    """Return the fetched checkpoints that are on this computer; nothing is downloaded.

    Returns
    -------
    dict of str to Path
        By name, those whose SHA-256 is that of the register.

    Examples
    --------
    >>> from skasd.weights import at_hand
    >>> set(at_hand()) <= {"efficientat_mn04"}
    True
    """
    found = {}
    for name, checkpoint in CHECKPOINTS.items():
        path = kept_in() / checkpoint.file
        if checkpoint.url and checkpoint.sha256 and path.is_file() and sha256_of(path) == checkpoint.sha256:
            found[name] = path
    return found
