"""LiteRT (formerly TensorFlow Lite): FULLY_CONNECTED with relu, and SOFTMAX, run by XNNPACK."""

from itertools import pairwise

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from peers import initial


def flatbuffer(sizes: list[int], weights: list[np.ndarray]) -> bytes:
    """The network for a single row as a .tflite file."""
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.buffers = 3, [graph], [schema.BufferT()]  # buffer 0: no data
    model.operatorCodes = [operator(code) for code in (schema.BuiltinOperator.FULLY_CONNECTED,
                                                       schema.BuiltinOperator.SOFTMAX)]
    graph.tensors, graph.operators = [], []

    def tensor(shape: list[int], values: np.ndarray | None = None) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.type = shape, schema.TensorType.FLOAT32
        tensor.name, tensor.buffer = f"tensor{len(graph.tensors)}", 0
        if values is not None:
            tensor.buffer = len(model.buffers)
            model.buffers.append(schema.BufferT())
            model.buffers[-1].data = np.frombuffer(values.tobytes(), np.uint8)
        graph.tensors.append(tensor)
        return len(graph.tensors) - 1

    def append(code: int, inputs: list[int], n_out: int, options_type: int, options: object) -> int:
        node = schema.OperatorT()
        node.opcodeIndex, node.inputs, node.outputs = code, inputs, [tensor([1, n_out])]
        node.builtinOptionsType, node.builtinOptions = options_type, options
        graph.operators.append(node)
        return node.outputs[0]

    A = tensor([1, sizes[0]])
    graph.inputs = [A]
    for l, (W, (n_in, n_out)) in enumerate(zip(weights, pairwise(sizes), strict=True), start=1):
        layer = schema.FullyConnectedOptionsT()
        if l < len(weights):
            layer.fusedActivationFunction = schema.ActivationFunctionType.RELU
        inputs = [A, tensor([n_out, n_in], W), tensor([n_out], np.zeros(n_out, W.dtype))]
        A = append(0, inputs, n_out, schema.BuiltinOptions.FullyConnectedOptions, layer)
    softmax = schema.SoftmaxOptionsT()
    softmax.beta = 1.0
    graph.outputs = [append(1, [A], sizes[-1], schema.BuiltinOptions.SoftmaxOptions, softmax)]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def operator(code: int) -> schema.OperatorCodeT:
    found = schema.OperatorCodeT()
    found.builtinCode = found.deprecatedBuiltinCode = code
    found.version = 1
    return found


class LiteRT:
    def __init__(self, sizes: list[int], dtype: str, n_threads: int) -> None:
        self.n_threads, self.n_in = n_threads, sizes[0]
        self.model = flatbuffer(sizes, initial(sizes, dtype))
        self.interpreters: dict[int, tuple] = {}  # by the number of rows; with the indices of input and output

    def compiled(self, rows: int) -> tuple:
        interpreter = Interpreter(model_content=self.model, num_threads=self.n_threads)
        its_input = interpreter.get_input_details()[0]["index"]
        interpreter.resize_tensor_input(its_input, [rows, self.n_in])
        interpreter.allocate_tensors()
        return interpreter, its_input, interpreter.get_output_details()[0]["index"]

    def predict(self, X: np.ndarray) -> np.ndarray:
        if len(X) not in self.interpreters:
            self.interpreters[len(X)] = self.compiled(len(X))
        interpreter, its_input, its_output = self.interpreters[len(X)]
        interpreter.set_tensor(its_input, X)  # faster than interpreter.tensor(...), which copies nothing
        interpreter.invoke()
        return interpreter.get_tensor(its_output)
