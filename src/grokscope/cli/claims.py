"""Commands that check the paper's statements: verify, report."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from grokscope.cli.base import CONTRADICTED, PAGES, RUNS, Json, Store, app, known_scale
from grokscope.cli.sweeps import Workers, positive
from grokscope.cli.tables import console, jsonable
from grokscope.errors import ConfigError

RESULTS = Path("results")

TrainSweeps = Annotated[
    bool,
    typer.Option(
        "--sweeps/--no-sweeps",
        help="Train sweeps that are not exported; at the quick scale coarse ones, some ten minutes"
        " each.",
    ),
]


@app.command()
def verify(
    only: Annotated[
        list[str] | None, typer.Option(help="Names of claims (default all); may be repeated.")
    ] = None,
    scale: Annotated[
        str, typer.Option(help="paper, or quick: half the steps where they decide nothing.")
    ] = "quick",
    store: Store = RUNS,
    results: Annotated[Path, typer.Option("--from", help="Folder of exported sweeps.")] = RESULTS,
    train_sweeps: TrainSweeps = True,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Check the paper's statements: train what they need, and say which the evidence supports.

    The exit code is 3 if any is contradicted.

    Example: [bold]grokscope verify --only coexistence --only prune-low[/bold]
    """
    from grokscope.paper.claims import Verdict, chosen, verify

    claims = chosen(only or [])
    found = verify(
        [*claims], known_scale(scale), store, _exports(results), positive("workers", workers),
        train_sweeps=train_sweeps, show=_to_stderr,
    )  # fmt: skip
    if as_json:
        each = [
            {
                "name": name, "section": claim.section, "says": claim.says,
                "statistic": claim.statistic, "bound": claim.bound, "side": claim.side,
                "why": claim.why, "verdict": str(found[name].verdict), "n": found[name].n,
                "unit": claim.unit,
                "estimate": found[name].interval.estimate, "low": found[name].interval.low,
                "high": found[name].interval.high, "seconds": found[name].seconds,
                "missing": found[name].missing, "coarse": found[name].coarse,
            }
            for name, claim in claims.items()
        ]  # fmt: skip
        print(json.dumps(jsonable({"claims": each})))
    else:
        _print(claims, found)
    if any(finding.verdict == Verdict.CONTRADICTED for finding in found.values()):
        raise typer.Exit(CONTRADICTED)


@app.command()
def report(
    out: Annotated[Path, typer.Option(help="The HTML file.")] = Path("report.html"),
    scale: Annotated[
        str, typer.Option(help="paper, or quick: fewer steps for what is trained.")
    ] = "quick",
    store: Store = RUNS,
    results: Annotated[Path, typer.Option("--from", help="Folder of exported sweeps.")] = RESULTS,
    train_sweeps: TrainSweeps = True,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Write one HTML file with every figure and every statement's verdict, and how each was made.

    Example: [bold]grokscope report --out report.html[/bold]
    """
    from grokscope.paper.report import report as write_report
    from grokscope.runs.files import require_file

    require_file(out, "out", PAGES)
    found = write_report(
        out, known_scale(scale), store, _exports(results),
        positive("workers", workers),
        _to_stderr, train_sweeps,
    )  # fmt: skip
    verdicts = {name: str(finding.verdict) for name, finding in found.items()}
    print(json.dumps({"report": str(out), "verdicts": verdicts}) if as_json else f"report   {out}")


def _exports(results: Path) -> Path:
    """A folder of exported sweeps; only the one that is not asked for may not be there."""
    if results != RESULTS and not results.is_dir():
        raise ConfigError(f"`from` must be a folder of exported sweeps, got {str(results)!r}.")
    return results


def _to_stderr(line: str) -> None:
    print(f"grokscope: {line}", file=sys.stderr)


def _print(claims: dict[str, Any], found: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from grokscope.paper.claims import Verdict
    from grokscope.plotting.wording import span

    looks = {Verdict.SUPPORTED: "green", Verdict.CONTRADICTED: "bold red", Verdict.UNDECIDED: "dim"}
    table = Table(box=None, pad_edge=False)
    for name in (
        "claim", "statement and what is measured", "estimate", "holds", "n", "cost", "verdict",
    ):  # fmt: skip
        wraps = name in ("statement and what is measured", "n", "verdict")
        table.add_column(name, no_wrap=not wraps)
    for name, claim in claims.items():
        finding = found[name]
        words = Text(f"{claim.says} ({claim.section})\n")
        words.append(f"{claim.statistic}", "dim")
        low, high = finding.interval.low, finding.interval.high
        estimate = f"{finding.interval.estimate:.3g}\n[{low:.3g}, {high:.3g}]"
        sign = ">" if claim.side == "above" else "<"
        because = " and ".join(f"coarse {name}" for name in finding.coarse)
        because = f"needs {finding.missing}" if finding.missing else because
        verdict = f"{finding.verdict}" + (f": {because}" if because else "")
        table.add_row(
            name,
            words,
            Text(estimate) if finding.n else "-",
            f"{sign} {claim.bound:g}",
            f"{finding.n:,}\n{claim.unit}" if finding.n else "-",
            span(finding.seconds) if finding.seconds else "-",
            Text(verdict, looks[finding.verdict]),
        )
    console().print(table)
    counts = [
        f"{sum(f.verdict == verdict for f in found.values())} {verdict}" for verdict in Verdict
    ]
    cost = math.fsum(finding.seconds for finding in found.values())
    print(
        f"{', '.join(counts)} · cost: time on one core to train what each uses, shared or not,"
        f" {span(cost)} in all · intervals: 95 %, over what n counts"
    )
