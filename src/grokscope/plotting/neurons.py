"""Pictures of a network's neurons: their waves, how they came by them, and what they hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grokscope.analysis.neurons import Lottery, held_table, label_map, lottery, takes_inverse
from grokscope.measures.attribution import require_terms
from grokscope.measures.pruning import layer_named
from grokscope.plotting import style
from grokscope.plotting.palette import BLUE, GREY
from grokscope.plotting.wording import MAP_WORDS, phase_title, small_print
from grokscope.runs.run import Run, require_finished


def adds_to_logits(run: Run) -> bool:
    """Whether `plot_neurons` can draw a run: by default its last layer's neurons must add to the
    logits.
    """
    network = run.network
    return bool(network.layers) and network.layers[layer_named(network, None)].adds_to_logits(
        network
    )


@style.context
def plot_neurons(run: Run, layer: str | None = None) -> style.Picture:
    """Draw each neuron's frequency, phases and what it holds.

    Args:
        run: with its weights.
        layer: whose neurons; by default of the last with an IPR, or else of the last. They add to
            the logits.

    Returns:
        A Matplotlib figure. Of neurons with three vectors over residues: frequency and phase
        mismatch; and, if the network was trained here, the lottery: where among all frequencies the
        final one stood before training, by amplitude and by mismatch. Of all neurons: what each
        adds to wrong given labels and to the right ones of test examples; and the same example by
        example. A notebook shows it; `savefig` saves it.

    Raises:
        ConfigError: if the run diverged or was stored without weights, or the layer's neurons do
            not add to the logits.
    """
    require_finished(run, "drawn neuron by neuron")
    network = run.network
    layer = layer_named(network, layer)
    require_terms(network, run.data, layer)
    table = held_table(run, layer)
    has_waves = {"mismatch", "phase_V"} <= {*table}
    has_lottery = has_waves and run.elsewhere is None
    figure, grid = style.panels(1 + has_waves + has_lottery, 2, height=2.1)
    if has_waves:
        _waves(figure, grid[0, 0], table, "-" if takes_inverse(run) else "+")
        grid[0, 0].set_title(f"(a) waves: {phase_title(run)}")
        _phases(grid[0, 1], table)
    if has_lottery:
        found = lottery(run)
        _lottery_of_amplitude(grid[1, 0], found)
        _lottery_of_mismatch(grid[1, 1], found)
    _held(figure, grid[-1, 0], table)
    _map(figure, grid[-1, 1], run, layer, table.memorizing.to_numpy())
    for index, axes in enumerate(grid[-1], start=2 * (len(grid) - 1)):
        axes.set_title(f"{style.letter(index)} {axes.get_title()}")
    return style.finish(figure, small_print([run]))


def _waves(figure: Figure, axes: Axes, table: pd.DataFrame, sign: str) -> None:
    """Each neuron's frequency and mismatch, in which φ_V has a sign."""
    shown = axes.scatter(
        table.frequency,
        table.mismatch,
        s=8,
        c=table.ipr,
        cmap=style.LOW_TO_HIGH,
        vmin=0,
        vmax=1,
        lw=0,
    )
    _angles(axes, "y")
    style.whole_numbers(axes, "x")
    axes.set(xlabel="strongest frequency", ylabel=f"mismatch $φ_U {sign} φ_V - φ_W$")
    figure.colorbar(shown, ax=axes, label="IPR")


def _phases(axes: Axes, table: pd.DataFrame) -> None:
    """The phases of all neurons, which an even spread would place evenly on the square."""
    axes.scatter(
        table.phase_U, table.phase_V, s=8, c=table.ipr, cmap=style.LOW_TO_HIGH, vmin=0, vmax=1, lw=0
    )
    _angles(axes, "x")
    _angles(axes, "y")
    axes.set(title="(b) phases", xlabel="$φ_U$", ylabel="$φ_V$")


def _lottery_of_amplitude(axes: Axes, found: Lottery) -> None:
    """Where the final frequency stood before training, by amplitude."""
    edges = [rank + 0.5 for rank in range(found.n_frequencies + 1)]
    axes.hist(found.rank, edges, color=BLUE)
    axes.axhline(
        len(found.rank) / found.n_frequencies, color=GREY, ls="--", lw=1, label="by chance"
    )
    axes.set(title="(c) lottery: amplitude", xlabel="rank before training (1: largest)",
             ylabel="neurons", xlim=(edges[0], edges[-1]))  # fmt: skip
    style.whole_numbers(axes, "x")
    style.whole_numbers(axes, "y")
    axes.legend()


def _lottery_of_mismatch(axes: Axes, found: Lottery) -> None:
    """How far from aligned the final frequency was before training, and all others."""
    bins = np.linspace(0, np.pi, 19).tolist()
    axes.hist(found.mismatch, bins, color=BLUE, density=True, label="final frequency")
    axes.axhline(1 / np.pi, color=GREY, ls="--", lw=1, label="by chance")
    axes.set(title="(d) lottery: mismatch", xlabel="|mismatch| before training", ylabel="density")
    axes.set_xticks([0, np.pi / 2, np.pi], ["0", "π/2", "π"])
    axes.margins(y=0.4)  # room for the legend
    axes.legend()


def _held(figure: Figure, axes: Axes, table: pd.DataFrame) -> None:
    """What each neuron adds to wrong given labels, and to the right ones of test examples."""
    name, most = ("ipr", 1) if "ipr" in table else ("norm", None)
    shown = axes.scatter(
        table.memorizing, table.generalizing, s=8, c=table[name], cmap=style.LOW_TO_HIGH, vmin=0,
        vmax=most, lw=0,
    )  # fmt: skip
    axes.ticklabel_format(scilimits=(-4, 4))
    axes.locator_params(nbins=4)
    axes.axhline(0, color=GREY, lw=0.7)
    axes.axvline(0, color=GREY, lw=0.7)
    axes.set(title="what each neuron adds", xlabel="to wrong labels",
             ylabel="to the rule (test examples)")  # fmt: skip
    figure.colorbar(shown, ax=axes, label="IPR" if name == "ipr" else "‖W‖")


def _map(
    figure: Figure, axes: Axes, run: Run, layer: str, memorizing: Float[np.ndarray, "neuron"]
) -> None:
    """What each neuron adds to the given label over the true one of some corrupted examples."""
    if not run.data.is_wrong.any():
        axes.set_title("no given label is wrong")
        axes.axis("off")
        return
    added = label_map(run, layer, memorizing).added
    most = np.quantile(np.abs(added), 0.99)
    n_examples, n_neurons = added.shape
    edges = (0.5, n_neurons + 0.5, n_examples + 0.5, 0.5)  # ranks, from 1
    shown = axes.imshow(added, cmap=style.AROUND_ZERO, vmin=-most, vmax=most, aspect="auto",
                        interpolation="nearest", extent=edges)  # fmt: skip
    axes.grid(visible=False)
    style.whole_numbers(axes, "x")
    axes.set_yticks([])
    axes.set(title="which neuron holds which label", xlabel=MAP_WORDS["neurons"],
             ylabel=MAP_WORDS["examples"])  # fmt: skip
    figure.colorbar(shown, ax=axes, label=MAP_WORDS["added"])


def _angles(axes: Axes, axis: str) -> None:
    """Ticks of an axis from -π to π."""
    which = axes.yaxis if axis == "y" else axes.xaxis
    which.set_ticks([-np.pi, 0, np.pi], ["−π", "0", "π"])
