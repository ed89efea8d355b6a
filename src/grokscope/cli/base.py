"""What the commands share: the application, its common options, and how it fails."""

from __future__ import annotations

import errno
import gc
import io
import os
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from grokscope import interrupts
from grokscope.errors import ConfigError, StoreError, WorkerError

INTERRUPTED = 130
BAD_INPUT = 2
FAILED = 1
CONTRADICTED = 3
"""Exit code of `verify`: nothing went wrong, but the evidence contradicts a claim."""
OUT_OF_MEMORY = "out of memory; use a smaller width, a smaller modulus or fewer measurements"

RUNS = Path("runs")
PAGES = (".html", ".htm")
"""Endings of what is written to be opened in a browser."""

LARGEST = 2**31 - 1
"""The largest number that an option may have."""


def option_number(help_: str, least: int = 1, most: int = LARGEST) -> object:
    """An option that is a whole number."""
    return typer.Option(metavar="N", min=least, max=most, help=help_)


Scale = Literal["quick", "paper"]
Store = Annotated[Path, typer.Option(help="Folder of runs.")]
RunName = Annotated[
    str,
    typer.Argument(metavar="RUN", help="A run file, or the beginning of a digest in the store."),
]
Code = Annotated[
    list[Path] | None,
    typer.Option(
        help="Folder that code of your own may be run from; may be repeated.", metavar="DIR"
    ),
]
Step = Annotated[
    int | None,
    option_number("Step at which to look at the network (default the last).", least=0),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")]
Log = Annotated[
    str | None,
    typer.Option(
        metavar="KIND:DIR",
        help="Also log measurements: csv, tensorboard, wandb or mlflow, as in csv:logs.",
    ),
]
Workers = Annotated[
    int | None,
    option_number("Training processes (default one for each accelerator, or else each core)."),
]
Device = Annotated[
    Literal["auto", "cpu", "gpu", "tpu"],
    typer.Option(help="What to compute on; auto is an accelerator if JAX finds one, else the CPU."),
]
CheckpointEvery = Annotated[
    int | None, option_number("Steps between checkpoints, from which training goes on.")
]
GridName = Annotated[
    str,
    typer.Argument(
        metavar="GRID", help="A name such as figure3a, a TOML file, or an exported sweep."
    ),
]
GridOfStore = Annotated[
    str | None,
    typer.Option(metavar="GRID", help="Which sweep of the store (default the recorded one)."),
]
SweepSource = Annotated[
    Path,
    typer.Argument(
        metavar="STORE|FILE|NAME",
        help="A folder of runs, an exported sweep, or the name of a shipped one such as figure3a.",
    ),
]
Seeds = Annotated[int | None, option_number("Seeds of every cell (default the grid's).")]
Settle = Annotated[
    bool, typer.Option("--settle", help="Stop a run once its phase can no longer change.")
]
Settled = Annotated[bool, typer.Option("--settle", help="The sweep was run with --settle.")]
Every = Annotated[
    int | None, option_number("Only every N-th row and column, and the last: a first look.")
]


def _version(wanted: bool | None) -> None:
    """Print the version, and end."""
    if wanted:
        from importlib.metadata import version

        print(f"grokscope {version('grokscope')}")
        raise typer.Exit


COMPLETED: dict[str, Callable[[], TyperCommand]] = {}
"""By the name of a command, what makes it with all its options."""


class Group(TyperGroup):
    """The commands, of which those in `COMPLETED` get their options only when they are called.

    The options of `train` are the settings of an experiment. To load these takes longer than to
    print the list of commands, which needs none of them.
    """

    def resolve_command(self, ctx, args):  # noqa: D102
        name, command, rest = super().resolve_command(ctx, args)
        return name, COMPLETED[name]() if name in COMPLETED else command, rest


app = typer.Typer(
    cls=Group,
    help="What did a network learn from partly wrong labels: the rule, the wrong labels, or both, "
    "and in which neurons?",
    epilog="Example: [bold]grokscope figure 1[/bold] trains three networks and draws Figure 1.",
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback()
def _options(
    version: Annotated[
        bool | None,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = None,
) -> None:
    pass


COLLECTED_AFTER = 100_000
"""New objects after which Python looks for cycles; every 700, that took a fifth of a `status`."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command; what the caller can mend is told in one line, with exit code 2."""
    warnings.showwarning = lambda message, *_: print(f"grokscope: {message}", file=sys.stderr)
    interrupts.listen()
    gc.set_threshold(COLLECTED_AFTER)
    if sys.stdout is None:  # closed by the caller
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # α in a terminal that has only ASCII
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        code = app(arguments or ["--help"], prog_name="grokscope", standalone_mode=False)
    except (Exception, SystemExit) as error:  # the latter by a user's own code
        _fail(*_explained(error))
    if code == INTERRUPTED:  # what Typer makes of a KeyboardInterrupt
        _fail("interrupted; finished runs are stored, the one in flight is not", INTERRUPTED)
    sys.exit(code or 0)


def _explained(error: Exception | SystemExit) -> tuple[str, int]:
    """What to say of an error, and the exit code; any other error is raised again."""
    match error:
        case typer.TyperException():
            context = getattr(error, "ctx", None)
            command = context.command_path if context else "grokscope"
            return f"{_usage(error).rstrip('.')}. See `{command} --help`.", BAD_INPUT
        case ConfigError() | StoreError():
            return str(error), BAD_INPUT
        case WorkerError():
            return str(error), FAILED
        case MemoryError():
            return OUT_OF_MEMORY, BAD_INPUT
        case RuntimeError() if "RESOURCE_EXHAUSTED" in str(error):  # as XLA says it
            return OUT_OF_MEMORY, BAD_INPUT
        case OSError(errno=errno.ENOSPC):
            message = "No space left on device. What is stored is whole: make room, and ask again"
            return message, BAD_INPUT
        case FileNotFoundError() if error.filename:
            return f"`{error.filename}` must be a file, got no such one. Check its name.", BAD_INPUT
        case OSError():
            where = f"`{error.filename}` " if error.filename else ""
            return f"{where}{error.strerror or error}", BAD_INPUT
    own_code = sys.modules.get("grokscope.experiment.own_code")  # or none of it has run
    if own_code is None or (place := own_code.own_code_in(error)) is None:
        raise error
    told = f": {error}" if str(error) else ""
    return f"{place} raised {type(error).__name__}{told}. Mend the file.", BAD_INPUT


def _usage(error: typer.TyperException) -> str:
    """What is wrong with an option: its name, what it must be, and what it is."""
    findings = getattr(error.__cause__, "errors", None)  # pydantic's, which reads values for Typer
    parameter = getattr(error, "param", None)
    if findings is None or parameter is None:
        return error.format_message()
    first = findings()[0]
    _, is_choice, choices = first["msg"].partition(" is not one of ")
    if first["type"].startswith("int_"):
        must = "must be a whole number"
    elif is_choice:
        must = f"must be one of {choices.rstrip('.')}"
    else:
        must = first["msg"].partition(",")[0].replace("Input should be", "must be")
    return f"`{max(parameter.opts, key=len).lstrip('-')}` {must}, got {first['input']!r}"


LONGEST = 60
"""Characters of a number or word that is repeated in an error."""


def _fail(message: str, code: int) -> NoReturn:
    line = " ".join(message.split())
    line = re.sub(rf"(\w{{{LONGEST}}})\w+", r"\1…", line)
    print(f"grokscope: {line}", file=sys.stderr)
    sys.exit(code)


def allow_named(folders: list[Path] | None) -> None:
    """Let code of the user's own be run from the folders that `--code` names.

    Raises:
        ConfigError: if one is no folder.
    """
    from grokscope.experiment.own_code import allow_code

    for folder in folders or []:
        if not folder.is_dir():
            raise ConfigError(f"`code` must be a folder, got {str(folder)!r}. Use --code .")
        allow_code(folder)


def use_device(device: str) -> None:
    """Compute on what `--device` names, here and in training processes of this machine.

    Raises:
        ConfigError: if JAX finds no such device.
    """
    if device != "auto":  # without which JAX need not start yet
        from grokscope.training.compile import configure

        configure(device=device)
