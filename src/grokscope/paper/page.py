"""The report: one page with every figure and every claim, how each was made, and its cost."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from grokscope.errors import ConfigError, StoreError
from grokscope.paper.figures import RunFigure, Scale, SweepFigure, figures
from grokscope.paper.gallery import name_of
from grokscope.paper.plan import Plan, plan
from grokscope.paper.request import sweep_data
from grokscope.paper.shipped import is_shipped
from grokscope.paper.statements import (
    Claim,
    Finding,
    claims,
    counted,
    families,
    total_seconds,
    verify,
)
from grokscope.plotting.style import Picture
from grokscope.plotting.wording import format_time
from grokscope.runs.files import write_atomically
from grokscope.runs.record import environment
from grokscope.sweeps.sweep import train_missing

STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1c1c1c; --quiet: #555; --line: #d4d4d2; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #16181b; --ink: #ececec; --quiet: #a9adb2; --line: #3a3f45; }
}
@media print { :root { --ground: #fff; --ink: #000; --quiet: #444; } section { break-inside: avoid; } }
body { margin: 0 auto; max-width: 62rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif;
  background: var(--ground); color: var(--ink); }
h1 { font-size: 1.5rem; } h2 { font-size: 1.25rem; margin-top: 2rem; } h3 { font-size: 1.05rem; margin-bottom: .2rem; }
.quiet { color: var(--quiet); font-size: .9rem; }
img { max-width: 100%; height: auto; background: #fff; border: 1px solid var(--line); border-radius: 4px; }
nav a { margin-right: .8rem; white-space: nowrap; } a { color: inherit; }
.table { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
td:first-child { min-width: 14rem; } .number { font-variant-numeric: tabular-nums; white-space: nowrap; }
.verdict { font-weight: 600; }
.supported::before { content: "✓\\a0"; } .contradicted::before { content: "✗\\a0"; }
code { font-size: .9em; overflow-wrap: anywhere; }
@media (max-width: 62rem) {
  thead { display: none; } tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--line); }
  td { display: block; border: 0; padding: .05rem 0; }
  td[data-label]::before { content: attr(data-label) ": "; color: var(--quiet); }
}
"""


class Section(NamedTuple):
    """A figure in the report.

    Attributes:
        number: the figure's number or name.
        title: what it shows.
        caption: what there is to see.
        picture: a PNG; None if it could not be made.
        how: the command that makes it and its cost, or what is missing.
    """

    number: int | str
    title: str
    caption: str
    picture: bytes | None
    how: str


def report(
    path: Path,
    scale: Scale = "quick",
    store: str | Path = "runs",
    results: str | Path = "results",
    workers: int | None = None,
    show: Callable[[str], None] = lambda line: None,
    train_sweeps: bool = True,
    only: Collection[int | str] | None = None,
) -> dict[str, Finding]:
    """Write the report as one HTML file, which grows with each figure and is whole at any time.

    Args:
        path: the file.
        scale: paper or quick, for what is trained; the figures say which.
        store: a folder of runs; what is missing is trained.
        results: a folder of exported sweeps.
        workers: training processes; by default one a core.
        show: called with a line about what is done next.
        train_sweeps: whether sweeps that are not in `results` are trained; otherwise figures of
            them are left out, with what makes them.
        only: numbers of the figures to show, without the statements; by default all, with them.

    Returns:
        The findings in it, by the claim's name.

    Raises:
        OSError: if the file cannot be written.
    """
    show(planned(plan(only, scale, store, results, train_sweeps, workers)))
    done, wanted = [], [number for number in figures() if number in (only or figures())]
    for section in sections(wanted, scale, store, results, workers, show, train_sweeps):
        done.append(section)
        state = f"Being made: {len(done)} of {len(wanted)} figures so far."
        write_atomically(path, page(done, {}, {}, state).encode())
    found = {}
    if only is None:
        show("statements")
        found = verify((), scale, store, results, workers, train_sweeps=train_sweeps, show=show)
    write_atomically(path, page(done, claims(), found).encode())
    return found


def sections(
    wanted: Sequence[int | str],
    scale: Scale,
    store: str | Path,
    results: str | Path,
    workers: int | None,
    show: Callable[[str], None],
    train_sweeps: bool,
) -> Iterator[Section]:
    """The report's figures of some numbers, one after the other; the rest is as in `report`."""
    for place, number in enumerate(wanted, 1):
        figure = figures()[number]
        show(f"figure {number}, {place} of {len(wanted)}")
        try:
            if isinstance(figure, RunFigure):
                yield _of_runs(number, figure, scale, store, workers)
                continue
            data = {
                name: sweep_data(name, scale, store, results, train_sweeps, workers)
                for name in figure.grids
            }
            yield _of_sweeps(number, figure, data, scale, Path(results))
        except (ConfigError, StoreError) as error:  # what is whole is shown all the same
            how = f"cannot be shown: {error}"
            yield Section(number, figure.title, figure.caption, None, how)


def planned(found: Plan) -> str:
    """What is to be trained, and how long that takes, in words."""
    if not found.networks and not found.sweeps:
        return "nothing is left to train"
    networks = "1 network" if found.networks == 1 else f"{found.networks} networks"
    parts = [networks] if found.networks else []
    parts += [f"{count} of {name}" for name, count in found.sweeps.items()]
    return f"to train {', '.join(parts)}: about {format_time(found.seconds)}"


def _png(picture: Picture) -> bytes:
    buffer = BytesIO()
    picture.savefig(buffer, format="png")
    return buffer.getvalue()


def _of_runs(
    number: int | str, figure: RunFigure, scale: Scale, store: str | Path, workers: int | None
) -> Section:
    runs = train_missing(figure.experiments_at(scale), store, workers)
    seconds = math.fsum(float(run.dataset.attrs["seconds"]) for run in runs)
    networks = "1 network" if len(runs) == 1 else f"{len(runs)} networks"
    made = f"{networks}, {seconds:.0f} s of training · grokscope figure {number}"
    made += f" --scale {scale}" if scale == "quick" else ""
    picture = figure.plot(runs, figure.note(scale))
    return Section(number, figure.title, figure.caption, _png(picture), made)


def _of_sweeps(
    number: int | str,
    figure: SweepFigure,
    found: Mapping[str, xr.Dataset | None],
    scale: Scale,
    results: Path,
) -> Section:
    data = [one for one in found.values() if one is not None]
    if len(data) < len(found):
        missing = [name for name, one in found.items() if one is None]
        how = "; ".join(f"grokscope sweep {name} --settle --refine" for name in missing)
        return Section(number, figure.title, figure.caption, None, f"needs {how}, and its export")
    hours = math.fsum(float(one.seconds.sum()) for one in data) / 3600
    is_drawn = all(is_shipped(name, results) for name in found)
    how = f"--from {results}" if is_drawn else f"--scale {scale}"
    made = f"{hours:.1f} core hours · grokscope figure {number} {how}"
    picture = figure.plot(data, note=figure.note("paper" if is_drawn else scale, data))
    return Section(number, figure.title, figure.caption, _png(picture), made)


def page(
    shown: Sequence[Section],
    all_claims: Mapping[str, Claim],
    found: Mapping[str, Finding],
    state: str = "",
) -> str:
    """The report's HTML, which needs nothing else; every string in it is text.

    Args:
        shown: its figures.
        all_claims: every statement by name.
        found: the findings to show, by the statement's name; none if there is no table.
        state: what is still to come.
    """
    names = "".join(f'<a href="#figure-{s.number}">{name_of(s.number)}</a> ' for s in shown)
    names += '<a href="#claims">Statements</a> ' if found else ""
    versions = {"grokscope": version("grokscope")} | environment()
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>To grok or not to grok: what was measured</title><style>{STYLE}</style></head><body>
<main>
<h1>To grok or not to grok: what was measured</h1>
<p>The figures and statements of Doshi, Das, He and Gromov's paper, made anew by grokscope.</p>
<p class="quiet">Made {datetime.now(UTC):%Y-%m-%d %H:%M} UTC. {escape(state)}</p>
<nav aria-label="Contents">{names}<a href="#versions">Versions</a></nav>
<h2>Figures</h2>
{"".join(map(_figure, shown))}
{_statements(all_claims, found) if found else ""}
<h2 id="versions">Versions</h2>
<p class="quiet">Of what made this page; every run file and exported sweep holds those it was made with.</p>
<p class="quiet"><code>{escape(json.dumps(versions))}</code></p>
</main>
</body></html>
"""


def _statements(all_claims: Mapping[str, Claim], found: Mapping[str, Finding]) -> str:
    """The table of statements and verdicts."""
    counts = counted(all_claims, found)
    cost = format_time(total_seconds(found))
    members = families(all_claims)
    rows = "".join(
        _row(name, all_claims[name], finding, members[name]) for name, finding in found.items()
    )
    return f"""<h2 id="claims">Statements</h2>
<p>{escape(counts)}</p>
<p class="quiet">Intervals are 95 %, over seeds: rows and cells of one diagram are no sample. Where there
is one seed there is no verdict. What was trained at settings that the paper does not give cannot
contradict it. Controls stand beside the estimate. <code>grokscope verify --only NAME</code> checks one anew. The cost is time on one core to train what a
statement uses: {cost} in all, where what several use counts once.</p>
<div class="table" tabindex="0" role="region" aria-label="Statements and verdicts"><table>
<thead><tr><th scope="col">Statement</th><th scope="col">Measured</th><th scope="col">Estimate</th>
<th scope="col">Holds if</th><th scope="col">Cost</th><th scope="col">Verdict</th></tr></thead><tbody>{rows}</tbody></table></div>
"""


def _figure(section: Section) -> str:
    heading = f"{name_of(section.number)}: {section.title}"
    shown = '<p class="quiet">Not made yet.</p>'
    if section.picture is not None:
        data = base64.b64encode(section.picture).decode()
        shown = f'<img alt="{escape(heading)}" src="data:image/png;base64,{data}">'
    return (
        f'<section id="figure-{section.number}"><h3>{escape(heading)}</h3>{shown}'
        f"<p>{escape(section.caption)}</p>"
        f'<p class="quiet">{escape(section.how)}</p></section>\n'
    )


def _row(name: str, claim: Claim, finding: Finding, family: str) -> str:
    with_ = "" if family == name else f"; same networks as {family}"
    low, high = finding.interval.low, finding.interval.high
    estimate = f"{finding.interval.estimate:.3g}"
    estimate += f" [{low:.3g}, {high:.3g}]" if np.isfinite(low) else ""
    basis = "one seed" if finding.n == 1 else f"{finding.n} seeds"
    if finding.missing:
        estimate, basis = "", f"needs {finding.missing}"
    elif not finding.n:
        estimate, basis = "", "nothing to judge by"
    elif finding.coarse:
        basis += f", coarse {' and '.join(finding.coarse)}"
    elif finding.earlier:
        basis += f", of {' and '.join(finding.earlier)}"
    basis += "".join(
        f"; {name} {control.estimate:.3g}" for name, control in finding.controls.items()
    )
    basis += f"; chosen here: {claim.chosen}" if claim.chosen else ""
    holds = f"{'>' if claim.side == 'above' else '<'} {claim.bound:g}"
    cost = format_time(finding.seconds) if finding.seconds else "none"
    kind = finding.verdict.name.lower()
    return (
        f'<tr id="claim-{escape(name)}"><td>{escape(claim.says)} <span class="quiet">'
        f"({escape(claim.section)}; {escape(name)}{escape(with_)})</span></td>"
        f'<td data-label="measured">{escape(claim.statistic)}</td>'
        f'<td data-label="estimate"><span class="number">{escape(estimate)}</span> '
        f'<span class="quiet">{escape(basis)}</span></td>'
        f'<td data-label="holds if">{escape(holds)} <span class="quiet">({escape(claim.why)})</span></td>'
        f'<td class="number" data-label="cost">{cost}</td>'
        f'<td class="verdict {kind}">{finding.verdict}</td></tr>\n'
    )
