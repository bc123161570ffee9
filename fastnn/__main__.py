"""The console script: `fastnn demo`, `fastnn info`."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from fastnn import __version__, runtime

__all__ = ["main"]

INTERRUPTED = 130  # the convention of shells: 128 + SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments after the program name; by default those of the process.

    Returns
    -------
    int
        0 for success, 1 if a check of the demo failed or a file could not be written, 2 if the demo cannot use its data
        or output folder, 130 after Ctrl-C.

    Raises
    ------
    SystemExit
        With code 2 for invalid arguments, with 0 for --help and --version.
    """
    options = _parser().parse_args(arguments)
    try:
        code = _info() if options.command == "info" else _demo(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("\nfastnn: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # as in fastnn demo | head: also keep the interpreter from flushing the rest
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _info() -> int:
    runtime.show_config()
    return 0


def _demo(options: argparse.Namespace) -> int:
    from fastnn._demo import demo

    try:
        pictures = demo.load(options.data, options.seed)
        os.makedirs(options.out, exist_ok=True)
    except (OSError, ValueError) as error:
        return _complain(error, 2)
    try:
        demo.run(pictures, options.out, epochs=options.epochs, n_threads=runtime.thread_count(options.threads),
                 seed=options.seed)
    except BrokenPipeError:
        raise
    except (OSError, demo.CheckFailed) as error:
        return _complain(error, 1)
    return 0


def _complain(error: Exception, code: int) -> int:
    print(f"fastnn demo: error: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("fastnn", description="Dense neural networks on the CPU.")
    parser.add_argument("--version", action="version", version=f"fastnn {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="demo|info")
    commands.add_parser("info", help="print version, SIMD level, BLAS, threads, cores and CPU quota")
    demo = commands.add_parser(
        "demo", help="train a network on images and compare it with NumPy and scikit-learn",
        description="Train a network on images and test it, save it and draw its mistakes, then compare it with the "
                    "same steps in NumPy and the same training in scikit-learn.")
    demo.add_argument("--data", default="digits", metavar="digits|fashion-mnist|PATH",
                      help="the data set (default: digits); PATH is a folder with four IDX files named like those of "
                           "MNIST")
    demo.add_argument("--out", default="fastnn-demo", metavar="DIR",
                      help="output folder (default: ./fastnn-demo)")
    demo.add_argument("--epochs", type=_whole(1, 100_000), metavar="N",
                      help="number of epochs (default: 40 for the digits, else 10)")
    demo.add_argument("--threads", type=_whole(1, 4096), metavar="N",
                      help="at most N threads (default: FASTNN_NUM_THREADS, OMP_NUM_THREADS or all available cores)")
    demo.add_argument("--seed", type=_whole(0, 2**31 - 1), default=0, metavar="N",
                      help="seed of the held-out digits, initial weights and order of examples (default: 0)")
    return parser


def _whole(low: int, high: int) -> Callable[[str], int]:
    """Return an argparse type for whole numbers from `low` to `high`."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"expected a whole number from {low} to {high}, got {text!r}")
        return value

    return read


if __name__ == "__main__":
    sys.exit(main())
