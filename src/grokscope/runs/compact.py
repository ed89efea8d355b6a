"""A run without weights, but with what later views need of them; written and read here alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float

from grokscope.data.dataset import Dataset
from grokscope.measures.orders import ENDS, pruning_order
from grokscope.measures.pruning import fewest_neurons, layer_named, pruning_curve
from grokscope.models.network import Network, named_arrays
from grokscope.runs.record import COMPACT, LABELS, WHOLE, described
from grokscope.runs.run import Run

EXAMPLES = 4
"""Wrongly labelled training examples whose logits a compact run has."""

COUNTS = 50
"""Points on a pruning curve of a compact run, and wherever each takes an evaluation."""

PRUNED = "pruned_"
"""How the variables of pruning curves begin; the rest is the score."""


def kind_of(dataset: xr.Dataset) -> str:
    """Whether a run's dataset is `WHOLE` or `COMPACT`; old files tell by what they hold."""
    return dataset.attrs.get("kind", COMPACT if "logits" in dataset else WHOLE)


def layer_iprs(dataset: xr.Dataset) -> dict[str, Float[np.ndarray, "neuron"]]:
    """IPR_k of every layer that has one, by name; the layer next to the input is first."""
    if "neuron_ipr" not in dataset:
        return {}
    suffix = "neuron_ipr_"
    others = [name for name in map(str, dataset.data_vars) if name.startswith(suffix)]
    return {_first_layer(dataset): dataset.neuron_ipr.values} | {
        name.removeprefix(suffix): dataset[name].values for name in others
    }


def norm_layer(dataset: xr.Dataset, layer: str) -> tuple[np.ndarray, np.ndarray]:
    """γ_k of the norm layer behind a layer, and ‖W_k‖ of its neurons; [neuron] each."""
    suffix = "" if layer == _first_layer(dataset) else f"_{layer}"
    return dataset[f"norm_gamma{suffix}"].values, dataset[f"output_norm{suffix}"].values


def pruning_curves(dataset: xr.Dataset) -> xr.Dataset:
    """The scores of the pruned network, [first, pruned]; empty if no neuron has an IPR."""
    names = [name for name in map(str, dataset.data_vars) if name.startswith(PRUNED)]
    return dataset[names].rename({name: name.removeprefix(PRUNED) for name in names})


def neurons_required(dataset: xr.Dataset) -> int | None:
    """The fewest neurons that generalise, lowest IPR removed first; None if none do."""
    if "neurons_required" not in dataset:
        return None
    required = float(dataset.neurons_required.sel(first="lowest"))
    return None if np.isnan(required) else int(required)


def _first_layer(dataset: xr.Dataset) -> str:
    """The layer next to the input; the only one, in old files."""
    return dataset.neuron_ipr.attrs.get("layer", "hidden")


def without_weights(run: Run) -> Run:
    """The run as a sweep stores it: in place of weights, what later views need of them.

    That is: IPR per neuron at the end only, pruning curves at about `COUNTS` counts, the fewest
    neurons that generalise in either order, and the logits of the first `EXAMPLES` training
    examples whose given label is wrong; all but the first are NaN if the run diverged. Behind a
    norm layer also each neuron's γ and the norm of its outgoing weights. All but the curves have
    half precision, three digits, so that many runs together compress well.
    """
    if not run.has_weights:
        return run
    network = run.network
    exists = np.float32(1 if run.failed_at is None else np.nan)
    examples = run.data
    left_out = {*named_arrays(network), *LABELS, "residue", "ipr", "vectors", "layer"}
    dataset = run.dataset.drop_vars(left_out & set(run.dataset.variables))
    if run.layer_iprs:
        _add_layers(dataset, run, network)
        _add_curves(dataset, run, network, examples, exists)
    wrong = np.flatnonzero(examples.is_wrong)[:EXAMPLES]
    logits = _half(np.asarray(network(jnp.asarray(examples.inputs[wrong])))) * exists
    dataset["logits"] = ("example", "label"), logits, described("of the first corrupted examples")
    dataset = dataset.assign_coords(
        example=("example", wrong, {"description": "index in `make_dataset`"}),
        label=("label", np.arange(examples.n_labels), {"description": "label, from 0"}),
    )
    return replace(run, dataset=dataset.assign_attrs(kind=COMPACT), path=None)


def _add_layers(dataset: xr.Dataset, run: Run, network: Network) -> None:
    """IPR of every unit at the end, and what a norm layer gives it."""
    for index, name in enumerate(run.layer_iprs):
        layer, suffix = network.layers[name], f"_{name}" if index else ""
        attrs = described(f"IPR_k (Eq. 4) in layer {name}; missing for a dead neuron")
        attrs["layer"] = name
        dataset[f"neuron_ipr{suffix}"] = "neuron", _half(run.layer_ipr(name)), attrs
        gamma = layer.gamma_of(network)
        if gamma is not None:
            attrs = described("final γ of the norm layer")
            dataset[f"norm_gamma{suffix}"] = "neuron", _half(np.asarray(gamma)), attrs
            norms = _half(layer.outgoing_norm_of(network))
            attrs = described("norm of what each neuron sends on")
            dataset[f"output_norm{suffix}"] = "neuron", norms, attrs


def _add_curves(
    dataset: xr.Dataset, run: Run, network: Network, examples: Dataset, exists: np.float32
) -> None:
    """Both pruning curves of the last layer with an IPR, and the fewest neurons that generalise."""
    layer = layer_named(network, None)
    ipr = run.layer_ipr(layer)
    stride = -(-len(ipr) // COUNTS)
    orders = [pruning_order(ipr, first) for first in ENDS]
    loss = run.experiment.loss
    curves = [pruning_curve(network, examples, order, loss, stride, layer) for order in orders]
    for name, curve in side_by_side(curves, ENDS).items():
        attrs = described(f"under pruning: {curve.attrs['description']}")
        dataset[f"{PRUNED}{name}"] = (curve.astype(np.float32) * exists).assign_attrs(attrs)
    fewest = [
        fewest_neurons(network, examples, order, curve, layer=layer)
        for order, curve in zip(orders, curves, strict=True)
    ]
    required = exists * np.array([np.nan if n is None else n for n in fewest], np.float32)
    attrs = described("fewest neurons left that generalise; missing if none do")
    dataset["neurons_required"] = "first", required, attrs


def side_by_side(curves: Sequence[xr.Dataset], first: Sequence[str]) -> xr.Dataset:
    """Curves along the dimension `first`."""
    axis = xr.Variable("first", list(first), {"description": "which IPR is removed first"})
    return xr.concat(curves, dim=axis, combine_attrs="override")


def _half(values: np.ndarray) -> np.ndarray:
    """Float32 with the digits of half precision: the bits that would not compress are zero."""
    return values.astype(np.float16).astype(np.float32)
