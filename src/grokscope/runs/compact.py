"""A run without weights, but with what later views need of them; written and read here alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float

from grokscope.data.dataset import Dataset
from grokscope.measures.orders import ENDS, pruning_order
from grokscope.measures.pruning import curves_of, fewest_of, layer_named, require_prunable
from grokscope.models.network import Network, named_arrays
from grokscope.runs.record import COMPACT, KEPT, LABELS, WHOLE, described
from grokscope.runs.run import Run
from grokscope.training.members import How

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
    return all_without_weights([run])[0] if run.has_weights else run


def all_without_weights(runs: Sequence[Run], how: How | None = None) -> list[Run]:
    """`without_weights` of runs that have them, all of one `ensemble_key`.

    Args:
        runs: what to store.
        how: how their pruning curves are computed; by default as is best on this machine's device.
    """
    networks, datasets = [run.network for run in runs], [run.data for run in runs]
    curves = [{} for _ in runs]
    if runs[0].layer_iprs:
        curves = _curves(runs, networks, datasets, how)
    return [*map(_without_weights, runs, networks, datasets, curves)]


def _without_weights(
    run: Run, network: Network, examples: Dataset, curves: Mapping[str, xr.DataArray]
) -> Run:
    """A run with its pruning curves in place of its weights."""
    exists = np.float32(1 if run.failed_at is None else np.nan)
    variables = {*map(str, run.dataset.variables)}
    left_out = {*named_arrays(network), *LABELS, "inputs", "residue", "ipr", "vectors", "layer"}
    left_out |= {name for name in variables if name.startswith(KEPT)}
    dataset = run.dataset.drop_vars(left_out & variables)
    _add_layers(dataset, run, network)
    for name, curve in curves.items():
        dataset[name] = (curve.astype(np.float32) * exists).assign_attrs(curve.attrs)
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


def _curves(
    runs: Sequence[Run], networks: Sequence[Network], datasets: Sequence[Dataset], how: How | None
) -> list[dict[str, xr.DataArray]]:
    """Both pruning curves of the last layer with an IPR, and the fewest neurons that generalise."""
    layer, loss = layer_named(networks[0], None), runs[0].experiment.loss
    for network, dataset in zip(networks, datasets, strict=True):
        require_prunable(network, dataset, loss, layer)
    iprs = [run.layer_ipr(layer) for run in runs]
    orders = np.array([[pruning_order(ipr, first) for first in ENDS] for ipr in iprs])
    stride = -(-orders.shape[-1] // COUNTS)
    curves = curves_of(networks, datasets, loss, orders, stride, layer, how)
    each = [curve.isel(order=place) for curve in curves for place in range(len(ENDS))]
    fewest = fewest_of(
        [network for network in networks for _ in ENDS],
        [dataset for dataset in datasets for _ in ENDS],
        [*orders.reshape(len(each), -1)], each, layer, how=how,
    )  # fmt: skip
    numbers = np.array([np.nan if n is None else n for n in fewest], np.float32)
    required = numbers.reshape(-1, len(ENDS))
    return [_named(curve, of_run) for curve, of_run in zip(curves, required, strict=True)]


def _named(curves: xr.Dataset, required: Float[np.ndarray, "first"]) -> dict[str, xr.DataArray]:
    """Curves from both ends and the fewest neurons, by the names that they have in a run."""
    curves = curves.rename(order="first").assign_coords(first=_ends(ENDS))
    words = "fewest neurons left that generalise; missing if none do"
    fewest = xr.DataArray(required, {"first": curves["first"]}, "first", attrs=described(words))
    return {
        PRUNED + str(name): curve.assign_attrs(
            described(f"under pruning: {curve.attrs['description']}")
        )
        for name, curve in curves.items()
    } | {"neurons_required": fewest}


def side_by_side(curves: Sequence[xr.Dataset], first: Sequence[str]) -> xr.Dataset:
    """Curves along the dimension `first`."""
    return xr.concat(curves, dim=_ends(first), combine_attrs="override")


def _ends(first: Sequence[str]) -> xr.Variable:
    """The dimension `first`."""
    return xr.Variable("first", list(first), {"description": "which IPR is removed first"})


def _half(values: np.ndarray) -> np.ndarray:
    """Float32 with the digits of half precision: the bits that would not compress are zero.

    Values beyond the largest of half precision keep their digits.

    >>> _half(np.array([1e6, 1 / 3], np.float32)).tolist()
    [1000000.0, 0.333251953125]
    """
    with np.errstate(over="ignore"):
        half = values.astype(np.float16).astype(np.float32)
    return np.where(np.isinf(half), values, half)
