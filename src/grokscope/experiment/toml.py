"""TOML documents of experiments and grids."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from grokscope.errors import ConfigError


def read_toml(source: str | Path, what: str) -> dict[str, Any]:
    """A TOML file (a `Path`) or document (a `str`) as nested dictionaries.

    Raises:
        ConfigError: if it is no TOML.
        OSError: if the file cannot be read.
    """
    try:
        text = source.read_text("utf-8-sig") if isinstance(source, Path) else source
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of numbers and nesting without end
        name = f"`{source}`" if isinstance(source, Path) else what
        raise ConfigError(
            f"{name} must be a TOML document, got one that does not parse: {error}. "
            "See `grokscope train --print-toml` for a complete one."
        ) from None
