"""The console script: `fastnn train`, `fastnn predict`, `fastnn info`, `fastnn demo`."""

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

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
        0 for success, 1 if a check of the demo failed or a file could not be written, 2 if a command cannot use its
        data or output folder, 130 after Ctrl-C.

    Raises
    ------
    SystemExit
        With code 2 for invalid arguments, with 0 for --help and --version.
    """
    options = _parser().parse_args(arguments)
    try:
        code = _COMMANDS[options.command](options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("\nfastnn: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # as in fastnn demo | head: also keep the interpreter from flushing the rest
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _info(options: argparse.Namespace) -> int:
    if options.model is None:
        runtime.show_config()
        return 0
    from fastnn._commands import info

    return _run("info", lambda: info.run(options.model))


def _train(options: argparse.Namespace) -> int:
    from fastnn._commands import train

    out = Path(options.out)
    report = None if options.no_report else options.report or str(out.with_suffix(".html"))
    job = train.Job(
        table=options.table, target=options.target, out=options.out, report=report, task=options.task,
        drop=tuple(options.drop), categorical=tuple(options.categorical), missing=tuple(options.missing),
        header=not options.no_header, holdout=options.holdout, models=options.models, epochs=options.epochs,
        time_limit=options.time_limit, threads=runtime.thread_count(options.threads), seed=options.seed)
    return _run("train", lambda: train.run(job))


def _predict(options: argparse.Namespace) -> int:
    from fastnn._commands import predict

    query = predict.Query(
        model=options.model, table=options.table, out=options.out, keep=tuple(options.keep),
        missing=tuple(options.missing), header=not options.no_header, threads=runtime.thread_count(options.threads))
    return _run("predict", lambda: predict.run(query))


def _run(command: str, work: Callable[[], None]) -> int:
    """Run a command on tables; print an error of its data or files in one line."""
    try:
        work()
    except BrokenPipeError:
        raise
    except (OSError, ValueError, TypeError) as error:
        return _complain(command, error, 2)
    return 0


def _demo(options: argparse.Namespace) -> int:
    from fastnn._demo import demo

    try:
        pictures = demo.load(options.data, options.seed)
        os.makedirs(options.out, exist_ok=True)
    except (OSError, ValueError) as error:
        return _complain("demo", error, 2)
    try:
        demo.run(pictures, options.out, epochs=options.epochs, n_threads=runtime.thread_count(options.threads),
                 seed=options.seed)
    except BrokenPipeError:
        raise
    except (OSError, demo.CheckFailed) as error:
        return _complain("demo", error, 1)
    return 0


def _complain(command: str, error: Exception, code: int) -> int:
    print(f"fastnn {command}: error: {error}", file=sys.stderr)
    return code


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "train": _train, "predict": _predict, "info": _info, "demo": _demo}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("fastnn", description="Dense neural networks on the CPU.")
    parser.add_argument("--version", action="version", version=f"fastnn {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="train|predict|info|demo")
    _add_train(commands)
    _add_predict(commands)
    info = commands.add_parser(
        "info", help="describe a saved model, or this installation",
        description="Describe a saved model. Without one, print version, SIMD level, BLAS, threads, cores and CPU "
                    "quota.")
    info.add_argument("model", nargs="?", help="a file that fastnn has saved")
    _add_demo(commands)
    return parser


def _add_train(commands: Any) -> None:
    train = commands.add_parser(
        "train", help="train a model on a table and report how good it is",
        description="Train a model that predicts one column of a table from the others, test it on rows held out, save "
                    "it, and write a report. Columns of text are categories; gaps are allowed.")
    train.add_argument("table", help="a CSV file (also .gz) or a Parquet file")
    train.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    train.add_argument("--out", required=True, metavar="MODEL", help="the file for the model, such as model.fastnn")
    train.add_argument("--report", metavar="HTML", help="the file for the report (default: MODEL with .html)")
    train.add_argument("--no-report", action="store_true", help="write no report")
    train.add_argument("--task", choices=("auto", "classification", "regression"), default="auto",
                       help="what the target holds (default: auto: text, booleans and at most 10 different whole "
                            "numbers are classes)")
    train.add_argument("--drop", nargs="+", default=[], metavar="COLUMN", help="columns not to learn from")
    train.add_argument("--categorical", nargs="+", default=[], metavar="COLUMN",
                       help="columns of numbers that are categories")
    _add_reading(train)
    train.add_argument("--holdout", type=_between(0.01, 0.9), default=0.2, metavar="FRACTION",
                       help="the fraction of the rows to test on (default: 0.2)")
    train.add_argument("--models", type=_whole(1, 1000), default=1, metavar="N",
                       help="train N networks and average their answers (default: 1)")
    train.add_argument("--epochs", type=_whole(1, 100_000), metavar="N", help="number of epochs (default: 256)")
    train.add_argument("--time-limit", type=_between(0.1, 1e7), metavar="SECONDS",
                       help="train as many epochs as fit into this time")
    _add_threads(train)
    train.add_argument("--seed", type=_whole(0, 2**31 - 1), default=0, metavar="N",
                       help="seed of everything drawn at random (default: 0)")


def _add_predict(commands: Any) -> None:
    predict = commands.add_parser(
        "predict", help="predict by a model that fastnn train has saved",
        description="Predict each row of a table by a model that fastnn train has saved. Columns are found by their "
                    "names.")
    predict.add_argument("model", help="the file of the model")
    predict.add_argument("table", help="a CSV file (also .gz) or a Parquet file")
    predict.add_argument("--out", metavar="FILE", help="the CSV or Parquet file for the answers (default: print CSV)")
    predict.add_argument("--keep", nargs="+", default=[], metavar="COLUMN",
                         help="columns to copy from the table, such as an identifier")
    _add_reading(predict)
    _add_threads(predict)


def _add_reading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--missing", nargs="+", default=[], metavar="TEXT",
                        help="texts that mean a missing value, such as '?', besides empty, NA, NaN, null")
    parser.add_argument("--no-header", action="store_true",
                        help="the first line holds data; the columns are named 1, 2, ...")


def _add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=_whole(1, 4096), metavar="N",
                        help="at most N threads (default: FASTNN_NUM_THREADS, OMP_NUM_THREADS or all available cores)")


def _add_demo(commands: Any) -> None:
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
    _add_threads(demo)
    demo.add_argument("--seed", type=_whole(0, 2**31 - 1), default=0, metavar="N",
                      help="seed of the held-out digits, initial weights and order of examples (default: 0)")


def _between(low: float, high: float) -> Callable[[str], float]:
    """Return an argparse type for numbers from `low` to `high`."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"expected a number from {low:g} to {high:g}, got {text!r}")
        return value

    return read


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
