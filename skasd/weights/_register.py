"""The encoders whose weights are known: their authors, where they are published, and their checksums."""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from .._typing import PathName


class Checkpoint(NamedTuple):
    """A file of weights.

    Attributes
    ----------
    file : str
        Its name.

    source : str
        Whose work it is, and where it is described.

    licence : str
        Its licence, as its authors state it.

    url : str or None
        Where it is fetched from; None where it is not fetched.

    sha256 : str or None
        Its SHA-256; None where it is not known to the library.
    """

    file: str
    source: str
    licence: str
    url: str | None = None
    sha256: str | None = None


_EFFICIENTAT = (
    "F. Schmid, K. Koutini, G. Widmer, EfficientAT: Efficient large-scale audio tagging via Transformer-to-CNN "
    "knowledge distillation, ICASSP 2023"
)
_RELEASE = "https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1/"

CHECKPOINTS: dict[str, Checkpoint] = {
    "skasd": Checkpoint(
        "machine_encoder.safetensors",
        f"skasd, recipes/encoder.py: on generated sound, to repeat mn04_as of {_EFFICIENTAT} (MIT)",
        "BSD-3-Clause",
    ),
    "efficientat_mn04": Checkpoint(
        "mn04_as_mAP_432.pt",
        _EFFICIENTAT,
        "MIT",
        _RELEASE + "mn04_as_mAP_432.pt",
        "899a8c6217063f6941793102a2780b3dd788ab11fce468d9cf5f0577c453321c",
    ),
    "efficientat_mn10": Checkpoint(
        "mn10_as_mAP_471.pt", _EFFICIENTAT, "MIT", _RELEASE + "mn10_as_mAP_471.pt"
    ),
    "panns_cnn14_16k": Checkpoint(
        "Cnn14_16k_mAP=0.438.pth",
        "Q. Kong et al., PANNs: Large-scale pretrained audio neural networks for audio pattern recognition, "
        "IEEE/ACM TASLP 28, 2020",
        "CC BY 4.0",
    ),
}
"""Encoders by name."""


def shipped_file() -> Path:
    """Return the file of weights that comes with the library, that of ``"skasd"``.

    Returns
    -------
    Path

    Examples
    --------
    >>> from skasd.weights import shipped_file
    >>> shipped_file().name
    'machine_encoder.safetensors'
    """
    return Path(__file__).with_name(CHECKPOINTS["skasd"].file)


def sha256_of(path: PathName) -> str:
    """Return the SHA-256 of a file, or of a folder of weights.

    Parameters
    ----------
    path : path-like
        For a folder, the names and contents of its files (not those in subfolders) are hashed.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> from skasd.weights import sha256_of, shipped_file
    >>> len(sha256_of(shipped_file()))
    64
    """
    if os.path.isdir(path):
        inside = sorted(file for file in Path(path).iterdir() if file.is_file())
        lines = [f"{sha256_of(file)}  {file.name}\n" for file in inside]
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
