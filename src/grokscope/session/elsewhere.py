"""Networks that were trained elsewhere, as runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from grokscope.experiment.experiment import Experiment
from grokscope.models.network import Layer
from grokscope.runs import elsewhere
from grokscope.session.run import Run, drawable, require_torch


def from_arrays(
    weights: Mapping[str, object],
    experiment: Experiment,
    *,
    forward: Callable[..., Any] | None = None,
    layers: Mapping[str, Layer] | None = None,
    given_labels: object = None,
    is_train: object = None,
) -> Run:
    """A run of a network that was trained elsewhere, to score, prune, extract, audit and draw.

    Without `forward` the network is the experiment's built-in one, and everything works that needs
    no training: its weights over time, its lottery and its cross-fitting are refused. Its phase
    is by its final accuracies, so Forgetting is not told from Confusion.

    Args:
        weights: arrays by name, of any library. Of a built-in network they have its names and
            shapes, such as U, V and W [residue, neuron] of a two-layer network.
        experiment: says task, loss and, if it is built in, model with its width. Without labels and
            split of your own its seeds and fractions say which rows were for training, and which
            labels were wrong, as if it had been trained here.
        forward: of another network, what gives logits [example, label] from arrays by name and
            inputs, both of NumPy; inputs are tokens [example, operand], or features.
        layers: of another network, which units are measured and pruned, as in
            `Layer(vectors=("E", "W"), outgoing="W")`. By default none: the network then has no
            units, and is scored and audited but not pruned.
        given_labels: the label that each row was given, of pairs as [m, n]; by default the
            experiment's. Those of test examples do not count.
        is_train: whether each row was for training, in the same way; by default the experiment's.

    Returns:
        A run that cannot be stored.

    Raises:
        ConfigError: if names, shapes or layers do not fit, a weight is not finite, or the logits
            are none.

    >>> from grokscope.models.analytic import analytic_network
    >>> network = analytic_network(7, 210)
    >>> weights = {"U": network.U, "V": network.V, "W": network.W}
    >>> from_arrays(weights, Experiment(modulus=7, width=210))
    <Run from elsewhere: coexistence, train 1.00, test 1.00>
    """
    return drawable(elsewhere.run_of(weights, experiment, forward, layers, given_labels, is_train))


def from_torch(
    module: object,
    experiment: Experiment,
    *,
    layers: Mapping[str, Layer] | None = None,
    given_labels: object = None,
    is_train: object = None,
) -> Run:
    """A run of a network that PyTorch trained; see `from_arrays`.

    Args:
        module: a module of the names and shapes of the experiment's built-in network, dots for
            underscores, or its state dict. With `layers`, any module of float32: it is called with
            tokens [example, operand] of int64, or features, and gives logits. A copy of it is kept.
        experiment: as in `from_arrays`.
        layers: of a module that is no built-in network, which units are measured and pruned, by the
            names in its state dict; {} for none.
        given_labels: as in `from_arrays`.
        is_train: as in `from_arrays`.

    Raises:
        ConfigError: as `from_arrays`, or if PyTorch is missing.

    >>> from grokscope import train
    >>> run = train(Experiment(steps=20, modulus=7, width=16))
    >>> from_torch(run.to_torch(), run.experiment)
    <Run from elsewhere: confusion or forgetting, train 0.83, test 0.04>
    """
    require_torch()
    from grokscope.runs import in_torch

    arrays = in_torch.arrays_of_module(module)
    if layers is None:
        arrays = {name.replace(".", "_"): array for name, array in arrays.items()}
        forward = None
    else:
        forward = in_torch.forward_of(module)
    return from_arrays(
        arrays,
        experiment,
        forward=forward,
        layers=layers,
        given_labels=given_labels,
        is_train=is_train,
    )
