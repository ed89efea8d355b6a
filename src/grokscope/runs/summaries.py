"""The last measurements of a run in a few numbers, and a file that caches those of many runs."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from grokscope.errors import StoreError
from grokscope.measures.table import MEASURES
from grokscope.runs.files import read_sealed, write_sealed
from grokscope.runs.run import Run

IPR_BINS = 40
"""Bins from 0 to 1 in every histogram of IPR."""
VERSION = 4

Summary = dict[str, Any]

Signature = list[int]
"""Inode, size and time of change of a file; another whenever the file is replaced."""

Cached = tuple[Signature, Summary]
"""A run's summary, after the signature of the file it was made from."""


def summarize(run: Run) -> Summary:
    """What a sweep's dataset holds of a run: numbers that fit in a line.

    The keys: the names of `MEASURES`; `norm` (by matrix), `own` (the user's own measures, by
    name), `ipr_counts` (live neurons in each of `IPR_BINS`, by layer), `created`, and
    `experiment`, its canonical JSON.
    """
    last = run.final
    return {
        **{name: row.summary(run) for name, row in MEASURES.items()},
        "norm": dict(zip(last.matrix.values.tolist(), last.norm.values.tolist(), strict=True)),
        "own": {
            code.function: float(last[code.function])
            for code in run.experiment.measures or ()
            if code.function in last
        },
        "ipr_counts": {
            layer: np.histogram(ipr[~np.isnan(ipr)], IPR_BINS, (0, 1))[0].tolist()
            for layer, ipr in run.layer_iprs.items()
        },
        "created": run.dataset.attrs["created"],
        "experiment": run.experiment.canonical_json(),
    }


def signature(file: Path | os.DirEntry[str]) -> Signature:
    """The signature of a file.

    Raises:
        FileNotFoundError: if the file is gone.
    """
    status = file.stat()
    return [status.st_ino, status.st_size, status.st_mtime_ns]


def read_cache(path: Path) -> dict[str, Cached]:
    """Summaries by digest; none if the file is missing, damaged or of another version."""
    try:
        document = json.loads(read_sealed(path))
    except (OSError, StoreError, ValueError):
        return {}
    if document["version"] != VERSION or document.get("measures") != [*MEASURES]:
        return {}
    return {name: (mark, summary) for name, (mark, summary) in document["runs"].items()}


def write_cache(path: Path, runs: dict[str, Cached]) -> None:
    """Write what `read_cache` reads; skipped if the file cannot be written."""
    document = {"version": VERSION, "measures": [*MEASURES], "runs": runs}
    content = json.dumps(document).encode()
    with suppress(OSError):  # such a store is slower to open, and nothing else
        write_sealed(path, content)
