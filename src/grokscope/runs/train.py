"""One experiment from start to finish: train, measure at every scheduled step, store."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from grokscope.data.dataset import Dataset, make_dataset, require_repeatable
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.measures.pruning import (
    adds_to_logits,
    layer_named,
    outgoing,
    pruning_curve,
    pruning_order,
)
from grokscope.measures.scores import (
    Examples,
    Measurement,
    embedding_ipr,
    matrices,
    mean_ipr,
    measure,
    measured_layers,
    named_arrays,
    require_logits,
    require_measurable,
)
from grokscope.measures.settle import has_settled
from grokscope.models.network import Network
from grokscope.progress import progress_bar
from grokscope.runs.compact import COUNTS, side_by_side
from grokscope.runs.record import as_dataset, final_network
from grokscope.runs.store import Run, find, require_writable, save
from grokscope.training.loop import train_steps
from grokscope.training.networks import model_shapes

Log = Callable[[Experiment, int, dict[str, float]], None]


def train(
    experiment: Experiment,
    store: str | Path | None = None,
    progress: bool = True,
    log: Callable[[int, dict[str, float]], None] = lambda step, scores: None,
) -> Run:
    """Train a network, or return its stored run if that has its weights.

    Args:
        experiment: what to train.
        store: a folder of runs; the run is taken from there if it is there, and else put there.
        progress: whether to show a progress bar, if on a terminal.
        log: called at every measurement with the step and the `SCORES`, the norms of the weights,
            the mean IPR and your own measures, by name; not for a run that is in the store.

    Raises:
        ConfigError: if the store cannot be written.

    >>> run = train(Experiment(steps=20, train_fraction=0.8).replace(modulus=7, width=16))
    >>> dict(run.dataset.sizes)
    {'step': 3, 'matrix': 3, 'vectors': 3, 'neuron': 16, 'residue': 7}
    """
    if store is not None:
        stored = find(Path(store), experiment)
        if stored and stored.has_weights:
            return stored
        require_writable(Path(store), "store")
    with progress_bar("training", experiment.steps, progress) as advance:
        (run,) = train_ensemble([experiment], advance, lambda _, *measured: log(*measured))
    return run if store is None else save(run, Path(store))


@dataclass
class _Member:
    """A network of an ensemble while it trains."""

    experiment: Experiment
    dataset: Dataset
    measured: list[Measurement] = field(default_factory=list)
    network: Network | None = None
    failed_at: int | None = None
    settled_at: int | None = None

    def __post_init__(self) -> None:
        self.examples = Examples(self.dataset, self.experiment.model.widest)

    @property
    def has_ended(self) -> bool:
        return self.failed_at is not None or self.settled_at is not None

    def take(self, step: int, network: Network, failed_at: int | None) -> None:
        """Measure the network as it is at a scheduled step."""
        self.network, self.failed_at = network, failed_at
        if failed_at is not None:
            return
        self.measured.append(measure(network, self.examples, self.experiment))
        if step < self.experiment.steps and self._has_settled():
            self.settled_at = step

    def logged(self) -> dict[str, float]:
        """The last measurement as numbers by name."""
        last, network = self.measured[-1], self.network
        assert network is not None
        norms = zip(matrices(named_arrays(network)), last.norm.tolist(), strict=True)
        ipr = mean_ipr(embedding_ipr(network, [last])).item()
        return last.scores | {f"norm_{n}": norm for n, norm in norms} | {"mean_ipr": ipr} | last.own

    def as_run(self, seconds: float) -> Run:
        """The finished run."""
        assert self.network is not None
        ends = {"failed_at": self.failed_at, "settled_at": self.settled_at}
        return Run(
            self.experiment,
            as_dataset(self.experiment, self.measured, self.network, ends, seconds),
        )

    def _has_settled(self) -> bool:
        if self.experiment.settle is None or self.network is None:
            return False
        return has_settled(
            self.experiment,
            self.experiment.schedule[: len(self.measured)],
            [m.scores["train_accuracy"] for m in self.measured],
            [m.scores["test_accuracy"] for m in self.measured],
            [m.norm for m in self.measured],
            mean_ipr(embedding_ipr(self.network, self.measured)),
        )


def train_ensemble(
    experiments: Sequence[Experiment],
    advance: Callable[[int], None] = lambda steps: None,
    log: Log = lambda experiment, step, scores: None,
) -> list[Run]:
    """Train experiments of one static shape together; see `training.train_steps`.

    `advance` is called with the steps just done; a run that ends early counts the rest as done.
    `log` is called at every measurement of every run; see `train`.

    Raises:
        ConfigError: if the experiments do not share one static shape.
    """
    if not experiments:
        return []
    began = time.monotonic()
    for experiment in experiments:
        require_measurable(experiment, model_shapes(experiment))
    members = [_Member(experiment, make_dataset(experiment)) for experiment in experiments]
    for member in members:
        require_repeatable(member.experiment, member.dataset)
        require_logits(member.experiment, member.dataset)
    before = 0
    for step, networks, failures in train_steps(experiments, [m.dataset for m in members]):
        for member, network, failed_at in zip(members, networks, failures, strict=True):
            if not member.has_ended:
                member.take(step, network, failed_at)
                if failed_at is None:
                    log(member.experiment, step, member.logged())
        advance(step - before)
        before = step
        if all(member.has_ended for member in members):
            break
    advance(experiments[0].steps - before)
    seconds = (time.monotonic() - began) / len(members)
    return [member.as_run(seconds) for member in members]


def pruning_curves(
    run: Run,
    first: str | Sequence[str] = ("lowest", "highest"),
    seed: int = 0,
    stride: int | None = None,
    layer: str | None = None,
) -> xr.Dataset:
    """`pruning_curve` of a run in each order of removal, along the dimension `first`.

    `layer` is whose neurons are removed, in order of their IPR: by default the last. `stride` is 1
    unless given; where every count must be evaluated, what makes about `COUNTS` of them.

    Raises:
        ConfigError: if the run diverged, was stored without weights, an order or the layer is
            unknown, or the layer's neurons have no IPR to order them by.

    >>> run = train(Experiment(steps=20).replace(modulus=7, width=16))
    >>> dict(pruning_curves(run, stride=4).sizes)
    {'first': 2, 'pruned': 5}
    """
    if run.failed_at is not None:
        raise ConfigError(
            f"`run` must have finished to be pruned, got one that diverged at step "
            f"{run.failed_at}. Use a smaller learning rate."
        )
    first = (first,) if isinstance(first, str) else first
    if not first or (stride is not None and stride < 1):
        raise ConfigError(
            f"`first` must name an order and `stride` be at least 1, got {first!r} and {stride!r}. "
            "Leave them out."
        )
    network, dataset = final_network(run), make_dataset(run.experiment)
    layer = layer_named(network, layer)
    if layer in measured_layers(network):
        ipr = run.layer_ipr(layer)
    elif set(first) <= {"random"}:
        ipr = np.zeros(outgoing(network, layer).shape[1])
    else:
        raise ConfigError(
            f"`first` must be random for layer {layer}, whose neurons have no IPR, got "
            f"{', '.join(first)}. Use random."
        )
    if stride is None:
        stride = 1 if adds_to_logits(network, layer) else -(-len(ipr) // COUNTS)
    orders = [pruning_order(ipr, order, seed) for order in first]
    curves = [
        pruning_curve(network, dataset, order, run.experiment.loss, stride, layer)
        for order in orders
    ]
    return side_by_side(curves, first)
