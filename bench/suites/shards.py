"""One or two shards per mini-batch, on idle cores and with another program keeping one core busy.

Sets `_tuning.MIN_SHARD_WORK`.
"""

from itertools import pairwise

import numpy as np
from measure import busy_cores, microseconds, take_turns

SHAPES = [([n_x, n, n, 10], m) for n_x, n in ((8, 16), (32, 32), (64, 64), (128, 128), (256, 256))
          for m in (16, 64, 256)]


def multiply_adds(sizes: list[int], batch: int) -> int:
    return 3 * batch * sum(n_prev * n for n_prev, n in pairwise(sizes))


def work(sizes: list[int], batch: int, n_shards: int) -> float:
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
                    parallelism=Parallelism(n_shards, n_shards, 1))
        return microseconds(lambda: plan.step(0, batch, 1e-3), seconds=0.1)


def run(options) -> list[dict]:
    from fastnn._tuning import MIN_SHARD_WORK

    print(f"us per step with 1 and 2 shards, then the same with one core busy; 2 are used from {MIN_SHARD_WORK:,} "
          "multiply-adds")
    rows = []
    for sizes, batch in sorted(SHAPES, key=lambda shape: multiply_adds(*shape)):
        cases = {str(s): {"sizes": sizes, "batch": batch, "n_shards": s} for s in (1, 2)}
        figures = take_turns("shards", cases, 2, options.turns)
        with busy_cores(1):
            busy = take_turns("shards", cases, 2, options.turns)
        print(f"{multiply_adds(sizes, batch):>12,} {sizes!s:>20} batch {batch:>4}:"
              + "".join(f" {now['1']:9.1f} {now['2']:9.1f}  {now['1'] / now['2']:.2f} x" for now in (figures, busy)),
              flush=True)
        rows.append({"sizes": sizes, "batch": batch, "multiply_adds": multiply_adds(sizes, batch), **figures,
                     "busy": busy})
    return rows
