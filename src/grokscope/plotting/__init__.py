"""Pictures of runs, sweeps and audits, as Matplotlib figures."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, ["audit", "diagram", "palette", "pruning", "run", "style", "wording"]
)
