"""Pictures of an audit: evidence that training labels are wrong."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from grokscope.analysis.label_audit import NAMES, judged_by, quality
from grokscope.plotting import style
from grokscope.plotting.palette import BLACK, BLUE, GREEN, ORANGE, RED
from grokscope.plotting.wording import phase_title, small_print
from grokscope.runs.run import Run

LOOKS = (
    (BLACK, ":"),
    (RED, (0, (1, 2))),
    (ORANGE, "-."),
    (BLACK, (0, (5, 1, 1, 1))),
    (ORANGE, "-"),
    (GREEN, "--"),
    (RED, (0, (5, 2))),
    (BLUE, "-"),
)
"""The colour and dashes of each kind of evidence, in the order of `NAMES`."""


@style.context
def plot_audit(run: Run | None, found: xr.Dataset) -> style.Picture:
    """Draw the margins of right and wrong labels, and how well each kind of evidence finds these.

    Args:
        run: the run that was audited; None of predictions that something else made.
        found: its audit, as `audit` gives it.

    Returns:
        A Matplotlib figure: histograms of the margins, of the pruned network too if there is one,
        and, if the truth is known, precision against recall. A notebook shows it; `savefig` saves
        it.
    """
    margins = [name for name in ("margin", "pruned_margin") if name in found]
    is_known = "is_wrong" in found
    n_panels = len(margins) + 2 * is_known  # one is for the key
    figure, grid = style.panels(*((2, 2) if n_panels == 4 else (1, n_panels)), height=2.1)
    axes = grid.ravel()
    phase = "" if run is None else f": {phase_title(run)}"
    for panel, name in zip(axes, margins, strict=False):
        _margins(panel, found, name)
        panel.set(title=f"{NAMES[name]}{phase}", ylabel="examples")
        style.legend_above(panel, 2)
    if is_known:
        _precision_and_recall(axes[-2], found)
        axes[-1].legend(*axes[-2].get_legend_handles_labels(), loc="center left", frameon=False)
        axes[-1].axis("off")
    if run is None:
        return style.finish(figure, f"predictions of {found.sizes['example']} examples")
    return style.finish(figure, small_print([run], judged_by(found)))


def _margins(axes: Axes, found: xr.Dataset, name: str) -> None:
    """Histograms of the margins against right and against wrong labels, or against all."""
    values = found[name].values
    bins = np.linspace(values.min(), values.max(), 50)
    if "is_wrong" in found:
        wrong = found.is_wrong.values
        parts = ((~wrong, BLUE, "label is right"), (wrong, RED, "label is wrong"))
    else:
        parts = ((values <= 0, BLUE, "label is preferred"), (values > 0, RED, "another label is"))
    for subset, color, label in parts:
        axes.hist(values[subset], bins, color=color, alpha=0.6, label=label)
    axes.axvline(0, color=BLACK, lw=0.8, ls="--")
    axes.set_xlabel("evidence (margin)")


def _precision_and_recall(axes: Axes, found: xr.Dataset) -> None:
    """Precision against recall of each kind of evidence, with its area under the ROC curve."""
    wrong = found.is_wrong.values
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.05))
    axes.set_title("finding wrong labels")
    if not wrong.any():
        return
    for (name, label), (color, dashes) in zip(NAMES.items(), LOOKS, strict=True):
        if name in found:
            order = np.argsort(-found[name].values, kind="stable")
            hits = np.cumsum(wrong[order])
            precision = hits / np.arange(1, len(order) + 1)
            auroc = quality(found[name].values, wrong)["auroc"]
            shown = f"{label}: AUROC {auroc:.3f}"
            axes.plot(hits / wrong.sum(), precision, color=color, ls=dashes, label=shown)
