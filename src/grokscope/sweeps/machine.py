"""What this machine grants to training, and what is wrong with it: the content of `doctor`."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple

from grokscope.errors import ConfigError
from grokscope.models.precision import matrix_products
from grokscope.runs.disk import file_system, locks_exclude, nearest_existing
from grokscope.sweeps.executors import n_cores
from grokscope.training.compile import compilation, device_kinds, require_environment
from grokscope.training.cost import memory_bytes, of_slurm, present_bytes
from grokscope.training.speed import STEP_TO_PRODUCTS, measure_speed

Facts = Mapping[str, Any]
"""What is known, by name, ready for JSON."""

PACKAGES = ("grokscope", "jax", "jaxlib", "numpy")

PROCESS_BYTES = 520_000_000
"""Memory of a process that trains the default network (measured)."""

LITTLE_BYTES = 1_000_000_000
"""Free space below which a sweep may fill the disk: 15,000 runs without weights."""

SLOWER = 1.2
"""How much slower than expected a step is worth a word: timings differ by a tenth by themselves."""


class Part(NamedTuple):
    """What is known of one part of the machine.

    Attributes:
        facts: what is known.
        advice: sentences on what is wrong or worth knowing, and what to do.
    """

    facts: Facts
    advice: tuple[str, ...] = ()


def examine(store: Path) -> dict[str, Part]:
    """Look at every part of this machine; of one that cannot be looked at, the advice says why.

    Args:
        store: a folder of runs. It is not created, and nothing is left in it.
    """
    parts: dict[str, Callable[[], Part]] = {
        "versions": _versions,
        "devices": _devices,
        "cores": _cores,
        "memory": _memory,
        "store": lambda: _store(store),
        "cache": _cache,
        "speed": _speed,
    }
    return {name: _looked_at(name, part) for name, part in parts.items()}


def _looked_at(name: str, part: Callable[[], Part]) -> Part:
    """A part, or why it cannot be looked at: whatever is broken must not hide the others."""
    try:
        return part()
    except ConfigError as error:
        return Part({}, (str(error),))
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        return Part({}, (f"The {name} could not be examined: {reason}. Mend that, and ask again.",))


def _versions() -> Part:
    return Part({"python": platform.python_version()} | {name: version(name) for name in PACKAGES})


def _devices() -> Part:
    require_environment()
    kinds, chosen = device_kinds(), compilation()
    advice = []
    if chosen.device == "cpu" and any(Path("/dev").glob("nvidia[0-9]*")):
        advice.append(
            "An NVIDIA GPU is here, which JAX does not use. Install 'grokscope[cuda]', and leave "
            "JAX_PLATFORMS unset."
        )
    if len(kinds) > 1 and chosen.device != "cpu":
        advice.append(f"A sweep starts {len(kinds)} training processes, one for each accelerator.")
    if chosen.device == "cpu" and chosen.threads != 1:
        advice.append(
            f"Each training process has {chosen.threads or 'all'} threads: processes of one thread "
            "train more networks. Unset NPROC."
        )
    facts = {
        "platform": chosen.device, "devices": kinds, "threads": chosen.threads,
        "matrix_products": matrix_products(),
    }  # fmt: skip
    return Part(facts, tuple(advice))


def _cores() -> Part:
    present, allowed = os.cpu_count(), n_cores()
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    granted = of_slurm("CPUS_PER_TASK") or None
    facts = {"allowed": allowed, "present": present, "affinity": affinity, "slurm": granted}
    if present is None or allowed >= present:
        return Part(facts)
    words = f"Of {present} cores {allowed} may be used here."
    return Part(facts, (f"{words} Ask the batch system or the container for more.",))


def _memory() -> Part:
    allowed, present = memory_bytes(), present_bytes()
    facts = {"allowed": allowed, "present": present}
    if allowed is None or allowed >= PROCESS_BYTES * n_cores():
        return Part(facts)
    fitting = max(1, allowed // PROCESS_BYTES)
    return Part(
        facts,
        (
            f"A training process takes {PROCESS_BYTES / 1e9:.1f} GB or more, and "
            f"{allowed / 1e9:.1f} GB may be used here. Sweep with --workers {fitting}.",
        ),
    )


def _store(store: Path) -> Part:
    if store.exists() and not store.is_dir():
        raise ConfigError(f"`store` must be a folder of runs, got the file {str(store)!r}.")
    there = nearest_existing(store)
    free, on = shutil.disk_usage(there).free, file_system(there)
    writable = is_writable(there)
    exclude = locks_exclude(there) if writable else None
    advice = []
    if not writable:
        advice.append(f"`store` must be in a folder that can be written, got {str(store)!r}.")
    if free < LITTLE_BYTES:
        advice.append(f"`{store}` has {free / 1e6:,.0f} MB free. Make room, or choose another.")
    if exclude is False:
        advice.append(
            f"Files cannot be locked in `{there}`: two commands may train the same network there. "
            "Runs stay whole; run one sweep at a time."
        )
    elif on is not None and on.has_local_locks:
        advice.append(
            f"Locks in `{there}` hold within this machine alone: two machines may train the same "
            "network there. Runs stay whole; sweep from one machine, with --scheduler."
        )
    elif on is not None and on.is_network:
        advice.append(
            f"`{there}` is on a network ({on.kind}): locks between processes of this machine hold "
            "there, those between machines are untested. Sweep from one machine, with --scheduler."
        )
    facts = {
        "path": str(store), "exists": store.is_dir(), "writable": writable, "free_bytes": free,
        "file_system": None if on is None else on.kind, "locks_exclude": exclude,
    }  # fmt: skip
    return Part(facts, tuple(advice))


def is_writable(folder: Path) -> bool:
    """Whether a file can be made in an existing folder; it is removed."""
    try:
        with TemporaryFile(dir=folder) as file:
            file.write(b"1")
    except OSError:
        return False
    return True


def _cache() -> Part:
    require_environment()
    folder = compilation().folder
    writable = folder is not None and is_writable(folder)
    sizes = [] if folder is None else _sizes(folder)
    facts = {
        "path": None if folder is None else str(folder), "writable": writable,
        "files": len(sizes), "bytes": sum(sizes),
    }  # fmt: skip
    if writable:
        return Part(facts)
    return Part(
        facts,
        (
            "Compiled code cannot be kept: every process compiles each shape anew, for a second or "
            "two. Set JAX_COMPILATION_CACHE_DIR to a folder that can be written.",
        ),
    )


def _sizes(folder: Path) -> list[int]:
    """Bytes of every file in a folder, but for those that other processes remove meanwhile."""
    sizes = []
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                sizes.append(entry.stat().st_size)
    return sizes


def _speed() -> Part:
    require_environment()
    found = measure_speed()
    expected = STEP_TO_PRODUCTS if compilation().device == "cpu" else None
    is_slow = None if expected is None else found.ratio > SLOWER * expected
    facts = found._asdict() | {"expected_ratio": expected, "is_slow": is_slow}
    if not is_slow:
        return Part(facts)
    load = f"; the load is {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return Part(
        facts,
        (
            f"A training step takes {found.ratio:.1f} times its products, and at most "
            f"{expected} on a core of its own{load}. End other work here, and ask again.",
        ),
    )
