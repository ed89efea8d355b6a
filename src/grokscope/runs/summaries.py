"""The last measurements of a run in a few numbers; and many runs as a table."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from grokscope.experiment.own_code import split_measures
from grokscope.measures.differences import DIFFERENCES, with_differences
from grokscope.measures.phases import Phase, classify
from grokscope.measures.table import MEASURES, Measure
from grokscope.runs.files import seal_of
from grokscope.runs.run import Run

IPR_BINS = 40
"""Bins from 0 to 1 in every histogram of IPR."""

Summary = dict[str, Any]

Signature = list[int]
"""Inode, size and time of change of a file; another whenever the file is replaced."""


class Cached(NamedTuple):
    """A run's summary, and the file that it was made from.

    Attributes:
        mark: the file's signature.
        seal: its checksum, by which it is known again where it has another signature, as a copy.
        summary: of its run.
    """

    mark: Signature
    seal: str
    summary: Summary

    @classmethod
    def of(cls, run: Run) -> Cached:
        """The entry of a stored run."""
        assert run.path is not None
        return cls(signature(run.path), seal_of(run.path), summarize(run))


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
        "own": {row.name: row.summary(run) for row in own_measures(run)},
        "ipr_counts": {
            layer: np.histogram(ipr[~np.isnan(ipr)], IPR_BINS, (0, 1))[0].tolist()
            for layer, ipr in run.layer_iprs.items()
        },
        "created": run.dataset.attrs["created"],
        "experiment": run.experiment.canonical_json(),
    }


def own_measures(run: Run) -> list[Measure]:
    """The measures of the user's own that a run has."""
    names = [code.function for code in split_measures(run.experiment.measures)[1]]
    return [
        Measure(name, run.dataset[name].attrs.get("description", ""), "own", title=name)
        for name in names
        if name in run.dataset
    ]


def varied_settings(summaries: Mapping[str, Summary]) -> pd.DataFrame:
    """The settings in which runs differ, a column each by its path, a row for each digest."""
    documents = [json.loads(summary["experiment"]) for summary in summaries.values()]
    settings = pd.json_normalize(documents).set_axis([*summaries])
    return settings.loc[:, settings.astype(str).nunique(dropna=False) > 1]


def as_table(summaries: Mapping[str, Summary]) -> pd.DataFrame:
    """A row for each run, the oldest first.

    Returns:
        Over the index `run`, a digest: `phase`; the settings in which runs differ, each by its
        leaf, or by its path if that may mean something else: if two have that leaf, another
        column is called so, or it held before the run's `start_step` alone; all `MEASURES` and
        measures of the user's own; `created`; the `DIFFERENCES` of measures.
    """
    settings = varied_settings(summaries).drop(columns="measures", errors="ignore")
    own = dict.fromkeys(name for summary in summaries.values() for name in summary["own"])
    paths = [*map(str, settings.columns)]
    leaves = [path.rpartition(".")[2] for path in paths]
    taken = {leaf for leaf in leaves if leaves.count(leaf) > 1}
    taken |= {*MEASURES, *own, *DIFFERENCES, "phase", "created"}
    settings.columns = [
        path if leaf in taken or path.startswith("start.before.") else leaf
        for path, leaf in zip(paths, leaves, strict=True)
    ]
    measured = pd.DataFrame.from_dict(
        {
            name: {"phase": phase_of(summary), **summary, **summary["own"]}
            for name, summary in summaries.items()
        },
        orient="index",
    ).reindex(columns=["phase", *MEASURES, *own, "created"])
    table = measured[["phase"]].join([settings, with_differences(measured).drop(columns="phase")])
    return table.rename_axis("run").sort_values("created", kind="stable")


def phase_of(summary: Summary) -> Phase:
    """The phase of a summarised run, or that it diverged."""
    if summary["failed_at"] is not None:
        return Phase.DIVERGED
    train, test, peak = (summary[f"{name}_accuracy"] for name in ("train", "test", "peak_test"))
    corruption = json.loads(summary["experiment"])["corruption_fraction"]
    second = summary.get("second_rule_accuracy")
    second = float("nan") if second is None else second
    return classify(train, test, peak, corruption, second).item()


def signature(file: Path | os.DirEntry[str]) -> Signature:
    """The signature of a file.

    Raises:
        FileNotFoundError: if the file is gone.
    """
    status = file.stat()
    return [status.st_ino, status.st_size, status.st_mtime_ns]
