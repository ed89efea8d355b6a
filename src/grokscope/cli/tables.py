"""What the commands print: summaries and tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from grokscope.runs.run import Run
    from grokscope.sweeps.diagram import Boundary


def summary_of(run: Run) -> dict[str, object]:
    """What a run ended with, ready for JSON, which has no NaN: it becomes None."""
    from grokscope.measures.table import scores, unit_measures

    rows = scores() | unit_measures()
    return {
        "phase": None if run.failed_at is not None else str(run.phase()),
        "failed_at": run.failed_at,
        **{name: jsonable(row.summary(run)) for name, row in rows.items()},
        "steps": int(run.final.step),
        "seconds": run.dataset.attrs["seconds"],
        "digest": run.digest,
        "path": None if run.path is None else str(run.path),
        "experiment": run.experiment.model_dump(),
    }


def norm_correlations(run: Run) -> dict[str, list[float]]:
    """Spearman's ρ of IPR and each neuron's norm weight, with its interval; empty without one."""
    if run.experiment.normalization is None or run.failed_at is not None:
        return {}
    from grokscope.analysis.norm_layers import contributions, normed_layers
    from grokscope.analysis.statistics import rank_correlation

    if not normed_layers(run.experiment):  # as in a Transformer, whose LayerNorm acts elsewhere
        return {}
    neurons = contributions(run)
    ipr = neurons.ipr.values
    names = ("gamma", "effective")
    return {name: list(rank_correlation(ipr, neurons[name].values)) for name in names}


def jsonable(value: object) -> object:
    """The value with None for NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [jsonable(item) for item in value]
    return None if value != value else value


def print_run(run: Run, as_json: bool, **more: str) -> None:
    """Print one run as a table, or as JSON."""
    correlations = norm_correlations(run)
    summary = summary_of(run) | {"ipr_correlations": jsonable(correlations)} | more
    if as_json:
        print(json.dumps(summary))
        return
    print_table(run.experiment.task.title, [run])
    for name, (rho, low, high) in correlations.items():
        words = {"gamma": "|γ|", "effective": "|γ|·‖W‖"}[name]
        print(f"norm     {words} and IPR: ρ = {rho:.2f} [{low:.2f}, {high:.2f}]")
    for name in ("path", *more):
        print(f"{'run' if name == 'path' else name:8} {summary[name]}")


def console() -> Console:
    """A console of at least 80 columns: a narrower terminal wraps lines and cuts no number."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 120)
    console.width = max(console.width, 80)
    return console


def plain_table(title: str | None = None) -> Table:
    """A table without lines."""
    from rich.table import Table

    return Table(title=title, title_justify="left", box=None, pad_edge=False)


def print_table(title: str, runs: Sequence[Run]) -> None:
    """Print a row for each run: settings that matter, phase, accuracies."""
    from grokscope.measures.table import MEASURES

    screen = console()
    columns = [row for row in MEASURES.values() if row.has_column]
    narrow = screen.width < 100  # numbers must not be cut: leave out what is in --json
    table = plain_table(title)
    table.padding = (0, 1 if narrow else 2, 0, 0)
    counts_shown = () if narrow else ("steps", "seed")
    titles = [row.title for row in columns]
    for name in ("α", "ξ", "wd", "dp", *counts_shown, "phase", *titles):
        table.add_column(name, justify="left" if name == "phase" else "right", no_wrap=True)
    for run in runs:
        experiment, summary = run.experiment, summary_of(run)
        phase = run.phase()
        ended = f"diverged at {run.failed_at}" if run.failed_at is not None else phase.title.lower()
        settings = (
            experiment.train_fraction,
            experiment.corruption_fraction,
            experiment.weight_decay,
            experiment.dropout,
        )
        values = [
            "-" if (value := summary[row.name]) is None
            else f"{value}" if row.kind == "count"
            else f"{value:.3f}"
            for row in columns
        ]  # fmt: skip
        counts = () if narrow else (summary["steps"], experiment.seeds.seed)
        table.add_row(*(f"{s:g}" for s in settings), *map(str, counts), ended, *values)
    screen.print(table)


def print_curve(first: str, curve: xr.Dataset, required: int | None) -> None:
    """Print a pruning curve at every tenth of the neurons."""
    by = {"ipr": "IPR"}.get(curve.attrs["by"], curve.attrs["by"])
    order = "in random order" if by == "random" else f"{first} {by} first"
    table = plain_table(f"pruned {order}")
    from grokscope.measures.table import scores

    found = [row for row in scores().values() if row.name in curve]
    rows = sorted(found, key=lambda row: row.kind == "loss")  # accuracies first
    for title in ("pruned", *(row.title for row in rows)):
        table.add_column(title, justify="right", no_wrap=True)
    width = int(curve.pruned[-1])
    for share in range(0, 101, 10):
        at = curve.sel(pruned=width * share // 100, method="nearest")
        table.add_row(f"{share}%", *(f"{float(at[row.name]):.4f}" for row in rows))
    console().print(table)
    least = "no part of it generalises" if required is None else f"{required} of {width}"
    print(f"fewest neurons that still generalise: {least}\n")


def audit_document(run: Run, found: xr.Dataset, top: int) -> dict[str, object]:
    """An audit as JSON: how well each kind of evidence does, and the most suspicious labels.

    Args:
        run: the run that was audited.
        found: its audit.
        top: how many of the most suspicious labels to list.
    """
    from grokscope.analysis.label_audit import qualities, strongest

    best, ranked = strongest(found)
    listed = [ranked.isel(example=i) for i in range(min(top, ranked.sizes["example"]))]
    return {
        "phase": run.phase(),
        "truth_is_known": "is_wrong" in found,
        "wrong": int(found.is_wrong.sum()) if "is_wrong" in found else None,
        "flagged": _n_flagged(found),
        "evidence": qualities(found),
        "ranked_by": best,
        "kept": found.attrs.get("kept"),
        "strongest": [
            {name: at[name].item() for name in ("example", *found.data_vars)} for at in listed
        ],
    }


def _n_flagged(found: xr.Dataset) -> int:
    """Labels to which the network, pruned if it can be, prefers another."""
    margin = "pruned_margin" if "pruned_margin" in found else "margin"
    return int((found[margin] > 0).sum())


def print_audit(run: Run, found: xr.Dataset, top: int) -> None:
    """Print how well each kind of evidence finds wrong labels, and the most suspicious labels.

    Args:
        run: the run that was audited.
        found: its audit.
        top: how many of the most suspicious labels to list.
    """
    from grokscope.analysis.label_audit import NAMES, qualities, strongest
    from grokscope.plotting.wording import phase_title

    best, ranked = strongest(found)
    n_labels = found.sizes["example"]
    if "is_wrong" in found:
        wrong = f"{int(found.is_wrong.sum())} of {n_labels} labels are wrong"
        table = plain_table(f"{phase_title(run)}: {wrong}")
        for name in ("evidence", "AUROC", "precision", "recall", "precision at the number wrong"):
            justify = "left" if name == "evidence" else "right"
            table.add_column(name, justify=justify, no_wrap=True)
        for name, values in qualities(found).items():
            cells = [f"{value:.3f}" if value == value else "-" for value in values.values()]
            table.add_row(NAMES[name], *cells)
        console().print(table)
    else:
        print(f"{phase_title(run)}: which labels are wrong is not known")
    if "kept" in found.attrs:
        print(f"pruned to {found.attrs['kept']} of {found.attrs['neurons']} neurons")
    if float(run.final.train_accuracy) == 1 and "kept" not in found.attrs:
        print(
            "note: the network fits every label that it was given, so it prefers no other. Stop "
            "earlier, or train with more weight decay or dropout."
        )
    top = min(top, n_labels)
    flagged = f"{_n_flagged(found)} of {n_labels} flagged, the {top} strongest listed"
    print(f"{flagged} (by {NAMES[best]})")
    console().print(_suspicious(run, ranked.isel(example=slice(top)), best))


def _suspicious(run: Run, ranked: xr.Dataset, by: str) -> Table:
    """A row for each of the most suspicious labels."""
    listed = plain_table()
    pairs = run.experiment.task.has_pairs
    labels = [name for name in ("given", "suggested", "true") if name in ranked]
    for name in ("row", *(["m", "n"] if pairs else []), *labels, "evidence"):
        listed.add_column(name, justify="right", no_wrap=True)
    for i in range(ranked.sizes["example"]):
        at = ranked.isel(example=i)
        pair = run.data.inputs[int(at.example)].tolist() if pairs else []
        numbers = [int(at.row), *pair, *(int(at[name]) for name in labels)]
        listed.add_row(*map(str, numbers), f"{float(at[by]):.3f}")
    return listed


def status_of(data: xr.Dataset) -> dict[str, object]:
    """How many cells are done, failed and missing: in all, and for each value of each axis."""
    from grokscope.sweeps.diagram import phase_diagram

    axes = {
        str(dim): {
            f"{value}": _counts(data.status.isel({dim: place}))
            for place, value in enumerate(data[dim].values.tolist())
        }
        for dim in data.status.dims
    }
    return {
        **_counts(data.status),
        "diverged": int(data.failed_at.notnull().sum()),
        "settled": int(data.settled_at.notnull().sum()),
        "inferred": int(phase_diagram(data).inferred.sum()) * data.sizes["seed"],
        "axes": axes,
    }


def _counts(status: xr.DataArray) -> dict[str, int]:
    from grokscope.sweeps.diagram import STATUS

    return {word: int((status == code).sum()) for code, word in enumerate(STATUS)}


def print_status(data: xr.Dataset) -> None:
    """Print the status of a sweep: totals, then a table for every axis."""
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
            table.add_row(f"{value}", *(f"{counts[word]:,}" for word in words))
        console().print(table)


def print_phases(data: xr.Dataset, as_json: bool, written: Mapping[str, str]) -> None:
    """Print a phase diagram as letters, its boundaries if there are seeds, and written files."""
    from grokscope.sweeps.diagram import boundaries, phase_diagram

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
        title = ", ".join(f"{name} = {codes[name].values[i]}" for name, i in where.items())
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
    """What the letters mean."""
    import numpy as np

    from grokscope.sweeps.diagram import PHASES

    codes = [code for code in np.unique(diagram.phase.values).tolist() if code >= 0]
    key = "  ".join(f"{PHASES[code].letter} {_phase_words(code)}" for code in codes)
    return key + ("  small: inferred" if bool(diagram.inferred.any()) else "")
