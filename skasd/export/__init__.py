"""Fitted detectors as ONNX files, and what runs these with NumPy and onnxruntime alone.

Names load on first use: :class:`OnnxDetector` comes without torch, scikit-learn and the other rooms.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
