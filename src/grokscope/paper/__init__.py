"""One paper, "To grok or not to grok": its sweeps, figures and claims, and a report of them all.

    import grokscope as gs
    gs.paper.figure(3, results="results")
    gs.paper.verify(["coexistence"])

Each name is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "grids": ["grid"],
        "page": ["report"],
        "request": ["figure"],
        "statements": ["claims", "verify"],
    },
)
