"""What the commands on single networks print: summaries and tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from rich.console import Console
    from rich.table import Table

    from grokscope.measures.table import Measure
    from grokscope.runs.run import Run


def summary_of(run: Run) -> dict[str, object]:
    """What a run ended with, ready for JSON, which has no NaN: it becomes None."""
    from grokscope.measures.table import scores, unit_measures

    rows = scores() | unit_measures()
    return {
        "phase": None if run.failed_at is not None else str(run.phase()),
        "failed_at": run.failed_at,
        **{name: jsonable(row.summary(run)) for name, row in rows.items()},
        "steps": int(run.final.step),
        "seconds": run.dataset.attrs["seconds"],
        "digest": run.digest,
        "path": None if run.path is None else str(run.path),
        "experiment": run.experiment.model_dump(),
    }


def norm_correlations(run: Run) -> dict[str, list[float]]:
    """Spearman's ρ of IPR and each neuron's norm weight, with its interval; empty without one."""
    if run.experiment.normalization is None or run.failed_at is not None:
        return {}
    from grokscope.analysis.norm_layers import contributions, normed_layers
    from grokscope.analysis.statistics import rank_correlation

    if not normed_layers(run.experiment):  # as in a Transformer, whose LayerNorm acts elsewhere
        return {}
    neurons = contributions(run)
    ipr = neurons.ipr.values
    names = ("gamma", "effective")
    return {name: list(rank_correlation(ipr, neurons[name].values)) for name in names}


def jsonable(value: object) -> object:
    """The value with None for NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [jsonable(item) for item in value]
    return None if value != value else value


def print_run(run: Run, as_json: bool, **more: str) -> None:
    """Print one run as a table, or as JSON."""
    from grokscope.plotting.wording import start_words

    correlations = norm_correlations(run)
    summary = summary_of(run) | {"ipr_correlations": jsonable(correlations)} | more
    if as_json:
        known = {row.name: value for row, value in _known(run).items()}
        print(json.dumps(summary | {"in_the_weights": jsonable(known)}))
        return
    print_table(run.experiment.task.title, [run])
    if start := ", ".join(filter(None, start_words(run.experiment).values())):
        print(f"start    {start}")
    for name, (rho, low, high) in correlations.items():
        words = {"gamma": "|γ|", "effective": "|γ|·‖W‖"}[name]
        print(f"norm     {words} and IPR: ρ = {rho:.2f} [{low:.2f}, {high:.2f}]")
    if run.experiment.n_operands and (reason := run.why_no_ipr):
        print(f"IPR      none: {reason}")
    for name in ("path", *more):
        print(f"{'run' if name == 'path' else name:8} {summary[name]}")


def print_knowledge(run: Run) -> None:
    """Print what the network's weights know beside what it answers, if anything was measured."""
    known = {row: value for row, value in _known(run).items() if value is not None}
    if not known:
        return
    table = plain_table()
    table.add_column("in the weights")
    table.add_column(justify="right")
    table.add_column("what it is")
    for row, value in known.items():
        shown = "-" if value != value else f"{value:.4g}"
        table.add_row(row.title, shown, row.description)
    print()
    console().print(table)


def _known(run: Run) -> dict[Measure, float | int | None]:
    """What was measured of the network's weights, differences of that, and the user's own."""
    from grokscope.measures.differences import DIFFERENCES
    from grokscope.measures.table import network_measures
    from grokscope.runs.summaries import own_measures

    rows = (*network_measures().values(), *DIFFERENCES.values(), *own_measures(run))
    return {row: row.summary(run) for row in rows}


def console() -> Console:
    """A console of at least 80 columns: a narrower terminal wraps lines and cuts no number.

    Square brackets and colons in words of the user's own are printed as they are.
    """
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 120, markup=False, emoji=False)
    console.width = max(console.width, 80)
    return console


def plain_table(title: str | None = None) -> Table:
    """A table without lines."""
    from rich.table import Table

    return Table(title=title, title_justify="left", box=None, pad_edge=False)


WIDEST = 1000
"""Columns of a table that may have any number of them: a terminal wraps its lines."""


def print_table(title: str, runs: Sequence[Run]) -> None:
    """Print a row for each run: settings that matter, phase, accuracies."""
    from grokscope.measures.table import MEASURES
    from grokscope.plotting.wording import SYMBOLS

    screen = console()
    columns = [row for row in MEASURES.values() if row.has_column]
    narrow = screen.width < 100  # numbers must not be cut: leave out what is in --json
    table = plain_table(title)
    table.padding = (0, 1 if narrow else 2, 0, 0)
    counts_shown = () if narrow else ("steps", "seed")
    titles = [row.title for row in columns]
    for name in (*SYMBOLS.values(), *counts_shown, "phase", *titles):
        table.add_column(name, justify="left" if name == "phase" else "right", no_wrap=True)
    for run in runs:
        experiment, summary = run.experiment, summary_of(run)
        phase = run.phase()
        ended = f"diverged at {run.failed_at}" if run.failed_at is not None else phase.title.lower()
        settings = (getattr(experiment, name) for name in SYMBOLS)
        values = [
            "-" if (value := summary[row.name]) is None
            else f"{value}" if row.kind == "count"
            else f"{value:.3f}"
            for row in columns
        ]  # fmt: skip
        counts = () if narrow else (summary["steps"], experiment.seeds.seed)
        table.add_row(*(f"{s:g}" for s in settings), *map(str, counts), ended, *values)
    screen.print(table)


def print_runs(runs: pd.DataFrame, as_json: bool) -> None:
    """Print a row for each run of a store, or as JSON everything that is known of each."""
    from grokscope.measures.table import MEASURES

    if as_json:
        print(json.dumps(jsonable(runs.reset_index().to_dict("records"))))
        return
    from grokscope.experiment.part import ABSENT
    from grokscope.plotting.wording import SYMBOLS, format_setting

    shown = [n for n, row in MEASURES.items() if row.has_column and row.kind == "accuracy"]
    names = [*runs]
    settings = names[1 : names.index(next(iter(MEASURES)))]
    own = names[names.index([*MEASURES][-1]) + 1 : names.index("created")]
    table = plain_table()
    for title in ("run", *(SYMBOLS.get(name, str(name)) for name in settings), "phase"):
        table.add_column(title, justify="left" if title in ("run", "phase") else "right")
    for name in (*(MEASURES[name].title for name in shown), *own):
        table.add_column(name, justify="right")
    for record in runs.reset_index().to_dict("records"):
        values = [format_setting(record[name]) for name in settings]
        numbers = [(record[name], ".3f") for name in shown]
        numbers += [(record[name], ".3g") for name in own]
        table.add_row(
            record["run"][:12],
            *("-" if value == ABSENT else value for value in values),
            record["phase"].replace("_", " "),
            *("-" if value != value else format(value, digits) for value, digits in numbers),
        )
    for column in table.columns:
        column.no_wrap = True
    screen = console()
    screen.width = WIDEST
    screen.print(table)


def pruning_document(
    curves: Mapping[str, xr.Dataset],
    by_norm: Mapping[str, xr.Dataset],
    by_ipr: Mapping[str, xr.Dataset],
    band: xr.Dataset | None,
) -> dict[str, object]:
    """Pruning as JSON: the curves of every order, and their controls.

    Args:
        curves: pruning curves by the name of the order.
        by_norm: the same by norm, for orders that are not.
        by_ipr: the same by IPR, for orders by what neurons add.
        band: the quantiles of random orders.
    """
    from grokscope.measures.pruning import best_pruned, neurons_required

    def numbers_of(curve: xr.Dataset) -> dict[str, object]:
        return {str(name): jsonable(values.values.tolist()) for name, values in curve.items()}

    found: dict[str, object] = {
        "neurons_required": {order: neurons_required(curve) for order, curve in curves.items()},
        "best": {order: best_pruned(curve) for order, curve in curves.items()},
        "curves": {order: numbers_of(curve) for order, curve in curves.items()},
        "by_norm": {order: numbers_of(curve) for order, curve in by_norm.items()},
        "by_ipr": {order: numbers_of(curve) for order, curve in by_ipr.items()},
        "band": None,
    }
    if band is not None:
        axes = {name: band[name].values.tolist() for name in ("pruned", "quantile")}
        found["band"] = band.attrs | axes | numbers_of(band)
    return found


def print_curve(curve: xr.Dataset) -> None:
    """Print a pruning curve at every tenth of the neurons, and what the best of it can do."""
    from grokscope.measures.pruning import best_pruned, neurons_required
    from grokscope.measures.table import scores
    from grokscope.plotting.wording import order_title

    table = plain_table(f"pruned {order_title(curve)}")
    found = [row for row in scores().values() if row.name in curve]
    rows = sorted(found, key=lambda row: row.kind == "loss")  # accuracies first
    for title in ("pruned", *(row.title for row in rows)):
        table.add_column(title, justify="right", no_wrap=True)
    width = int(curve.pruned[-1])
    for share in range(0, 101, 10):
        at = curve.sel(pruned=width * share // 100, method="nearest")
        table.add_row(f"{share}%", *(f"{float(at[row.name]):.4f}" for row in rows))
    console().print(table)
    required, (removed, accuracy) = neurons_required(curve), best_pruned(curve)
    least = "no part of it generalises" if required is None else f"{required} of {width}"
    print(f"fewest neurons that still generalise: {least}")
    print(f"best test accuracy: {accuracy:.4f}, with {removed} of {width} removed\n")


def print_band(band: xr.Dataset) -> None:
    """Print where the central 95 % of random orders lie, at every tenth of the neurons."""
    from grokscope.measures.table import scores

    low, *_, high = band["quantile"].values
    table = plain_table(f"pruned at random, central 95 % of {band.attrs['orders']} orders")
    rows = [row for row in scores().values() if row.kind == "accuracy"]
    for title in ("pruned", *(row.title for row in rows)):
        table.add_column(title, justify="right", no_wrap=True)
    for share in range(0, 101, 10):
        at = band.sel(pruned=int(band.pruned[-1]) * share // 100, method="nearest")
        ends = ((float(at[row.name].sel(quantile=q)) for q in (low, high)) for row in rows)
        table.add_row(f"{share}%", *(f"{least:.2f}–{most:.2f}" for least, most in ends))
    console().print(table)
    print()


def extraction_document(curve: xr.Dataset) -> dict[str, object]:
    """An extraction curve as JSON: every score by what is extracted, over the frequencies kept.

    And `beyond_vote`, the test accuracy of the extracted network less that of the vote.
    """
    from grokscope.runs.extraction import beyond_vote

    kinds = curve.kind.values.tolist()
    return {
        "frequencies": curve.frequencies.values.tolist(),
        "beyond_vote": jsonable(beyond_vote(curve).values.tolist()),
        "curves": {
            kind: {
                str(name): jsonable(values.sel(kind=kind).values.tolist())
                for name, values in curve.items()
            }
            for kind in kinds
        },
    }


def print_extraction(run: Run, curve: xr.Dataset) -> None:
    """Print the test accuracy of what is extracted and of its controls."""
    from grokscope.plotting.wording import phase_title
    from grokscope.runs.extraction import KINDS, beyond_vote

    table = plain_table(f"{phase_title(run)}: test accuracy of what is extracted")
    kinds = [str(kind) for kind in curve.kind.values]
    names = [kind.replace("_", " ") for kind in kinds]
    columns = dict(zip(names, curve.test_accuracy.values, strict=True))
    if "vote" in kinds:
        columns["network - vote"] = beyond_vote(curve).values
    for title in ("frequencies", *columns):
        table.add_column(title, justify="right", no_wrap=True)
    for count, *values in zip(curve.frequencies.values, *columns.values(), strict=True):
        table.add_row(str(count), *(f"{value:.4f}" for value in values))
    console().print(table)
    for kind in kinds:
        print(f"{kind.replace('_', ' '):14} {KINDS[kind]}")
    print(
        "Extraction supplies the order of the residues, and so does the vote, which has no network:"
        "\nonly what differs from the vote says something of the weights."
        if "vote" in kinds
        else "Extraction supplies the order of the residues: high test accuracy may be its own."
    )
