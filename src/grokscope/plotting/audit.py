"""Evidence of wrong labels: a picture of one run's audit."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure as Canvas

from grokscope.analysis.label_audit import NAMES, quality
from grokscope.plotting import style
from grokscope.runs.run import Run

LOOKS = (
    (style.BLACK, ":"),
    (style.RED, (0, (1, 2))),
    (style.ORANGE, "-."),
    (style.GREEN, "--"),
    (style.RED, (0, (5, 2))),
    (style.BLUE, "-"),
)
"""Of each of `NAMES`."""


def draw_audit(run: Run, found: xr.Dataset) -> Canvas:
    """Margins of right and wrong labels, whole and pruned; precision against recall."""
    wrong = found.is_wrong.values
    margins = [name for name in ("margin", "pruned_margin") if name in found]
    figure, (row,) = style.panels(1, 1 + len(margins), height=2.1)
    for axes, name in zip(row, margins, strict=False):
        values = found[name].values
        bins = np.linspace(values.min(), values.max(), 50)
        for subset, color, label in ((~wrong, style.BLUE, "right"), (wrong, style.RED, "wrong")):
            axes.hist(values[subset], bins, color=color, alpha=0.6, label=f"label is {label}")
        axes.axvline(0, color=style.BLACK, lw=0.8, ls="--")
        axes.set(title=f"{NAMES[name]}: {style.phase_title(run)}", xlabel="evidence (margin)")
    row[0].set_ylabel("training examples")
    row[0].legend()
    last = row[-1]
    for (name, label), (color, dashes) in zip(NAMES.items(), LOOKS, strict=True):
        if name in found and wrong.any():
            order = np.argsort(-found[name].values, kind="stable")
            hits = np.cumsum(wrong[order])
            precision = hits / np.arange(1, len(order) + 1)
            auroc = quality(found[name].values, wrong)["auroc"]
            shown = f"{label}: AUROC {auroc:.3f}"
            last.plot(hits / wrong.sum(), precision, color=color, ls=dashes, label=shown)
    last.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.05))
    last.set_title("of finding wrong labels")
    if wrong.any():
        last.legend(loc="lower left", fontsize=6)
    kept = f"{found.attrs['kept']} of {found.attrs['neurons']} neurons kept" if found.attrs else ""
    return style.finish(figure, style.small_print([run], kept))
