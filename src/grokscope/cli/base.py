"""What the commands share: the application, their common options, and how they fail."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import warnings
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal, NoReturn

import typer

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
CONTRADICTED = 3
"""Exit code of `verify`: not that anything went wrong, but that the evidence says otherwise."""
OUT_OF_MEMORY = "out of memory; use a smaller width, a smaller modulus or fewer measurements"

Store = Annotated[Path, typer.Option(help="Folder of runs.")]
RunName = Annotated[
    str,
    typer.Argument(metavar="RUN", help="A run file, or the beginning of a digest in the store."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")]
Code = Annotated[
    list[Path] | None,
    typer.Option(
        help="Folder that code of your own may be run from; may be repeated.", metavar="DIR"
    ),
]
RUNS = Path("runs")
PAGES = (".html", ".htm")
"""Endings of what is written to be opened in a browser."""


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
        if error.errno == errno.ENOSPC:
            _fail(
                "No space left on device. What is stored is whole: make room, ask again", BAD_INPUT
            )
        where = f"`{error.filename}` " if error.filename else ""
        _fail(f"{where}{error.strerror or error}", BAD_INPUT)
    except (ConfigError, StoreError) as error:
        _fail(str(error), BAD_INPUT)
    except WorkerError as error:
        _fail(str(error), FAILED)
    except Exception as error:
        from grokscope.experiment.own_code import own_code_in

        if isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" in str(error):  # as XLA says it
            _fail(OUT_OF_MEMORY, BAD_INPUT)
        if (place := own_code_in(error)) is None:
            raise
        _fail(f"{place} raised {type(error).__name__}: {error}. Mend the file.", BAD_INPUT)
    if code == INTERRUPTED:  # what Typer makes of a KeyboardInterrupt
        _fail("interrupted; finished runs are stored, the one in flight is not", INTERRUPTED)
    sys.exit(code or 0)


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(message: str, code: int) -> NoReturn:
    print(f"grokscope: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


def value_of(text: str) -> Any:
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


def known_scale(text: str) -> Literal["quick", "paper"]:
    """An option's text as the scale of a figure or of the evidence: quick or paper."""
    if text not in ("quick", "paper"):
        raise ConfigError(f"`scale` must be quick or paper, got {text!r}. Use quick for a look.")
    return text


def whole(name: str, text: str, least: int = 0) -> int:
    """An option's text as a whole number."""
    if not text.strip().isdecimal() or len(text) > 10 or int(text) < least:
        raise ConfigError(
            f"`{name}` must be a whole number from {least}, of ten digits at most, got {text!r}. "
            f"Use {least}."
        )
    return int(text)
