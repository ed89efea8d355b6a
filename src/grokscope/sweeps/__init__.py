"""Many experiments: where they are trained, what is trained next, and their diagram."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, ["archive", "diagram", "executors", "refine", "scheduler", "sweep"]
)
