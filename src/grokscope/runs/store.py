"""One finished run is one netCDF file, whole or not there; a folder of them is a store."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import tempfile
import threading
import warnings
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from filelock import FileLock, Timeout

from grokscope.errors import ConfigError, StoreError
from grokscope.experiment.experiment import SCHEMA, Experiment, digest
from grokscope.measures.phases import Phase, classify
from grokscope.measures.spectrum import neuron_ipr

SUFFIX = ".nc"
RUN_NAME = re.compile(r"[0-9a-f]{64}")
"""A digest. Files of other names that lie in a store are not its own, and are left alone."""

FAILED = ".failed"
CLAIMS = ".claims"
SEAL = b"grokscope sha256 "

HDF5 = threading.Lock()
"""The HDF5 library of netCDF4 is not made for threads: two that read at once end the process."""


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        experiment: the complete configuration.
        dataset: every measurement over `step`, and the final weights; each variable has a
            description and units among its attributes.
        path: the file, or None if the run was not stored.
    """

    experiment: Experiment
    dataset: xr.Dataset
    path: Path | None = None

    @property
    def digest(self) -> str:
        """The name of the experiment's result."""
        return digest(self.experiment)

    @property
    def failed_at(self) -> int | None:
        """The first step whose loss was not finite, or None."""
        return self.dataset.attrs.get("failed_at")

    @property
    def settled_at(self) -> int | None:
        """The step at which the run stopped early because its phase had settled, or None."""
        return self.dataset.attrs.get("settled_at")

    @property
    def has_weights(self) -> bool:
        """Whether the final weights are there; a sweep stores runs without them."""
        from grokscope.runs import compact  # which makes runs itself

        return compact.kind_of(self.dataset) == compact.WHOLE

    @property
    def neurons_required(self) -> int | None:
        """The fewest neurons that generalise; None with weights, or if none do (`compact`)."""
        from grokscope.runs import compact

        return compact.neurons_required(self.dataset)

    @property
    def final(self) -> xr.Dataset:
        """The last measurement."""
        return self.dataset.isel(step=-1)

    @property
    def neuron_ipr(self) -> np.ndarray:
        """IPR_k at the end of training, [neuron]; NaN for a dead neuron (Eq. 4).

        Of the layer next to the input: of a Transformer, coordinates of its embedding. Empty if
        no unit has a vector over residues.
        """
        return self.layer_ipr()

    def layer_ipr(self, layer: str | None = None) -> np.ndarray:
        """The same of any layer that has an IPR, as `first` and `last` of an MLP.

        Raises:
            ConfigError: if the run has none of that layer.
        """
        found = self.layer_iprs
        if layer is not None and layer not in found:
            raise ConfigError(
                f"`layer` must be one that has an IPR, got {layer!r}. "
                f"Use one of {', '.join(found) or 'none: this network has none'}."
            )
        return found[layer] if layer is not None else next(iter(found.values()), np.zeros(0))

    @property
    def layer_iprs(self) -> dict[str, np.ndarray]:
        """The IPR of every layer that has one, by name; the one next to the input is first."""
        from grokscope.runs import compact

        if not self.has_weights:
            return compact.layer_iprs(self.dataset)
        if "ipr" not in self.dataset:
            return {}
        of_three = ["hidden"] * 3  # in old files, of two-layer networks
        layers = np.asarray(self.dataset.coords.get("layer", of_three))
        last = self.final.ipr.values
        return {str(name): neuron_ipr(last[layers == name]) for name in dict.fromkeys(layers)}

    def phase(self, **thresholds: float) -> Phase:
        """The phase by Table 2, or that the run diverged. Thresholds as in `classify`."""
        if self.failed_at is not None:
            return Phase.DIVERGED
        return classify(
            self.final.train_accuracy.item(),
            self.final.test_accuracy.item(),
            self.dataset.test_accuracy.max().item(),
            self.experiment.corruption_fraction,
            **thresholds,
        ).item()


def run_path(store: Path, experiment: Experiment) -> Path:
    """Where the experiment's run is, or will be."""
    return store / f"{digest(experiment)}{SUFFIX}"


def save(run: Run, store: Path) -> Run:
    """Write a run to a store, whole or not at all, and return it with its path.

    Raises:
        OSError: if the file cannot be written; no part of it is left behind.
    """
    attrs = run.dataset.attrs | {
        "experiment": run.experiment.canonical_json(),
        "digest": run.digest,
        "schema_version": SCHEMA,
    }
    store.mkdir(parents=True, exist_ok=True)
    path = run_path(store, run.experiment)
    write_dataset(path, run.dataset.assign_attrs(attrs))
    return Run(run.experiment, run.dataset, path)


def seal(content: bytes) -> bytes:
    """What stands behind a run file's netCDF content, which readers of netCDF pass over.

    It is checked before the content is parsed: a flipped bit can pass unseen in a weight, and can
    send an HDF5 reader into an endless loop.

    >>> seal(b"content")[:24]
    b'grokscope sha256 ed7002b'
    """
    return SEAL + hashlib.sha256(content).hexdigest().encode()


def split_seal(sealed: bytes) -> tuple[bytes, bytes]:
    """The content of a sealed file, and what stands where its seal should be."""
    length = len(seal(b""))
    return sealed[:-length], sealed[-length:]


def require_writable(folder: Path, name: str) -> None:
    """Refuse a folder that cannot be made or written, before work is spent on what goes there.

    Raises:
        ConfigError: naming the setting, the folder and the reason.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            f"`{name}` must be in a folder that can be written, got {str(folder)!r} "
            f"({error.strerror}). Choose another."
        ) from None


def require_file(path: Path, name: str, endings: tuple[str, ...]) -> None:
    """Refuse a file that could not be written, or has another ending, before work is spent on it.

    Raises:
        ConfigError: naming the setting.
    """
    if path.suffix.lower() not in endings or path.is_dir():
        raise ConfigError(
            f"`{name}` must be a file that ends in {', '.join(endings)}, got {str(path)!r}. "
            f"Use {name}{endings[0]}."
        )
    require_writable(path.parent, name)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name beside it, flush it to disk, then rename it.

    Raises:
        OSError: if it cannot be written; the temporary file is removed.
    """
    temporary = path.with_name(f".{path.stem[:12]}-{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_dataset(
    path: Path, dataset: xr.Dataset, encoding: dict[Hashable, dict[str, Any]] | None = None
) -> None:
    """Write a dataset as netCDF-4 with a seal, whole or not at all.

    Raises:
        OSError: if it cannot be written; no part of it is left behind.
    """
    with HDF5:
        content = bytes(dataset.to_netcdf(engine="netcdf4", encoding=encoding))
    write_whole(path, content + seal(content))


def read_dataset(path: Path) -> xr.Dataset:
    """Read what `write_dataset` wrote into memory, once its seal is checked.

    Raises:
        StoreError: if it is truncated, altered or not ours.
        OSError: if it cannot be read.
    """
    content, ending = split_seal(path.read_bytes())
    if not ending.startswith(SEAL):
        raise StoreError(
            f"`{path}` must be a file of grokscope, got another file, or a part of one. "
            "Use another, or make it again."
        )
    if ending != seal(content):
        raise StoreError(f"`{path}` must match its checksum, got altered content. Make it again.")
    try:
        with HDF5, xr.open_dataset(content, engine="netcdf4") as file:
            dataset = file.load()
    except Exception as error:  # whatever the netCDF stack makes of unexpected content
        reason = str(error).partition("\n")[0]
        raise StoreError(
            f"`{path}` must be a netCDF file, got one that cannot be read ({reason}). "
            "Use another, or make it again."
        ) from None
    # netCDF returns attributes as NumPy scalars.
    dataset.attrs = {k: getattr(v, "item", lambda v=v: v)() for k, v in dataset.attrs.items()}
    return dataset


def open_run(path: str | Path) -> Run:
    """Read a run file into memory and check that it is whole.

    Raises:
        StoreError: if it is missing, truncated, altered, of another schema, or not ours.
    """
    path = Path(path)
    if not path.is_file():
        raise StoreError(f"`{path}` must be a run file, got none. Train it with `grokscope train`.")
    dataset = read_dataset(path)
    schema = dataset.attrs.pop("schema_version", None)
    if schema is None and "grid" in dataset.attrs:
        raise StoreError(
            f"`{path}` must be a run file, got a sweep's export. Use `grokscope phases {path}`."
        )
    if schema != SCHEMA:
        raise StoreError(
            f"`{path}` must be of schema version {SCHEMA}, got {schema}. "
            "Open it with the version of grokscope that wrote it, or train again."
        )
    try:
        document: dict[str, Any] = json.loads(dataset.attrs.pop("experiment"))
        del document["schema"]
        experiment = Experiment(**document)
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"`{path}` must hold a possible experiment, but {error}") from None
    if digest(experiment) != dataset.attrs.pop("digest", None):
        raise StoreError(f"`{path}` must hold the run that its digest names, got another.")
    return Run(experiment, dataset, path)


def find(store: Path, experiment: Experiment, mend: bool = True) -> Run | None:
    """The experiment's stored run, or None. A damaged file is reported, and set aside to `mend`."""
    path = run_path(store, experiment)
    return open_sound(path, mend) if path.exists() else None


def open_sound(path: Path, mend: bool) -> Run | None:
    """The run of a file in a store; None if it is no sound run of its name, or is gone.

    Such a file is set aside if the store is to be mended, and otherwise only passed over.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    try:
        run = open_run(path)
        if run.digest == path.stem:
            return run
        reason = f"`{path}` holds another experiment than its name says."
    except StoreError as error:
        reason = str(error)
    if mend:
        set_aside(path, reason, found)
    return None


def set_aside(path: Path, reason: str, found: os.stat_result) -> None:
    """Give a file that cannot be used another name, and warn; its content is kept.

    Not if it is no longer the file that was `found`: another process may have set that one aside,
    and have trained the cell again.
    """
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    try:
        if not os.path.samestat(path.stat(), found):
            return
        path.rename(aside)
    except FileNotFoundError:
        return
    warnings.warn(f"{reason} It was set aside as `{aside.name}`.", stacklevel=3)


@contextmanager
def claim(store: Path, experiment: Experiment) -> Iterator[bool]:
    """Whether no other process is training this experiment into this store just now.

    It spares work and nothing else: files are written whole and equal whoever writes them. A
    claim ends with its process, however that ends. Where files cannot be locked, all is free.
    """
    path = store / CLAIMS / digest(experiment)
    lock = FileLock(path)
    try:
        path.parent.mkdir(exist_ok=True)
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


def record_failure(store: Path, experiment: Experiment, reason: str) -> None:
    """Note that an experiment could not be trained, and why."""
    document = {"experiment": json.loads(experiment.canonical_json()), "reason": reason}
    path = run_path(store, experiment).with_suffix(FAILED)
    write_whole(path, json.dumps(document, indent=1).encode())


def failures(store: Path) -> dict[str, str]:
    """The reason of each recorded failure, by digest; a run stored since then counts more."""
    reasons = {}
    for path in store.glob(f"*{FAILED}"):
        if not path.with_suffix(SUFFIX).exists():
            try:
                reasons[path.stem] = str(json.loads(path.read_bytes())["reason"])
            except (ValueError, KeyError, TypeError):
                reasons[path.stem] = "unknown: its record cannot be read"
    return reasons


def forget_failure(store: Path, name: str) -> None:
    """Remove the record of a failure, named by its digest."""
    (store / f"{name}{FAILED}").unlink(missing_ok=True)


def open_named(name: str, store: Path) -> Run:
    """The run that a path, a digest, or the unique beginning of a digest means.

    Raises:
        StoreError: if there is none, more than one, or a file that holds another run.
    """
    if Path(name).is_file():
        return open_run(name)
    found = sorted(store.glob(f"{name}*{SUFFIX}")) if name and name.isalnum() else []
    if len(found) != 1:
        got = f"{len(found)} that begin so" if found else "none"
        raise StoreError(
            f"`{name}` must be a run file or the beginning of one run's digest in `{store}`, got "
            f"{got}. `grokscope train` prints where its run is."
        )
    run = open_run(found[0])
    if run.digest != found[0].stem:
        raise StoreError(
            f"`{found[0]}` must hold the run of its name, got run {run.digest[:12]}. "
            "Train it again."
        )
    return run
