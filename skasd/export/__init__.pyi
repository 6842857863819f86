from ._refusal import ExportError as ExportError
from ._to_onnx import to_onnx as to_onnx
from .onnx_detector import OnnxDetector as OnnxDetector
