"""Threads: bitwise identical results, BLAS limits that are restored, and forks without deadlock."""

import json
import os
import signal
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from threadpoolctl import threadpool_info, threadpool_limits

from fastnn import Network, runtime
from fastnn._core import _testing
from fastnn._core.registry import ALL_LEVELS, LEVELS
from fastnn._threads.policy import parallelism

SIZES, BATCH = [64, 128, 10], 256  # large enough for shards
needs_blas = pytest.mark.skipif(not runtime.blas_info(), reason="this BLAS cannot be limited")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def parameters(net):
    """All parameters as bytes, for bitwise comparison."""
    return b"".join(array.tobytes() for array in (*net.W, *net.b))


def data(m=1000, n_x=SIZES[0], n_out=SIZES[-1], seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, n_x)), rng.integers(n_out, size=m)


def trained(n_threads, *, dtype="float64", seed=0, epochs=2, sizes=SIZES, batch_size=BATCH, optimizer="adam"):
    X, y = data(seed=seed, n_x=sizes[0], n_out=sizes[-1])
    net = Network(sizes, activation="tanh", dtype=dtype, random_state=seed)
    net.fit(X, y, batch_size=batch_size, epochs=epochs, n_threads=n_threads, optimizer=optimizer)
    return net


def limits():
    """The threads of every library that threadpoolctl knows."""
    return [(library["filepath"], library["num_threads"]) for library in threadpool_info()]


def blas_limits():
    return [library["num_threads"] for library in runtime.blas_info()]


def run(code, *arguments, timeout=60, **environment):
    """Run Python code in a fresh process (group, so that no hanging child of it survives) and return what it prints."""
    clean = {key: value for key, value in os.environ.items()
             if key not in ("FASTNN_SIMD", "FASTNN_NUM_THREADS", "OMP_NUM_THREADS")}
    command = [sys.executable, "-P", "-W", "error", "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean | environment,
                          start_new_session=True) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            raise
    assert process.returncode == 0, err
    return out


# ---- results


def test_the_networks_of_these_tests_are_sharded():
    assert parallelism(SIZES, BATCH, 2) == (2, min(2, runtime.cores()), 1, 1)
    assert parallelism(SIZES, BATCH, 1) == (1, 1, 1, 1)


def test_shards_and_parts_follow_n_threads_and_teams_the_cores(monkeypatch):
    """So that results do not depend on the machine."""
    monkeypatch.setattr(runtime, "cores", lambda: 3)
    assert parallelism(SIZES, BATCH, 16) == (16, 3, 1, 1)
    assert parallelism([2000, 300, 3], 4, 16) == (1, 3, 1, 16)
    assert parallelism([2000, 300, 3], 4, 16, dense=False) == (1, 1, 3, 1)


def test_threads_share_parts_of_the_layers_if_these_are_large_compared_with_the_mini_batch():
    """A gradient arena for each thread then costs more than reading what the others have written."""
    sizes, P = [784, 1024, 1024, 10], 1_863_690
    assert parallelism(sizes, P // sum(sizes), 2, P).n_parts == 2
    assert parallelism(sizes, P // sum(sizes) + 1, 2, P)[::3] == (2, 1)
    assert parallelism(sizes, 64, 1, P) == (1, 1, 1, 1)
    assert parallelism(sizes, 64, 2, P, dense=False)[::3] == (2, 1)
    assert parallelism([64, 64, 10], 32, 2, 4810) == (1, 1, 1, 1)  # waiting would cost more than it saves


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parts_give_bitwise_identical_parameters_for_any_team(dtype, monkeypatch):
    results = set()
    for cores in (1, 2, 3, 5):
        monkeypatch.setattr(runtime, "cores", lambda cores=cores: cores)
        net = trained(3, dtype=dtype, sizes=[300, 500, 200, 10], batch_size=48, epochs=1)
        results.add(parameters(net))
    assert len(results) == 1
    one = trained(1, dtype=dtype, sizes=[300, 500, 200, 10], batch_size=48, epochs=1)
    for W, expected in zip(net.W, one.W, strict=True):
        np.testing.assert_allclose(W, expected, rtol=0, atol=1e-3 if dtype == "float32" else 1e-9)


def test_the_update_of_many_parameters_is_split_and_bitwise_identical(tuning):
    """A sparse network whose gradient one thread computes; the update is split, parameter by parameter."""
    tuning(MIN_PARAMETERS_SPLIT_UPDATE=1000)
    assert parallelism([5, 32, 3], 8, 3, 1000, dense=False) == (1, min(3, runtime.cores()), 1, 1)
    for n_threads, P in ((3, 999), (1, 1000)):
        assert parallelism([5, 32, 3], 8, n_threads, P, dense=False) == (1, 1, 1, 1)
    rng = np.random.default_rng(0)
    X, y = sp.random(40, 500, 0.01, "csr", random_state=rng), rng.integers(0, 3, 40)
    results = set()
    for n_threads in (1, 2, 3):
        net = Network([500, 32, 3], random_state=0, l2=0.1)
        net.fit(X, y, batch_size=8, epochs=3, n_threads=n_threads)
        results.add(parameters(net))
    assert len(results) == 1


@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_number_of_threads_gives_bitwise_identical_parameters(n_threads, dtype):
    assert len({parameters(trained(n_threads, dtype=dtype)) for _ in range(3)}) == 1


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adam"])
def test_any_number_of_threads_gives_the_same_parameters_up_to_rounding(optimizer):
    """Shards change the order of sums.

    The gradients of a step differ by at most K u = 600 * 1.1e-16, relative to the sum of the sizes of their terms. In
    each of the 8 small steps of this smooth network the difference grows by a factor below 2. Adam divides by the root
    mean square, which is above 1e-3 of that sum. With a learning rate of 1e-3 the difference is therefore below
    600 * 1.1e-16 * 1000 * 2^8 * 1e-3 = 2e-11.
    """
    one = trained(1, optimizer=optimizer)
    for n_threads in (2, 3, 5):
        other = trained(n_threads, optimizer=optimizer)
        for expected, actual in zip((*one.W, *one.b), (*other.W, *other.b), strict=True):
            np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-10)


def test_every_method_gives_the_same_result_up_to_rounding_for_any_number_of_threads():
    """The order of sums differs: 64 + 128 terms below 10 give 1e-12."""
    net = trained(1)
    X, y = data(m=5000)
    expected = net.forward(X, n_threads=1), net.loss(X, y, n_threads=1), net.gradients(X, y, n_threads=1)
    for n_threads in (2, 3):
        np.testing.assert_allclose(net.forward(X, n_threads=n_threads), expected[0], rtol=0, atol=1e-12)
        np.testing.assert_allclose(net.forward(X, return_cache=True, n_threads=n_threads)[0], expected[0], atol=1e-12)
        np.testing.assert_array_equal(net.predict(X, n_threads=n_threads), net.predict(X, n_threads=1))
        assert net.loss(X, y, n_threads=n_threads) == pytest.approx(expected[1], rel=1e-12)
        J, dW, db = net.gradients(X, y, n_threads=n_threads)
        assert pytest.approx(expected[2][0], rel=1e-12) == J
        for actual, one in zip((*dW, *db), (*expected[2][1], *expected[2][2]), strict=True):
            np.testing.assert_allclose(actual, one, rtol=0, atol=1e-12)


def test_blas_gets_the_threads_for_few_examples_and_is_restored():
    """Too few examples for a shard per thread, of a sparse X."""
    sizes = [2000, 300, 300, 3]
    assert parallelism([1000, *sizes[1:]], 8, 2, dense=False) == (1, 1, min(2, runtime.cores()), 1)
    X, y = data(m=24, n_x=2000, n_out=3)
    X = sp.csr_array(np.where(np.arange(2000) % 2, X, 0))
    before, results = limits(), set()
    for _ in range(2):
        net = Network(sizes, random_state=0)
        net.fit(X, y, batch_size=8, epochs=1, n_threads=2)
        results.add(parameters(net))
        assert limits() == before
    assert len(results) == 1


def test_more_threads_than_examples_work():
    X, y = data(m=3, n_x=2000)
    net = Network([2000, 300, 10], random_state=0)
    assert net.fit(X, y, epochs=2, n_threads=5).stop_reason == "epochs"
    assert net.predict(X, n_threads=5).shape == (3,)
    assert np.isfinite(net.gradients(X, y, n_threads=5)[0])


@pytest.mark.parametrize("api", ["blas", "openmp"])
def test_parameters_are_bitwise_identical_if_threadpoolctl_limits_threads(api):
    """The plan fixes the number of shards; fewer threads share them."""
    expected = parameters(trained(2))
    before = limits()
    with threadpool_limits(1, api):
        inside = limits()
        limited = parameters(trained(2))
        assert limited == expected
        assert limits() == inside
    assert limits() == before


# ---- number of threads


def test_thread_count_reads_the_environment(monkeypatch):
    monkeypatch.delenv("FASTNN_NUM_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = runtime.thread_count()
    for text, expected in (("3", 3), ("5,2", 5), (" 4 ", 4), ("", cores), ("0", cores), ("-1", cores), ("two", cores),
                           ("1.5", cores), ("9999999", cores)):
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert runtime.thread_count() == expected, text
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    monkeypatch.setenv("FASTNN_NUM_THREADS", "3")
    assert runtime.thread_count() == 3
    assert runtime.thread_count(2) == 2
    monkeypatch.setenv("FASTNN_NUM_THREADS", "junk")
    assert runtime.thread_count() == 6


@pytest.mark.parametrize("variable", ["FASTNN_NUM_THREADS", "OMP_NUM_THREADS"])
def test_fit_obeys_the_environment(variable):
    code = """
import numpy as np, sys
from fastnn import Network
rng = np.random.default_rng(0)
X, y = rng.standard_normal((1000, 64)), rng.integers(10, size=1000)
n_threads = int(sys.argv[1]) or None
net = Network([64, 128, 10], random_state=0)
net.fit(X, y, batch_size=256, epochs=2, n_threads=n_threads)
print(b"".join(view.tobytes() for view in (*net.W, *net.b)).hex())
"""
    asked = {n_threads: run(code, n_threads) for n_threads in (1, 3)}
    assert asked[1] != asked[3]  # another number of shards
    for n_threads, expected in asked.items():
        assert run(code, 0, **{variable: str(n_threads)}) == expected


@pytest.mark.parametrize("value", [True, 1.5, "2", [1], np.float64(2), object()])
def test_thread_count_refuses_other_types(value):
    with pytest.raises(TypeError, match="n_threads must be a whole number, got "):
        runtime.thread_count(value)


@pytest.mark.parametrize("value", [0, -1, 4097, 10**20])
def test_thread_count_refuses_numbers_out_of_range(value):
    with pytest.raises(ValueError, match="n_threads must be from 1 to 4096, got "):
        runtime.thread_count(value)


# ---- the limit of BLAS


@needs_blas
def test_nested_blas_limits_are_restored():
    before = limits()
    with threadpool_limits(3, "blas"):
        outside = blas_limits()
        with runtime.blas_threads(2) as confirmed:
            assert confirmed and all(n <= 2 for n in blas_limits())
            with runtime.blas_threads(1) as confirmed:
                assert confirmed and all(n == 1 for n in blas_limits())
            assert blas_limits() == [2] * len(blas_limits())  # the limit of the outer block
            with runtime.blas_threads(8):
                assert all(n <= 2 for n in blas_limits())  # an inner block never raises the limit
            with threadpool_limits(1, "blas"):  # nor does it a user's
                with runtime.blas_threads(1):
                    pass
                with runtime.blas_threads(2):
                    assert all(n == 1 for n in blas_limits())
        assert blas_limits() == outside
        with pytest.raises(KeyError), runtime.blas_threads(1):
            raise KeyError
        assert blas_limits() == outside
    assert limits() == before


@needs_blas
def test_an_evaluation_does_not_lift_the_blas_limit_of_a_fit(monkeypatch):
    """A fit in two parts is bitwise identical to one fit, so every epoch must use the same number of BLAS threads.

    With few examples per thread of a sparse X, the products run on BLAS's threads.
    """
    monkeypatch.setattr(runtime, "cores", lambda: 2)
    rng = np.random.default_rng(0)
    X, y = sp.csr_array(rng.standard_normal((300, 30))), rng.integers(3, size=300)

    def run(*epochs):
        net, seen = Network([30, 800, 5, 3], random_state=1), []
        way = parallelism(net.layer_sizes, 32, 5, dense=False)
        assert (way.n_shards, way.blas_threads) == (1, 2)
        for count in epochs:
            net.fit(X, y, epochs=count, batch_size=32, shuffle=False, validation_data=(X, y), n_threads=5,
                    callbacks=[lambda net, record: seen.append(blas_limits())])
        return seen, [W.tobytes() for W in net.W]

    with threadpool_limits(2, "blas"):
        expected = blas_limits()
        seen, bits = run(4)
        assert seen == [expected] * 4
        assert run(2, 2) == (seen, bits)


@needs_blas
def test_the_lowest_of_overlapping_blas_limits_holds():
    """In any order in which the blocks end."""
    before = blas_limits()
    if all(n >= 2 for n in before):
        blocks = {limit: runtime.blas_threads(limit) for limit in (1, 2, 3)}
        for limit in (2, 1, 3):
            blocks[limit].__enter__()
        for leaving, left in ((1, 2), (2, 3)):
            blocks[leaving].__exit__(None, None, None)
            assert blas_limits() == [min(left, n) for n in before]
        blocks[3].__exit__(None, None, None)
        assert blas_limits() == before
    first, second = runtime.blas_threads(2), runtime.blas_threads(1)
    first.__enter__()
    second.__enter__()
    assert all(n == 1 for n in blas_limits())
    first.__exit__(None, None, None)
    assert all(n == 1 for n in blas_limits())
    second.__exit__(None, None, None)
    assert blas_limits() == before


@needs_blas
def test_many_threads_may_limit_blas_at_the_same_time():
    before = limits()
    wrong, barrier = [], threading.Barrier(8)

    def work():
        barrier.wait()
        for _ in range(200):
            with runtime.blas_threads(1) as confirmed:
                if not confirmed or blas_limits() != [1] * len(blas_limits()):
                    wrong.append(1)

    in_threads([work] * 8)
    assert not wrong and limits() == before


@needs_blas
def test_fit_limits_blas_and_restores_it():
    X, y = data()
    seen = []
    with threadpool_limits(2, "blas"):
        before = limits()
        net = Network(SIZES, random_state=0)
        net.fit(X, y, batch_size=BATCH, epochs=2, n_threads=2, callbacks=[lambda *_: seen.append(blas_limits())])
        assert seen == [[1] * len(blas_limits())] * 2
        assert limits() == before
        for use in (net.predict, net.forward, lambda X: net.gradients(X, y), lambda X: net.evaluate(X, y)):
            use(X)
            assert limits() == before


@needs_blas
def test_a_fit_limits_blas_while_another_thread_holds_a_limit():
    """threadpoolctl lets only one thread set OpenBLAS's limit; a fit in another thread must still set it."""
    X, y = data()
    expected, seen = parameters(trained(2)), []
    with threadpool_limits(2, "blas"):
        before = limits()
        net = Network(SIZES, activation="tanh", dtype="float64", random_state=0)
        in_threads([lambda: net.fit(X, y, batch_size=BATCH, epochs=2, n_threads=2,
                                    callbacks=[lambda *_: seen.append(blas_limits())])])
        assert seen == [[1] * len(blas_limits())] * 2
        assert limits() == before
    assert parameters(net) == expected


# ---- several Python threads


def in_threads(calls):
    """Run the calls concurrently, each in a thread; return their results, raise their errors."""
    found, errors = [None] * len(calls), []

    def work(k, call):
        try:
            found[k] = call()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=pair, daemon=True) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "it hangs"
    if errors:
        raise errors[0]
    return found


@pytest.mark.parametrize("counts", [(2, 2), (1, 2), (3, 2, 1, 2)])
def test_concurrent_fits_are_bitwise_identical_to_fits_alone(counts):
    before = limits()
    alone = [parameters(trained(n, seed=seed, epochs=10)) for seed, n in enumerate(counts)]
    for _ in range(3):
        together = in_threads([lambda seed=seed, n=n: parameters(trained(n, seed=seed, epochs=10))
                               for seed, n in enumerate(counts)])
        assert together == alone
        assert limits() == before


def test_many_threads_may_predict_with_one_network():
    net = trained(1)
    inputs = [data(m=m, seed=m)[0] for m in (1, 2, 63, 500, 3000, 3001)]
    with runtime.blas_threads(1):  # small predictions leave BLAS its threads, whose number may change the last bit
        alone = [net.forward(X, n_threads=2).tobytes() for X in inputs]
        before = limits()
        for X_shift in range(3):
            calls = [lambda X=inputs[(k + X_shift) % 6]: [net.forward(X, n_threads=2).tobytes() for _ in range(20)]
                     for k in range(8)]
            for k, found in enumerate(in_threads(calls)):
                assert set(found) == {alone[(k + X_shift) % 6]}
        assert limits() == before


def test_a_prediction_may_run_during_a_fit_of_another_network():
    still, X = trained(1), data(m=3000)[0]
    expected = still.forward(X, n_threads=2).tobytes()
    alone = parameters(trained(2, seed=1, epochs=20))
    fitted, *found = in_threads([lambda: parameters(trained(2, seed=1, epochs=20))]
                                + [lambda: {still.forward(X, n_threads=2).tobytes() for _ in range(20)}] * 3)
    assert fitted == alone
    assert found == [{expected}] * 3


# ---- after a fork

FORK = """
import multiprocessing, os, sys, threading, warnings
import numpy as np
from fastnn import Network
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: fork in a process with threads

def work():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((1000, 64)), rng.integers(10, size=1000)
    net = Network([64, 128, 10], random_state=0)
    net.fit(X, y, batch_size=256, epochs=2, n_threads=2)
    return (b"".join(view.tobytes() for view in (*net.W, *net.b)) + net.forward(X, n_threads=2).tobytes()
            + net.gradients(X, y, n_threads=2)[1][0].tobytes())

def in_child():
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            with open(writer, "wb") as pipe:
                pipe.write(work())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with open(reader, "rb") as pipe:
        result = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return result

expected = work()
way = sys.argv[1]
if way == "fork":
    assert [in_child() for _ in range(3)] == [expected] * 3
elif way == "grandchild":
    work_once = work
    work = in_child_of_child = lambda: (globals().update(work=work_once), in_child())[1]
    assert in_child() == expected
elif way == "pool":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert [job.get(40) for job in [pool.apply_async(work) for _ in range(4)]] == [expected] * 4
elif way == "during a fit":
    stop = threading.Event()
    net = Network([64, 128, 10], random_state=1)
    X, y = np.zeros((1000, 64)), np.zeros(1000, int)
    fit = lambda: net.fit(X, y, batch_size=256, epochs=10**9, n_threads=2, callbacks=[lambda *_: stop.is_set()])
    threads = [threading.Thread(target=fit)]
    threads[0].start()
    assert [in_child() for _ in range(5)] == [expected] * 5
    stop.set()
    threads[0].join()
else:  # while threads continually set and reset the limit of BLAS
    from fastnn import runtime
    stop = threading.Event()
    def limit():
        while not stop.is_set():
            with runtime.blas_threads(1):
                pass
    threads = [threading.Thread(target=limit) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert [in_child() for _ in range(10)] == [expected] * 10
    stop.set()
    for thread in threads:
        thread.join()
assert work() == expected  # the parent still works
print("done")
"""


@needs_fork
@pytest.mark.parametrize("way", ["fork", "grandchild", "pool", "during a fit", "during limits"])
def test_a_forked_child_computes_bitwise_identical_results(way):
    assert run(FORK, way, timeout=90) == "done\n"


@needs_fork
@needs_blas
def test_a_forked_child_inherits_no_limit():
    code = """
import os, warnings
from fastnn import runtime
warnings.simplefilter("ignore", DeprecationWarning)
threads = lambda: [library["num_threads"] for library in runtime.blas_info()]
before = threads()
with runtime.blas_threads(1):
    child = os.fork()
    if child == 0:
        same = threads() == before
        with runtime.blas_threads(1):
            pass
        os._exit(0 if same and threads() == before else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert threads() == [1] * len(before)
assert threads() == before
print("done")
"""
    assert run(code) == "done\n"


# ---- SIMD levels

LEVEL_OF = """
import json, warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from fastnn import Network, runtime
import numpy as np
rng = np.random.default_rng(0)
X, y = rng.standard_normal((100, 7)), rng.integers(3, size=100)
net = Network([7, 16, 3], activation="tanh", dtype="float64", random_state=0)
net.fit(X, y, epochs=5, batch_size=13, learning_rate=0.01)
warned = [[warning.category.__name__, str(warning.message)] for warning in caught]
print(json.dumps([runtime.simd_level(), warned, net.forward(X).tolist()]))
"""


def level_of(**environment):
    return json.loads(run(LEVEL_OF, **environment))


def test_fastnn_simd_selects_a_lower_level():
    """Levels round differently. 40 steps with a rate of 0.01 need 50 times the tolerance above."""
    best, warned, expected = level_of()
    assert best == LEVELS[-1] == runtime.config()["simd_available"][-1] and not warned
    for name in LEVELS:
        for text in (name, f" {name.upper()} "):
            level, warned, outputs = level_of(FASTNN_SIMD=text)
            assert level == name and not warned
            np.testing.assert_allclose(outputs, expected, rtol=0, atol=5e-9)
    assert level_of(FASTNN_SIMD="")[:2] == [best, []]


@pytest.mark.parametrize("text", ["sse9", "0", "avx512,avx2"])
def test_unknown_level_warns_and_falls_back(text):
    level, warned, _ = level_of(FASTNN_SIMD=text)
    assert level == LEVELS[-1]
    assert warned == [["RuntimeWarning", f"FASTNN_SIMD={text!r} is not one of {', '.join(ALL_LEVELS)}: using {level}"]]


def test_level_that_the_machine_lacks_warns_and_falls_back(monkeypatch):
    """Simulates a machine that has the baseline only."""
    monkeypatch.setattr(runtime, "LEVELS", ALL_LEVELS[:1])
    for name in ALL_LEVELS[1:]:
        monkeypatch.setenv("FASTNN_SIMD", name)
        with pytest.warns(RuntimeWarning, match=f"this machine lacks FASTNN_SIMD={name}: using {ALL_LEVELS[0]}"):
            assert runtime._requested_level() == 0
    monkeypatch.setenv("FASTNN_SIMD", ALL_LEVELS[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert runtime._requested_level() == 0


def test_the_team_is_the_one_of_the_build():
    assert runtime.team_kind() == runtime.config()["team"] in ("openmp", "pthreads", "none")
    threads = _testing.team_counts(2, 1, 0)
    assert len(threads) == 1 + (runtime.team_kind() != "none")


def test_a_build_without_threads_says_so(monkeypatch, capsys):
    monkeypatch.setattr(runtime, "KIND", "none")
    runtime.show_config()
    assert "team:            none: this build computes on the calling thread" in capsys.readouterr().out


@pytest.mark.parametrize("team", [1, 2, 3, 7])
def test_a_team_runs_a_function_in_each_thread_and_its_barriers_hold(team):
    """`team_counts` raises an error if the threads see different counts between two barriers."""
    calls, barriers = 200, 5
    counts = _testing.team_counts(team, calls, barriers)
    assert len(counts) <= team and counts == [calls * barriers] * len(counts)


def test_several_callers_have_a_team_each():
    calls = [lambda team=team: _testing.team_counts(team, 300, 3) for team in (2, 3, 2, 2)]
    for counts in in_threads(calls):
        assert counts == [900] * len(counts)


@needs_fork
def test_a_process_with_idle_teams_ends():
    """Also its forked child, which has none of them."""
    out = run("""
import os
from fastnn._core import _testing
for team in (2, 3):
    _testing.team_counts(team, 10, 2)
child = os.fork()
if child:
    print(os.waitpid(child, 0)[1])
""")
    assert out == "0\n"


def test_show_config(capsys):
    runtime.show_config()
    out, err = capsys.readouterr()
    config = runtime.config()
    assert err == ""
    assert f"simd:            {runtime.simd_level()}" in out.splitlines()
    assert f"threads:         {runtime.thread_count()}" in out.splitlines()
    assert out.count("\nblas:") == len(config["blas"])
    assert json.loads(json.dumps(config)) == config
