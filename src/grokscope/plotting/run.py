"""One picture of one run, and one of its pruning curves."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from grokscope.data.dataset import make_dataset
from grokscope.errors import ConfigError
from grokscope.experiment.tasks import ModularTask
from grokscope.measures.spectrum import power_spectrum, residue_order
from grokscope.plotting import style
from grokscope.plotting.panels import (
    ACCURACIES,
    accuracy_panel,
    clean_level,
    corrupted_examples,
    ipr_panel,
    logit_panel,
    norm_panel,
    pruning_panel,
)
from grokscope.runs.run import Run


def typical_neurons(run: Run) -> list[int]:
    """A memorising and a generalising neuron: those at the 10th and the 90th percentile of IPR."""
    order = np.argsort(run.neuron_ipr, kind="stable")  # NaN, the dead, last
    alive = order[: np.isfinite(run.neuron_ipr).sum()]
    return [int(alive[len(alive) * share // 10]) for share in (1, 9)] if len(alive) else []


def draw_overview(run: Run, neurons: Sequence[int] | None = None) -> Canvas:
    """Curves, IPR histogram, spectra of chosen neurons' rows of U, logits of corrupted examples.

    Raises:
        ConfigError: if a chosen neuron does not exist.
    """
    n_units = len(run.neuron_ipr)
    chosen = typical_neurons(run) if neurons is None else list(neurons)
    if wrong := [neuron for neuron in chosen if not 0 <= neuron < n_units]:
        raise ConfigError(
            f"`neurons` must lie from 0 to {n_units - 1}, got {wrong[0]}. Use 0."
            if n_units
            else "`neurons` must not be given: no neuron of this network has a spectrum."
        )
    figure, ((curves, histogram), (spectrum, logits)) = style.panels(2, 2, height=2.0)
    accuracy_panel(curves, run, style.title(run, [run]))
    curves.set_ylabel("accuracy")
    curves.legend()
    dataset = make_dataset(run.experiment)
    index = next(iter(corrupted_examples(dataset, 1).tolist()), 0)
    if n_units:
        ipr_panel(histogram, run, "per-neuron IPR")
        histogram.set_ylabel("neurons")
        spectrum_panel(spectrum, run, chosen)
    else:
        norm_panel(histogram, run)
        histogram.set(title="Frobenius norms of the weights", ylabel="norm")
        histogram.legend(ncols=2)
        example_panel(spectrum, dataset.inputs[index])

    values = np.asarray(run.network(jnp.asarray(dataset.inputs[index : index + 1])))[0]
    logit_panel(logits, values, dataset, index)
    where = f" ({', '.join(map(str, dataset.inputs[index]))})" if n_units else ""
    kind = "corrupted" if dataset.is_corrupted[index] else "clean"
    logits.set(title=f"logits of a {kind} example{where}", xlabel="label", ylabel="logit")
    logits.margins(y=0.35)
    logits.ticklabel_format(axis="y", scilimits=(-4, 4))
    logits.legend(ncols=2, loc="upper center")
    return style.finish(figure, style.small_print([run]))


def spectrum_panel(axes: Axes, run: Run, chosen: Sequence[int]) -> None:
    """Power spectra of chosen neurons' vectors in the embedding."""
    task = run.experiment.task
    assert isinstance(task, ModularTask)
    matrix = run.dataset.vectors.values[0] if "vectors" in run.dataset.coords else "U"
    order = residue_order(task.operation, task.modulus)
    looks = ((style.RED, ":"), (style.BLUE, "-"), (style.BLACK, "--"), (style.GREEN, "-."))
    for index, neuron in enumerate(chosen):
        power = power_spectrum(run.dataset[matrix].values[order, neuron].astype(float))
        color, dashes = looks[index % len(looks)]
        label = f"neuron {neuron}, IPR {run.neuron_ipr[neuron]:.2f}"
        axes.plot(power / max(power.sum(), 1e-30), color=color, ls=dashes, lw=1.2, label=label)
    axes.set(
        title=f"spectra of neurons' vectors in {matrix}",
        xlabel="frequency",
        ylabel="share of power",
    )
    if chosen:
        axes.legend()


def example_panel(axes: Axes, features: np.ndarray) -> None:
    """An example's features, as an image if they fill a square."""
    side = round(features.size**0.5)
    if side**2 == features.size:
        axes.imshow(features.reshape(side, side), cmap="gray_r")
        axes.axis("off")
    else:
        axes.plot(features.ravel(), color=style.BLACK, lw=1)
        axes.set_xlabel("feature")
    axes.set_title("the example")


def draw_pruning_curves(run: Run, curves: dict[str, xr.Dataset]) -> Canvas:
    """Accuracies of one network under pruning, a panel for each order of removal."""
    figure, (row,) = style.panels(1, len(curves), height=2.1, sharey=True)
    for axes, (first, curve) in zip(row, curves.items(), strict=True):
        pruning_panel(axes, curve, ACCURACIES, first)
        clean_level(axes, run)
        axes.set_title(style.title(run, [run]))
    row[0].set_ylabel("accuracy")
    return style.finish(figure, style.small_print([run]), row[0])
