"""The command line: parses, calls, prints."""

from grokscope.cli import claims, pages, runs, sweeps  # noqa: F401  whose commands register themselves
from grokscope.cli.base import app, main

__all__ = ["app", "main"]
