"""One shard, two shards or two parts of each layer per step, on idle cores and with another program on one core.

Sets `_tuning.MIN_SHARD_WORK` and the rule of `_threads/policy.py` by which threads share
parts of the layers: from as many parameters on as the mini-batch has inputs and units.
"""

from itertools import pairwise

import numpy as np
from measure import busy_cores, microseconds, take_turns

SHAPES = [([n_x, n, n, 10], m) for n_x, n in ((8, 16), (32, 32), (64, 64), (128, 128), (256, 256))
          for m in (16, 64, 256)]
SHAPES += [([784, n, 10], m) for n in (128, 512) for m in (4, 32, 128)]
SHAPES += [([784, 1024, 1024, 10], m) for m in (4, 16, 64, 256)]
WAYS = {"1 shard": (1, 1, 1, 1), "2 shards": (2, 2, 1, 1), "2 parts": (1, 2, 1, 2)}  # fields of Parallelism


def multiply_adds(sizes: list[int], batch: int) -> int:
    return 3 * batch * sum(n_prev * n for n_prev, n in pairwise(sizes))


def parameters_per_activation(sizes: list[int], batch: int) -> float:
    return sum((n_prev + 1) * n for n_prev, n in pairwise(sizes)) / (batch * sum(sizes))


def work(sizes: list[int], batch: int, way: list[int]) -> float:
    from fastnn import Network, optimizers, runtime
    from fastnn._data.examples import Examples
    from fastnn._threads.policy import Parallelism
    from fastnn._training.binding import bind
    from fastnn._training.optimizer_state import OptimizerState

    rng = np.random.default_rng(0)
    net = Network(sizes, random_state=0)
    X = rng.standard_normal((batch, sizes[0])).astype(np.float32)
    examples = Examples(X, rng.integers(0, sizes[-1], batch).astype(np.int32), None)
    state = OptimizerState(optimizers.Adam(), net._parameters.size, net.dtype)
    with runtime.blas_threads(1):
        plan = bind(net._architecture, net._objective, net._parameters, examples, state, batch_size=batch,
                    parallelism=Parallelism(*way))
        return microseconds(lambda: plan.step(0, batch, 1e-3), seconds=0.1)


def run(options) -> list[dict]:
    from fastnn._threads.policy import parallelism

    print("multiply-adds, network, batch, parameters per input and unit of the mini-batch | us per step | the same "
          "beside another program | what fastnn chooses for two threads")
    rows = []
    for sizes, batch in sorted(SHAPES, key=lambda shape: multiply_adds(*shape)):
        cases = {name: {"sizes": sizes, "batch": batch, "way": way} for name, way in WAYS.items()}
        figures = take_turns("shards", cases, 2, options.turns)
        with busy_cores(1):
            busy = take_turns("shards", cases, 2, options.turns)
        ratio = parameters_per_activation(sizes, batch)
        P = sum((n_prev + 1) * n for n_prev, n in pairwise(sizes))
        chosen = parallelism(sizes, batch, 2, P)
        print(f"{multiply_adds(sizes, batch):>12,} {sizes!s:>22} batch {batch:>4} {ratio:>6.2f}"
              + "".join(" |" + "".join(f" {name} {us:9.1f}" for name, us in now.items()) for now in (figures, busy))
              + f" | {chosen.n_shards} shards, {chosen.n_parts} parts", flush=True)
        rows.append({"sizes": sizes, "batch": batch, "multiply_adds": multiply_adds(sizes, batch), **figures,
                     "busy": busy})
    return rows
