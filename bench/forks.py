"""Measured processes that are forked from one that has imported a system's packages, which takes seconds for some.

The first process imports only: it starts no threads and uses nothing. Each request forks a new process, so no
measurement sees another one.
"""

import atexit
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

# Systems whose imports take long. fastnn is not among them: after a fork it would run on one thread.
PRELOADED = {"JAX scanned": ("jax",), "scikit-learn": ("sklearn.neural_network",),
             "torch eager": ("torch", "torch._dynamo"),  # the fused Adam imports it
             "torch.compile": ("torch", "torch._dynamo", "torch._inductor.compile_fx")}
_started: dict[tuple, subprocess.Popen] = {}


def can_fork(system: str | None) -> bool:
    return hasattr(os, "fork") and system in PRELOADED


def request(bench: str, arguments: dict, variables: dict[str, str], n_threads: int | None):
    """Call ``work(**arguments)`` of a benchmark in a forked process; return its result."""
    key = bench, arguments["system"], n_threads
    if key not in _started:
        command = [sys.executable, str(Path(__file__).parent), bench, "--fork-for", arguments["system"]]
        _started[key] = subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.DEVNULL, text=True)
        atexit.register(_started[key].stdin.close)  # it ends when there is nothing to read
    process = _started[key]
    process.stdin.write(json.dumps(arguments) + "\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline() or '{"error": "the process has ended"}')
    if "error" in answer:
        raise RuntimeError(f"{bench} {arguments}: {answer['error']}")
    return answer["result"]


def serve(system: str, work: Callable[[dict], object]) -> None:
    """Answer each line of stdin, a call's arguments, by a line on stdout."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a system prints is no answer
    for name in PRELOADED[system]:
        import_module(name)
    for line in sys.stdin:
        ours, theirs = os.pipe()
        child = os.fork()
        if not child:
            try:
                text = json.dumps({"result": work(json.loads(line))})
            except BaseException:
                text = json.dumps({"error": traceback.format_exc()})
            with os.fdopen(theirs, "w") as pipe:
                pipe.write(text)
            os._exit(0)
        os.close(theirs)
        with os.fdopen(ours) as pipe:
            text = pipe.read()
        _, status = os.waitpid(child, 0)
        print(text or json.dumps({"error": f"the process ended with status {status}"}), file=answers, flush=True)
