"""Weights of encoders: the file that comes with the library, published checkpoints, and fetching them."""

from ._fetching import FetchError, at_hand, fetch
from ._register import CHECKPOINTS, Checkpoint, sha256_of, shipped_file

__all__ = ["CHECKPOINTS", "Checkpoint", "FetchError", "at_hand", "fetch", "sha256_of", "shipped_file"]
