"""The command train, whose options are the settings of an experiment."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from grokscope.cli.base import (
    COMPLETED,
    RUNS,
    CheckpointEvery,
    Code,
    Device,
    Json,
    Log,
    Store,
    allow_named,
    app,
    use_device,
)
from grokscope.cli.tables import print_run
from grokscope.errors import ConfigError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from grokscope.experiment.experiment import Experiment

Value = bool | int | float | str | None
AnySetting = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Any setting, as of your own code."),
]


def value_of(text: str) -> Value:
    """Read a setting: a number, true, false or none as such, and anything else as text."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _train(
    config: Annotated[
        Path | None, typer.Option(help="TOML file with an experiment; options override it.")
    ] = None,
    store: Store = RUNS,
    log: Log = None,
    code: Code = None,
    set_: AnySetting = None,
    checkpoint_every: CheckpointEvery = None,
    device: Device = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it takes, and stop.")
    ] = False,
    print_toml: Annotated[
        bool, typer.Option("--print-toml", help="Print the complete experiment and stop.")
    ] = False,
    as_json: Json = False,
    **settings: Value,
) -> None:
    """Train one network, or take it from the store; print its phase and accuracies.

    Without options it is the paper's default network (App. A).

    Example: [bold]grokscope train --corruption-fraction 0.35 --weight-decay 5[/bold]
    """
    from grokscope.experiment.experiment import Experiment

    allow_named(code)
    given: dict[str, Any] = {
        name: value_of(value) if isinstance(value, str) else value
        for name, value in settings.items()
        if value is not None
    }
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
    use_device(device)
    if dry_run:
        _print_estimate(experiment, as_json)
        return
    from grokscope.runs.train import train

    print_run(train(experiment, store, log=log, checkpoint_every=checkpoint_every), as_json)


def _print_estimate(experiment: Experiment, as_json: bool) -> None:
    """What training takes, and how large the run's file will be."""
    from grokscope.data.dataset import complete
    from grokscope.experiment.own_code import allow_code
    from grokscope.plotting.wording import format_time
    from grokscope.sweeps.estimate import run_bytes, seconds_to_train

    allow_code(Path.cwd())
    experiment = complete(experiment)
    seconds, size = seconds_to_train([experiment], workers=1), run_bytes(experiment)
    if as_json:
        print(json.dumps({"seconds": seconds, "disk_bytes": size, "kept": experiment.n_kept}))
        return
    print(f"time     about {format_time(seconds)}, should it not settle")
    print(f"disk     {size / 1e6:,.1f} MB, {experiment.n_kept} kept steps")


def _with_options(options: list[inspect.Parameter]) -> Callable[..., None]:
    """`train` with options for settings beside its own."""

    def command(**values: object) -> None:
        _train(**values)  # type: ignore[arg-type]

    own = inspect.signature(_train, eval_str=True).parameters.values()
    named = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in own
        if parameter.kind != inspect.Parameter.VAR_KEYWORD
    ]
    command.__doc__ = _train.__doc__
    command.__signature__ = inspect.Signature([*named, *options])  # type: ignore[attr-defined]
    return command


def setting_options() -> list[inspect.Parameter]:
    """An option for every setting of an experiment and of every kind of its parts."""
    from grokscope.experiment.experiment import Experiment
    from grokscope.experiment.fields import setting_fields
    from grokscope.experiment.part import PARTS, kind_name

    options = [_option_of(name, fields) for name, fields in setting_fields().items()]
    settle = Experiment.model_fields["settle"].description
    options.append(_option("settle", str, str(settle), "VALUE"))
    for part in ("task", "model", "optimizer"):
        names = [kind_name(kind, part) for kind in PARTS[part]]
        named = ", ".join(name for name in names if name != "own")
        help_ = f"kind of {part}: {named}, or your own as in my_code:name (default {names[0]})"
        options.append(_option(part, str, help_, "KIND"))
    return options


def _option_of(name: str, fields: dict[str, FieldInfo]) -> inspect.Parameter:
    """The option of a setting, which each kind of part in `fields` has."""
    first = next(iter(fields))
    types = {field.annotation for field in fields.values()}
    kind = int if types == {int} else float if types == {float} else str
    help_ = f"{fields[first].description}{_defaults_of(fields)}"
    return _option(name, kind, help_, "VALUE" if kind is str else None, first)


def _option(
    name: str, kind: type, help_: str, metavar: str | None, panel: str | None = None
) -> inspect.Parameter:
    option = typer.Option(help=help_, metavar=metavar, rich_help_panel=panel, show_default=False)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option],
    )


def _defaults_of(fields: dict[str, FieldInfo]) -> str:
    """The default of a setting, and of each kind of part that has another."""
    values = {kind: field.default for kind, field in fields.items()}
    first, *rest = values
    words = [f"default {values[first]}"] if values[first] is not None else []
    words += [f"{values[k]} for {k}" for k in rest if values[k] != values[first]]
    return f" ({', '.join(words)})" if words else ""


def complete_train() -> TyperCommand:
    """`train` with an option for every setting."""
    alone = typer.Typer(add_completion=False, rich_markup_mode="rich")
    alone.command("train")(_with_options(setting_options()))
    command = typer.main.get_command(alone)
    assert isinstance(command, TyperCommand)
    return command


app.command("train")(_with_options([]))
COMPLETED["train"] = complete_train
