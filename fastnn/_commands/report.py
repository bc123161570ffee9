"""The report of `fastnn train`: one HTML page without scripts or other files."""

import html
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import numpy as np

from fastnn import __version__, runtime
from fastnn._commands import charts
from fastnn._commands.columns import column_rows
from fastnn._commands.outputs import replacing
from fastnn._commands.text import duration

if TYPE_CHECKING:
    from fastnn._commands.train import Outcome

__all__ = ["write"]

IMPORTANCE_ROWS = 2000  # held-out rows on which columns are shuffled
IMPORTANCE_REPEATS = 5
IMPORTANCE_VALUES = 200_000  # rows times columns at most: each shuffle predicts them all
MAX_IMPORTANCES = 500  # shuffles at one repeat, so that they take seconds and not hours

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff; max-width: 62rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.lead { color: #57606a; margin-top: 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #d0d7de; vertical-align: top; }
th { font-weight: 600; }
.scroll { overflow-x: auto; } .row { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start; }
svg { max-width: 100%; height: auto; } pre { overflow-x: auto; background: #f6f8fa; padding: .8rem; }
figure { margin: .8rem 0 0; } figcaption { color: #57606a; font-size: .9rem; }
</style>
</head>
<body>
<h1>$title</h1>
<p class="lead">$lead</p>
<h2>Score on $n_test rows held out</h2>
$scores
<div class="row">
<figure>$answers<figcaption>$answers_caption</figcaption></figure>
<figure>$curves<figcaption>$curves_caption</figcaption></figure>
</div>
<h2>What the model uses</h2>
<figure>$importances<figcaption>$importances_caption</figcaption></figure>
<h2>Columns</h2>
<div class="scroll">$columns</div>
<h2>Network</h2>
<p>$network</p>
<pre>$summary</pre>
<h2>Settings</h2>
<pre>$settings</pre>
<p class="lead">Made by fastnn $version, SIMD level $level, on $date.</p>
</body>
</html>
""")


def write(outcome: "Outcome", path: str | os.PathLike[str]) -> None:
    """Write the report of a training run to `path`.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    page = _page(outcome)
    with replacing(path) as partial:
        Path(partial).write_text(page, encoding="utf-8")


def _page(outcome: "Outcome") -> str:
    job, model, y = outcome.job, outcome.model, outcome.parts.y_test
    classifies = outcome.classifies
    if classifies:
        answers = charts.confusion(y, outcome.predicted, model.classes_)
        caption = "Rows held out, by true class and answer; the colour is the share of the true class."
    else:
        answers = charts.residuals(y, outcome.predicted)
        caption = "Predictions of the rows held out; on the dashed line they would be exact."
    network = model.networks_[0]
    lead = (f"{outcome.n_rows:,} rows of {os.path.basename(job.table)}: {len(outcome.parts.X_train):,} to train on, in "
            f"{duration(outcome.seconds)}.")
    return PAGE.substitute(
        title=html.escape(f"Predicting {job.target}"), lead=html.escape(lead), n_test=f"{len(y):,}",
        scores=_scores(outcome), answers=answers, answers_caption=html.escape(caption), **_curves(outcome),
        **_importances(outcome), columns=_table(("column", "type", "gaps", "values"), column_rows(model.encoder_)),
        network=html.escape(_network_text(outcome)), summary=html.escape(network.summary()),
        settings=html.escape(_settings(model)), version=__version__, level=runtime.simd_level(),
        date=datetime.now().strftime("%Y-%m-%d"))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "\n".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"


def _scores(outcome: "Outcome") -> str:
    return _table(("", "this model", f"always {outcome.baseline.answer}"), outcome.score_rows())


def _curves(outcome: "Outcome") -> dict[str, str]:
    history = outcome.model.history_
    key = next((key for key in ("validation_accuracy", "validation_rmse") if key in history), "loss")
    label = {"validation_accuracy": "validation accuracy", "validation_rmse": "validation RMSE"}.get(key, "loss")
    unit = "" if outcome.classifies else ", in units of the standard deviation of the target,"
    caption = (f"The {label}{unit} after each epoch, on rows that were held out of the training rows; the dotted line "
               "is the epoch whose parameters were kept.")
    return {"curves": charts.learning_curves(history, [key], label), "curves_caption": html.escape(caption)}


def _importances(outcome: "Outcome") -> dict[str, str]:
    """Draw how much worse the score on the rows held out gets if the values of one column are shuffled."""
    from sklearn.inspection import permutation_importance

    X, y = outcome.parts.X_test, outcome.parts.y_test
    n = X.shape[1]
    if n > MAX_IMPORTANCES:
        return {"importances": "", "importances_caption": f"Not measured: it would take long for {n:,} columns."}
    rows = np.random.default_rng(outcome.job.seed).permutation(len(X))[: min(IMPORTANCE_ROWS, IMPORTANCE_VALUES // n)]
    repeats = max(1, min(IMPORTANCE_REPEATS, MAX_IMPORTANCES // n))
    scoring, label = (("accuracy", "loss of accuracy") if outcome.classifies else
                      ("neg_root_mean_squared_error", "increase of the RMSE"))
    found = permutation_importance(outcome.model, X.iloc[rows], y[rows], scoring=scoring, n_repeats=repeats,
                                   random_state=outcome.job.seed)
    shuffles = f"mean and standard deviation of {repeats} shuffles" if repeats > 1 else "one shuffle"
    caption = (f"{label[0].upper()}{label[1:]} on {len(rows):,} rows held out if the values of the column are "
               f"shuffled: {shuffles}. Columns with the same information share it.")
    return {"importances": charts.importances(list(X.columns), found.importances_mean, found.importances_std, label),
            "importances_caption": html.escape(caption)}


def _network_text(outcome: "Outcome") -> str:
    n = len(outcome.model.networks_)
    several = f" of each of the {n} networks whose answers are averaged" if n > 1 else ""
    return f"The table of dimensions{several}:"


def _settings(model: object) -> str:
    parameters = model.get_params(deep=False)  # type: ignore[attr-defined]
    return "\n".join(f"{name} = {value!r}" for name, value in sorted(parameters.items()))
