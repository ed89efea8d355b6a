"""Commands that serve the paper: figure, verify, report, site."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grokscope.cli.base import (
    CONTRADICTED,
    PAGES,
    RUNS,
    Device,
    Json,
    Scale,
    Store,
    Workers,
    app,
    option_number,
    use_device,
)
from grokscope.cli.sweep_tables import print_phases, status_of
from grokscope.cli.tables import console, jsonable, print_table, summary_of
from grokscope.errors import ConfigError
from grokscope.paper.shipped import RESULTS

if TYPE_CHECKING:
    from rich.table import Table

    from grokscope.analysis.statistics import Interval
    from grokscope.paper.statements import Claim, Finding

FigureNumber = Annotated[
    str, typer.Argument(help="Its number in the paper, or forgetting, harmonics or notebook.")
]
FigureScale = Annotated[
    Scale,
    typer.Option(
        help="paper: the paper's settings; quick: about three minutes, diagrams ten at most."
    ),
]
ClaimScale = Annotated[
    Scale, typer.Option(help="paper, or quick: half the steps where they decide nothing.")
]
PageScale = Annotated[Scale, typer.Option(help="paper, or quick: fewer steps for what is trained.")]
Exports = Annotated[Path, typer.Option("--from", help="Folder of exported sweeps.")]
TrainSweeps = Annotated[
    bool,
    typer.Option(
        "--sweeps/--no-sweeps",
        help="Train sweeps that are not exported; at the quick scale coarse ones, some ten minutes"
        " each.",
    ),
]


@app.command()
def figure(
    number: FigureNumber,
    scale: FigureScale = "paper",
    seed: Annotated[int, option_number("Root seed of every network.", least=0)] = 0,
    store: Store = RUNS,
    settle: Annotated[
        bool, typer.Option("--settle", help="Sweeps: stop a run once its phase is settled.")
    ] = False,
    refine: Annotated[
        bool, typer.Option("--refine", help="Sweeps: train only along the boundaries.")
    ] = False,
    results: Annotated[
        Path | None,
        typer.Option("--from", help="Sweeps: draw from this folder of exports, train nothing."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Picture (PNG, PDF, SVG) (default figures/figureN.png)")
    ] = None,
    workers: Workers = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Draw a figure of the paper, training only what the store lacks.

    Example: [bold]grokscope figure 1 --scale quick[/bold]
    """
    from grokscope.paper.request import Request
    from grokscope.plotting import style
    from grokscope.runs.files import require_file

    request = Request(number, scale, seed, results, settle, refine)
    suffix = "" if scale == "paper" else f"-{scale}"
    path = out or Path("figures") / f"figure{number}{suffix}.png"
    require_file(path, "out", style.FORMATS)
    use_device(device)
    made = request.make(store, workers)
    style.save(made.picture, path)
    if as_json:
        document = {"picture": str(path)}
        if made.sweeps:
            document |= {"sweeps": [status_of(data) for data in made.sweeps]}
        else:
            document |= {"runs": [summary_of(run) for run in made.runs]}
        print(json.dumps(document))
        return
    for data in made.sweeps:
        print_phases(data, as_json=False, written={})
    if made.runs:
        print_table(request.entry.title, made.runs)
    print(f"picture  {path}")


@app.command()
def verify(
    only: Annotated[
        list[str] | None, typer.Option(help="Names of claims (default all); may be repeated.")
    ] = None,
    scale: ClaimScale = "quick",
    store: Store = RUNS,
    results: Exports = RESULTS,
    train_sweeps: TrainSweeps = True,
    workers: Workers = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Check the paper's statements: train what they need, and say which the evidence supports.

    The exit code is 3 if any is contradicted.

    Example: [bold]grokscope verify --only coexistence --only prune-low[/bold]
    """
    from grokscope.paper.statements import Verdict, chosen, families, verify

    claims = chosen(only or [])
    use_device(device)
    found = verify(
        [*claims], scale, store, _exports(results), workers,
        train_sweeps=train_sweeps, show=_to_stderr,
    )  # fmt: skip
    if as_json:
        members = families(claims)
        listed = [
            finding_document(name, claim, found[name], members[name])
            for name, claim in claims.items()
        ]
        print(json.dumps(jsonable({"claims": listed})))
    else:
        _print(claims, found)
    if any(finding.verdict == Verdict.CONTRADICTED for finding in found.values()):
        raise typer.Exit(CONTRADICTED)


@app.command()
def report(
    out: Annotated[Path, typer.Option(help="The HTML file.")] = Path("report.html"),
    scale: PageScale = "quick",
    store: Store = RUNS,
    results: Exports = RESULTS,
    train_sweeps: TrainSweeps = True,
    figures: Annotated[
        str | None, typer.Option(help="Only these, as in 1,3,6, and no statements.", metavar="LIST")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would train.")] = False,
    workers: Workers = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Write one HTML file with every figure and every statement's verdict, and how each was made.

    Example: [bold]grokscope report --figures 1,3,6 --out report.html[/bold]
    """
    from grokscope.paper import page
    from grokscope.paper.figures import number_of
    from grokscope.runs.files import require_file

    require_file(out, "out", PAGES)
    only = None if figures is None else [number_of(name) for name in figures.split(",")]
    folder = _exports(results)
    use_device(device)
    if dry_run:
        plan = page.plan(only, scale, store, folder, train_sweeps, workers)
        print(json.dumps(plan._asdict()) if as_json else page.planned(plan))
        return
    found = page.report(out, scale, store, folder, workers, _to_stderr, train_sweeps, only)
    verdicts = {name: str(finding.verdict) for name, finding in found.items()}
    print(json.dumps({"report": str(out), "verdicts": verdicts}) if as_json else f"report   {out}")


@app.command()
def site(
    out: Annotated[Path, typer.Option(help="Folder of the site.")] = Path("site"),
    scale: PageScale = "quick",
    store: Store = RUNS,
    results: Exports = RESULTS,
    train_sweeps: TrainSweeps = True,
    workers: Workers = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Write a folder to publish: gallery, report, explorers of sweeps, networks over time.

    It needs no server and no network. Open index.html in it.

    Example: [bold]grokscope site --no-sweeps --out site[/bold]
    """
    from grokscope.explorer import page, serve, trajectory
    from grokscope.explorer.source import open_source
    from grokscope.paper.site import LIBRARY, site
    from grokscope.runs.files import require_writable

    require_writable(out, "out")
    folder = _exports(results)
    use_device(device)
    sizes = site(
        out,
        lambda path: serve.whole_page(open_source(path), library=f"../{LIBRARY}")[0],
        trajectory.whole_page,
        page.drawing_library(),
        scale, store, folder, workers, _to_stderr, train_sweeps,
    )  # fmt: skip
    if as_json:
        print(json.dumps({"site": str(out), "bytes": sizes}))
    else:
        size = f"{len(sizes)} files, {sum(sizes.values()) / 1e6:.0f} MB"
        print(f"site     {out / 'index.html'} ({size})")


def _exports(results: Path) -> Path:
    """The folder of exported sweeps; the default one need not be there.

    Raises:
        ConfigError: if another was asked for and is not there.
    """
    if results != RESULTS and not results.is_dir():
        raise ConfigError(f"`from` must be a folder of exported sweeps, got {str(results)!r}.")
    return results


def _to_stderr(line: str) -> None:
    print(f"grokscope: {line}", file=sys.stderr)


def finding_document(name: str, claim: Claim, finding: Finding, family: str) -> dict[str, object]:
    """The verdict on a claim as JSON, beside what the claim says."""
    return {
        "name": name, "section": claim.section, "says": claim.says,
        "statistic": claim.statistic, "bound": claim.bound, "side": claim.side,
        "why": claim.why, "verdict": str(finding.verdict), "n": finding.n, "family": family,
        "p": finding.p, "chosen": claim.chosen,
        "controls": {name: each._asdict() for name, each in finding.controls.items()},
        "estimate": finding.interval.estimate, "low": finding.interval.low,
        "high": finding.interval.high, "seconds": finding.seconds,
        "missing": finding.missing, "coarse": list(finding.coarse),
        "earlier": list(finding.earlier),
    }  # fmt: skip


def _print(claims: Mapping[str, Claim], found: Mapping[str, Finding]) -> None:
    from grokscope.paper.statements import counted, total_seconds
    from grokscope.plotting.wording import format_time

    console().print(_table(claims, found))
    cost = format_time(total_seconds(found))
    print(counted(claims, found))
    print(
        f"cost: time on one core to train what each uses, {cost} in all, where what several use"
        " counts once · intervals: 95 %, over n seeds"
    )


def _table(claims: Mapping[str, Claim], found: Mapping[str, Finding]) -> Table:
    """A row for each claim."""
    from rich.table import Table
    from rich.text import Text

    from grokscope.paper.statements import Verdict, families
    from grokscope.plotting.wording import format_time

    looks = {Verdict.SUPPORTED: "green", Verdict.CONTRADICTED: "bold red"}
    members = families(claims)
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
        for control, interval in finding.controls.items():
            words.append(f"\n{control}: {_number(interval)}", "dim")
        if members[name] != name:
            words.append(f"\nsame networks as {members[name]}", "dim")
        if claim.chosen:
            words.append(f"\nchosen here: {claim.chosen}", "dim")
        sign = ">" if claim.side == "above" else "<"
        because = " and ".join(f"coarse {name}" for name in finding.coarse)
        because = because or "; ".join(finding.earlier)
        because = f"needs {finding.missing}" if finding.missing else because
        verdict = f"{finding.verdict}" + (f": {because}" if because else "")
        table.add_row(
            name,
            words,
            Text(_number(finding.interval).replace(" [", "\n[")) if finding.n else "-",
            f"{sign} {claim.bound:g}",
            f"{finding.n}" if finding.n else "-",
            format_time(finding.seconds) if finding.seconds else "-",
            Text(verdict, looks.get(finding.verdict, "dim")),
        )
    return table


def _number(interval: Interval) -> str:
    """An estimate with its interval, if it has one."""
    ends = f" [{interval.low:.3g}, {interval.high:.3g}]" if math.isfinite(interval.low) else ""
    return f"{interval.estimate:.3g}{ends}"
