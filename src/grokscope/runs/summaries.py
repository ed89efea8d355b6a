"""The last measurements of every run in a store, kept beside the runs so that opening is quick."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from grokscope.measures.table import MEASURES, own_name
from grokscope.runs.store import (
    RUN_NAME,
    SUFFIX,
    Run,
    open_sound,
    seal,
    split_seal,
    write_whole,
)

CACHE = ".summaries"
IPR_BINS = 40
"""Bins from 0 to 1 in every histogram of IPR."""
VERSION = 4

Summary = dict[str, Any]
Signature = list[int]


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
        "own": {name: float(last[name]) for name in map(own_name, run.experiment.measures or ())},
        "ipr_counts": {
            layer: np.histogram(ipr[~np.isnan(ipr)], IPR_BINS, (0, 1))[0].tolist()
            for layer, ipr in run.layer_iprs.items()
        },
        "created": run.dataset.attrs["created"],
        "experiment": run.experiment.canonical_json(),
    }


def signature(path: Path) -> Signature:
    """What changes whenever a file of the store is replaced."""
    return _mark(os.stat(path))


def _mark(status: os.stat_result) -> Signature:
    return [status.st_ino, status.st_size, status.st_mtime_ns]


def summaries(
    store: Path,
    known: dict[str, tuple[Signature, Summary]] | None = None,
    wanted: Callable[[str], bool] = lambda name: True,
    advance: Callable[[int], None] = lambda runs: None,
    mend: bool = True,
) -> dict[str, Summary]:
    """The summary of each run in a store, by digest.

    A run file is opened only if neither `known` nor the cache has a summary of exactly this
    file. Damaged files are set aside and reported. The cache is written if it can be.

    Args:
        store: a folder of runs; one that does not exist is empty.
        known: summaries just made, each with the signature of the file it was made from.
        wanted: which digests to return.
        advance: called with the number of wanted runs just seen.
        mend: whether damaged files are set aside, and the cache written; the store stays as it is
            if not.
    """
    if not store.is_dir():
        return {}
    stored = _read(store / CACHE)
    cache = stored | (known or {})
    there = {}
    with os.scandir(store) as entries:
        for entry in entries:
            name, ending = os.path.splitext(entry.name)
            if ending == SUFFIX and RUN_NAME.fullmatch(name):
                with suppress(FileNotFoundError):  # set aside by another process just now
                    there[name] = _mark(entry.stat())
    fresh = {}
    for name, mark in there.items():
        cached, summary = cache.get(name, (None, None))
        if cached == mark:
            fresh[name] = (mark, summary)
        elif wanted(name) and (run := open_sound(store / f"{name}{SUFFIX}", mend)):
            fresh[name] = (mark, summarize(run))
        advance(int(wanted(name)))
    if mend and fresh != stored:
        _write(store / CACHE, fresh)
    return {name: summary for name, (_, summary) in fresh.items() if wanted(name)}


def _read(path: Path) -> dict[str, tuple[Signature, Summary]]:
    """The cache, or nothing if it is missing, damaged or of another version."""
    try:
        content, ending = split_seal(path.read_bytes())
        if ending != seal(content):
            return {}
        document = json.loads(content)
    except (OSError, ValueError):
        return {}
    if document["version"] != VERSION or document["measures"] != [*MEASURES]:
        return {}
    return {name: (mark, summary) for name, (mark, summary) in document["runs"].items()}


def _write(path: Path, runs: dict[str, tuple[Signature, Summary]]) -> None:
    document = {"version": VERSION, "measures": [*MEASURES], "runs": runs}
    content = json.dumps(document).encode()
    try:
        write_whole(path, content + seal(content))
    except OSError:
        return  # a store that cannot be written is slower to open, and nothing else
