"""Commands on many networks: sweep, status, phases, figure."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from grokscope.cli.base import RUNS, Json, Store, app, known_scale, whole
from grokscope.cli.tables import (
    print_phases,
    print_status,
    print_table,
    status_of,
    summary_of,
)
from grokscope.errors import ConfigError
from grokscope.experiment.grid import Grid
from grokscope.paper.grids import SHOWN, load_grid

GridName = Annotated[
    str, typer.Argument(metavar="GRID", help="A TOML file, or a name such as figure3a.")
]
Seeds = Annotated[
    str | None, typer.Option(metavar="N", help="Seeds of every cell (default the grid's).")
]
Settle = Annotated[
    bool, typer.Option("--settle", help="Stop a run once its phase can no longer change.")
]
Settled = Annotated[bool, typer.Option("--settle", help="The sweep was run with --settle.")]
Every = Annotated[
    str | None,
    typer.Option(metavar="N", help="Only every N-th row and column, and the last: a first look."),
]
Workers = Annotated[
    str | None, typer.Option(metavar="N", help="Training processes (default one a core).")
]


def duration(text: str) -> float:
    """A time as in 2h, 90m, 45s or 1h30m, in seconds.

    >>> duration("1h30m"), duration("45s")
    (5400.0, 45.0)
    """
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text.strip())
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    if not (total := 3600 * hours + 60 * minutes + seconds):
        raise typer.BadParameter(f"must be a time such as 2h, 90m, 45s or 1h30m, got {text!r}.")
    return float(total)


TimeLimit = Annotated[
    float | None,
    typer.Option(
        "--time-limit",
        metavar="TIME",
        parser=duration,
        help="End after a time such as 2h, 90m or 1h30m; the same command goes on.",
    ),
]


def named_grid(name: str, seeds: str | None, settle: bool, every: str | None) -> Grid:
    """The grid of a name or file, as `--seeds`, `--settle` and `--every` change it."""
    grid = load_grid(name)
    if every is not None:
        grid = grid.every(whole("every", every, least=1))
    if settle:
        grid = grid.with_base(settle=True)
    if seeds is not None:
        count: Any = whole("seeds", seeds, least=1)
        grid = grid.replace(seeds=count)
    return grid


def requested_grid(
    source: Path, name: str | None, seeds: str | None, settle: bool, every: str | None
) -> Grid | None:
    """A store's grid as it is named, or None where store or file is to tell.

    Raises:
        ConfigError: if a file's is named, or there is none that the other options could change.
    """
    if name and source.is_file():
        raise ConfigError("`grid` must be left out with a file, which holds its own.")
    if name:
        return named_grid(name, seeds, settle, every)
    if settle or seeds or every:
        raise ConfigError(
            "`settle`, `seeds` and `every` must go with a grid that they change. Give --grid."
        )
    return None


def positive(name: str, text: str | None) -> int | None:
    """An option's text as a whole number from 1; None if it is not given."""
    return None if text is None else whole(name, text, least=1)


@app.command()
def sweep(
    grid: GridName,
    store: Store = RUNS,
    settle: Settle = False,
    refine: Annotated[
        bool,
        typer.Option("--refine", help="Train only along the boundaries between phases."),
    ] = False,
    seeds: Seeds = None,
    every: Every = None,
    start_from: Annotated[
        Path | None,
        typer.Option(help="Take the runs of an export with --details before training the rest."),
    ] = None,
    keep_weights: Annotated[
        bool, typer.Option("--keep-weights", help="Store final weights too: larger files.")
    ] = False,
    workers: Workers = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Run on the Dask cluster of a scheduler.")
    ] = None,
    limit: Annotated[
        str | None, typer.Option(metavar="N", help="Train at most so many networks now.")
    ] = None,
    time_limit: TimeLimit = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again what failed before.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what is missing and what it takes."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a grid of networks; what the store has is not trained again.

    Interrupt it at any time: the same command goes on.

    Example: [bold]grokscope sweep figure3a --settle --refine[/bold]
    """
    chosen = named_grid(grid, seeds, settle, every)
    processes, most = positive("workers", workers), positive("limit", limit)
    if scheduler is not None and workers is not None:
        raise ConfigError("`workers` must be left out with a scheduler, whose workers train.")
    if dry_run and start_from is not None:
        raise ConfigError("`start_from` must be left out of a dry run, which writes nothing.")
    from grokscope.plotting.wording import span
    from grokscope.sweeps import archive as archives
    from grokscope.sweeps import sweep as sweeps
    from grokscope.sweeps.diagram import grid_of

    if dry_run:
        data = sweeps.open_sweep(chosen, store)
        cost = sweeps.estimate(chosen, store, data, processes, keep_weights, retry_failed, most)
        if as_json:
            print(json.dumps(status_of(data) | cost._asdict()))
            return
        print_status(data)
        print(f"to train {cost.to_train:,} networks")
        print(f"time     about {span(cost.seconds)}, were no run to settle and no cell inferred")
        print(f"disk     {cost.disk_bytes / 1e6:,.0f} MB of {cost.disk_free / 1e6:,.0f} free")
        return
    if start_from is not None:
        archived = archives.load_sweep(start_from)
        if set(chosen.digests).isdisjoint(grid_of(archived).digests):
            raise ConfigError(
                f"`start_from` must hold cells of this sweep, got {str(start_from)!r} with none. "
                "Give --settle, --seeds and --every as for the sweep that it is of."
            )
        restored = archives.restore(archived, store)
        if not as_json:
            print(f"taken    {restored:,} runs from {start_from}")
    from grokscope.sweeps.executors import dask_executor

    with nullcontext() if scheduler is None else dask_executor(scheduler) as executor:
        data = sweeps.sweep(
            chosen,
            store,
            refine=refine,
            always=SHOWN.get(grid),
            keep_weights=keep_weights,
            limit=most,
            time_limit=time_limit,
            retry_failed=retry_failed,
            workers=processes,
            executor=executor,
        )
    _print_status(data, store, as_json)


@app.command()
def status(
    grid: GridName,
    store: Store = RUNS,
    settle: Settled = False,
    seeds: Seeds = None,
    every: Every = None,
    as_json: Json = False,
) -> None:
    """Say which cells of a grid are done, failed or missing in a store, along every axis.

    Example: [bold]grokscope status figure3a --settle[/bold]
    """
    from grokscope.sweeps.sweep import open_sweep

    if store.exists() and not store.is_dir():
        raise ConfigError(f"`store` must be a folder of runs, got the file {str(store)!r}.")
    _print_status(open_sweep(named_grid(grid, seeds, settle, every), store), store, as_json)


def _print_status(data: Any, store: Path, as_json: bool) -> None:
    from grokscope.sweeps.sweep import failed_cells, of_other_source

    failed, others = failed_cells(data, store), of_other_source(data, store)
    if as_json:
        print(json.dumps(status_of(data) | {"failures": failed, "other_source": others}))
        return
    print_status(data)
    if others:
        print(
            f"other    {others:,} of the missing are here, of your code as it was before a change"
        )
    for settings, reason in list(failed.items())[:10]:
        print(f"failed   {settings}: {reason}")
    if len(failed) > 10:
        print(f"failed   … and {len(failed) - 10} more; --json lists them all")


@app.command()
def phases(
    source: Annotated[
        Path, typer.Argument(metavar="STORE|FILE", help="A folder of runs, or an exported sweep.")
    ],
    grid: Annotated[
        str | None,
        typer.Option(metavar="GRID", help="Which sweep of the store (default found out from it)."),
    ] = None,
    settle: Settled = False,
    seeds: Seeds = None,
    every: Every = None,
    out: Annotated[
        Path | None, typer.Option(help="Picture (PNG, PDF, SVG); none is drawn without.")
    ] = None,
    accuracies: Annotated[
        bool, typer.Option("--accuracies", help="Draw train and test accuracy above the phases.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option(help="Also write the sweep as netCDF, CSV or Parquet.")
    ] = None,
    details: Annotated[
        bool,
        typer.Option("--details", help="Export curves and pruning too (to netCDF)."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the phase diagram of a sweep in the terminal; draw or export it.

    Example: [bold]grokscope phases runs --grid figure3a --out diagram.png[/bold]
    """
    from grokscope.paper import figures
    from grokscope.paper.figures.diagrams import draw_diagrams
    from grokscope.progress import progress_bar
    from grokscope.runs.store import require_file
    from grokscope.sweeps import archive as archives
    from grokscope.sweeps.recorded_grids import grid_in
    from grokscope.sweeps.sweep import open_sweep

    if out is not None:
        require_file(out, "out", style.FORMATS)
    elif accuracies:
        raise ConfigError("`accuracies` must go with a picture to draw them in. Give --out.")
    if export is not None:
        require_file(export, "export", archives.FORMATS)
    if details and (export is None or export.suffix.lower() != ".nc" or not source.is_dir()):
        raise ConfigError(
            "`details` must go with a store and an export to netCDF. Use --export sweep.nc."
        )
    named = requested_grid(source, grid, seeds, settle, every)
    if source.is_dir():
        chosen = named or grid_in(source)
        if details and export:
            with progress_bar("packing runs", chosen.size, True, unit="runs") as advance:
                data = archives.archive(chosen, source, advance)
        else:
            data = open_sweep(chosen, source)
    else:
        data = archives.load_sweep(source)
    written = {}
    if export is not None:  # first: a sweep of one axis has no picture
        archives.export(data, export)
        written["export"] = str(export)
    if out is not None:
        draw = partial(draw_diagrams, with_accuracies=accuracies)
        figures.draw_sweeps(draw, [data], out)
        written["picture"] = str(out)
    print_phases(data, as_json, written)


@app.command()
def figure(
    number: Annotated[
        str, typer.Argument(help="Number of the figure in the paper, or forgetting.")
    ],
    scale: Annotated[
        str,
        typer.Option(
            help="paper: the paper's settings; quick: about three minutes, diagrams ten at most."
        ),
    ] = "paper",
    seed: Annotated[str, typer.Option(metavar="N", help="Root seed of every network.")] = "0",
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
    as_json: Json = False,
) -> None:
    """Draw a figure of the paper, training only what the store lacks.

    Example: [bold]grokscope figure 1 --scale quick[/bold]
    """
    from grokscope.paper import figures
    from grokscope.runs.store import require_file

    scale = known_scale(scale)
    chosen = figures.load(int(number) if number.isdecimal() else number)
    of_sweeps = isinstance(chosen, figures.SweepFigure)
    if (settle or refine or results) and not of_sweeps:
        raise ConfigError(
            "`--settle`, `--refine` and `--from` must go with a figure of sweeps, got figure "
            f"{number}. Use figure 3."
        )
    if results and (settle or refine or scale == "quick" or seed != "0"):
        raise ConfigError("`--from` must go alone: what is exported is drawn as it is.")
    root_seed, processes = whole("seed", seed), positive("workers", workers)
    suffix = "" if scale == "paper" else f"-{scale}"
    path = out or Path("figures") / f"figure{number}{suffix}.png"
    require_file(path, "out", style.FORMATS)
    if of_sweeps:
        from grokscope.sweeps import archive as archives
        from grokscope.sweeps import sweep as sweeps

        grids = figures.grids(chosen, scale, root_seed)
        if results is not None:
            data = [archives.load_sweep(results / f"{name}.nc") for name in grids]
        else:
            grids = {n: g.with_base(settle=True) if settle else g for n, g in grids.items()}
            data = [
                sweeps.sweep(grid, store, refine=refine, always=SHOWN.get(name), workers=processes)
                for name, grid in grids.items()
            ]
        quick = figures.quick_note(chosen) if scale == "quick" else ""
        note = figures.note_of(chosen, quick)
        figures.draw_sweeps(chosen.draw, data, path, note)
        if as_json:
            print(json.dumps({"picture": str(path), "sweeps": [status_of(d) for d in data]}))
            return
        for one in data:
            print_phases(one, as_json=False, written={})
    else:
        from grokscope.sweeps.sweep import train_missing

        runs = train_missing(figures.experiments(chosen, scale, root_seed), store, processes)
        figures.draw(chosen, runs, path)
        if as_json:
            print(json.dumps({"picture": str(path), "runs": [summary_of(run) for run in runs]}))
            return
        print_table(chosen.title, runs)
    print(f"picture  {path}")
