"""Networks, losses and batch mixing in plain torch."""

from ._dual_path import DualPathTransformer

__all__ = ["DualPathTransformer"]
