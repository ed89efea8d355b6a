"""Questions about finished runs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, ["cross_fitting", "label_audit", "norm_layers", "statistics"]
)
