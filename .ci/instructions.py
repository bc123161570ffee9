"""Count the instructions of the hot kernels and of whole steps, and compare them with the recorded counts.

    python .ci/instructions.py             # fails if a count differs from the record
    python .ci/instructions.py --record    # accepts the new counts: writes them to instructions.json

Unlike times, instruction counts do not vary between runs. Needs valgrind and an x86-64 CPU with AVX2; the AVX2 kernels
are counted, because valgrind does not support AVX-512. Only instructions of the installed package's own modules count,
not those of BLAS, libc and Python, which differ between machines.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

RECORD = Path(__file__).with_suffix(".json")
MODULES = ("registry", "shard", "training_stages", "training_plan", "prediction_chunks", "prediction_plan")

# Tolerances: relative, for the same version of a compiler and for another one, and in instructions per call. Builds of
# the same source differed by 0.5 % with the flags and versions of two Pythons, by about 80 instructions in the wrapper
# of a call, and by 12.3 % between gcc 11 and gcc 12. Different compilers are not compared: clang's counts are 0.55 to
# 5.8 times gcc's.
SAME_COMPILER, OTHER_VERSION, CALL = 0.02, 0.25, 100

# valgrind starts a new output file whenever this libc function is called.
MARK = "getpriority"


def mark() -> None:
    os.getpriority(os.PRIO_PROCESS, 0)


def kernels(dtype: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """Name and call of each kernel, on sizes with and without a remainder of the vectors."""
    import numpy as np

    from fastnn import runtime
    from fastnn._core import _testing, kernels
    from fastnn._model.workspace import aligned_empty

    rng = np.random.default_rng(0)
    level = runtime.LEVEL

    def matrix(n: int, m: int):
        M = aligned_empty((n, m), dtype, "F")
        M[...] = rng.standard_normal((n, m))
        return M

    def vector(size: int):
        return matrix(size, 1)[:, 0]

    def product(kernel: str, *matrices, **transposes):
        return partial(_testing.multiply, *matrices, level, by=kernel, **transposes)

    for n_prev, n, m in ((4, 100, 120), (64, 100, 200), (37, 29, 53)):
        W, A_prev, Z = matrix(n, n_prev), matrix(n_prev, m), matrix(n, m)
        yield f"Z = W A_prev, {n_prev} -> {n}, {m}", product("tiles", W, A_prev, Z)
        yield f"dW, {n_prev} -> {n}, {m}", product("tiles", Z, A_prev, W, transpose_B=True)
        yield f"dA_prev, {n_prev} -> {n}, {m}", product("tiles", W, Z, A_prev, transpose_A=True)
        yield f"dA_prev by dots, {n_prev} -> {n}, {m}", product("dots", W, Z, A_prev, transpose_A=True)
        yield f"Z = W A_prev, {n_prev} -> {n}, 1", product("matvec", W, matrix(n_prev, 1), matrix(n, 1))
    for n, m in ((128, 128), (10, 203)):
        Z, A, dZ, b = matrix(n, m), matrix(n, m), matrix(n, m), vector(n)
        for name in ("relu", "sigmoid", "tanh", "softmax"):
            yield f"A = {name}(Z + b), ({n}, {m})", partial(kernels.activate, name, Z, b, A, level)
        for name in ("relu", "tanh"):
            yield f"dZ and db, {name}, ({n}, {m})", partial(kernels.activate_backward, name, A, dZ, 0.1, b, level)
        yield f"db, ({n}, {m})", partial(_testing.sum_columns, dZ, 0.1, b, level)
        yield f"A = mixture of mish, ({n}, {m})", partial(kernels.activate_mixed, "mish", Z, None, b, A, level)
        yield f"dZ, db and dt, mixture of mish, ({n}, {m})", partial(
            kernels.activate_mixed_backward, "mish", b, Z, dZ, 0.1, vector(n), vector(n), level)
    for n, m in ((10, 128), (3, 120), (100, 7)):
        Z, dZ, y = matrix(n, m), matrix(n, m), rng.integers(0, n, m).astype(np.int32)
        yield f"softmax cross-entropy, ({n}, {m})", partial(kernels.loss, "cross_entropy", Z, y, None, dZ, level)
    Z, dZ, Y = matrix(1, 209), matrix(1, 209), rng.integers(0, 2, (1, 209)).astype(dtype, order="F")
    yield "binary cross-entropy, (1, 209)", partial(kernels.loss, "binary_cross_entropy", Z, Y, None, dZ, level)
    theta, v, s, gradients = vector(10_001), vector(10_001), vector(10_001) ** 2, vector(20_002).reshape(2, -1)
    settings = {"rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8, "l2": 1e-4, "n_decayed": 9_000}
    for n_shards in (1, 2):
        yield f"Adam, 10001, {n_shards} gradients", partial(_testing.update, "adam", theta, gradients[:n_shards], v, s,
                                                            level=level, **settings)
    yield "SGD, 10001", partial(_testing.update, "sgd", theta, gradients[:1], level=level, rate=1e-3)
    yield from input_stage(dtype, matrix, vector, level)
    X, out, order = matrix(300, 64), matrix(64, 128), rng.integers(0, 300, 128)
    for name, rows in (("columns", X), ("rows", np.ascontiguousarray(X))):
        yield f"gather, 64 x 128, from {name}", partial(_testing.gather, rows, order, out, level)
    yield "all finite, 64 x 128", partial(kernels.all_finite, out, level)
    yield "shuffle, 10000", partial(kernels.shuffle, np.arange(10_000), rng)
    words = rng.integers(2**64, size=8, dtype=np.uint64)
    yield "permutation, 1000 of 2000000", partial(kernels.permutation, np.arange(1000), 0, 2_000_000, words)
    W, dZ, dropout = matrix(100, 300), matrix(100, 50), (1, 2, 3, 1 << 31)
    yield "relu and dropout, (100, 50)", partial(kernels.activate, "relu", dZ, None, dZ, level, dropout=dropout)
    X = vector(500), rng.integers(0, 300, 500, np.int32), np.arange(0, 501, 10)
    yield "Z = W X^T, sparse, 300 -> 100, 50", partial(kernels.sparse_linear, W, X, None, dZ, level)
    yield "dW, sparse, 300 -> 100, 50", partial(_testing.sparse_weight_gradient, dZ, X, None, 0.1, W, level)


def input_stage(dtype: str, matrix: Callable, vector: Callable, level: int) -> Iterator[tuple[str, Callable]]:
    """Name and call of the kernels of the input stage: 8 numbers, 2 categories, a plain column; 128 examples."""
    from fastnn._core import kernels
    from fastnn._model.architecture import Architecture
    from fastnn._model.parameters import ParameterLayout
    from fastnn._model.parts import Parts
    from fastnn.embeddings import Embedding

    embedding = Embedding(numbers=range(8), categories={8: 7, 9: 100})
    architecture = Architecture.check([11, 2], activation=(), output="softmax", dtype=dtype, embedding=embedding,
                                      scale_inputs=True)
    layout = ParameterLayout.of(architecture)
    parts = Parts.of(architecture, layout)
    stage = {"table": parts.table, "sizes": parts.sizes, "offsets": parts.offsets, "level": level}
    X, A, theta, gradient = matrix(11, 128), matrix(parts.widths[0], 128), vector(layout.size), vector(layout.size)
    X[8:10] = [[i % 7 for i in range(128)], range(128)]  # some codes of the second do not exist
    yield "A[0], 8 numbers, 2 categories, 128", partial(kernels.embed, X, theta, A, **stage)
    yield "gradient of the input stage, 8 numbers, 2 categories, 128", partial(kernels.embed_backward, X, theta, A, 0.1,
                                                                               gradient, **stage)


def passes(dtype: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """Name and call of whole training steps and predictions."""
    import numpy as np

    from fastnn import Network
    from fastnn._data.examples import Examples
    from fastnn._prediction.predictor import Predictor
    from fastnn._training.binding import bind
    from fastnn._training.optimizer_state import OptimizerState
    from fastnn.optimizers import Adam

    rng = np.random.default_rng(0)
    for sizes, batch, rows in (([4, 100, 3], 120, 10_000), ([64, 64, 10], 32, 1000), ([784, 128, 64, 10], 128, 0)):
        name = "-".join(map(str, sizes))
        net = Network(sizes, dtype=dtype, random_state=0)
        architecture, objective, parameters = net._architecture, net._objective, net._parameters
        X = rng.standard_normal((2 * batch, sizes[0])).astype(dtype)
        examples = Examples.check(X, rng.integers(0, sizes[-1], 2 * batch), None, architecture, objective.loss)
        state = OptimizerState(Adam(), parameters.size, architecture.dtype)
        plan = bind(architecture, objective, parameters, examples, state, batch_size=batch,
                    order=rng.permutation(2 * batch))
        yield f"step, {name}, batch {batch}", partial(plan.step, 0, batch, 1e-3)
        for m in filter(None, (1, rows)):
            predictor, X = Predictor(architecture, parameters), rng.standard_normal((m, sizes[0])).astype(dtype)
            yield f"forward, {name}, {m} rows", partial(predictor.outputs, X, n_threads=1)


def work(names: Path) -> None:
    """Run under valgrind: run each case once to warm up, then once between two marks."""
    from fastnn import runtime

    done = []
    if runtime.simd_level() == "avx2":
        for dtype in ("float32", "float64"):
            for name, call in (*kernels(dtype), *passes(dtype)):
                call()
                mark()
                call()
                mark()
                done.append(f"{dtype}: {name}")
    names.write_text(json.dumps(done))


def own_instructions(output: str) -> int:
    """Return the instructions of MODULES in one output file of callgrind."""
    total, objects, counts = 0, {}, False
    lines = iter(output.splitlines())
    for line in lines:
        if found := re.match(r"(c?)ob=\((\d+)\)(?: (.*))?", line):
            called, number, path = found.groups()
            if path:  # given when a number is used for the first time
                objects[number] = bool(re.search(rf"fastnn/_core/({'|'.join(MODULES)})\.", path))
            if not called:
                counts = objects[number]
        elif line.startswith("calls="):
            next(lines)  # skip the inclusive count: the callee's instructions are counted there
        elif counts and re.match(r"[-+*\d]", line):
            total += int(line.split()[1])
    return total


def count() -> dict[str, int]:
    """Return the instructions of each case; empty without AVX2."""
    with tempfile.TemporaryDirectory() as folder:
        names, out = Path(folder, "names"), Path(folder, "out")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("OPENBLAS", "FASTNN"))}
        environment |= {"FASTNN_SIMD": "avx2", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", f"--dump-before={MARK}",
                   sys.executable, __file__, "--worker", str(names)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
        # Files with odd numbers hold the warm-up of a case, those with even numbers the counted call.
        return {name: own_instructions(Path(f"{out}.{2 * i}").read_text())
                for i, name in enumerate(json.loads(names.read_text()), 1)}


def compiler() -> str:
    """Return name and version of the compiler, which it stores in the installed kernels."""
    from fastnn._core import registry

    content = Path(registry.__file__).read_bytes()
    # clang's builds also contain gcc's start-up code.
    found = re.search(rb"(clang) version ([\d.]+)", content) or re.search(rb"(GCC): \(.*?\) ([\d.]+)", content)
    return b" ".join(found.groups()).decode() if found else "unknown"


def tolerance(recorded: str, now: str) -> float | None:
    """Return the relative tolerance between these compilers; None if their counts cannot be compared."""
    (name, version), (name_now, version_now) = recorded.split(), now.split()
    if name != name_now:
        return None
    return SAME_COMPILER if version.split(".")[0] == version_now.split(".")[0] else OTHER_VERSION


def differences(counts: dict[str, int], recorded: dict[str, int], relative: float) -> list[str]:
    """Return a line for each count that differs from the record.

    Lower counts must be recorded too: a later regression would go unnoticed, and work may have moved to BLAS, which is
    not counted.
    """
    lines = []
    for name in recorded | counts:
        before, now = recorded.get(name, 0), counts.get(name, 0)
        if abs(now - before) > relative * before + CALL:
            ratio = f"ratio {now / before:.3f}" if before else "not recorded"
            lines.append(f"{name}: {before:,} instructions recorded, {now:,} now: {ratio}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="write the counts to instructions.json")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker)
        return 0
    if not shutil.which("valgrind"):
        print("valgrind is not installed: instructions are not counted")
        return 0
    counts, now = count(), compiler()
    if not counts:
        print("this CPU lacks AVX2: instructions are not counted")
        return 0
    if options.record:
        RECORD.write_text(json.dumps({"compiler": now, "counts": counts}, indent=1) + "\n")
        print(f"recorded {len(counts)} counts, compiled by {now}")
        return 0
    recorded = json.loads(RECORD.read_text())
    relative = tolerance(recorded["compiler"], now)
    if relative is None:
        print(f"compiled by {now}, recorded with {recorded['compiler']}: instructions are not compared")
        return 0
    wrong = differences(counts, recorded["counts"], relative)
    print(f"compiled by {now}, recorded with {recorded['compiler']}: {len(wrong)} of {len(counts)} counts differ by "
          f"more than {relative:.0%}", *wrong, sep="\n")
    if wrong:
        print("if the change is intended: python .ci/instructions.py --record")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
