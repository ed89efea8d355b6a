"""Which sweep a store holds: as recorded when it was trained, or as its runs show."""

from __future__ import annotations

import hashlib
import json
import math
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.runs.store import write_whole
from grokscope.runs.summaries import summaries

RECORDS = ".grids"
"""The folder of a store that has the grid of every sweep trained into it, as TOML."""

SPARSEST = 20
"""Cells for each run of a store beyond which its runs are taken to be several sweeps."""


def record_grid(grid: Grid, store: Path) -> None:
    """Note that a grid is trained into a store: refined, its runs alone would not show all of it.

    Raises:
        OSError: if it cannot be written.
    """
    document = grid.to_toml().encode()
    path = store / RECORDS / f"{hashlib.sha256(document).hexdigest()[:16]}.toml"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        write_whole(path, document)


@lru_cache(maxsize=32)  # the explorer asks at every poll; a name is its content's
def _read(path: Path) -> Grid:
    return Grid.from_toml(path)


def _recorded(store: Path) -> list[Grid]:
    """The grids recorded in a store, the largest first."""
    grids = []
    for path in (store / RECORDS).glob("*.toml"):
        with suppress(ConfigError, OSError):  # written by another version, or by hand
            grids.append(_read(path))
    return sorted(grids, key=lambda grid: -grid.size)


def grid_in(store: str | Path, mend: bool = True) -> Grid:
    """The grid that all runs of a store lie on.

    That of a sweep trained into it, the largest if there are several such. Otherwise it is made
    from the runs, with an axis for every setting that varies; one that another fixes, as the
    batch size does the steps, advances with it. Damaged files are set aside, unless the store is
    not to be mended.

    Raises:
        ConfigError: if the store has no runs, or its runs make no grid.
    """
    found = summaries(Path(store), mend=mend)
    if not found:
        raise ConfigError(
            f"`store` must be a folder of runs, got {str(store)!r} without any. "
            "Use `grokscope sweep` to train some."
        )
    for grid in _recorded(Path(store)):
        if found.keys() <= set(grid.digests):
            return grid
    documents = [_leaves(json.loads(summary["experiment"])) for summary in found.values()]
    names = dict.fromkeys(name for document in documents for name in document)
    varied: dict[str, set[Any]] = {
        name: {document.get(name) for document in documents} for name in names
    }
    seeds = sorted(varied.pop("seeds.seed"))
    axes: dict[str, list[Any]] = {
        name: sorted(values, key=lambda value: (value is not None, isinstance(value, str), value))
        for name, values in varied.items()
        if len(values) > 1
    }
    last = [name for name in ("train_fraction", "corruption_fraction") if name in axes]
    groups: dict[str, list[str]] = {}
    for name in [name for name in axes if name not in last]:
        for leader in groups:
            together = {document.get(leader): document.get(name) for document in documents}
            if all(together[document.get(leader)] == document.get(name) for document in documents):
                groups[leader].append(name)
                axes[name] = [together[value] for value in axes[leader]]
                break
        else:
            if name != "measure_every":  # which changes no network
                groups[name] = [name]
    groups |= {name: [name] for name in last}
    if len(seeds) * math.prod(len(axes[name]) for name in groups) > SPARSEST * len(found):
        raise ConfigError(
            f"`store` must hold one sweep, got {len(found)} runs that differ in "
            f"{', '.join(axes)}. Say which sweep is meant with --grid."
        )
    short = {name: name.rpartition(".")[2] for name in axes}
    try:
        return Grid(
            base=Experiment.from_json(next(iter(found.values()))["experiment"]),
            axes={short[name]: tuple(axes[name]) for group in groups.values() for name in group},
            zipped=tuple(
                tuple(short[name] for name in group) for group in groups.values() if len(group) > 1
            ),
            seeds=tuple(seeds),
        )
    except ConfigError:  # such as runs with and without the settle rule, or of two optimisers
        raise ConfigError(
            f"`store` must hold one sweep whose grid can be found out, got {len(found)} runs that "
            f"differ in {', '.join(axes)}. Say which sweep is meant with --grid."
        ) from None


def _leaves(document: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values of nested dictionaries by dotted path."""
    leaves: dict[str, Any] = {}
    for name, value in document.items():
        if isinstance(value, dict):
            leaves |= _leaves(value, f"{prefix}{name}.")
        else:
            leaves[prefix + name] = tuple(value) if isinstance(value, list) else value
    return leaves
