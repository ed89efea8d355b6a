"""The command line: parses, calls, prints."""

# isort: off
# Each file registers its commands, which `--help` lists in this order.
from grokscope.cli import train, runs, audit, sweeps, provenance, pages, paper, doctor  # noqa: F401

# isort: on
from grokscope.cli.base import app, main

__all__ = ["app", "main"]
