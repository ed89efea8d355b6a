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
    overview: dict[str, object] | None = None, cells: dict[int, dict[str, object]] | None = None
) -> str:
    """The whole page of a sweep; without data it asks its server for them.

    Args:
        overview: `payload.overview` of a sweep.
        cells: `payload.details` of its cells, by their place in the grid.
    """
    from plotly.offline import get_plotlyjs

    packed = "" if cells is None else _packed(json.dumps(cells, allow_nan=False).encode())
    library = f"<script>{get_plotlyjs()}</script>\n"
    return _filled("sweep.html", library, SCRIPTS, overview, packed)


def trajectory_page(shown: dict[str, object], vectors: bytes) -> str:
    """The whole page of one network over time. It draws by itself, which is quick enough to drag.

    Args:
        shown: `trajectory.shown` of a network.
        vectors: `trajectory.quantized` of it.
    """
    return _filled("trajectory.html", "", TRAJECTORY_SCRIPTS, shown, _packed(vectors))


def _filled(body: str, library: str, scripts: tuple[str, ...], overview: object, cells: str) -> str:
    replaced = {
        "/*STYLE*/": _read("explorer.css"),
        "/*BODY*/": _read(body),
        "/*LIBRARY*/": library,
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
