"""The measured systems: fastnn and its competitors, as classes with a common interface.

A system is constructed from layer sizes, a dtype and a thread count. All start from the weights of `initial` and train
the same network: relu, softmax cross-entropy, Adam with its default settings. A system has one or both of

- ``train(X, y, batch, epochs, rate=RATE) -> float``: train for `epochs` shuffled epochs, continuing from the current
  parameters, and return the mean loss of the last epoch;
- ``predict(X) -> ndarray (m, n[L])``: class probabilities, from NumPy arrays to NumPy arrays.

Systems that compile do so in the first call.
"""

from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import NamedTuple

import isa
import numpy as np

__all__ = ["RATE", "SYSTEMS", "chosen", "initial", "make", "seed"]

RATE = 1e-3  # the default learning rate
seed = 0  # of the initial weights


class System(NamedTuple):
    module: str
    name: str  # of the class
    needs: tuple[str, ...]  # packages
    trains: bool
    predicts: bool
    dtypes: tuple[str, ...] = ("float32", "float64")
    confinable: bool = True  # whether it has a switch for the instruction set (see isa.py)


SYSTEMS = {
    "fastnn": System("fastnn_peer", "FastNN", ("fastnn",), True, True),
    "JAX scanned": System("jax_peer", "ScannedJAX", ("jax",), True, True),
    "torch eager": System("torch_peer", "EagerTorch", ("torch",), True, True),
    "torch.compile": System("torch_peer", "CompiledTorch", ("torch",), True, True),
    "scikit-learn": System("sklearn_peer", "ScikitLearn", ("sklearn",), True, True),
    "NumPy": System("numpy_peer", "PlainNumPy", ("numpy",), True, True),
    # These have no switch. OpenVINO's oneDNN has one, but it computes some layers by MLAS, as onnxruntime does.
    "onnxruntime": System("onnx_peer", "OnnxRuntime", ("onnxruntime", "onnx"), False, True, confinable=False),
    "skl2onnx": System("onnx_peer", "SklToOnnx", ("onnxruntime", "skl2onnx", "sklearn"), False, True, ("float32",),
                       confinable=False),
    "OpenVINO": System("openvino_peer", "OpenVINO", ("openvino",), False, True, ("float32",), confinable=False),
    "LiteRT": System("litert_peer", "LiteRT", ("ai_edge_litert", "flatbuffers"), False, True, ("float32",),
                     confinable=False),
}


def initial(sizes: list[int], dtype: str) -> list[np.ndarray]:
    """The initial weights W[l] (n[l], n[l-1]) of every system: He initialisation with `seed`."""
    rng = np.random.default_rng(seed)
    return [(rng.standard_normal((n, n_prev)) * np.sqrt(2 / n_prev)).astype(dtype) for n_prev, n in pairwise(sizes)]


def chosen(options, does: str, dtype: str = "float32") -> list[str]:
    """The systems of --peers (default: all) that can do `does` ("trains" or "predicts") in this dtype, fastnn first.

    Systems that are not installed, or that cannot be confined to the instruction set of --isa, are left out with a
    message.
    """
    asked = ["fastnn", *(name for name in options.peers.split(",") if name)] if options.peers else list(SYSTEMS)
    unknown = [name for name in asked if name not in SYSTEMS]
    if unknown:
        raise SystemExit(f"unknown peers {', '.join(unknown)}: choose from {', '.join(SYSTEMS)}")
    able = [name for name, system in SYSTEMS.items()
            if name in asked and getattr(system, does) and dtype in system.dtypes]
    present = [name for name in able if all(find_spec(package) for package in SYSTEMS[name].needs)]
    if len(present) < len(able):
        print("not installed, skipped:", ", ".join(name for name in able if name not in present))
    if isa.newer() and (left_out := [name for name in present if not SYSTEMS[name].confinable]):
        print(f"left out, because they cannot be confined to {isa.requested()}:", ", ".join(left_out))
        present = [name for name in present if name not in left_out]
    return present


def make(name: str, sizes: list[int], dtype: str, n_threads: int):
    """An instance of the system `name`."""
    system = SYSTEMS[name]
    return getattr(import_module(f"peers.{system.module}"), system.name)(sizes, dtype, n_threads)
