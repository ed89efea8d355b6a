"""Commands on single networks: train, show, prune."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from grokscope.cli.base import RUNS, Json, RunName, Store, app, value_of, whole
from grokscope.cli.tables import jsonable, print_curve, print_run
from grokscope.config import Experiment
from grokscope.parts import PARTS


def _setting_options() -> list[inspect.Parameter]:
    """One option for every leaf of every kind of part, so that the command follows the config."""
    groups: dict[str, Any] = {"Experiment": Experiment}
    groups |= {kind.__name__: kind for kinds in PARTS.values() for kind in kinds}
    options = {}
    for group, part in groups.items():
        for name, field in part.model_fields.items():
            if name in options or name == "name" or name in PARTS:
                continue
            default = "" if field.default is None else f" (default {field.default})"
            option = typer.Option(
                help=f"{field.description}{default}",
                metavar="VALUE",
                rich_help_panel=group,
                show_default=False,
            )
            options[name] = Annotated[str | None, option]
    kinds = ", ".join(kind().model_dump()["name"] for kind in PARTS["optimizer"])
    help_ = f"kind of optimiser: {kinds} (default adamw)"
    settle = Experiment.model_fields["settle"].description
    options["settle"] = Annotated[str | None, typer.Option(help=settle, metavar="VALUE")]
    options["optimizer"] = Annotated[str | None, typer.Option(help=help_, metavar="KIND")]
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(name, keyword, default=None, annotation=annotation)
        for name, annotation in options.items()
    ]


def _train(
    config: Annotated[
        Path | None, typer.Option(help="TOML file with an experiment; options override it.")
    ] = None,
    store: Store = RUNS,
    print_toml: Annotated[
        bool, typer.Option("--print-toml", help="Print the complete experiment and stop.")
    ] = False,
    as_json: Json = False,
    **settings: str | None,
) -> None:
    """Train one network, or take it from the store; print its phase and accuracies.

    Without options it is the paper's default network (App. A).

    Example: [bold]grokscope train --corruption-fraction 0.35 --weight-decay 5[/bold]
    """
    given = {name: value_of(text) for name, text in settings.items() if text is not None}
    base = Experiment.from_toml(config) if config else Experiment()
    experiment = base.replace(**given)
    if print_toml:
        print(experiment.to_toml(), end="")
        return
    from grokscope.run import train

    print_run(train(experiment, store), as_json)


def _with_setting_options(command: Any) -> Any:
    """Give a command that takes `**settings` an option for each of them."""
    own = inspect.signature(command, eval_str=True).parameters.values()
    keyword = inspect.Parameter.KEYWORD_ONLY
    named = [p.replace(kind=keyword) for p in own if p.kind != inspect.Parameter.VAR_KEYWORD]
    command.__signature__ = inspect.Signature([*named, *_setting_options()])
    return command


app.command("train")(_with_setting_options(_train))


def _open_with_weights(name: str, store: Path) -> Any:
    """A run by its name; one that a sweep stored without weights is trained again."""
    from grokscope.run import train
    from grokscope.store import open_named

    run = open_named(name, store)
    return run if run.has_weights else train(run.experiment, store)


@app.command()
def show(
    run: RunName,
    store: Store = RUNS,
    out: Annotated[
        Path | None, typer.Option(help="Picture (PNG, PDF, SVG) (default figures/RUN.png)")
    ] = None,
    neurons: Annotated[
        str | None,
        typer.Option(help="Neurons whose spectra to draw, as in 3,141 (default two typical ones)"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Summarise a run, and draw its curves, IPR histogram, spectra and logits.

    Example: [bold]grokscope show 61cef3[/bold]
    """
    from grokscope.figures import check_path, style
    from grokscope.figures.overview import draw_overview

    opened = _open_with_weights(run, store)
    path = out or Path("figures") / f"{opened.digest[:12]}.png"
    check_path(path)
    chosen = None if neurons is None else [whole("neurons", n) for n in neurons.split(",")]
    with style.context():
        style.save(draw_overview(opened, chosen), path)
    print_run(opened, as_json, picture=str(path))


@app.command()
def prune(
    run: RunName,
    store: Store = RUNS,
    first: Annotated[
        str, typer.Option(help="Which to remove first: lowest, highest, random, or both ends.")
    ] = "both",
    seed: Annotated[str, typer.Option(metavar="N", help="Seed of the random order.")] = "0",
    out: Annotated[
        Path | None, typer.Option(help="Picture (PNG, PDF, SVG) (default figures/RUN-pruned.png)")
    ] = None,
    as_json: Json = False,
) -> None:
    """Remove a network's neurons one at a time in order of IPR, and draw what it can still do.

    Example: [bold]grokscope prune 61cef3 --first lowest[/bold]
    """
    from grokscope.figures import check_path, style
    from grokscope.figures.overview import draw_pruning_curves
    from grokscope.prune import neurons_required
    from grokscope.run import pruning_curves

    opened = _open_with_weights(run, store)
    path = out or Path("figures") / f"{opened.digest[:12]}-pruned.png"
    check_path(path)
    orders = ("lowest", "highest") if first == "both" else (first,)
    both = pruning_curves(opened, orders, whole("seed", seed))
    curves = {order: both.sel(first=order) for order in orders}
    with style.context():
        style.save(draw_pruning_curves(opened, curves), path)
    required = {order: neurons_required(curve) for order, curve in curves.items()}
    if as_json:
        scores = {
            order: {
                name: jsonable(values.to_numpy().tolist())
                for name, values in curve.data_vars.items()
            }
            for order, curve in curves.items()
        }
        print(json.dumps({"neurons_required": required, "curves": scores, "picture": str(path)}))
        return
    for order, curve in curves.items():
        print_curve(order, curve, required[order])
    print(f"picture  {path}")
