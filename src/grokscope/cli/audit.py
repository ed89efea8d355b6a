"""The command that finds wrong labels, by a run or by predictions in a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grokscope.cli.base import (
    RUNS,
    Code,
    Device,
    Json,
    Step,
    Store,
    allow_named,
    app,
    option_number,
    use_device,
)
from grokscope.cli.runs import open_with_weights, picture_path
from grokscope.cli.tables import console, jsonable, plain_table
from grokscope.errors import ConfigError

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table

    from grokscope.runs.run import Run

Source = Annotated[
    str,
    typer.Argument(
        metavar="RUN|FILE",
        help="A run file, or the beginning of a digest in the store; or a CSV or Parquet file with "
        "a column of logits or probabilities for each class.",
    ),
]
Labels = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Of a FILE: the column of given labels.")
]
Truth = Annotated[
    str | None,
    typer.Option("--true", metavar="COLUMN", help="Of a FILE: the column of true labels, if any."),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="Of a FILE: a column that is no class; may be repeated."),
]
Logits = Annotated[
    bool | None,
    typer.Option(
        "--logits/--probabilities",
        help="Of a FILE: what its numbers are (default told by them, if they can tell).",
    ),
]
Top = Annotated[int, option_number("How many of the most suspicious labels to list.", least=0)]
Folds = Annotated[
    int | None,
    option_number(
        "Networks to train, each judging what it was not given; 1 for the run's own (default "
        "5 for features of your own, else 1)."
    ),
]
Export = Annotated[
    Path | None,
    typer.Option(help="Every label judged, the most suspicious first (CSV).", metavar="FILE"),
]
Picture = Annotated[
    Path | None, typer.Option(help="Picture (PNG, PDF, SVG) (default figures/NAME-audit.png)")
]


@app.command()
def audit(
    run: Source,
    store: Store = RUNS,
    code: Code = None,
    step: Step = None,
    labels: Labels = None,
    true: Truth = None,
    logits: Logits = None,
    ignore: Ignore = None,
    top: Top = 10,
    out: Picture = None,
    folds: Folds = None,
    export: Export = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Say which labels are wrong, by a network and its pruned one, or by predictions in a file.

    Example: [bold]grokscope audit 61cef3 --export suspects.csv[/bold]

    Example: [bold]grokscope audit predictions.csv --labels given[/bold]
    """
    from grokscope.analysis import label_audit
    from grokscope.analysis.predictions import TABLES, read_predictions
    from grokscope.plotting import style
    from grokscope.plotting.audit import plot_audit
    from grokscope.runs.files import require_file, write_atomically

    allow_named(code)
    use_device(device)
    if export is not None:
        require_file(export, "export", (".csv",))
    if Path(run).suffix.lower() in TABLES:
        if step is not None:
            raise ConfigError("`step` must be given with a run, got it with a file. Leave it out.")
        opened, path = None, picture_path(Path(run).stem, out, "-audit")
        kind = None if logits is None else "logits" if logits else "probabilities"
        given, predictions = read_predictions(Path(run), labels, true, kind, ignore or [])
        found = label_audit.audit(given, folds, **predictions)
    else:
        _require_no_file(labels=labels, true=true, logits=logits, ignore=ignore)
        opened, path = open_with_weights(run, store, out, "-audit", step)
        found = _audit_run(opened, folds)
    style.save(plot_audit(opened, found), path)
    written = {"picture": str(path)}
    if export is not None:
        write_atomically(export, label_audit.as_table(found).to_csv(index=False).encode())
        written["export"] = str(export)
    if as_json:
        print(json.dumps(jsonable(audit_document(opened, found, top) | written)))
        return
    print_audit(opened, found, top)
    for name, file in written.items():
        print(f"{name:8} {file}")


def _require_no_file(**options: object) -> None:
    """Refuse options that a run does not have."""
    for name, value in options.items():
        if value is not None:
            raise ConfigError(
                f"`{name}` must be given with a file that ends in .csv or .parquet, got it with "
                "a run. Leave it out."
            )


def _audit_run(run: Run, folds: int | None) -> xr.Dataset:
    """The audit of a run; says before how long it takes, if networks are trained."""
    from grokscope.analysis import label_audit
    from grokscope.analysis.cross_fitting import estimated_seconds
    from grokscope.plotting.wording import format_time

    folds = label_audit.folds_of(run, folds)
    if folds > 1 and run.failed_at is None:
        time = format_time(estimated_seconds(run, folds))
        print(f"grokscope: training {folds} networks takes about {time}", file=sys.stderr)
    return label_audit.audit(run, folds)


def audit_document(run: Run | None, found: xr.Dataset, top: int) -> dict[str, object]:
    """An audit as JSON: how well each kind of evidence does, and the most suspicious labels.

    Args:
        run: the run that was audited; None of predictions in a file.
        found: its audit.
        top: how many of the most suspicious labels to list.
    """
    from grokscope.analysis.label_audit import qualities, strongest

    best, ranked = strongest(found)
    listed = [ranked.isel(example=i) for i in range(min(top, ranked.sizes["example"]))]
    return {
        "phase": None if run is None else run.phase(),
        "truth_is_known": "is_wrong" in found,
        "wrong": int(found.is_wrong.sum()) if "is_wrong" in found else None,
        "flagged": _n_flagged(found),
        "evidence": qualities(found),
        "ranked_by": best,
        "kept": found.attrs.get("kept"),
        "folds": None if run is None else found.attrs.get("folds", 1),
        "strongest": [
            {name: value.item() for name, value in at.data_vars.items() if not value.ndim}
            | {"example": at.example.item()}
            for at in listed
        ],
    }


def _n_flagged(found: xr.Dataset) -> int:
    """Labels to which the network, pruned if it can be, prefers another."""
    margin = "pruned_margin" if "pruned_margin" in found else "margin"
    return int((found[margin] > 0).sum())


def print_audit(run: Run | None, found: xr.Dataset, top: int) -> None:
    """Print how well each kind of evidence finds wrong labels, and the most suspicious labels.

    Args:
        run: the run that was audited; None of predictions in a file.
        found: its audit.
        top: how many of the most suspicious labels to list.
    """
    from grokscope.analysis.label_audit import NAMES, judged_by, qualities, strongest
    from grokscope.analysis.predictions import some
    from grokscope.plotting.wording import phase_title

    best, ranked = strongest(found)
    n_labels = found.sizes["example"]
    title = f"classes {some(found.label.values)}" if run is None else phase_title(run)
    if "is_wrong" in found:
        wrong = f"{int(found.is_wrong.sum())} of {n_labels} labels are wrong"
        table = plain_table(f"{title}: {wrong}")
        for name in ("evidence", "AUROC", "precision", "recall", "precision at the number wrong"):
            justify = "left" if name == "evidence" else "right"
            table.add_column(name, justify=justify, no_wrap=True)
        for name, values in qualities(found).items():
            cells = [f"{value:.3f}" if value == value else "-" for value in values.values()]
            table.add_row(NAMES[name], *cells)
        console().print(table)
    else:
        print(f"{title}: the truth is not known")
    if words := judged_by(found):
        print(words)
    elif (found.suggested == found.given).all():
        who, cure = (
            ("predictions fit", "predictions of models")
            if run is None
            else ("network fits", "--folds 5, by networks")
        )
        print(
            f"note: the {who} every label that was given, and so prefer no other. Audit with "
            f"{cure} that have not seen the label."
        )
    top = min(top, n_labels)
    flagged = f"{_n_flagged(found)} of {n_labels} flagged, the {top} strongest listed"
    print(f"{flagged} (by {NAMES[best]})")
    console().print(_suspicious(run, ranked.isel(example=slice(top)), best))


def _suspicious(run: Run | None, ranked: xr.Dataset, by: str) -> Table:
    """A row for each of the most suspicious labels."""
    listed = plain_table()
    n_operands = 0 if run is None else run.experiment.n_operands or 0
    operands = ["m", "n"] if n_operands == 2 else [f"m{place}" for place in range(n_operands)]
    labels = [name for name in ("given", "suggested", "true") if name in ranked]
    for name in ("row", *operands, *labels, "evidence"):
        listed.add_column(name, justify="right", no_wrap=True)
    for i in range(ranked.sizes["example"]):
        at = ranked.isel(example=i)
        tokens = run.data.inputs[int(at.example)].tolist() if run is not None and operands else []
        values = [at.row.item(), *tokens, *(at[name].item() for name in labels)]
        listed.add_row(*map(str, values), f"{float(at[by]):.3f}")
    return listed
