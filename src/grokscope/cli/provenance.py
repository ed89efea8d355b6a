"""The command provenance: how exported sweeps were made, as a table or a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grokscope.cli.base import Json, app
from grokscope.cli.tables import console, jsonable, plain_table
from grokscope.errors import ConfigError

if TYPE_CHECKING:
    from grokscope.sweeps.provenance import Provenance

LISTED = 5
"""An axis of more values is told by its ends and their number."""

TITLE = "# Exported sweeps"

TABLE = """\
| file | axes | seeds | networks | trained | settled | inferred | core hours | from | to |
|---|---|---|---|---|---|---|---|---|---|"""
"""The head of the page's table."""


@app.command()
def provenance(
    folder: Annotated[Path, typer.Argument(help="Folder of exported sweeps.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Also write a page (Markdown): how each was made and is used."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say how exported sweeps were made: networks, seeds, core hours, days, versions.

    Example: [bold]grokscope provenance results[/bold]
    """
    from grokscope.runs.files import require_file, write_atomically
    from grokscope.sweeps.provenance import provenance_of

    if out is not None:
        require_file(out, "out", (".md",))
        _require_own(out)
    found = provenance_of(folder)
    if out is not None:
        write_atomically(out, _page(folder, out, found).encode())
    if as_json:
        print(json.dumps({name: jsonable(one._asdict()) for name, one in found.items()}))
        return
    _print(found)
    if out is not None:
        print(f"page     {out}")


def _require_own(out: Path) -> None:
    """Refuse to write over a page that this command did not write."""
    if out.exists() and not out.read_text("utf-8", errors="replace").startswith(TITLE):
        raise ConfigError(
            f"`out` must be a new file or a page of this command, got {str(out)!r}, which is "
            "another. Remove it, or choose another name."
        )


def _print(found: Mapping[str, Provenance]) -> None:
    table = plain_table()
    table.add_column("file", no_wrap=True)
    table.add_column("axes", overflow="fold")
    for title in ("seeds", "trained", "settled", "inferred", "core hours"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, one in found.items():
        counts = (one.seeds, one.trained, one.settled, one.inferred)
        table.add_row(name, _axes(one), *map("{:,}".format, counts), f"{one.core_hours:.3g}")
    console().print(table)
    print(_sums(found))


def _sums(found: Mapping[str, Provenance]) -> str:
    trained = sum(one.trained for one in found.values())
    hours = sum(one.core_hours for one in found.values())
    sweeps = "1 sweep" if len(found) == 1 else f"{len(found)} sweeps"
    return f"{trained:,} networks trained in {sweeps}, {hours:.3g} core hours"


def _page(folder: Path, out: Path, found: Mapping[str, Provenance]) -> str:
    """A page on a folder of exported sweeps: how to use them, and how each was made."""
    rows = "\n".join(_row(name, one) for name, one in found.items())
    versions = "; ".join(sorted({line for one in found.values() for line in one.versions}))
    return f"""{TITLE}

Each file is netCDF. It holds a grid, the grid's runs without weights, and for every run the
versions and the machine that made it.
`grokscope provenance {folder} --out {out}` wrote this page from the files.

- `grokscope phases FILE` shows the phases, `grokscope explore FILE` what is behind each cell.
- `grokscope.load_sweep(FILE)` opens it in Python; its `dataset` is an xarray Dataset. Any reader of
  netCDF opens the file too.
- `grokscope sweep FILE` trains a sweep again, with the settings that the file holds.
- `grokscope sweep FILE --start-from FILE` takes the runs of a file and trains the other cells.

A settled network stopped early, as its phase could no longer change. An inferred network was not
trained, as networks of one phase enclose it.
Core hours are training times summed over networks. The machines differ, and some were busy with
other work.

{TABLE}
{rows}

{_sums(found)}. Made with {versions}.
"""


def _row(name: str, one: Provenance) -> str:
    counts = (one.seeds, one.networks, one.trained, one.settled, one.inferred)
    numbers = [*map("{:,}".format, counts), f"{one.core_hours:.3g}", one.first, one.last]
    return f"| `{name}` | {_axes(one)} | {' | '.join(numbers)} |"


def _axes(one: Provenance) -> str:
    """The axes with their values; those that advance together count as one."""
    others = {name for rest in one.together.values() for name in rest}
    return " × ".join(
        f"{name} {_values(values)}"
        + (f" (with {', '.join(one.together[name])})" if name in one.together else "")
        for name, values in one.axes.items()
        if name not in others
    )


def _values(values: Sequence[object]) -> str:
    from grokscope.plotting.wording import format_setting

    words = [*map(format_setting, values)]
    return ", ".join(words) if len(words) <= LISTED else f"{words[0]} to {words[-1]} ({len(words)})"
