"""The state of training at a step: where an experiment starts, or came to."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, PyTree

from grokscope.data.dataset import Dataset, make_dataset
from grokscope.errors import ConfigError, require_kind
from grokscope.experiment.checks import NOT_OF_THE_WEIGHTS
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.start import Start
from grokscope.measures.orders import ORDERS, Units, pruning_order
from grokscope.measures.pruning import layer_named
from grokscope.measures.scores import layer_ipr, measured_layers
from grokscope.models.network import Layer, Network, array_name
from grokscope.models.precision import in_own_precision
from grokscope.runs.run import Run, require_trained_here
from grokscope.runs.store import Store
from grokscope.training.branch import branched
from grokscope.training.ensemble import train_steps
from grokscope.training.loop import State

AT_STEP = "its weights of step"
"""How the words begin that say what a run at a step was derived by."""


@in_own_precision
def state_at(experiment: Experiment, step: int, store: Store | None = None) -> State:
    """The state of an experiment's training at a step, trained again up to there.

    Args:
        experiment: what is trained.
        step: from the experiment's first to its last.
        store: where a checkpoint may be from which less has to be trained.

    Raises:
        ConfigError: if the experiment's start is not possible.
    """
    data = make_dataset(experiment)
    kept = None if store is None else store.checkpoint(experiment, data)
    if kept is not None and kept.step <= step:
        first, start = kept.step, kept.state
    else:
        first, start = experiment.first_step, starting_state(experiment, data, store)
    *_, (_, (state,)) = train_steps([experiment], [data], [start], [first, step])
    return state


def root_of(experiment: Experiment) -> Experiment:
    """The experiment by which training began, from new weights: its own but for a branch."""
    while experiment.start is not None:
        experiment = experiment.earlier
    return experiment


@in_own_precision
def starting_state(
    experiment: Experiment, data: Dataset, store: Store | None = None
) -> State | None:
    """The state that an experiment's `start` says; None if it trains from new weights.

    Args:
        experiment: what is trained.
        data: its data.
        store: as of `state_at`.

    Raises:
        ConfigError: if the network had diverged by then, or the experiment's has other shapes, or
            none of its layers can be pruned so.
    """
    if experiment.start is None:
        return None
    earlier = state_at(experiment.earlier, experiment.first_step, store)
    if experiment.start.prune_by is not None:
        earlier = _pruned(earlier, experiment, data)
    return branched(experiment, data, earlier)


def started(experiment: Experiment, start: Run) -> Experiment:
    """The experiment that goes on from a run at one of its steps.

    Args:
        experiment: what is to be trained from there; it may say which neurons are pruned there.
        start: a run at one of its steps, `run.at(500)`.

    Raises:
        ConfigError: if the start is no run with a network that was trained so, or both say where
            to start from.
    """
    require_kind("start", start, Run, "Use run.at(500).")
    require_trained_here(start, "gone on from")
    require_as_trained(start, "gone on from")
    given = experiment.start or Start()
    if given.start_step or given.before:
        raise ConfigError(
            "`start` must be left out of the experiment where it is given beside it, got "
            f"start_step {given.start_step}. Use one of them."
        )
    before = _changes(start, experiment.replace(start=None))
    pruning = given.model_dump(include={"prune_by", "prune_first", "prune_share"})
    step = int(start.dataset.step[-1])
    return experiment.replace(start={"start_step": step, "before": before, **pruning})


def require_as_trained(run: Run, use: str) -> None:
    """Refuse a run whose network was changed after training, as by extraction.

    Raises:
        ConfigError: if it was; `use` is what cannot be done with it.
    """
    if run.derived and not run.derived.startswith(AT_STEP):
        raise ConfigError(
            f"`run` must hold a network as it was trained to be {use}, got one with {run.derived}. "
            "Use the run that it was made of."
        )


def _changes(start: Run, experiment: Experiment) -> dict[str, object]:
    """Settings of a run that differ from an experiment's, by their path; whole parts of another
    kind. What is only looked at does not count.
    """
    earlier, later = start.experiment.model_dump(), experiment.model_dump()
    found: dict[str, object] = {}
    for name in earlier.keys() - set(NOT_OF_THE_WEIGHTS):
        old, new = earlier[name], later[name]
        if not isinstance(old, dict) or not isinstance(new, dict):
            found |= {name: old} if old != new else {}
        elif old.keys() != new.keys() or old.get("name") != new.get("name"):
            found[name] = old
        else:
            found |= {f"{name}.{leaf}": old[leaf] for leaf in old if old[leaf] != new[leaf]}
    return found


def _pruned(state: State, experiment: Experiment, data: Dataset) -> State:
    """The state with some neurons sending nothing on, and without momentum to send again."""
    start = experiment.start
    assert start is not None
    network: Network = state.model
    name = layer_named(network, None)
    if start.prune_by not in ORDERS:
        raise ConfigError(
            f"`prune_by` must be one of {', '.join(ORDERS)}, got {start.prune_by!r}. "
            "Use memorizing."
        )
    layer = network.layers[name]
    ipr = None
    if name in measured_layers(network) and data.group is not None:
        ipr = layer_ipr(network, name, data.group)
    units = Units(network, name, data, ipr, experiment.seeds.seed)
    order = pruning_order(ORDERS[start.prune_by](units), start.prune_first)
    kept = np.ones(len(order), bool)
    kept[order[: round(start.prune_share * len(order))]] = False
    optimizer = _without_momentum(state.optimizer, layer, kept)
    return State(layer.pruned(network, kept), optimizer, state.order, state.failed_at)


def _without_momentum(optimizer: PyTree, layer: Layer, kept: Bool[np.ndarray, "unit"]) -> PyTree:
    """The optimiser's state with zeros for the outgoing weights of units that are not kept."""

    def masked(path: tuple, leaf: jax.Array) -> jax.Array:
        is_outgoing = array_name(path).endswith(layer.outgoing) and leaf.ndim == 2
        return leaf * jnp.asarray(kept) if is_outgoing else leaf

    return jax.tree_util.tree_map_with_path(masked, optimizer)
