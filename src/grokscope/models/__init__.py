"""Architectures, one a file, and the analytic network."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    [
        *("analytic", "deep_mlp", "image_mlp", "network", "normalization", "outside"),
        *("transformer", "two_layer"),
    ],
)
