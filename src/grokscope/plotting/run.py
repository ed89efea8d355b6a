"""Pictures of runs: one run in four panels, or the curves of several."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes

from grokscope.errors import ConfigError, whole_numbers
from grokscope.measures.spectrum import share_over
from grokscope.plotting import style
from grokscope.plotting.palette import BLACK, BLUE, GREEN, RED
from grokscope.plotting.panels import (
    accuracy_panel,
    corrupted_examples,
    ipr_panel,
    logit_panel,
    norm_panel,
)
from grokscope.plotting.wording import small_print, title
from grokscope.runs.run import Run


def typical_neurons(run: Run) -> list[int]:
    """A memorising and a generalising neuron: those at the 10th and the 90th percentile of IPR."""
    order = np.argsort(run.neuron_ipr, kind="stable")  # NaN, the dead, last
    alive = order[: np.isfinite(run.neuron_ipr).sum()]
    return [int(alive[len(alive) * share // 10]) for share in (1, 9)] if len(alive) else []


@style.context
def plot_run(run: Run, neurons: Sequence[int] | None = None) -> style.Picture:
    """Draw a run's accuracies, IPR, spectra of chosen neurons, and logits of a wrong label.

    A network whose neurons have no spectrum is shown by the norms of its weights and an example.

    Args:
        run: a finished run with its weights.
        neurons: whose spectra to draw; by default a memorising and a generalising one.

    Returns:
        A Matplotlib figure of 2 by 2 panels. A notebook shows it; `savefig` saves it.

    Raises:
        ConfigError: if a chosen neuron does not exist, or the run has no weights.
    """
    chosen = _existing(run, neurons)
    figure, ((curves, histogram), (spectrum, logits)) = style.panels(2, 2, height=2.0)
    accuracy_panel(curves, run, title(run, [run]))
    curves.set_ylabel("accuracy")
    style.legend_above(curves, 3)
    dataset = run.data
    index = next(iter(corrupted_examples(dataset, 1).tolist()), 0)
    if len(run.neuron_ipr):
        ipr_panel(histogram, run, "per-neuron IPR")
        histogram.set_ylabel("neurons")
        spectrum_panel(spectrum, run, chosen)
    else:
        norm_panel(histogram, run)
        histogram.set(title="Frobenius norms of the weights", ylabel="norm")
        style.legend_above(histogram, 3)
        example_panel(spectrum, dataset.inputs[index])

    values = np.asarray(run.network(jnp.asarray(dataset.inputs[index : index + 1])))[0]
    logit_panel(logits, values, dataset, index)
    where = f" ({', '.join(map(str, dataset.inputs[index]))})" if run.experiment.n_operands else ""
    kind = "corrupted" if dataset.is_corrupted[index] else "clean"
    logits.set(title=f"logits of a {kind} example{where}", xlabel="label", ylabel="logit")
    style.whole_numbers(logits, "x")
    logits.ticklabel_format(axis="y", scilimits=(-4, 4))
    style.legend_above(logits, 2)
    return style.finish(figure, small_print([run]))


def _existing(run: Run, neurons: Sequence[int] | None) -> list[int]:
    """The chosen neurons, or typical ones.

    Raises:
        ConfigError: if a chosen one does not exist.
    """
    n_neurons = len(run.neuron_ipr)
    if neurons is None:
        return typical_neurons(run)
    if not n_neurons:
        raise ConfigError("`neurons` must not be given: no neuron of this network has a spectrum.")
    return whole_numbers("neurons", neurons, 0, n_neurons - 1, "Use 0.")


@style.context
def plot_accuracies(runs: Sequence[Run], note: str = "") -> style.Picture:
    """Draw the accuracies of several runs, a panel each, side by side.

    Args:
        runs: the runs; what differs among them stands above the panels.
        note: the end of the small print.
    """
    figure, grid = style.panels(1, len(runs), height=1.95, sharey=True)
    for index, (axes, run) in enumerate(zip(grid[0], runs, strict=True)):
        heading = f"{style.letter(index)} {title(run, runs)}"
        accuracy_panel(axes, run, heading.replace(": ", "\n"))
    grid[0, 0].set_ylabel("accuracy")
    return style.finish(figure, small_print(runs, note), grid[0, 0])


def spectrum_panel(axes: Axes, run: Run, chosen: Sequence[int]) -> None:
    """Draw the power spectra of chosen neurons' vectors in the first weight matrix."""
    matrix, vectors = run.embedding
    group = run.data.group
    assert group is not None  # as its neurons have an IPR
    shares = share_over(vectors, group)
    looks = ((RED, ":"), (BLUE, "-"), (BLACK, "--"), (GREEN, "-."))
    for index, neuron in enumerate(chosen):
        color, dashes = looks[index % len(looks)]
        label = f"neuron {neuron}, IPR {run.neuron_ipr[neuron]:.2f}"
        marks = {} if group.table is None else {"marker": "o", "ms": 3}
        axes.plot(shares[:, neuron], color=color, ls=dashes, lw=1.2, label=label, **marks)
    axes.set(title=f"spectra of neurons' vectors in {matrix}", ylabel="share of power")
    axes.set(xlabel="frequency")
    style.whole_numbers(axes, "x")
    if group.table is not None:
        axes.set(xlabel="degree of the irreducible representation")
        axes.set_xticks(range(len(shares)), map(str, group.components.degrees))
    if chosen:
        style.legend_above(axes, 2)


def example_panel(axes: Axes, features: np.ndarray) -> None:
    """Draw an example's features, as an image if they fill a square."""
    side = round(features.size**0.5)
    if side**2 == features.size:
        axes.imshow(features.reshape(side, side), cmap="gray_r")
        axes.axis("off")
    else:
        axes.plot(features.ravel(), color=BLACK, lw=1)
        axes.set_xlabel("feature")
    axes.set_title("the example")
