"""What the commands on sweeps print: their state, and phase diagrams as letters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from grokscope.cli.tables import console, jsonable, plain_table

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import xarray as xr
    from rich.text import Text

    from grokscope.sweeps.boundary import Boundary
    from grokscope.sweeps.estimate import Estimate


def status_of(data: xr.Dataset) -> dict[str, object]:
    """How many cells are done, failed and missing: in all, and for each value of each axis."""
    from grokscope.plotting.wording import format_setting
    from grokscope.sweeps.provenance import outcomes

    axes = {
        str(dim): {
            format_setting(value, digits=12): _counts(data.status.isel({dim: place}))
            for place, value in enumerate(data[dim].values.tolist())
        }
        for dim in data.status.dims
    }
    return {
        **_counts(data.status),
        **outcomes(data),
        "axes": axes,
    }


def _counts(status: xr.DataArray) -> dict[str, int]:
    from grokscope.sweeps.diagram import STATUS

    return {word: int((status == code).sum()) for code, word in enumerate(STATUS)}


def print_status(data: xr.Dataset) -> None:
    """Print the status of a sweep: totals, then a table for every axis."""
    from grokscope.plotting.wording import format_setting
    from grokscope.sweeps.diagram import STATUS

    whole = status_of(data)
    enclosed = f" ({whole['inferred']:,} of them inferred)" if whole["inferred"] else ""
    print(
        f"networks {data.status.size:,}: {whole['done']:,} done ({whole['diverged']:,} diverged, "
        f"{whole['settled']:,} settled early), {whole['failed']:,} failed, "
        f"{whole['missing']:,} missing{enclosed}"
    )
    words = ("done", "failed", "missing")
    assert set(words) == set(STATUS)
    for dim in data.status.dims:
        if data.sizes[dim] < 2:
            continue
        table = plain_table()
        for title in (str(dim), *words):
            table.add_column(title, justify="right", no_wrap=True)
        for place, value in enumerate(data[dim].values.tolist()):
            counts = _counts(data.status.isel({dim: place}))
            table.add_row(
                format_setting(value, digits=12), *(f"{counts[word]:,}" for word in words)
            )
        console().print(table)


LISTED = 10
"""Failures that are printed one by one."""


def print_store_status(data: xr.Dataset, store: Path, as_json: bool, command: str = "") -> None:
    """The status of a sweep with its failures, and a command that goes on from there."""
    from grokscope.sweeps.sweep import failed_cells

    failed = failed_cells(data, store)
    if as_json:
        print(json.dumps(status_of(data) | {"failures": failed}))
        return
    print_status(data)
    for settings, reason in list(failed.items())[:LISTED]:
        print(f"failed   {settings}: {reason}")
    if len(failed) > LISTED:
        print(f"failed   … and {len(failed) - LISTED} more; --json lists them all")
    if command:
        print(f"next     {command}")


def print_estimate(data: xr.Dataset, cost: Estimate, as_json: bool) -> None:
    """What a sweep lacks, and what it takes to train that."""
    from grokscope.plotting.wording import format_time

    if as_json:
        print(json.dumps(status_of(data) | cost._asdict()))
        return
    print_status(data)
    time = format_time(cost.seconds)
    print(f"to train {cost.to_train:,} networks")
    print(f"time     about {time}, were no run to settle and no cell inferred")
    print(f"disk     {cost.disk_bytes / 1e6:,.0f} MB of {cost.disk_free / 1e6:,.0f} free")


def print_phases(data: xr.Dataset, as_json: bool, written: Mapping[str, str]) -> None:
    """Print a phase diagram as letters, its boundaries if there are seeds, and written files."""
    from grokscope.sweeps.boundary import boundaries
    from grokscope.sweeps.diagram import phase_diagram

    diagram, found = phase_diagram(data), boundaries(data)
    if as_json:
        print(json.dumps({**_phases_document(diagram, found), **written}))
        return
    if diagram.phase.dims:
        _print_panels(diagram, found)
    else:
        code = int(diagram.phase)
        print(
            f"one setting, and so no diagram: {_phase_words(code) if code >= 0 else 'not trained'}"
        )
    for name, path in written.items():
        print(f"{name:8} {path}")


def _phase_words(code: int) -> str:
    from grokscope.sweeps.diagram import PHASES

    return PHASES[code].title.lower()


def _phases_document(diagram: xr.Dataset, found: Sequence[Boundary]) -> dict[str, object]:
    """A phase diagram as JSON, a value for each cell in the order of the grid."""
    import numpy as np

    codes = diagram.phase
    index = np.maximum(codes.values, 0)[..., None]

    def of_phase(name: str) -> list[float]:
        """Of each cell's phase, where it was trained."""
        values = np.take_along_axis(diagram[name].values, index, axis=-1)[..., 0]
        return np.where(codes.values < 0, np.nan, values).ravel().tolist()

    flat = codes.values.ravel().tolist()
    document = {
        "dimensions": list(map(str, codes.dims)),
        "coordinates": {str(dim): codes[dim].values.tolist() for dim in codes.dims},
        "phase": [_phase_words(c).replace(" ", "_") if c >= 0 else None for c in flat],
        "inferred": diagram.inferred.values.ravel().tolist(),
        "frequency": of_phase("frequency"),
        "frequency_low": of_phase("low"),
        "frequency_high": of_phase("high"),
        "boundaries": [vars(boundary) for boundary in found],
    }
    return {name: jsonable(value) for name, value in document.items()}


def _print_panels(diagram: xr.Dataset, found: Sequence[Boundary]) -> None:
    """Print a panel of letters for each value of the axes but the last two, and what they mean."""
    import numpy as np
    from rich.text import Text

    from grokscope.plotting.wording import format_setting

    screen, codes = console(), diagram.phase
    *outer, columns = map(str, codes.dims)
    rows = outer.pop() if outer else None
    labels = [format_setting(value) for value in codes[rows].values.tolist()] if rows else [""]
    margin = max([8, *map(len, labels)])
    for place in np.ndindex(*(codes.sizes[name] for name in outer)):
        where = dict(zip(outer, place, strict=True))
        values = {name: format_setting(codes[name].values[i].item()) for name, i in where.items()}
        title = ", ".join(f"{name} = {value}" for name, value in values.items())
        screen.print(Text(title or "phases", style="bold"))
        for row in reversed(range(len(labels))):
            at = where | ({rows: row} if rows else {})
            line = Text(f"{labels[row]:>{margin}} " if rows else "")
            line.append_text(_letters(codes.isel(at).values, diagram.inferred.isel(at).values))
            line.append_text(_intervals([boundary for boundary in found if boundary.row == at]))
            screen.print(line)
        ends = codes[columns].values[[0, -1]].tolist()
        screen.print(Text(f"{'':{margin + 1}}{columns} from {ends[0]} to {ends[1]}", style="dim"))
    print(_key(diagram) + (f"   up: {rows}" if rows else ""))


def _letters(codes: np.ndarray, inferred: np.ndarray) -> Text:
    """A row of cells; the letter of an inferred one is small."""
    from rich.text import Text

    from grokscope.plotting.palette import PHASE_COLORS, ink_on
    from grokscope.sweeps.diagram import PHASES

    line = Text()
    for code, is_inferred in zip(codes.tolist(), inferred.tolist(), strict=True):
        if code < 0:
            line.append("· ", "dim")
            continue
        letter, color = PHASES[code].letter, PHASE_COLORS[PHASES[code]]
        shown = letter.lower() if is_inferred else letter
        line.append(f"{shown} ", f"{ink_on(color)} on {color}")
    return line


def _intervals(found: Sequence[Boundary]) -> Text:
    """Where a row's phases change, of boundaries that have an interval."""
    from rich.text import Text

    line = Text()
    for boundary in found:
        if boundary.low == boundary.low:
            sides = f"{boundary.before.letter}|{boundary.after.letter}"
            ends = f"[{boundary.low:.3g}, {boundary.high:.3g}]"
            line.append(f"  {sides} {boundary.position:.3g} {ends}", "dim")
    return line


def _key(diagram: xr.Dataset) -> str:
    """What the letters and the dot mean."""
    import numpy as np

    from grokscope.sweeps.diagram import PHASES

    codes = np.unique(diagram.phase.values).tolist()
    key = [f"{PHASES[code].letter} {_phase_words(code)}" for code in codes if code >= 0]
    key += ["small: inferred"] if bool(diagram.inferred.any()) else []
    key += ["· not trained"] if min(codes) < 0 else []
    return "  ".join(key)
