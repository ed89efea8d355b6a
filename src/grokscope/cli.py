"""The command line: parses, calls, prints."""

from __future__ import annotations

import inspect
import io
import json
import os
import signal
import sys
import warnings
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from grokscope.config import PARTS, Experiment
from grokscope.errors import ConfigError, StoreError, WorkerError

app = typer.Typer(
    help="What did a network learn from partly wrong labels: the rule, the wrong labels, or both, "
    "and in which neurons?",
    epilog="Example: [bold]grokscope figure 1[/bold] trains three networks and draws Figure 1.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

INTERRUPTED = 130
BAD_INPUT = 2
FAILED = 1
OUT_OF_MEMORY = "out of memory; use a smaller width, a smaller modulus or fewer measurements"

Store = Annotated[Path, typer.Option(help="Folder of runs.")]
RunName = Annotated[
    str,
    typer.Argument(metavar="RUN", help="A run file, or the beginning of a digest in the store."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")]
RUNS = Path("runs")


def main(arguments: list[str] | None = None) -> None:
    """Entry point: one line for what the caller can mend, exit code 2; no traceback."""
    warnings.showwarning = lambda message, *_: print(f"grokscope: {message}", file=sys.stderr)
    signal.signal(signal.SIGTERM, _terminate)
    if sys.stdout is None:  # closed by the caller
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # α in a terminal that has only ASCII
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        code = app(arguments or ["--help"], prog_name="grokscope", standalone_mode=False)
    except typer.TyperException as error:
        known = [
            getattr(info.callback, "__name__", "").strip("_") for info in app.registered_commands
        ]
        command = " ".join(["grokscope", *(name for name in arguments[:1] if name in known)])
        _fail(f"{error.format_message().rstrip('.')}. See `{command} --help`.", BAD_INPUT)
    except MemoryError:
        _fail(OUT_OF_MEMORY, BAD_INPUT)
    except OSError as error:
        where = f"`{error.filename}` " if error.filename else ""
        _fail(f"{where}{error.strerror or error}", BAD_INPUT)
    except RuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):  # how XLA says it
            raise
        _fail(OUT_OF_MEMORY, BAD_INPUT)
    except (ConfigError, StoreError) as error:
        _fail(str(error), BAD_INPUT)
    except WorkerError as error:
        _fail(str(error), FAILED)
    if code == INTERRUPTED:  # what Typer makes of a KeyboardInterrupt
        _fail("interrupted; finished runs are stored, the one in flight is not", INTERRUPTED)
    sys.exit(code or 0)


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(message: str, code: int) -> NoReturn:
    print(f"grokscope: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


def _value(text: str) -> Any:
    """A number, true, false or none as such; anything else as it is."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


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
    given = {name: _value(text) for name, text in settings.items() if text is not None}
    base = Experiment.from_toml(config) if config else Experiment()
    experiment = base.replace(**given)
    if print_toml:
        print(experiment.to_toml(), end="")
        return
    from grokscope.run import train

    _print_run(train(experiment, store), as_json)


def _with_setting_options(command: Any) -> Any:
    """Give a command that takes `**settings` an option for each of them."""
    own = inspect.signature(command, eval_str=True).parameters.values()
    keyword = inspect.Parameter.KEYWORD_ONLY
    named = [p.replace(kind=keyword) for p in own if p.kind != inspect.Parameter.VAR_KEYWORD]
    command.__signature__ = inspect.Signature([*named, *_setting_options()])
    return command


app.command("train")(_with_setting_options(_train))


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
    from grokscope.store import open_named

    opened = open_named(run, store)
    path = out or Path("figures") / f"{opened.digest[:12]}.png"
    check_path(path)
    chosen = None if neurons is None else [_whole("neurons", n) for n in neurons.split(",")]
    with style.context():
        style.save(draw_overview(opened, chosen), path)
    _print_run(opened, as_json, picture=str(path))


def _whole(name: str, text: str, least: int = 0) -> int:
    if not text.strip().isdecimal() or len(text) > 10 or int(text) < least:
        raise ConfigError(
            f"`{name}` must be a whole number from {least}, got {text!r}. Use {least}."
        )
    return int(text)


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
    from grokscope.data import make_dataset
    from grokscope.figures import check_path, style
    from grokscope.figures.overview import draw_pruning_curves
    from grokscope.prune import neurons_required, pruning_curve, pruning_order
    from grokscope.run import final_network
    from grokscope.store import open_named

    opened = open_named(run, store)
    if opened.failed_at is not None:
        raise ConfigError(
            f"`run` must have finished to be pruned, got one that diverged at step "
            f"{opened.failed_at}. Use a smaller learning rate."
        )
    path = out or Path("figures") / f"{opened.digest[:12]}-pruned.png"
    check_path(path)
    network, dataset = final_network(opened), make_dataset(opened.experiment)
    curves = {}
    for order in ("lowest", "highest") if first == "both" else (first,):
        neurons = pruning_order(opened.neuron_ipr, order, _whole("seed", seed))
        curves[order] = pruning_curve(network, dataset, neurons, opened.experiment.loss)
    with style.context():
        style.save(draw_pruning_curves(opened, curves), path)
    required = {order: neurons_required(curve) for order, curve in curves.items()}
    if as_json:
        scores = {
            order: {
                name: _jsonable(values.to_numpy().tolist())
                for name, values in curve.data_vars.items()
            }
            for order, curve in curves.items()
        }
        print(json.dumps({"neurons_required": required, "curves": scores, "picture": str(path)}))
        return
    for order, curve in curves.items():
        _print_curve(order, curve, required[order])
    print(f"picture  {path}")


@app.command()
def figure(
    number: Annotated[str, typer.Argument(help="Number of the figure in the paper.")],
    scale: Annotated[
        str, typer.Option(help="paper: the paper's settings; quick: at most about three minutes.")
    ] = "paper",
    seed: Annotated[str, typer.Option(metavar="N", help="Root seed of every network.")] = "0",
    store: Store = RUNS,
    out: Annotated[
        Path | None, typer.Option(help="Picture (PNG, PDF, SVG) (default figures/figureN.png)")
    ] = None,
    workers: Annotated[
        str | None, typer.Option(metavar="N", help="Training processes (default one a core)")
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw a figure of the paper, training only what the store lacks.

    Example: [bold]grokscope figure 1 --scale quick[/bold]
    """
    from grokscope import figures

    if scale not in ("quick", "paper"):
        raise ConfigError(f"`scale` must be quick or paper, got {scale!r}. Use quick for a look.")
    chosen = figures.load(_whole("figure", number, least=1))
    experiments = figures.experiments(chosen, scale, _whole("seed", seed))
    processes = None if workers is None else _whole("workers", workers, least=1)
    suffix = "" if scale == "paper" else f"-{scale}"
    path = out or Path("figures") / f"figure{number}{suffix}.png"
    figures.check_path(path)

    from grokscope.sweeps import train_missing

    runs = train_missing(experiments, store, processes)
    figures.draw(chosen, runs, path)
    if as_json:
        print(json.dumps({"picture": str(path), "runs": [_summary(run) for run in runs]}))
        return
    _print_table(chosen.title, runs)
    print(f"picture  {path}")


def _summary(run: Any) -> dict[str, Any]:
    """What a run ended with, ready for JSON: NaN, which it lacks, becomes null."""
    from grokscope.measure import SCORES

    phase = run.phase()
    final = {name: float(run.final[name]) for name in (*SCORES, "mean_ipr")}
    return {
        "phase": None if phase is None else str(phase),
        "failed_at": run.failed_at,
        **_jsonable(final),
        "dead_neurons": int(run.final.dead_neurons),
        "steps": int(run.final.step),
        "seconds": run.dataset.attrs["seconds"],
        "digest": run.digest,
        "path": None if run.path is None else str(run.path),
        "experiment": run.experiment.model_dump(),
    }


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    return None if value != value else value


def _print_run(run: Any, as_json: bool, **more: str) -> None:
    summary = _summary(run) | more
    if as_json:
        print(json.dumps(summary))
        return
    _print_table(f"{run.experiment.task.operation} mod {run.experiment.task.modulus}", [run])
    for name in ("path", *more):
        print(f"{'run' if name == 'path' else name:8} {summary[name]}")


COLUMNS = {
    "train_accuracy": "train",
    "test_accuracy": "test",
    "corrupted_accuracy": "corrupted",
    "corrected_accuracy": "corrected",
    "mean_ipr": "mean IPR",
    "dead_neurons": "dead",
}


def _console() -> Any:
    """A console in which no number is cut: a narrower terminal wraps the lines."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 120)
    console.width = max(console.width, 80)
    return console


def _print_table(title: str, runs: list[Any]) -> None:
    from rich.table import Table

    console = _console()
    narrow = console.width < 100  # numbers must not be cut: leave out what is in --json
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.padding = (0, 1 if narrow else 2, 0, 0)
    counts_shown = () if narrow else ("steps", "seed")
    for name in ("α", "ξ", "wd", "dp", *counts_shown, "phase", *COLUMNS.values()):
        table.add_column(name, justify="left" if name == "phase" else "right", no_wrap=True)
    for run in runs:
        experiment, summary = run.experiment, _summary(run)
        phase = (summary["phase"] or f"diverged at {summary['failed_at']}").replace("_", " ")
        settings = (
            experiment.train_fraction,
            experiment.corruption_fraction,
            experiment.optimizer.weight_decay,
            experiment.model.dropout,
        )
        values = [
            "-" if summary[name] is None
            else f"{summary[name]}" if name == "dead_neurons"
            else f"{summary[name]:.3f}"
            for name in COLUMNS
        ]  # fmt: skip
        counts = () if narrow else (summary["steps"], experiment.seeds.seed)
        table.add_row(*(f"{s:g}" for s in settings), *map(str, counts), phase, *values)
    console.print(table)


def _print_curve(first: str, curve: Any, required: int | None) -> None:
    from rich.table import Table

    order = "in random order" if first == "random" else f"{first} IPR first"
    table = Table(title=f"pruned {order}", title_justify="left", box=None, pad_edge=False)
    names = {name: title for name, title in COLUMNS.items() if name in curve}
    names |= {"uncorrupted_accuracy": "uncorrupted", "train_loss": "train loss"}
    names |= {"test_loss": "test loss"}
    for title in ("pruned", *names.values()):
        table.add_column(title, justify="right", no_wrap=True)
    width = int(curve.pruned[-1])
    for share in range(0, 101, 10):
        at = curve.isel(pruned=width * share // 100)
        table.add_row(f"{share}%", *(f"{float(at[name]):.4f}" for name in names))
    _console().print(table)
    least = "no part of it generalises" if required is None else f"{required} of {width}"
    print(f"fewest neurons that still generalise: {least}\n")
