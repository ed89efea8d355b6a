"""Commands on many networks: sweep, status, phases."""

from __future__ import annotations

import re
import shlex
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grokscope.cli.base import (
    FAILED,
    RUNS,
    CheckpointEvery,
    Code,
    Device,
    Every,
    GridName,
    GridOfStore,
    Json,
    Log,
    Seeds,
    Settle,
    Settled,
    Store,
    SweepSource,
    Workers,
    allow_named,
    app,
    option_number,
    use_device,
)
from grokscope.cli.sweep_tables import print_estimate, print_phases, print_store_status
from grokscope.errors import ConfigError

if TYPE_CHECKING:
    import xarray as xr

    from grokscope.experiment.grid import Grid


def duration(text: str) -> float:
    """Read a time such as 2h, 90m, 45s or 1h30m, in seconds.

    >>> duration("1h30m"), duration("45s")
    (5400.0, 45.0)
    """
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text.strip())
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    if not (total := 3600 * hours + 60 * minutes + seconds):
        raise typer.BadParameter(f"must be a time such as 2h, 90m, 45s or 1h30m, got {text!r}.")
    return float(total)


Refine = Annotated[
    bool, typer.Option("--refine", help="Train only along the boundaries between phases.")
]
StartFrom = Annotated[
    Path | None,
    typer.Option(help="Take the runs of an export with --details before training the rest."),
]
FinalWeights = Annotated[
    bool, typer.Option("--final-weights", help="Store final weights too: larger files.")
]
Scheduler = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Run on the Dask cluster of a scheduler.")
]
TimeLimit = Annotated[
    float | None,
    typer.Option(
        "--time-limit",
        metavar="TIME",
        parser=duration,
        help="End after a time such as 2h, 90m or 1h30m; the same command goes on.",
    ),
]
Limit = Annotated[int | None, option_number("Train at most so many networks now.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Try again what failed before.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what is missing and what it takes.")]
SweepPicture = Annotated[
    Path | None, typer.Option(help="Picture (PNG, PDF, SVG); none is drawn without.")
]
Export = Annotated[
    Path | None, typer.Option(help="Also write the sweep as netCDF, CSV or Parquet.")
]
Details = Annotated[
    bool, typer.Option("--details", help="Export curves and pruning too (to netCDF).")
]

DetailedSeeds = Annotated[
    int | None, option_number("With --details: of the first so many seeds alone.")
]


def named_grid(name: str, seeds: int | None, settle: bool, every: int | None) -> Grid:
    """The grid of a name or file, as `--seeds`, `--settle` and `--every` change it."""
    from grokscope.paper.grids import load_grid

    grid = load_grid(name)
    if every is not None:
        grid = grid.every(every)
    if settle:
        grid = grid.with_base(settle=True)
    return grid if seeds is None else grid.replace(seeds=seeds)


def phases_command(
    store: Path, name: str, seeds: int | None, settle: bool, every: int | None
) -> str:
    """The command that shows the sweep of `named_grid` in a store.

    >>> phases_command(Path("runs"), "figure3a", None, True, 4)
    'grokscope phases runs --grid figure3a --settle --every 4'
    """
    counts = {"--seeds": seeds, "--every": every}
    given = [word for option, count in counts.items() if count for word in (option, str(count))]
    return shlex.join(
        ["grokscope", "phases", str(store), "--grid", name, *["--settle"] * settle, *given]
    )


def requested_grid(
    source: Path, name: str | None, seeds: int | None, settle: bool, every: int | None
) -> Grid | None:
    """The grid that was named for a store; None where the store or the file tells its own.

    Raises:
        ConfigError: if a grid is named for a file, or options change a grid that is not named.
    """
    if name and source.is_file():
        raise ConfigError("`grid` must be left out with a file, which holds its own.")
    if name:
        return named_grid(name, seeds, settle, every)
    if settle or seeds or every:
        remedy = "Leave them out, for a file holds its own." if source.is_file() else "Give --grid."
        raise ConfigError(
            f"`settle`, `seeds` and `every` must go with a grid that they change. {remedy}"
        )
    return None


@app.command()
def sweep(
    grid: GridName,
    store: Store = RUNS,
    log: Log = None,
    code: Code = None,
    settle: Settle = False,
    refine: Refine = False,
    seeds: Seeds = None,
    every: Every = None,
    start_from: StartFrom = None,
    final_weights: FinalWeights = False,
    workers: Workers = None,
    scheduler: Scheduler = None,
    device: Device = "auto",
    limit: Limit = None,
    time_limit: TimeLimit = None,
    retry_failed: RetryFailed = False,
    checkpoint_every: CheckpointEvery = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Train a grid of networks; what the store has is not trained again.

    Interrupt it at any time: the same command goes on.

    Example: [bold]grokscope sweep figure3a --settle --refine[/bold]
    """
    allow_named(code)
    chosen = named_grid(grid, seeds, settle, every)
    _require_own_workers(scheduler, workers, device)
    if dry_run and start_from is not None:
        raise ConfigError("`start_from` must be left out of a dry run, which writes nothing.")
    from grokscope.data.dataset import complete_grid
    from grokscope.experiment.own_code import allow_code
    from grokscope.runs import store as stores
    from grokscope.sweeps import sweep as sweeps
    from grokscope.sweeps.estimate import estimate

    allow_code(Path.cwd())
    use_device(device)
    chosen = complete_grid(chosen)
    if dry_run:
        data = sweeps.open_sweep(chosen, stores.Store(store, mend=False))
        cost = estimate(chosen, store, data, workers, final_weights, retry_failed, limit)
        print_estimate(data, cost, as_json)
        return
    if start_from is not None:
        _take_runs(start_from, chosen, store, as_json)
    from grokscope.paper.grids import SHOWN
    from grokscope.sweeps.executors import dask_executor

    with nullcontext() if scheduler is None else dask_executor(scheduler) as executor:
        data = sweeps.sweep(
            chosen, store, refine=refine, always=SHOWN.get(grid) if refine else None, limit=limit,
            final_weights=final_weights, time_limit=time_limit, workers=workers, log=log,
            retry_failed=retry_failed, executor=executor, checkpoint_every=checkpoint_every,
        )  # fmt: skip
    print_store_status(data, store, as_json, phases_command(store, grid, seeds, settle, every))
    if bool((data.status == sweeps.FAILED).any()):
        raise typer.Exit(FAILED)


def _require_own_workers(scheduler: str | None, workers: int | None, device: str) -> None:
    """Refuse options on training processes with a scheduler, which has its own."""
    if scheduler is None:
        return
    if workers is not None:
        raise ConfigError("`workers` must be left out with a scheduler, whose workers train.")
    if device != "auto":
        raise ConfigError(
            f"`device` must be left out with a scheduler, whose workers train, got {device!r}. "
            "Start them with JAX_PLATFORMS=cpu, or with grokscope[cuda] installed."
        )


def _take_runs(export: Path, grid: Grid, store: Path, as_json: bool) -> None:
    """Put the runs of an export into a store.

    Raises:
        ConfigError: if the export has no cell of the grid, or no runs.
    """
    from grokscope.paper.shipped import located
    from grokscope.sweeps import archive
    from grokscope.sweeps.diagram import grid_of

    archived = archive.load_sweep(located(export))
    if set(grid.digests).isdisjoint(grid_of(archived).digests):
        raise ConfigError(
            f"`start_from` must hold cells of this sweep, got {str(export)!r} with none. "
            "Give --settle, --seeds and --every as for the sweep that it is of."
        )
    if "run_maker" not in archived:
        raise ConfigError(
            f"`start_from` must be an export with its runs, got {str(export)!r} with what they "
            "ended with alone. Export it with --details."
        )
    restored = archive.restore(archived, store)
    if not as_json:
        print(f"taken    {restored:,} runs from {export}")


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
    from grokscope.runs import store as stores
    from grokscope.sweeps.sweep import open_sweep

    if store.exists() and not store.is_dir():
        raise ConfigError(f"`store` must be a folder of runs, got the file {str(store)!r}.")
    unchanged = stores.Store(store, mend=False)
    data = open_sweep(named_grid(grid, seeds, settle, every), unchanged)
    print_store_status(data, store, as_json)


@app.command()
def phases(
    source: SweepSource,
    grid: GridOfStore = None,
    settle: Settled = False,
    seeds: Seeds = None,
    every: Every = None,
    out: SweepPicture = None,
    accuracies: Annotated[
        bool, typer.Option("--accuracies", help="Draw train and test accuracy above the phases.")
    ] = False,
    lines: Annotated[
        str | None,
        typer.Option(
            metavar="AXIS",
            help="Draw accuracies over steps instead, a line for each value of an axis.",
        ),
    ] = None,
    export: Export = None,
    details: Details = False,
    detailed_seeds: DetailedSeeds = None,
    as_json: Json = False,
) -> None:
    """Show the phase diagram of a sweep in the terminal; draw or export it.

    Example: [bold]grokscope phases runs --grid figure3a --out diagram.png[/bold]
    """
    from grokscope.paper.shipped import located
    from grokscope.plotting import style
    from grokscope.plotting.courses import plot_courses
    from grokscope.plotting.diagram import plot_phases
    from grokscope.sweeps import archive

    source = located(source)
    _require_one_picture(out, accuracies, lines)
    _require_export(source, export, details, detailed_seeds)
    has_curves = details or lines is not None
    chosen = requested_grid(source, grid, seeds, settle, every)
    data = _read_sweep(source, chosen, has_curves, detailed_seeds)
    written = {}
    nothing = _nothing_of(data, source)
    if export is not None:  # first: a sweep of one axis has no picture
        if nothing:
            raise ConfigError(f"`export` must have networks to write, got none: {nothing}")
        archive.export(data, export)
        written["export"] = str(export)
    if out is not None:
        picture = plot_phases(data, accuracies) if lines is None else plot_courses(data, lines)
        style.save(picture, out)
        written["picture"] = str(out)
    print_phases(data, as_json, written)
    if nothing and not as_json:
        print(f"note: {nothing}")


def _require_export(
    source: Path, export: Path | None, details: bool, detailed_seeds: int | None
) -> None:
    """Refuse a file that is no export, and details that it would not have."""
    from grokscope.runs.files import require_file
    from grokscope.sweeps import archive

    if export is not None:
        require_file(export, "export", archive.FORMATS)
    if details and source.is_file():
        raise ConfigError(
            f"`details` must go with a store, got the file {str(source)!r}. Leave it out: what the "
            "file has is exported."
        )
    if details and (export is None or export.suffix.lower() != ".nc"):
        got = "none" if export is None else repr(str(export))
        raise ConfigError(
            f"`details` must go with an export to netCDF, got {got}. Use --export sweep.nc."
        )
    if detailed_seeds is not None and not details:
        raise ConfigError("`detailed_seeds` must go with details. Give --details.")


def _nothing_of(data: xr.Dataset, source: Path) -> str:
    """What to say where a source has no network of a sweep; nothing where it has some."""
    from grokscope.sweeps.diagram import DONE

    if bool((data.status == DONE).any()):
        return ""
    return (
        f"0 of {data.status.size:,} networks are in {source}. Train them with `grokscope sweep`, "
        "or name the sweep that was trained, with --grid, --settle, --seeds and --every."
    )


def _require_one_picture(out: Path | None, accuracies: bool, lines: str | None) -> None:
    """Refuse a file that is no picture, what there is none to draw in, and two in one."""
    from grokscope.plotting import style
    from grokscope.runs.files import require_file

    if out is not None:
        require_file(out, "out", style.FORMATS)
    elif accuracies or lines:
        name = "accuracies" if accuracies else "lines"
        raise ConfigError(f"`{name}` must go with a picture to draw them in. Give --out.")
    if accuracies and lines:
        raise ConfigError("`lines` must be given without accuracies, another picture. Choose one.")


def _read_sweep(
    source: Path, grid: Grid | None, details: bool, detailed_seeds: int | None
) -> xr.Dataset:
    """The sweep of a store or of an export; `details` are of all seeds or of the first few."""
    from grokscope.progress import progress_bar
    from grokscope.runs import store as stores
    from grokscope.sweeps import archive
    from grokscope.sweeps.sweep import open_sweep

    if not source.is_dir():
        return archive.load_sweep(source)
    chosen = grid or stores.Store(source).grid()
    if not details:
        return open_sweep(chosen, source)
    with progress_bar("packing runs", chosen.size, True, unit="runs") as advance:
        return archive.archive(chosen, source, advance, detailed_seeds)
