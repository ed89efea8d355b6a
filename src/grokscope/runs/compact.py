"""A run as a sweep stores it: without weights, but with what later views need of them."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
import xarray as xr

from grokscope.data.dataset import Dataset, make_dataset
from grokscope.measures.pruning import fewest_neurons, pruning_curve, pruning_order
from grokscope.measures.scores import measured_layers, named_arrays
from grokscope.models.network import Layer, Network
from grokscope.runs.record import described, final_network
from grokscope.runs.store import Run

EXAMPLES = 4
"""Corrupted training examples whose logits are kept when weights are not: as many as fit a row."""

COUNTS = 50
"""Points on a pruning curve that is kept when weights are not."""


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
    network = final_network(run)
    exists = np.float32(1 if run.failed_at is None else np.nan)
    examples = make_dataset(run.experiment)
    left_out = {*named_arrays(network), "residue", "ipr", "vectors", "layer"}
    dataset = run.dataset.drop_vars(left_out & set(run.dataset.variables))
    if layers := measured_layers(network):
        _add_ipr(dataset, run, layers)
        _add_curves(dataset, run, network, examples, exists)
    wrong = np.flatnonzero(examples.given_labels != examples.true_labels)[:EXAMPLES]
    logits = _half(np.asarray(network(jnp.asarray(examples.inputs[wrong])))) * exists
    dataset["logits"] = ("example", "label"), logits, described("of the first corrupted examples")
    dataset = dataset.assign_coords(
        example=("example", wrong, {"description": "index in `make_dataset`"}),
        label=("label", np.arange(examples.n_labels), {"description": "label, from 0"}),
    )
    return Run(run.experiment, dataset)


def _add_ipr(dataset: xr.Dataset, run: Run, layers: dict[str, Layer]) -> None:
    """IPR of every unit at the end, and what a norm layer gives it."""
    for index, (name, layer) in enumerate(layers.items()):
        suffix = f"_{name}" if index else ""
        attrs = described(f"IPR_k (Eq. 4) in layer {name}; missing for a dead neuron")
        attrs["layer"] = name
        dataset[f"neuron_ipr{suffix}"] = "neuron", _half(run.layer_ipr(name)), attrs
        if layer.gamma:
            gamma = _half(run.dataset[layer.gamma].values)
            attrs = described("final γ of the norm layer")
            dataset[f"norm_gamma{suffix}"] = "neuron", gamma, attrs
            norms = _half(np.linalg.norm(run.dataset[layer.outgoing].values, axis=0))
            attrs = described("norm of what each neuron sends on")
            dataset[f"output_norm{suffix}"] = "neuron", norms, attrs


def _add_curves(
    dataset: xr.Dataset, run: Run, network: Network, examples: Dataset, exists: np.float32
) -> None:
    """Both pruning curves of the last layer with an IPR, and the fewest neurons that generalise."""
    loss, layer = run.experiment.loss, list(measured_layers(network))[-1]
    ipr = run.layer_ipr(layer)
    stride = -(-len(ipr) // COUNTS)
    ends = ("lowest", "highest")
    orders = [pruning_order(ipr, first) for first in ends]
    curves = [pruning_curve(network, examples, order, loss, stride, layer) for order in orders]
    for name, curve in side_by_side(curves, ends).items():
        attrs = described(f"under pruning: {curve.attrs['description']}")
        dataset[f"pruned_{name}"] = (curve.astype(np.float32) * exists).assign_attrs(attrs)
    fewest = [
        fewest_neurons(network, examples, order, curve, loss=loss, layer=layer)
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
