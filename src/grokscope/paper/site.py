"""The site: a static folder with the gallery, the report, and pages to explore. It needs no server."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from itertools import chain
from pathlib import Path

from grokscope.paper.figures import Scale, figures
from grokscope.paper.gallery import Entry, gallery
from grokscope.paper.page import STYLE, Section, page, sections
from grokscope.paper.settings import INVERSION_DECAYS, NOISY
from grokscope.paper.statements import claims, verify
from grokscope.plotting.wording import phase_title
from grokscope.runs.files import write_atomically
from grokscope.runs.run import Run
from grokscope.sweeps.archive import exports_in
from grokscope.sweeps.sweep import train_missing

LIBRARY = "plotly.js"
"""The drawing library's file in the folder."""

KEPT = "log:40"
"""Steps whose weights are kept of the networks that are shown over time."""

CARDS = """
main { max-width: 76rem; } body { max-width: 76rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: 1.5rem; }
.cards section { border-top: 1px solid var(--line); } .cards h3 { margin-top: .6rem; }
.cards img { width: 100%; height: auto; }
"""


def site(
    folder: Path,
    sweep_page: Callable[[Path], str],
    run_page: Callable[[Run], str],
    library: str,
    scale: Scale = "quick",
    store: str | Path = "runs",
    results: str | Path = "results",
    workers: int | None = None,
    show: Callable[[str], None] = lambda line: None,
    train_sweeps: bool = True,
) -> dict[str, int]:
    """Write the site into a folder; `index.html`, which links to all else, comes last.

    Args:
        folder: the folder, which is created.
        sweep_page: makes the page to explore an exported sweep.
        run_page: makes the page of a run that kept its weights over time.
        library: the script that the pages of sweeps share, in the file `LIBRARY`.
        scale: as in `page.report`, and so are the others.
        store: a folder of runs.
        results: a folder of exported sweeps.
        workers: training processes.
        show: called with a line about what is done next.
        train_sweeps: whether sweeps that are not in `results` are trained.

    Returns:
        The size of each file in bytes, by its path in the folder.

    Raises:
        OSError: if a file cannot be written.
        WorkerError: if a network could not be trained.
    """
    made = [*sections([*figures()], scale, store, results, workers, show, train_sweeps)]
    show("statements")
    found = verify((), scale, store, results, workers, train_sweeps=train_sweeps, show=show)
    show("networks over time")
    runs = _over_time(store, workers)
    exports = exports_in(results)
    entries = gallery(claims(), {name: finding.verdict for name, finding in found.items()})
    titles = {address: title for address, (title, _) in runs.items()}
    pictures = {f"images/figure{s.number}.png": s.picture for s in made if s.picture is not None}
    files = chain(
        pictures.items(),
        [(LIBRARY, library), ("report.html", page(made, claims(), found))],
        ((f"explore/{path.stem}.html", sweep_page(path)) for path in _told(exports, show)),
        ((address, run_page(run)) for address, (_, run) in runs.items()),
        [("index.html", index(made, entries, [path.stem for path in exports], titles))],
    )
    written = {}
    for name, content in files:
        content = content if isinstance(content, bytes) else content.encode()
        write_atomically(folder / name, content)
        written[name] = len(content)
    return written


def _over_time(store: str | Path, workers: int | None) -> dict[str, tuple[str, Run]]:
    """Titles and runs of the networks over time, by the addresses of their pages."""
    kept = [NOISY.replace(weight_decay=decay, keep_weights=KEPT) for decay in INVERSION_DECAYS]
    return {
        f"time/weight-decay-{decay}.html": (f"Weight decay {decay}: {phase_title(run)}", run)
        for decay, run in zip(INVERSION_DECAYS, train_missing(kept, store, workers), strict=True)
    }


def _told(exports: Sequence[Path], show: Callable[[str], None]) -> Iterator[Path]:
    """Each export, once it is said that its page is made."""
    for place, path in enumerate(exports, 1):
        show(f"explorer of {path.stem}, {place} of {len(exports)}")
        yield path


def index(
    made: Sequence[Section],
    entries: Mapping[int | str, Entry],
    explored: Sequence[str],
    over_time: Mapping[str, str],
) -> str:
    """The site's first page.

    Args:
        made: the figures with their pictures.
        entries: what is said of each.
        explored: names of the sweeps that have a page.
        over_time: titles of the pages of networks over time, by their addresses.
    """
    cards = "".join(_card(section, entries[section.number], explored) for section in made)
    shown = {name for entry in entries.values() for name in entry.sweeps}
    beyond = "".join(f"<li>{_explorer(name)}</li>" for name in explored if name not in shown)
    networks = "".join(
        f'<li><a href="{escape(name)}">{escape(title)}</a></li>'
        for name, title in over_time.items()
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>grokscope: what networks learn from partly wrong labels</title><style>{STYLE}{CARDS}</style></head><body>
<main>
<h1>What networks learn from partly wrong labels</h1>
<p>Train a network on partly wrong labels. Did it learn the rule, the wrong labels, or both, and in which
neurons? These are the figures of “To grok or not to grok” (Doshi, Das, He, Gromov), made anew by grokscope.</p>
<nav aria-label="Contents"><a href="report.html">Report with every statement</a> <a href="#figures">Figures</a>
<a href="#time">Networks over time</a> <a href="#beyond">Beyond the paper</a></nav>
<h2 id="time">Networks over time</h2>
<p>A network is taught 35 % wrong labels. Move through its training, and watch its neurons.</p>
<ul>{networks}</ul>
<h2 id="figures">Figures</h2>
<div class="cards">{cards}</div>
<h2 id="beyond">Beyond the paper</h2>
<p>Sweeps that no figure of the paper shows.</p>
<ul>{beyond}</ul>
</main>
</body></html>
"""


def _card(section: Section, entry: Entry, explored: Sequence[str]) -> str:
    links = [f'<a href="report.html#figure-{section.number}">in the report</a>']
    links += [_explorer(name) for name in entry.sweeps if name in explored]
    picture = '<p class="quiet">Not made yet.</p>'
    if section.picture is not None:
        source = f"images/figure{section.number}.png"
        picture = f'<a href="{source}"><img loading="lazy" {_size(section.picture)} src="{source}" alt="{escape(entry.heading)}"></a>'
    return (
        f"<section><h3>{escape(entry.heading)}</h3>{picture}<p>{escape(entry.caption)}</p>"
        f'<p class="quiet">{escape(entry.agreement)} <code>{escape(entry.command)}</code></p>'
        f"<p>{' · '.join(links)}</p></section>\n"
    )


def _size(png: bytes) -> str:
    """A picture's width and height, from its header, so that a page does not move as it loads."""
    width, height = struct.unpack(">II", png[16:24])
    return f'width="{width}" height="{height}"'


def _explorer(name: str) -> str:
    return f'<a href="explore/{escape(name)}.html">explore {escape(name)}</a>'
