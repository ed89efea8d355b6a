"""The paper's sweeps by name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from grokscope.errors import ConfigError, meant
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.experiment.models import Normalization
from grokscope.paper.interventions import INTERVENTIONS
from grokscope.paper.noises import noises
from grokscope.paper.optimizers import OPTIMIZERS
from grokscope.paper.settings import DECAYS, DROPOUTS, MEASURE_EVERY, NOISY, WIDE
from grokscope.sweeps.archive import load_sweep
from grokscope.sweeps.diagram import grid_of

FRACTIONS: dict[str, object] = {
    "train_fraction": {"start": 0.1, "stop": 0.9, "num": 17},
    "corruption_fraction": {"start": 0, "stop": 0.9, "num": 19},
}
"""Rows and columns of the paper's phase diagrams."""


def _diagram(
    axis: str, values: tuple[object, ...], seeds: Sequence[int] | int | None = None, **base: Any
) -> Grid:
    """A row of the paper's phase diagrams, a panel for each value."""
    experiment = Experiment(measure_every=MEASURE_EVERY).replace(**base)
    return Grid(base=experiment, axes={axis: values, **FRACTIONS}, seeds=seeds)


def _batches(normalization: Normalization | None) -> Grid:
    """A row of phase diagrams by batch size; every network sees as many examples (App. A)."""
    base = Experiment(batch_size=256, measure_every=MEASURE_EVERY)
    base = base.replace(normalization=normalization)
    scaled = [base.with_batch_size(size) for size in (8, 64, 256)]
    together = {
        "batch_size": [one.batch_size for one in scaled],
        "learning_rate": [one.learning_rate for one in scaled],
        "steps": [one.steps for one in scaled],
        "measure_every": [one.measure_every for one in scaled],
    }
    return Grid(base=base, axes={**together, **FRACTIONS}, zipped=(tuple(together),))  # type: ignore[arg-type]


def _widths() -> Grid:
    """Figure 32's networks; its text gives the first and the last width."""
    base = NOISY.replace(measure_every=MEASURE_EVERY, learning_rate=0.005, weight_decay=1)
    return Grid(base=base, axes={"width": (500, 1000, 2000, 5000, 10_000)}, seeds=40)  # type: ignore[arg-type]


_transformer = partial(_diagram, model="transformer", learning_rate=0.001, steps=3000)
"""A row of phase diagrams of one-layer Transformers (Fig. 7a, 13)."""

_deep = partial(_diagram, model="deep_mlp", learning_rate=0.001, steps=5000)
"""A row of phase diagrams of 3-layer ReLU MLPs (Fig. 7b, 14)."""


def _embeddings() -> Grid:
    """Figure 12's Transformers: depth, heads and weight tying at one setting."""
    base = _transformer("weight_decay", (0,)).base
    base = base.replace(train_fraction=0.8, corruption_fraction=0.2, weight_decay=3, steps=4000)
    axes = {"heads": (8, 4), "tied": (False, True), "depth": (1, 2, 3)}
    return Grid(base=base, axes=axes)  # type: ignore[arg-type]


def _images(axis: str, values: tuple[object, ...]) -> Grid:
    """A row of phase diagrams of MNIST (App. H), whose settings are all chosen."""
    base = Experiment(
        task="mnist",  # type: ignore[arg-type]
        model="image_mlp",  # type: ignore[arg-type]
        loss="cross_entropy",
        batch_size=256,
        steps=5000,
        measure_every=1000,
    ).replace(learning_rate=0.001)
    fractions = {
        "train_fraction": (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8),
        "corruption_fraction": {"start": 0, "stop": 0.9, "num": 10},
    }
    return Grid(base=base, axes={axis: values, **fractions})


RELU_DECAYS = (0, 5, 20, 40)
"""Weight decays of ReLU networks; the paper gives none for them (App. N, App. O)."""

_slow_relu = partial(_diagram, "weight_decay", RELU_DECAYS, activation="relu", learning_rate=0.002)
"""A row of Figure 30, at a chosen learning rate: with the default .01, and with .004, nearly all of
5,000 neurons die within 300 steps. The row of narrow networks has the same rate, so that the two
rows differ in width alone."""


def _hidden() -> Grid:
    """What the weights know where the answers do not show it: beyond the paper's diagrams."""
    base = Experiment(measure_every=MEASURE_EVERY)
    axes: dict[str, object] = {
        "weight_decay": (0, 5),
        "activation": ("quadratic", "relu"),
        "train_fraction": (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5),
        "corruption_fraction": (0, 0.1, 0.2, 0.35, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95),
    }
    return Grid(base=base, axes=axes, seeds=3)


GRIDS = {
    "figure3a": partial(_diagram, "weight_decay", DECAYS),
    "figure3b": partial(_diagram, "dropout", DROPOUTS),
    "figure7a": partial(_transformer, "weight_decay", (0, 3, 5), seeds=3),
    "figure7b": partial(_deep, "weight_decay", (0, 3, 8), seeds=3),
    "figure12": _embeddings,
    "figure13": partial(_transformer, "dropout", (0, 0.05, 0.1, 0.2)),
    "figure14": partial(_deep, "parameterization", ("standard", "lazy"), weight_decay=8),
    "figure16a": partial(_images, "weight_decay", (0, 1, 3, 10)),
    "figure16b": partial(_images, "dropout", (0, 0.2, 0.4, 0.6)),
    "figure9": partial(_batches, "batch_norm"),
    "figure10": partial(_batches, None),
    "figure11": partial(_batches, "layer_norm"),
    "figure26a": partial(_diagram, "weight_decay", (0, 5, 10, 40), loss="cross_entropy"),
    "figure26b": partial(_diagram, "dropout", DROPOUTS, loss="cross_entropy"),
    "figure27": partial(_diagram, "weight_decay", RELU_DECAYS, activation="relu"),
    "figure28": partial(_diagram, "dropout", (0, 0.1, 0.3, 0.5), activation="relu"),
    "figure29": partial(_diagram, "weight_decay", DECAYS, width=WIDE),
    "figure30a": partial(_slow_relu, width=WIDE),
    "figure30b": _slow_relu,
    "figure31": partial(_diagram, "weight_decay", DECAYS, operation="multiplication"),
    "figure32": _widths,
    "hidden": _hidden,
    **INTERVENTIONS,
    "noises": noises,
    **OPTIMIZERS,
}
"""The paper's sweeps by name, and those that go on from them, each made when it is called for."""


SHOWN: dict[str, dict[str, float]] = {
    "figure7a": {"train_fraction": 0.8, "corruption_fraction": 0.2},
    "figure7b": {"train_fraction": 0.8, "corruption_fraction": 0.2},
    "figure13": {"train_fraction": 0.9, "corruption_fraction": 0.1},
    "figure14": {"train_fraction": 0.8, "corruption_fraction": 0.2},
}
"""Cells whose neurons a figure shows. Refining trains them even if they lie on no boundary."""


@cache  # to make one, all its cells are made, and a report asks for each several times
def grid(name: str) -> Grid:
    """The paper's sweep of a name.

    Raises:
        ConfigError: if there is no such sweep.

    >>> grid("figure29").base.model.width
    5000
    """
    if name not in GRIDS:
        raise ConfigError(
            "`grid` must be a TOML file, an exported sweep (.nc) or the name of a sweep of the "
            f"paper, got {name!r}. {meant(name, GRIDS)}"
        )
    return GRIDS[name]()


def load_grid(source: str | Path) -> Grid:
    """The grid of a name in `GRIDS`, in a TOML file, or of an exported sweep (.nc).

    Raises:
        ConfigError: if there is none of these, or the file holds no grid.
        StoreError: if the exported sweep is damaged.

    >>> load_grid("figure3a").sizes
    {'weight_decay': 4, 'train_fraction': 17, 'corruption_fraction': 19, 'seed': 1}
    """
    name, path = str(source), Path(source)
    if name in GRIDS:
        return grid(name)
    if path.suffix == ".nc" and path.is_file():
        return grid_of(load_sweep(path))
    if path.is_file():
        return Grid.from_toml(path)
    if path.suffix or path.name != name:
        raise ConfigError(
            f"`grid` must be a TOML file or an exported sweep (.nc), got {name!r}, which is no "
            "file. Check its name."
        )
    return grid(name)
