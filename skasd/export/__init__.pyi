from ._quantize import quantize as quantize
from ._refusal import ExportError as ExportError
from ._to_onnx import to_onnx as to_onnx
from ._verify import Verification as Verification
from ._verify import verify as verify
from .onnx_detector import OnnxDetector as OnnxDetector
