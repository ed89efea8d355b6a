"""The page as one file: markup, style, script, the drawing library, and data if embedded."""

from __future__ import annotations

import base64
import gzip
import json
import re
from importlib.resources import files

PARTS = files("grokscope.explorer")

SCRIPTS = (
    *("data", "phases", "address", "colors", "diagrams", "attribution", "charts", "controls"),
    "start",
)
"""Files that make up one script, in this order."""


def page(
    overview: dict[str, object] | None = None, cells: dict[int, dict[str, object]] | None = None
) -> str:
    """The whole page; without data it asks its server for them.

    Args:
        overview: `payload.overview` of a sweep.
        cells: `payload.details` of its cells, by their place in the grid.
    """
    from plotly.offline import get_plotlyjs

    replaced = {
        "/*STYLE*/": _read("explorer.css"),
        "/*PLOTLY*/": get_plotlyjs(),
        "/*SCRIPT*/": "\n".join(_read(f"{name}.js") for name in SCRIPTS),
        "/*OVERVIEW*/": _json(overview),
        "/*CELLS*/": "" if cells is None else _packed(cells),
    }
    # All at once, since what is put in may hold a mark of its own.
    marks = "|".join(map(re.escape, replaced))
    return re.sub(marks, lambda mark: replaced[mark[0]], _read("page.html"))


def _read(name: str) -> str:
    return (PARTS / name).read_text("utf-8")


def _json(value: object) -> str:
    """JSON that cannot end the script element that it stands in."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def _packed(value: object) -> str:
    """JSON, compressed and in letters that need no escape."""
    return base64.b64encode(
        gzip.compress(json.dumps(value, allow_nan=False).encode(), mtime=0)
    ).decode()
