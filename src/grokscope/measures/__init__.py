"""What can be measured of a network."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, ["phases", "pruning", "scores", "settle", "spectrum", "table"]
)
