"""onnxruntime: the network as a graph of Gemm, Relu and Softmax, and as skl2onnx exports scikit-learn's classifier."""

import numpy as np
import onnxruntime

from peers import initial


def session(model, n_threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = n_threads, 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


class OnnxRuntime:
    def __init__(self, sizes: list[int], dtype: str, n_threads: int) -> None:
        from onnx import TensorProto, checker, helper, numpy_helper

        nodes, parameters, name = [], [], "X"
        Ws = initial(sizes, dtype)
        for l, W in enumerate(Ws, start=1):
            parameters += [numpy_helper.from_array(np.ascontiguousarray(W.T), f"W{l}"),
                           numpy_helper.from_array(np.zeros(len(W), dtype), f"b{l}")]
            nodes += [helper.make_node("Gemm", [name, f"W{l}", f"b{l}"], [f"Z{l}"]),
                      helper.make_node("Softmax", [f"Z{l}"], ["A"], axis=1) if l == len(Ws) else
                      helper.make_node("Relu", [f"Z{l}"], [f"A{l}"])]
            name = f"A{l}"
        real = TensorProto.FLOAT if dtype == "float32" else TensorProto.DOUBLE
        graph = helper.make_graph(nodes, "network",
                                  [helper.make_tensor_value_info("X", real, ["m", sizes[0]])],
                                  [helper.make_tensor_value_info("A", real, ["m", sizes[-1]])], parameters)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        checker.check_model(model)
        self.session = session(model, n_threads)

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.session.run(["A"], {"X": X})[0]


class SklToOnnx:
    def __init__(self, sizes: list[int], dtype: str, n_threads: int) -> None:
        from skl2onnx import to_onnx

        from peers.sklearn_peer import ScikitLearn

        net = ScikitLearn(sizes, dtype, n_threads)
        net.begin()
        model = to_onnx(net.net, np.zeros((1, sizes[0]), dtype), options={"zipmap": False})
        self.session = session(model, n_threads)

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.session.run(["probabilities"], {"X": X})[0]
