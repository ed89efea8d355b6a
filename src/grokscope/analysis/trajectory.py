"""One network over time: its neurons, and its logits of wrong labels, at every kept step."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from grokscope.analysis.neurons import wave_table
from grokscope.errors import ConfigError
from grokscope.measures.attribution import attribution, features_fit, layer_of_terms
from grokscope.measures.scores import layer_ipr
from grokscope.models.network import Network, named_arrays, vector_matrices
from grokscope.runs.run import Run
from grokscope.runs.snapshot import kept_networks

CURVES = ("train_accuracy", "test_accuracy", "corrupted_accuracy", "corrected_accuracy")
"""The accuracies that are followed, beside the network."""

EXAMPLES = 6
"""How many wrongly labelled training examples have their logits followed."""

PERIODICITY, ATTRIBUTION = ("frequency", "ipr"), ("memorizing", "generalizing")
"""The numbers of a neuron: columns of `analysis.neurons.neuron_table`."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What is known of a network at every kept step.

    Attributes:
        run: the network's run.
        steps: the kept steps.
        layer: whose neurons; None if no layer has any of the numbers.
        neurons: `frequency`, `ipr`, `memorizing` and `generalizing` of each neuron at each step,
            as far as the network has them.
        vectors: the neurons' vectors over the residues, by their matrix, in the order of the
            operation; empty without them.
        examples: indices of the first wrongly labelled training examples, or of the first
            training examples if no label is wrong.
        logits: of these examples.
        lacking: sentences that say what is absent, and why.
    """

    run: Run
    steps: Int[np.ndarray, "step"]
    layer: str | None
    neurons: dict[str, Float[np.ndarray, "step neuron"]]
    vectors: dict[str, Float[np.ndarray, "step residue neuron"]]
    examples: Int[np.ndarray, "example"]
    logits: Float[np.ndarray, "step example label"]
    lacking: tuple[str, ...]

    def typical(self) -> dict[str, int]:
        """A periodic and a memorising neuron of the last step, as far as these are known.

        They add most to the rule, and to wrong labels; or have the highest IPR and the lowest.
        None of them is dead.
        """
        last = {name: values[-1] for name, values in self.neurons.items()}
        ipr = last.get("ipr")
        if ipr is not None:
            last = {name: np.where(np.isnan(ipr), np.nan, of) for name, of in last.items()}
        opposite = None if ipr is None else -ipr
        of = {
            "periodic": last.get("generalizing", ipr),
            "memorizing": last.get("memorizing", opposite),
        }
        return {
            kind: int(np.nanargmax(values))
            for kind, values in of.items()
            if values is not None and np.isfinite(values).any()
        }


def trajectory(run: Run, frames: int | None = None) -> Trajectory:
    """Follow a network over its kept steps.

    Args:
        run: with weights kept over time.
        frames: at most so many steps, evenly chosen, the first and the last among them.

    Raises:
        ConfigError: if the run diverged, has not kept its weights over time, or `frames` is not
            positive.

    >>> from grokscope import Experiment, train
    >>> run = train(Experiment(steps=20, modulus=7, width=16, keep_weights="log:5"))
    >>> followed = trajectory(run)
    >>> followed.steps.tolist(), followed.neurons["ipr"].shape, sorted(followed.vectors)
    ([0, 1, 3, 7, 20], (5, 16), ['U', 'V', 'W'])
    """
    if frames is not None and frames < 1:
        raise ConfigError(f"`frames` must be 1 or more, got {frames}. Leave it out for all.")
    networks = kept_networks(run)
    layer, names, lacking = _layer(run)
    data = run.data
    wrong = np.flatnonzero(data.is_wrong)
    examples = (wrong if wrong.size else np.flatnonzero(data.is_train))[:EXAMPLES]
    inputs = jnp.asarray(data.inputs[examples])
    steps, logits, neurons, vectors = [], [], [], []
    count = run.dataset.sizes["kept_step"]
    chosen = {*np.linspace(0, count - 1, min(count, frames or count)).round().astype(int).tolist()}
    for place, (step, network) in enumerate(networks):
        if place not in chosen:
            continue
        steps.append(step)
        logits.append(np.asarray(network(inputs)))
        neurons.append(_neurons(run, network, layer, names))
        vectors.append(_vectors(run, network, layer if "ipr" in names else None))
    return Trajectory(
        run, np.array(steps), layer, _stacked(neurons), _stacked(vectors), examples,
        np.stack(logits), lacking,
    )  # fmt: skip


def _layer(run: Run) -> tuple[str | None, tuple[str, ...], tuple[str, ...]]:
    """Whose neurons are followed, which of their numbers there are, and why not the others."""
    network, data = run.network, run.data
    layer = layer_of_terms(network)
    adds = layer is not None and features_fit(network, data, layer)
    if layer is None:
        layer = next(iter(vector_matrices(network).values()), None)
    names: tuple[str, ...] = ()
    lacking = []
    if layer and network.layers[layer].vectors and data.shift_order is not None:
        names += PERIODICITY
    else:
        lacking.append(
            "Frequency, IPR and spectra are not shown, since its neurons have no vectors over the "
            "residues."
        )
    if not adds:
        why = "its neurons do not add to the logits"
    elif not data.is_wrong.any():
        why = "none of its training labels is wrong"
    else:
        return layer, names + ATTRIBUTION, tuple(lacking)
    lacking.append(
        f"What each neuron adds to wrong labels and to the rule is not shown, since {why}."
    )
    return (layer if names else None), names, tuple(lacking)


def _neurons(
    run: Run, network: Network, layer: str | None, names: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """The numbers of each neuron at a step."""
    found: dict[str, np.ndarray] = {}
    group, order = run.data.group, run.data.shift_order
    if "ipr" in names and layer is not None and group is not None and order is not None:
        frequency = wave_table(network, layer, order).frequency.to_numpy()
        found = {"frequency": frequency.astype(float), "ipr": layer_ipr(network, layer, group)}
    if "memorizing" in names and layer is not None:
        held = attribution(network, run.data, layer)
        found |= {"memorizing": held.memorizing, "generalizing": held.generalizing}
    return found


def _vectors(run: Run, network: Network, layer: str | None) -> dict[str, np.ndarray]:
    """The neurons' vectors over the residues at a step, by their matrix."""
    order = run.data.shift_order
    if layer is None or order is None:
        return {}
    arrays = named_arrays(network)
    return {name: arrays[name][order] for name in network.layers[layer].vectors}


def _stacked(found: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.stack([one[name] for one in found]) for name in found[0]}
