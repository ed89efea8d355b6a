"""Commands on single networks: list, show, prune, extract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from grokscope.cli.base import (
    RUNS,
    Code,
    Device,
    Json,
    RunName,
    Step,
    Store,
    allow_named,
    app,
    option_number,
    use_device,
)
from grokscope.cli.tables import (
    extraction_document,
    print_band,
    print_curve,
    print_extraction,
    print_knowledge,
    print_run,
    print_runs,
    pruning_document,
)
from grokscope.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import xarray as xr

    from grokscope.runs.run import Run
    from grokscope.runs.store import Store as RunStore

By = Literal["ipr", "ipr_within_norm", "memorizing", "generalizing", "steadiness", "norm", "random"]
"""The names of `measures.orders.ORDERS`, which takes long to import."""
Order = Annotated[
    By | None,
    typer.Option(
        metavar="ORDER",
        help=f"What orders the neurons: {', '.join(get_args(By))} (default ipr).",
    ),
]
First = Annotated[
    Literal["lowest", "highest", "random", "both"], typer.Option(help="Which to remove first.")
]


def open_with_weights(
    name: str, store: Path, out: Path | None, ending: str = "", step: int | None = None
) -> tuple[Run, Path]:
    """A run by its name, or as it was at a step, and where its picture goes.

    A run that was stored without weights is trained again, into the store, once nothing else can
    be refused. Code of the user's own is run only from the folders of `--code`, not from the
    current one.

    Args:
        name: of the run.
        store: the folder of runs.
        out: where the picture is to go, if that was said.
        ending: what the picture's name has behind the run's, if not.
        step: the step; by default the last.

    Raises:
        ConfigError: if the picture or the store cannot be written, or the run has no such step.
        StoreError: if there is no such run.
    """
    from grokscope.runs import store as stores
    from grokscope.runs.snapshot import at, require_step

    folder = stores.Store(store)
    run = folder.open_named(name)
    if step is None:
        path = picture_path(run.digest[:12], out, ending)
        return _with_weights(run, folder), path
    require_step(run, step)
    path = picture_path(f"{run.digest[:12]}-step{step}", out, ending)
    return at(_with_weights(run, folder), step), path


def _with_weights(run: Run, folder: RunStore) -> Run:
    """The run, the same of a store, or the same trained again into the store."""
    from grokscope.runs.files import require_writable
    from grokscope.runs.train import train_ensemble

    if run.has_weights:
        return run
    stored = folder.find(run.experiment)  # the named file may be of another store
    if stored is not None and stored.has_weights:
        return stored
    require_writable(folder.path, "store")
    (trained,) = train_ensemble([run.experiment])
    return folder.save(trained)


def picture_path(name: str, out: Path | None, ending: str = "") -> Path:
    """Where the picture of what has a name goes.

    Raises:
        ConfigError: if it is no picture, or its folder cannot be written.
    """
    from grokscope.plotting import style
    from grokscope.runs.files import require_file

    path = out or Path("figures") / f"{name}{ending}.png"
    require_file(path, "out", style.FORMATS)
    return path


@app.command("list")
def list_runs(
    store: Annotated[Path, typer.Argument(help="Folder of runs.")] = RUNS,
    as_json: Json = False,
) -> None:
    """List the runs of a store, the oldest first: digest, phase, what they differ in, accuracies.

    Example: [bold]grokscope list[/bold]
    """
    from grokscope.runs import store as stores

    if not store.is_dir():
        raise ConfigError(
            f"`store` must be a folder of runs, got {str(store)!r}, which is none. "
            "`grokscope train` makes one."
        )
    print_runs(stores.Store(store, mend=False).table(), as_json)


@app.command()
def show(
    run: RunName,
    store: Store = RUNS,
    code: Code = None,
    step: Step = None,
    out: Annotated[
        Path | None, typer.Option(help="Picture (PNG, PDF, SVG) (default figures/RUN.png)")
    ] = None,
    neurons: Annotated[
        str | None,
        typer.Option(help="Neurons whose spectra to draw, as in 3,141 (default two typical ones)"),
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Summarise a run; draw its curves, IPR, spectra and logits, and what its neurons hold.

    The neurons are a second picture, whose name ends in -neurons; none where they do not add to the
    logits.

    Example: [bold]grokscope show 61cef3[/bold]
    """
    from grokscope.plotting import style
    from grokscope.plotting.neurons import adds_to_logits, plot_neurons
    from grokscope.plotting.run import plot_run

    allow_named(code)
    use_device(device)
    chosen = None if neurons is None else _numbers(neurons, "neurons")
    opened, path = open_with_weights(run, store, out, step=step)
    style.save(plot_run(opened, chosen), path)
    written = {"picture": str(path)}
    if adds_to_logits(opened):
        second = path.with_stem(f"{path.stem}-neurons")
        style.save(plot_neurons(opened), second)
        written["neurons"] = str(second)
    print_run(opened, as_json, **written)
    if not as_json:
        print_knowledge(opened)


def _numbers(text: str, name: str) -> list[int]:
    """Whole numbers between commas, the value of an option of some name."""
    words = text.split(",")
    if wrong := [word for word in words if not (word.strip().isdecimal() and len(word) < 10)]:
        raise ConfigError(
            f"`{name}` must be whole numbers of at most nine digits, got {wrong[0]!r}. "
            "Use 3,14 for two."
        )
    return [int(word) for word in words]


@app.command()
def prune(
    run: RunName,
    store: Store = RUNS,
    code: Code = None,
    step: Step = None,
    first: First = "both",
    by: Order = None,
    band: Annotated[
        int | None,
        option_number("Random orders to compare with, 0 for none (default 50).", least=0),
    ] = None,
    seed: Annotated[int, option_number("Seed of random orders.", least=0)] = 0,
    layer: Annotated[
        str | None, typer.Option(help="Whose neurons, such as first (default the last).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Picture (PNG, PDF, SVG) (default figures/RUN-pruned.png)")
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Remove a network's neurons one at a time, and draw what it can still do.

    Example: [bold]grokscope prune 61cef3 --by norm --first lowest[/bold]
    """
    from grokscope.plotting import style
    from grokscope.plotting.pruning import plot_pruning
    from grokscope.runs.pruning import control_band, control_by_ipr, control_by_norm, require_band
    from grokscope.runs.pruning import prune as pruned

    _require_order(first, by)
    allow_named(code)
    use_device(device)
    require_band(band)
    opened, path = open_with_weights(run, store, out, "-pruned", step)
    if "random" in (first, by):
        curves = {"random": pruned(opened, "random", seed=seed, layer=layer)}
    else:
        orders = ("lowest", "highest") if first == "both" else (first,)
        curves = {order: pruned(opened, by or "ipr", order, layer=layer) for order in orders}
    by_norm = _of_each(curves, lambda curve: control_by_norm(opened, curve))
    by_ipr = _of_each(curves, lambda curve: control_by_ipr(opened, curve))
    at_random = control_band(opened, band, seed, layer=layer)
    style.save(plot_pruning(opened, curves, at_random, by_norm, by_ipr), path)
    if as_json:
        document = pruning_document(curves, by_norm, by_ipr, at_random)
        print(json.dumps(document | {"picture": str(path)}))
        return
    for curve in curves.values():
        print_curve(curve)
    if at_random is not None:
        print_band(at_random)
    print(f"picture  {path}")


def _of_each(
    curves: Mapping[str, xr.Dataset], control: Callable[[xr.Dataset], xr.Dataset | None]
) -> dict[str, xr.Dataset]:
    """The control of each curve that has one, by the order's name."""
    found = {order: control(curve) for order, curve in curves.items()}
    return {order: curve for order, curve in found.items() if curve is not None}


def _require_order(first: str, by: str | None) -> None:
    """Refuse a random order beside another."""
    if first == "random" and by not in (None, "random"):
        raise ConfigError(
            f"`first` must be lowest, highest or both where `by` is {by}, got random, which is an "
            "order of its own. Leave one of them out."
        )


@app.command()
def extract(
    run: RunName,
    store: Store = RUNS,
    code: Code = None,
    step: Step = None,
    counts: Annotated[
        str | None,
        typer.Option(help="Frequencies that a unit keeps, as in 1,2,5 (default 12 numbers)."),
    ] = None,
    seed: Annotated[int, option_number("Seed of random phases and residues.", least=0)] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Picture (PNG, PDF, SVG) (default figures/RUN-extracted.png)"),
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Reduce each neuron to its strongest frequencies, and show what is left beside controls.

    Example: [bold]grokscope extract 61cef3[/bold]
    """
    from grokscope.plotting import style
    from grokscope.plotting.extraction import plot_extraction
    from grokscope.runs.extraction import extraction_curve

    allow_named(code)
    use_device(device)
    some = None if counts is None else _numbers(counts, "counts")
    opened, path = open_with_weights(run, store, out, "-extracted", step)
    curve = extraction_curve(opened, some, seed)
    style.save(plot_extraction(opened, curve), path)
    if as_json:
        print(json.dumps(extraction_document(curve) | {"picture": str(path)}))
        return
    print_extraction(opened, curve)
    print(f"picture  {path}")
