"""Commands on single networks: train, show, prune."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from grokscope.cli.base import RUNS, Code, Json, RunName, Store, allow_named, app, value_of, whole
from grokscope.cli.tables import jsonable, print_audit, print_curve, print_run
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.part import PARTS, Own, kind_name


def _setting_options() -> list[inspect.Parameter]:
    """One option for every leaf of every kind of part, so that the command follows the config."""
    kinds: dict[str, Any] = {"Experiment": Experiment}
    kinds |= {kind.__name__: kind for kinds in PARTS.values() for kind in kinds}
    fields: dict[str, dict[str, Any]] = {}
    for kind, part in kinds.items():
        for name, field in part.model_fields.items():
            if name != "name" and name not in PARTS and not issubclass(part, Own):
                fields.setdefault(name, {})[kind] = field
    options: dict[str, Any] = {}
    for name, owners in fields.items():
        first = next(iter(owners))
        help_ = f"{owners[first].description}{_defaults_of(owners)}"
        options[name] = Annotated[str | None, _option(help_, "VALUE", first)]
    settle = Experiment.model_fields["settle"].description
    options["settle"] = Annotated[str | None, _option(str(settle), "VALUE")]
    for part in ("task", "model", "optimizer"):
        names = [kind_name(kind, part) for kind in PARTS[part]]
        named = ", ".join(name for name in names if name != "own")
        help_ = f"kind of {part}: {named}, or your own as in my_code:name (default {names[0]})"
        options[part] = Annotated[str | None, _option(help_, "KIND")]
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(name, keyword, default=None, annotation=annotation)
        for name, annotation in options.items()
    ]


def _option(help_: str, metavar: str, panel: str | None = None) -> Any:
    return typer.Option(help=help_, metavar=metavar, rich_help_panel=panel, show_default=False)


def _defaults_of(owners: dict[str, Any]) -> str:
    """The default of a setting, of each kind that has another than the first."""
    values = {kind: field.default for kind, field in owners.items()}
    first, *rest = values
    words = [f"default {values[first]}"] if values[first] is not None else []
    words += [f"{values[k]} for {k}" for k in rest if values[k] != values[first]]
    return f" ({', '.join(words)})" if words else ""


def _train(
    config: Annotated[
        Path | None, typer.Option(help="TOML file with an experiment; options override it.")
    ] = None,
    store: Store = RUNS,
    code: Code = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any setting, as of your own code."),
    ] = None,
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
    allow_named(code)
    given = {name: value_of(text) for name, text in settings.items() if text is not None}
    for item in set_ or []:
        name, equals, text = item.partition("=")
        if not equals:
            raise ConfigError(f"`set` must be NAME=VALUE, got {item!r}. Use --set width=64.")
        given[name] = value_of(text)
    if config and not config.is_file():
        raise ConfigError(
            f"`config` must be a TOML file of settings, got {str(config)!r}, which is none. "
            "Write one with --print-toml."
        )
    base = Experiment.from_toml(config) if config else Experiment()
    experiment = base.replace(**given)
    if print_toml:
        print(experiment.to_toml(), end="")
        return
    from grokscope.runs.train import train

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
    """A run by its name; one that a sweep stored without weights is trained again.

    Code of the user's own is run only from the folders of `--code`, not from the current one.
    """
    from grokscope.runs import store as stores
    from grokscope.runs.run import open_run
    from grokscope.runs.train import train_ensemble

    folder = stores.Store(store)
    run = open_run(name) if Path(name).is_file() else folder.open(name)
    if run.has_weights:
        return run
    (trained,) = train_ensemble([run.experiment])
    return folder.save(trained)


@app.command()
def show(
    run: RunName,
    store: Store = RUNS,
    code: Code = None,
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
    from grokscope.plotting import style
    from grokscope.plotting.run import draw_overview
    from grokscope.runs.files import require_file

    allow_named(code)
    opened = _open_with_weights(run, store)
    path = out or Path("figures") / f"{opened.digest[:12]}.png"
    require_file(path, "out", style.FORMATS)
    chosen = None if neurons is None else [whole("neurons", n) for n in neurons.split(",")]
    with style.context():
        style.save(draw_overview(opened, chosen), path)
    print_run(opened, as_json, picture=str(path))


@app.command()
def prune(
    run: RunName,
    store: Store = RUNS,
    code: Code = None,
    first: Annotated[
        str, typer.Option(help="Which to remove first: lowest, highest or random; or both.")
    ] = "both",
    seed: Annotated[str, typer.Option(metavar="N", help="Seed of the random order.")] = "0",
    layer: Annotated[
        str | None, typer.Option(help="Whose neurons, such as first (default the last).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Picture (PNG, PDF, SVG) (default figures/RUN-pruned.png)")
    ] = None,
    as_json: Json = False,
) -> None:
    """Remove a network's neurons one at a time in order of IPR, and draw what it can still do.

    Example: [bold]grokscope prune 61cef3 --first lowest[/bold]
    """
    from grokscope.measures.pruning import neurons_required
    from grokscope.plotting import style
    from grokscope.plotting.run import draw_pruning_curves
    from grokscope.runs.files import require_file
    from grokscope.runs.pruning import prune as pruned

    allow_named(code)
    opened = _open_with_weights(run, store)
    path = out or Path("figures") / f"{opened.digest[:12]}-pruned.png"
    require_file(path, "out", style.FORMATS)
    orders = ("lowest", "highest") if first == "both" else (first,)
    number = whole("seed", seed)
    curves = {
        order: pruned(opened, "random", seed=number, layer=layer)
        if order == "random"
        else pruned(opened, first=order, layer=layer)
        for order in orders
    }
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


@app.command()
def audit(
    run: RunName,
    store: Store = RUNS,
    code: Code = None,
    top: Annotated[
        str, typer.Option(metavar="N", help="How many of the most suspicious labels to list.")
    ] = "10",
    out: Annotated[
        Path | None, typer.Option(help="Picture (PNG, PDF, SVG) (default figures/RUN-audit.png)")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which training labels are wrong, by the network and by its pruned one.

    Example: [bold]grokscope audit 61cef3[/bold]
    """
    from grokscope.analysis.label_audit import audit as audited
    from grokscope.analysis.label_audit import qualities
    from grokscope.plotting import style
    from grokscope.plotting.audit import draw_audit
    from grokscope.runs.files import require_file

    allow_named(code)
    opened = _open_with_weights(run, store)
    path = out or Path("figures") / f"{opened.digest[:12]}-audit.png"
    require_file(path, "out", style.FORMATS)
    count = whole("top", top)
    found = audited(opened)
    with style.context():
        style.save(draw_audit(opened, found), path)
    of_each = qualities(found)
    best = [*of_each][-1]
    strongest = found.isel(example=(-found[best].values).argsort(kind="stable")[:count])
    if as_json:
        listed = [
            {name: strongest[name].values[i].item() for name in ("example", *found.data_vars)}
            for i in range(strongest.sizes["example"])
        ]
        document = {
            "phase": opened.phase(),
            "wrong": int(found.is_wrong.sum()),
            "evidence": of_each,
        }
        document |= {"kept": found.attrs.get("kept"), "strongest": listed, "picture": str(path)}
        print(json.dumps(jsonable(document)))
        return
    print_audit(opened, found, of_each, strongest, best)
    print(f"picture  {path}")
