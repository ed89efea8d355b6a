"""A page as one file: markup, style, script, the drawing library, and data if embedded."""

from __future__ import annotations

import base64
import gzip
import json
import re
from importlib.resources import files

PARTS = files("grokscope.explorer")

SCRIPTS = (
    *("data", "widgets", "phases", "address", "colors", "diagrams", "attribution", "charts"),
    *("controls", "start"),
)
"""Files that make up the script of a sweep's page, in this order."""

TRAJECTORY_SCRIPTS = ("data", "widgets", "canvas", "panels", "slider")
"""Files that make up the script of the page of one network over time, in this order."""


def page(
    overview: dict[str, object] | None = None,
    cells: dict[int, dict[str, object]] | None = None,
    library: str | None = None,
) -> str:
    """The whole page of a sweep; without data it asks its server for them.

    Args:
        overview: `payload.overview` of a sweep.
        cells: `payload.details` of its cells, by their place in the grid.
        library: the address of a file with `drawing_library`, seen from the page, so that many
            pages share one; by default it is in the page.
    """
    packed = "" if cells is None else _packed(json.dumps(cells, allow_nan=False).encode())
    script = f"<script>{drawing_library()}</script>\n"
    if library is not None:
        script = f'<script src="{library}"></script>\n'
    sources = "" if library is None else " 'self' file:"
    return _filled("sweep.html", script, SCRIPTS, overview, packed, sources)


def drawing_library() -> str:
    """Plotly's script."""
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()


def trajectory_page(shown: dict[str, object], vectors: bytes) -> str:
    """The whole page of one network over time. It draws by itself, which is quick enough to drag.

    Args:
        shown: `trajectory.shown` of a network.
        vectors: `trajectory.quantized` of it.
    """
    return _filled("trajectory.html", "", TRAJECTORY_SCRIPTS, shown, _packed(vectors))


def _filled(
    body: str,
    library: str,
    scripts: tuple[str, ...],
    overview: object,
    cells: str,
    sources: str = "",
) -> str:
    replaced = {
        "/*STYLE*/": _read("explorer.css"),
        "/*BODY*/": _read(body),
        "/*LIBRARY*/": library,
        "/*SOURCES*/": sources,
        "/*SCRIPT*/": "\n".join(_read(f"{name}.js") for name in scripts),
        "/*OVERVIEW*/": _json(overview),
        "/*CELLS*/": cells,
    }
    # All at once, since what is put in may hold a mark of its own.
    marks = "|".join(map(re.escape, replaced))
    return re.sub(marks, lambda mark: replaced[mark[0]], _read("page.html"))


def _read(name: str) -> str:
    return (PARTS / name).read_text("utf-8")


def _json(value: object) -> str:
    """JSON that cannot end the script element that it stands in."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def _packed(content: bytes) -> str:
    """Bytes, compressed and in letters that need no escape."""
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()
