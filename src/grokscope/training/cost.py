"""What training costs: relative work, memory, and the tiles that keep a step in cache."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.models.normalization import has_batch_norm
from grokscope.training.compile import on_accelerator
from grokscope.training.networks import model_shapes, n_weights

PER_STEP = 100
"""Examples' worth of work in a step besides its examples, most of it the optimiser (measured)."""

DROPOUT = 1.15
"""How much longer a step with dropout takes (measured: 1.11 to 1.25)."""

EVERYWHERE = 1.8
"""The same for a Transformer whose dropout acts on embeddings too: examples share nothing of its
first block then (measured: 1.9 with one block, 1.5 with two)."""

DOUBLE = 2.4
"""How much longer a step in float64 takes (measured: 2.2 in batches of 64, 2.4 in full batches)."""

CELL_SECONDS = 0.05
"""What a cell takes at least besides its steps: data, measurements, its file (measured)."""

TILE_ELEMENTS = 336 * 500
"""Hidden activations in a tile of examples: what stays in a core's L2 cache (measured)."""

TILE_EXAMPLES = 336
"""Examples in a tile at least: adding up wide networks' gradients costs more than a cache miss."""

DEEP_TILE_EXAMPLES = 784
"""The same for deeper networks, whose gradients do not stay in cache: a 3-layer step takes 1.13
instead of 1.20 times its products (measured)."""

ACTIVATIONS_AT_ONCE = 2**27
"""Hidden activations of all examples, of all networks that train together, on an accelerator: half
a gigabyte in float32, of which a step has about six: 57 default networks, in one tile each. Not
measured: no accelerator was at hand."""

COPIES = 6
"""Of the weights in memory: themselves, gradient, both moments, two on their way between steps."""

OTHER_NUMBERS = 64
"""About how many numbers a measurement has besides one for each unit."""

CGROUPS = Path("/sys/fs/cgroup")
"""Where Linux says what a control group, as of a container or a job, may use (version 2)."""

OWN_CGROUP = Path("/proc/self/cgroup")
"""Where it says which one this process is in."""


def work(experiment: Experiment) -> float:
    """Multiply-adds of a run that does not stop early, in proportion: for shares and ratios.

    >>> half, most = Experiment(), Experiment(train_fraction=0.9)
    >>> 1.7 < work(most) / work(half) < 1.8
    True
    """
    examples = experiment.batch_size or experiment.n_train
    return experiment.steps * (examples + PER_STEP) * _size(experiment) * _slower(experiment)


def _slower(experiment: Experiment) -> float:
    """How much longer a step takes than one in float32 without dropout."""
    factor = DOUBLE if experiment.precision == "float64" else 1.0
    if not experiment.dropout:
        return factor
    sites = getattr(experiment.model, "dropout_sites", None)
    return factor * (EVERYWHERE if sites == "everywhere" else DROPOUT)


def _size(experiment: Experiment) -> float:
    """Multiply-adds for one example in one step, in proportion: most often the weights."""
    if experiment.model.name == "two_layer":  # quick, since every cell of a sweep is asked
        return 3.0 * experiment.model.width * experiment.n_inputs
    return float(n_weights(experiment))


def tile_size(n_examples: int, width: int, least: int = TILE_EXAMPLES) -> int:
    """Examples in a tile: as many as stay in cache or pay, all tiles alike, little padding; on an
    accelerator, as many as fit.

    Args:
        n_examples: how many there are.
        width: activations that a layer has for one example.
        least: examples below which a tile does not pay.

    >>> tile_size(4704, width=500)
    336
    """
    elements = ACTIVATIONS_AT_ONCE if on_accelerator() else TILE_ELEMENTS
    n_tiles = -(-n_examples // max(elements // width, least))
    return -(-n_examples // n_tiles)


def training_tile_size(experiment: Experiment) -> int:
    """Examples in a tile of a full batch; all of them where BatchNorm must see the whole batch."""
    if has_batch_norm(model_shapes(experiment)):
        return experiment.n_train
    least = TILE_EXAMPLES if experiment.model.name == "two_layer" else DEEP_TILE_EXAMPLES
    return tile_size(experiment.n_train, experiment.model.widest, least)


def tiled(
    array: np.ndarray, size: int, padding: Literal["edge", "constant"] = "edge"
) -> np.ndarray:
    """[example, …] as [tile, `size`, …], padded with copies of the last example, or with zeros.

    Copies are of an example that the network can take: of zeros one of the user's own may make
    NaN, which a weight of 0 does not remove.

    >>> tiled(np.array([1, 2, 3]), 2).tolist()
    [[1, 2], [3, 3]]
    >>> tiled(np.array([True, True, True]), 2, "constant").tolist()
    [[True, True], [True, False]]
    """
    n_tiles = -(-len(array) // size)
    missing = [(0, n_tiles * size - len(array))] + [(0, 0)] * (array.ndim - 1)
    return np.pad(array, missing, padding).reshape(n_tiles, size, *array.shape[1:])


def present_bytes() -> int | None:
    """Memory of this machine, if known."""
    if not hasattr(os, "sysconf"):
        return None  # not a Unix
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def memory_bytes() -> int | None:
    """Memory that this process may use, as machine, container and SLURM grant it, if known."""
    if (present := present_bytes()) is None:
        return None
    granted = [present, *_cgroup_limits()]
    cores = of_slurm("CPUS_ON_NODE")
    megabytes = of_slurm("MEM_PER_NODE"), of_slurm("MEM_PER_CPU") * cores
    return min(granted + [number * 2**20 for number in megabytes if number])


def of_slurm(name: str) -> int:
    """A number that SLURM tells its jobs; 0 outside of them, and where all may be used."""
    text = os.environ.get(f"SLURM_{name}", "")
    return int(text) if text.isdecimal() else 0


def _cgroup_limits() -> Iterator[int]:
    """The limits of this process's control group and of those that it lies in."""
    own = OWN_CGROUP.read_text() if OWN_CGROUP.exists() else ""
    found = re.search("^0::/(.*)$", own, re.MULTILINE)
    folder = CGROUPS / found[1] if found else CGROUPS
    for file in (group / "memory.max" for group in (folder, *folder.parents)):
        if file.is_file() and (limit := file.read_text().strip()) != "max":
            yield int(limit)


def require_memory(experiment: Experiment) -> None:
    """Refuse a network or measurements that cannot fit: out of memory, XLA ends the process.

    Raises:
        ConfigError: with what the experiment needs at least and what this machine has.
    """
    model, there = experiment.model, memory_bytes()
    if there is None:
        return
    needed = number_bytes(experiment) * COPIES * n_weights(experiment) + 32 * experiment.n_examples
    if experiment.batch_size is None and has_batch_norm(model_shapes(experiment)):
        # The one tile, forward and backward.
        needed += 2 * number_bytes(experiment) * experiment.n_train * model.widest
    if needed > there:
        raise ConfigError(
            f"`width` must let the network fit in memory, got {model.widest}, which with "
            f"{experiment.n_inputs} inputs needs {needed / 1e9:.0f} GB of {there / 1e9:.0f}. "
            "Use a smaller one."
        )
    n_measured = experiment.n_measured
    measured = 8 * n_measured * (model.widest + OTHER_NUMBERS)
    if needed + measured > there:
        raise ConfigError(
            f"`measure_every` must let the measurements fit in memory, got {n_measured} steps to "
            f"measure at, which need {measured / 1e9:.0f} GB of {there / 1e9:.0f}. "
            "Use a larger one."
        )
    kept = kept_bytes(experiment)
    if needed + measured + kept > there:
        raise ConfigError(
            f"`keep_weights` must let the kept weights fit in memory, got "
            f"{experiment.n_kept} steps, which need {kept / 1e9:.0f} GB of "
            f"{there / 1e9:.0f}. Keep fewer."
        )


def kept_bytes(experiment: Experiment) -> int:
    """Size of the weights that are kept over time.

    >>> kept_bytes(Experiment(keep_weights="log:40", kept_dtype="float16")) / 1e6
    11.64
    """
    size = np.dtype(experiment.kept_dtype or experiment.precision).itemsize
    return size * experiment.n_kept * n_weights(experiment)


def number_bytes(experiment: Experiment) -> int:
    """Size of a weight or an activation."""
    return np.dtype(experiment.precision).itemsize
