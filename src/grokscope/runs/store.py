"""A folder of runs. Nothing else knows how they lie in it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pandas as pd
from filelock import FileLock, Timeout

from grokscope.data.dataset import Dataset
from grokscope.errors import ConfigError, StoreError, require_kind
from grokscope.experiment.experiment import Experiment, digest
from grokscope.experiment.grid import Grid
from grokscope.experiment.tasks import Counted
from grokscope.runs.cache import BLOCK, Cache, Summaries, packed
from grokscope.runs.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from grokscope.runs.files import (
    read_sealed,
    remove_leftovers,
    seal_of,
    write_atomically,
    write_sealed,
)
from grokscope.runs.run import Run, open_run, write_run
from grokscope.runs.summaries import Cached, Signature, as_table, signature, varied_settings

RUN_FILE = re.compile(r"([0-9a-f]{64})\.nc")
"""A digest. Files of other names that lie in a store are not its own, and are left alone."""

FAILED = ".failed"
LOCKS = ".claims"
CHECKPOINTS = ".checkpoints"
GRIDS = ".grids"
SUMMARIES = ".summaries"


class Store:
    """A folder of runs, named by the digests of their experiments.

    Several processes may read and write one store at once: files are written whole, and whoever
    writes the run of an experiment writes the same.

    Attributes:
        path: the folder; one that does not exist is an empty store.
        mend: whether damaged files are set aside and summaries are cached. If not, reading
            changes nothing on disk.

    >>> len(Store("no such folder").summaries())
    0
    """

    def __init__(self, path: str | Path, mend: bool = True) -> None:
        require_kind("store", path, (str, Path), 'Use "runs".')
        self.path = Path(path)
        self.mend = mend
        self._cache = Cache(self.path / SUMMARIES)

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"

    @classmethod
    def of(cls, store: str | Path | Store) -> Store:
        """The store itself, or the store in a folder."""
        return store if isinstance(store, Store) else cls(store)

    # Runs

    def path_of(self, experiment: Experiment | str) -> Path:
        """Where the run of an experiment, or of its digest, is or will be."""
        name = experiment if isinstance(experiment, str) else digest(experiment)
        return self.path / f"{name}.nc"

    def __contains__(self, experiment: Experiment) -> bool:
        """Whether there is a file for the run of an experiment, whole or not."""
        return self.path_of(experiment).exists()

    def find(self, experiment: Experiment | str) -> Run | None:
        """The run of an experiment or of its digest; None if it is missing or its file damaged.

        A damaged file causes a warning. It is also renamed if the store is to be mended.
        """
        path = self.path_of(experiment)
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            return _open(path)
        except (StoreError, PermissionError) as error:
            aside = _set_aside(path, found) if self.mend and isinstance(error, StoreError) else None
            what = f" It was set aside as `{aside.name}`." if aside else ""
            warnings.warn(f"{error}{what}", stacklevel=2)
            return None

    def save(self, run: Run) -> Run:
        """Write a run, whole or not at all, and return it with its path.

        Raises:
            OSError: if the file cannot be written; no part of it is left behind.
        """
        path = self.path_of(run.experiment)
        write_run(run, path)
        return replace(run, path=path)

    def open_named(self, name: str | Path) -> Run:
        """The run in a file, or the one here whose digest begins with a name; raises as `open`."""
        if isinstance(name, str) and not (os.sep in name or Path(name).is_file()):
            return self.open(name)
        return open_run(name)

    def open(self, name: str) -> Run:
        """The run whose digest begins with a name.

        Raises:
            StoreError: if no run or more than one has such a digest, or the file is damaged.
        """
        found = [known for known, _ in self._files() if name and known.startswith(name)]
        if len(found) != 1:
            got = f"{len(found)} that begin so" if found else "none"
            raise StoreError(
                f"`{name}` must be a run file or the beginning of one run's digest in "
                f"`{self.path}`, got {got}. `grokscope train` prints where its run is."
            )
        return _open(self.path_of(found[0]))

    def summaries(
        self,
        known: Mapping[str, Cached] | None = None,
        wanted: Container[str] | None = None,
        advance: Callable[[int], None] = lambda runs: None,
    ) -> Summaries:
        """The summary of each run, by digest; few of them are unpacked at once.

        A run's file is opened only if neither `known`, nor this store before, nor the cache in
        the folder has a summary of this very file or of one of equal content. Damaged files are
        treated as in `find`.

        Args:
            known: entries just made, by digest.
            wanted: the digests to return; by default all.
            advance: called for every run that was looked at, with 1 if it is wanted and 0 if not.
        """
        known, fresh, made = known or {}, {}, {}
        places, signatures = self._cache.read(), self._signatures()
        cached, chosen = Summaries(places), signatures if wanted is None else wanted
        for name, mark in signatures.items():
            place = places.get(name)
            if place is not None and place[0] == mark:
                fresh[name] = place
            elif entry := self._entry(name, mark, known.get(name), cached, name in chosen):
                made[name] = entry
            if len(made) >= BLOCK:
                fresh |= packed(made)
                made.clear()
            advance(int(name in chosen))
        fresh |= packed(made)
        self._cache.keep(fresh, self.mend)
        return Summaries({name: place for name, place in fresh.items() if name in chosen})

    def _entry(
        self, name: str, mark: Signature, made: Cached | None, cached: Summaries, is_chosen: bool
    ) -> Cached | None:
        """The entry of a file whose signature is not that of the cached one."""
        if made is not None and made.mark == mark:
            return made
        entry = made or (cached.entry(name) if name in cached else None)
        if entry is not None and entry.seal and entry.seal == seal_of(self.path_of(name)):
            return entry._replace(mark=mark)
        run = self.find(name) if is_chosen else None
        return None if run is None else Cached.of(run)

    def table(self) -> pd.DataFrame:
        """A row for each run, the oldest first; `summaries.as_table` explains the columns.

        >>> Store("no such folder").table().empty
        True
        """
        return as_table(self.summaries())

    # Unfinished training

    def checkpoint(self, experiment: Experiment, data: Dataset) -> Checkpoint | None:
        """How far training on an experiment's trajectory has come; None if nothing is kept of it.

        Experiments of other lengths may have checkpoints on it too: it is the last that is not
        beyond this experiment's end. A damaged file causes a warning.
        """
        found = []
        for path in (self.path / CHECKPOINTS).glob(f"{experiment.trajectory}-*.nc"):
            try:
                found.append(read_checkpoint(path, experiment, data))
            except FileNotFoundError:  # its training has ended meanwhile
                continue
            except (StoreError, PermissionError) as error:
                warnings.warn(str(error), stacklevel=2)
        within = [one for one in found if one.step <= experiment.steps]
        return max(within, key=lambda one: one.step, default=None)

    def save_checkpoint(self, experiment: Experiment, checkpoint: Checkpoint) -> None:
        """Keep how far an experiment's training has come, in place of what was kept before.

        Raises:
            OSError: if the file cannot be written; the one before stays.
        """
        write_checkpoint(checkpoint, experiment, self._checkpoint_path(experiment))

    def forget_checkpoint(self, experiment: Experiment) -> None:
        """Remove what is kept of an experiment's unfinished training."""
        self._checkpoint_path(experiment).unlink(missing_ok=True)

    def _checkpoint_path(self, experiment: Experiment) -> Path:
        return self.path / CHECKPOINTS / f"{experiment.trajectory}-{experiment.steps}.nc"

    # Cells of sweeps

    @contextmanager
    def training_lock(self, experiment: Experiment) -> Iterator[bool]:
        """Keep other processes from training an experiment into this store.

        The lock only saves work, since all processes would write the same file. It ends with the
        process that holds it, however that ends.

        Yields:
            False if another process holds the lock. True if this one does, or if files cannot be
            locked here.
        """
        path = self.path / LOCKS / digest(experiment)
        lock = FileLock(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(blocking=False)
        except Timeout:
            yield False
            return
        except (OSError, NotImplementedError):
            yield True
            return
        try:
            yield True
        finally:
            path.unlink(missing_ok=True)
            lock.release()

    def record_failure(self, experiment: Experiment, reason: str) -> None:
        """Note that an experiment could not be trained, and why.

        Raises:
            OSError: if the note cannot be written.
        """
        document = {"experiment": json.loads(experiment.canonical_json()), "reason": reason}
        path = self.path_of(experiment).with_suffix(FAILED)
        write_sealed(path, json.dumps(document, indent=1).encode())

    def forget_failure(self, experiment: Experiment) -> None:
        """Remove the note of a failure, if there is one."""
        self.path_of(experiment).with_suffix(FAILED).unlink(missing_ok=True)

    def failures(self) -> dict[str, str]:
        """The reason of each noted failure, by digest, unless its run was stored since."""
        reasons = {}
        for path in self.path.glob(f"*{FAILED}"):
            if not self.path_of(path.stem).exists():
                try:
                    reasons[path.stem] = str(json.loads(read_sealed(path))["reason"])
                except FileNotFoundError:  # another process tries it again
                    continue
                except (OSError, StoreError, ValueError, KeyError, TypeError):
                    reasons[path.stem] = "unknown: its record cannot be read"
        return reasons

    # Grids

    def record_grid(self, grid: Grid) -> None:
        """Note that a grid is trained into this store, for `grid` to find.

        Raises:
            OSError: if the note cannot be written.
        """
        folders = self.path, self.path / GRIDS, self.path / CHECKPOINTS
        remove_leftovers(path for folder in folders for path in folder.glob(".*-*"))
        document = grid.to_toml().encode()
        path = self.path / GRIDS / _grid_name(document)
        if path.is_file() and path.read_bytes() == document:
            os.utime(path)  # the latest grid says what a user's data are now
        else:
            write_atomically(path, document)

    def grids(self) -> list[Grid]:
        """The grids that were trained into this store, in full or in part, the largest first."""
        return sorted(self._recorded_grids(), key=lambda grid: -grid.size)

    def _recorded_grids(self) -> Iterator[Grid]:
        """The grids in the order in which they were last trained."""
        found = [(path.stat().st_mtime_ns, path) for path in (self.path / GRIDS).glob("*.toml")]
        for _, path in sorted(found):
            try:
                yield _read_grid(path)
            except StoreError as error:
                warnings.warn(str(error), stacklevel=2)
            except (ConfigError, OSError):  # written by another version
                continue

    def counted(self, grid: Grid) -> Grid:
        """A grid whose data are a user's own, with what the latest sweeps here say of them."""
        if "task" not in grid.axes and not isinstance(grid.base.task, Counted):
            return grid
        known = {k: c for other in self._recorded_grids() for k, c in other.task_counts.items()}
        return grid.replace(counts=known | grid.counts)

    def grid(self) -> Grid:
        """The largest recorded grid that holds all runs of this store.

        Raises:
            ConfigError: if there are no runs, or no recorded grid holds them all.
        """
        names = {name for name, _ in self._files()}
        if not names:
            raise ConfigError(
                f"`store` must be a folder of runs, got {str(self.path)!r} without any. "
                "Use `grokscope sweep` to train some."
            )
        # A file that is damaged, or not what it is called, is no run.
        for held in (lambda: names, lambda: self.summaries().keys()):
            for grid in self.grids():
                if held() <= set(grid.digests):
                    return grid
        varied = [name.rpartition(".")[2] for name in varied_settings(self.summaries())]
        differ = f" that differ in {', '.join(varied)}" if varied else ""
        raise ConfigError(
            f"`store` must hold runs of one sweep, got {len(names):,}{differ}, and no recorded "
            "sweep has them all. Name the sweep with --grid."
        )

    # Files

    def _files(self) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """The digest and the file of each run; of none is more than its name looked at."""
        if self.path.is_dir():
            with os.scandir(self.path) as entries:
                for entry in entries:
                    if named := RUN_FILE.fullmatch(entry.name):
                        yield named[1], entry

    def _signatures(self) -> dict[str, Signature]:
        """The signature of each run's file, by digest."""
        found = {}
        for name, file in self._files():
            with suppress(FileNotFoundError):  # another process may have set it aside
                found[name] = signature(file)
        return found


def _open(path: Path) -> Run:
    """The run in a file of a store, which must be the run that the file is named after."""
    run = open_run(path)
    if run.digest != path.stem:
        raise StoreError(
            f"`{path}` must hold the run of its name, got run {run.digest[:12]}. Train it again."
        )
    return run


def _set_aside(path: Path, found: os.stat_result) -> Path | None:
    """Rename a damaged file, keeping its content; return its new path.

    Does nothing if the path now holds a different file: another process may have set the damaged
    one aside and trained the cell again.
    """
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    try:
        return path.rename(aside) if os.path.samestat(path.stat(), found) else None
    except OSError:  # it is gone, or the store can only be read
        return None


@lru_cache(maxsize=32)  # the explorer asks at every poll; the file's name is a hash of its content
def _read_grid(path: Path) -> Grid:
    content = path.read_bytes()
    if _grid_name(content) != path.name:
        raise StoreError(
            f"`{path}` must have the content that its name is a hash of, got another: it was "
            "damaged or edited. It is left out; the next sweep writes it again."
        )
    return Grid.from_record(content.decode())


def _grid_name(document: bytes) -> str:
    """What a recorded grid's file is called: a hash of its content, which so is checked too."""
    return f"{hashlib.sha256(document).hexdigest()[:16]}.toml"
