"""What the commands print: summaries and tables."""

from __future__ import annotations

import json
import sys
from typing import Any


def summary_of(run: Any) -> dict[str, Any]:
    """What a run ended with, ready for JSON: NaN, which it lacks, becomes null."""
    from grokscope.measures.table import scores, unit_measures

    rows = scores() | unit_measures()
    return {
        "phase": None if run.failed_at is not None else str(run.phase()),
        "failed_at": run.failed_at,
        **jsonable({name: row.summary(run) for name, row in rows.items()}),
        "steps": int(run.final.step),
        "seconds": run.dataset.attrs["seconds"],
        "digest": run.digest,
        "path": None if run.path is None else str(run.path),
        "experiment": run.experiment.model_dump(),
    }


def norm_correlations(run: Any) -> dict[str, list[float]]:
    """Spearman's ρ of IPR and what a norm layer gives each neuron; nothing without such a layer."""
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


def jsonable(value: Any) -> Any:
    """The value with None for NaN, which JSON has not."""
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [jsonable(item) for item in value]
    return None if value != value else value


def print_run(run: Any, as_json: bool, **more: str) -> None:
    """One run as a table, or as JSON."""
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


def console() -> Any:
    """A console in which no number is cut: a narrower terminal wraps the lines."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 120)
    console.width = max(console.width, 80)
    return console


def print_table(title: str, runs: list[Any]) -> None:
    """A row a run: settings that matter, phase, accuracies."""
    from rich.table import Table

    from grokscope.measures.table import MEASURES

    screen = console()
    columns = [row for row in MEASURES.values() if row.has_column]
    narrow = screen.width < 100  # numbers must not be cut: leave out what is in --json
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.padding = (0, 1 if narrow else 2, 0, 0)
    counts_shown = () if narrow else ("steps", "seed")
    titles = [row.title for row in columns]
    for name in ("α", "ξ", "wd", "dp", *counts_shown, "phase", *titles):
        table.add_column(name, justify="left" if name == "phase" else "right", no_wrap=True)
    for run in runs:
        experiment, summary = run.experiment, summary_of(run)
        phase = (summary["phase"] or f"diverged at {summary['failed_at']}").replace("_", " ")
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
        table.add_row(*(f"{s:g}" for s in settings), *map(str, counts), phase, *values)
    screen.print(table)


def print_curve(first: str, curve: Any, required: int | None) -> None:
    """A pruning curve at every tenth of the neurons."""
    from rich.table import Table

    from grokscope.measures.table import scores

    order = "in random order" if first == "random" else f"{first} IPR first"
    table = Table(title=f"pruned {order}", title_justify="left", box=None, pad_edge=False)
    rows = sorted(scores().values(), key=lambda row: row.kind == "loss")  # accuracies first
    for title in ("pruned", *(row.title for row in rows)):
        table.add_column(title, justify="right", no_wrap=True)
    width = int(curve.pruned[-1])
    for share in range(0, 101, 10):
        at = curve.sel(pruned=width * share // 100, method="nearest")
        table.add_row(f"{share}%", *(f"{float(at[row.name]):.4f}" for row in rows))
    console().print(table)
    least = "no part of it generalises" if required is None else f"{required} of {width}"
    print(f"fewest neurons that still generalise: {least}\n")


def print_audit(
    run: Any, found: Any, qualities: dict[str, dict[str, float]], strongest: Any, by: str
) -> None:
    """How well each kind of evidence finds the wrong labels, and the most suspicious ones."""
    from rich.table import Table

    from grokscope.analysis.label_audit import NAMES
    from grokscope.data.dataset import make_dataset

    title = f"{run.phase().title}: {int(found.is_wrong.sum())} of "
    table = Table(title=f"{title}{found.sizes['example']} labels are wrong", box=None)
    table.title_justify, table.pad_edge = "left", False
    for name in ("evidence", "AUROC", "precision", "recall", "precision at the number of wrong"):
        table.add_column(name, justify="left" if name == "evidence" else "right", no_wrap=True)
    for name, values in qualities.items():
        cells = [f"{value:.3f}" if value == value else "-" for value in values.values()]
        table.add_row(NAMES[name], *cells)
    console().print(table)
    if "kept" in found.attrs:
        print(f"pruned to {found.attrs['kept']} of {found.attrs['neurons']} neurons")
    listed = Table(title=f"most suspicious by {NAMES[by]}", box=None, pad_edge=False)
    listed.title_justify = "left"
    for name in ("example", "inputs", "label", "suggested", "true", "evidence"):
        listed.add_column(name, justify="right", no_wrap=True)
    inputs = make_dataset(run.experiment).inputs
    for i in range(strongest.sizes["example"]):
        at = strongest.isel(example=i)
        index = int(at.example)
        pair = str(tuple(inputs[index].tolist())) if inputs.shape[1:] == (2,) else "-"
        labels = (str(int(at[name])) for name in ("given", "suggested", "true"))
        listed.add_row(str(index), pair, *labels, f"{float(at[by]):.3f}")
    console().print(listed)


def status_of(data: Any) -> dict[str, Any]:
    """How many cells are done, failed and missing: in all, and for each value of each axis."""
    from grokscope.sweeps.diagram import STATUS, phase_diagram

    def counts(status: Any) -> dict[str, int]:
        return {word: int((status == code).sum()) for code, word in enumerate(STATUS)}

    axes = {
        str(dim): {
            f"{value}": counts(data.status.isel({dim: place}))
            for place, value in enumerate(data[dim].values.tolist())
        }
        for dim in data.status.dims
    }
    diverged = int(data.failed_at.notnull().sum())
    settled = int(data.settled_at.notnull().sum())
    inferred = int(phase_diagram(data).inferred.sum()) * data.sizes["seed"]
    known = {"diverged": diverged, "settled": settled, "inferred": inferred}
    return counts(data.status) | known | {"axes": axes}


def print_status(data: Any) -> None:
    """The status of a sweep: totals, then a table for every axis."""
    from rich.table import Table

    status = status_of(data)
    total = status["done"] + status["failed"] + status["missing"]
    enclosed = f" ({status['inferred']:,} of them inferred)" if status["inferred"] else ""
    print(
        f"networks {total:,}: {status['done']:,} done ({status['diverged']:,} diverged, "
        f"{status['settled']:,} settled early), {status['failed']:,} failed, "
        f"{status['missing']:,} missing{enclosed}"
    )
    for axis, values in status["axes"].items():
        if len(values) < 2:
            continue
        table = Table(box=None, pad_edge=False)
        for title in (axis, "done", "failed", "missing"):
            table.add_column(title, justify="right", no_wrap=True)
        for value, counts in values.items():
            table.add_row(value, *(f"{counts[word]:,}" for word in ("done", "failed", "missing")))
        console().print(table)


def _look(color: str) -> str:
    """How a terminal shows a letter on a phase's colour: in black or white, whichever is read."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    lightness = 0.299 * red + 0.587 * green + 0.114 * blue
    return f"{'black' if lightness > 128 else 'white'} on {color}"


def _is_at(boundary: Any, rows: Any, row: int, outer: tuple, place: tuple) -> bool:
    """Whether a boundary is one of a row of a panel."""
    there = dict(zip(map(str, outer), place, strict=True)) | ({str(rows): row} if rows else {})
    return boundary.row == there


def print_phases(data: Any, as_json: bool, written: dict[str, str]) -> None:
    """A phase diagram in letters and colours, boundaries if there are seeds, and what was made."""
    import numpy as np
    from rich.text import Text

    from grokscope.plotting.wording import COLORS, short
    from grokscope.sweeps.diagram import PHASES, boundaries, phase_diagram

    diagram = phase_diagram(data)
    codes, inferred = diagram.phase, diagram.inferred
    found = boundaries(data)
    if as_json:
        phases = [PHASES[code] if code >= 0 else None for code in codes.values.ravel().tolist()]
        index = np.maximum(codes.values, 0)[..., None]

        def of_phase(name: str) -> list[float]:
            """Of each cell's phase, where it was trained."""
            values = np.take_along_axis(diagram[name].values, index, axis=-1)[..., 0]
            return np.where(codes.values < 0, np.nan, values).ravel().tolist()

        document = {
            "dimensions": list(map(str, codes.dims)),
            "coordinates": {str(dim): codes[dim].values.tolist() for dim in codes.dims},
            "phase": phases,
            "inferred": inferred.values.ravel().tolist(),
            "frequency": of_phase("frequency"),
            "frequency_low": of_phase("low"),
            "frequency_high": of_phase("high"),
            "boundaries": [jsonable(vars(boundary)) for boundary in found],
        }
        print(json.dumps(jsonable(document) | written))
        return
    screen = console()
    if not codes.dims:
        phase = PHASES[int(codes)] if codes >= 0 else "not trained"
        print(f"one setting, and so no diagram: {phase.replace('_', ' ')}")
        return
    outer = codes.dims[:-2]
    rows = codes.dims[-2] if codes.ndim > 1 else None
    columns = codes.dims[-1]
    labels = [short(value) for value in codes[rows].values.tolist()] if rows else []
    margin = max([8, *map(len, labels)])
    places = codes.stack(panel=outer).panel.size if outer else 1
    flat = codes.values.reshape(places, -1, codes.sizes[columns])
    flat_inferred = inferred.values.reshape(flat.shape)
    titles = [
        ", ".join(f"{dim} = {codes[dim].values[i]}" for dim, i in zip(outer, place, strict=True))
        for place in np.ndindex(*(codes.sizes[dim] for dim in outer))
    ]
    where = list(np.ndindex(*(codes.sizes[dim] for dim in outer)))
    for title, place, panel, pale in zip(titles, where, flat, flat_inferred, strict=True):
        screen.print(Text(title or "phases", style="bold"))
        for row in range(len(panel) - 1, -1, -1):
            line = Text(f"{labels[row]:>{margin}} " if rows else "")
            for code, small in zip(panel[row].tolist(), pale[row].tolist(), strict=True):
                letter, look = ("·", "dim")
                if code >= 0:
                    letter, look = PHASES[code].letter, _look(COLORS[PHASES[code]])
                line.append(f"{letter.lower() if small else letter} ", look)
            for boundary in found:
                if boundary.low == boundary.low and _is_at(boundary, rows, row, outer, place):
                    letters = f"{boundary.before.letter}|{boundary.after.letter}"
                    ends = f"[{boundary.low:.3g}, {boundary.high:.3g}]"
                    line.append(f"  {letters} {boundary.position:.3g} {ends}", "dim")
            screen.print(line)
        ends = codes[columns].values[[0, -1]].tolist()
        screen.print(Text(f"{'':{margin + 1}}{columns} from {ends[0]} to {ends[1]}", style="dim"))
    present = [PHASES[code] for code in np.unique(flat) if code >= 0]
    key = "  ".join(f"{phase.letter} {phase.replace('_', ' ')}" for phase in present)
    small = "  small: inferred" if flat_inferred.any() else ""
    print(f"{key}{small}" + (f"   up: {rows}" if rows else ""))
    for name, path in written.items():
        print(f"{name:8} {path}")
