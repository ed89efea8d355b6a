"""One paper, "To grok or not to grok": its sweeps, figures and claims, and a report of them all.

    import grokscope as gs
    gs.paper.figure(3, results="results")
    gs.paper.verify(["coexistence"])

Each name is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grokscope.paper.grids import grid as grid
    from grokscope.paper.page import report as report
    from grokscope.paper.request import figure as figure
    from grokscope.paper.statements import claims as claims
    from grokscope.paper.statements import verify as verify

_HOMES = {
    "claims": "statements",
    "figure": "request",
    "grid": "grids",
    "report": "page",
    "verify": "statements",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOMES)
