"""ONNX graphs, written operator by operator."""

from contextlib import contextmanager
from typing import Any

import numpy as np

# operator set 18 and file format 8 are of onnx 1.13; onnxruntime reads them from 1.14 on
OPSET = 18
_IR_VERSION = 8
NETWORK = "network"  # scope of the operators of networks, which `quantize` may round


class Graph:
    """An ONNX graph under construction: operators are added, whose outputs are inputs of others.

    Values in the graph are known by their names. Operators also take NumPy arrays, which become constants of the file;
    equal ones are stored once.

    Examples
    --------
    >>> import numpy as np
    >>> from skasd.export._graph import Graph
    >>> graph = Graph()
    >>> x = graph.input("x", np.float32, ["batch", "samples"])
    >>> graph.output("doubled", graph.op("Mul", x, np.float32(2)), np.float32, ["batch", "samples"])
    >>> [node.op_type for node in graph.model({}).graph.node]
    ['Mul', 'Identity']
    """

    def __init__(self):
        self._nodes, self._inputs, self._outputs = [], [], []
        self._constants: dict[tuple, str] = {}
        self._initializers = []
        self._scopes: list[str] = []

    @contextmanager
    def scope(self, name):
        """Put ``name/`` before the names of the operators that are added meanwhile."""
        self._scopes.append(name)
        try:
            yield
        finally:
            self._scopes.pop()

    def input(self, name: str, dtype: Any, shape: list) -> str:
        """Declare an input; axes of any length have names."""
        self._inputs.append(_value(name, dtype, shape))
        return name

    def output(self, name: str, value: str, dtype: Any, shape: list) -> None:
        """Declare an output."""
        from onnx import helper

        self._nodes.append(helper.make_node("Identity", [value], [name], name=name))
        self._outputs.append(_value(name, dtype, shape))

    def constant(self, array: Any) -> str:
        """Return the name of a constant."""
        from onnx import numpy_helper

        array = np.asarray(array)
        array = np.ascontiguousarray(array).reshape(array.shape)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = f"constant_{len(self._constants)}"
            self._initializers.append(numpy_helper.from_array(array, self._constants[key]))
        return self._constants[key]

    def op(self, kind: str, *inputs: Any, **attributes) -> str:
        """Add an operator of one output; return the name of that."""
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, n_outputs: int, *inputs: Any, **attributes) -> list[str]:
        """Add an operator of several outputs; return their names."""
        from onnx import helper

        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        name = "/".join([*self._scopes, f"{kind}_{len(self._nodes)}"])
        outputs = [name if n_outputs == 1 else f"{name}_{i}" for i in range(n_outputs)]
        self._nodes.append(helper.make_node(kind, names, outputs, name=name, **attributes))
        return outputs

    # operators in frequent forms

    def cast(self, x: str, dtype: Any) -> str:
        """Return the values in another type."""
        from onnx import helper

        return self.op("Cast", x, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def double(self, x: str) -> str:
        """Return the values in float64."""
        return self.cast(x, np.float64)

    def reduce(self, kind: str, x: str, *axes: int, keepdims: bool = False) -> str:
        """Return sums, means, maxima ... (``kind``: "Sum", "Mean", "Max") along axes."""
        return self.op(f"Reduce{kind}", x, np.array(axes), keepdims=int(keepdims))

    def std(self, x: str, mean: str, axis: int, keepdims: bool = False) -> str:
        """Return standard deviations along an axis, given the means (with that axis kept)."""
        deviation = self.op("Sub", x, mean)
        variance = self.reduce("Mean", self.op("Mul", deviation, deviation), axis, keepdims=keepdims)
        return self.op("Sqrt", variance)

    def reshape(self, x: str, *shape: int) -> str:
        """Return the values in another shape: 0 keeps the length of an axis, -1 is the rest."""
        return self.op("Reshape", x, np.array(shape))

    def length(self, x: str, axis: int) -> str:
        """Return the length of an axis, a scalar."""
        return self.op("Squeeze", self.op("Shape", x, start=axis, end=axis + 1))

    def count(self, end: str, step: int = 1) -> str:
        """Return every `step`-th integer from 0 to before `end`."""
        return self.op("Range", np.int64(0), end, np.int64(step))

    def part(self, x: str, axis: int, start: int, end: Any) -> str:
        """Return the values from `start` to before `end` along an axis; `end` may be computed in the graph."""
        end = self.reshape(end, 1) if isinstance(end, str) else np.array([end])
        return self.op("Slice", x, np.array([start]), end, np.array([axis]))

    def model(self, metadata: dict[str, str]) -> Any:
        """Return the finished model, checked, with properties by name."""
        import onnx

        graph = onnx.helper.make_graph(
            self._nodes, "skasd", self._inputs, self._outputs, initializer=self._initializers
        )
        model = onnx.helper.make_model(
            graph,
            producer_name="skasd",
            ir_version=_IR_VERSION,
            opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        )
        onnx.helper.set_model_props(model, metadata)
        onnx.checker.check_model(model)
        return model


def _value(name, dtype, shape):
    from onnx import helper

    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
