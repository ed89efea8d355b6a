"""Pictures of pruning: what a network still does without some of its neurons."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from grokscope.plotting import style
from grokscope.plotting.panels import ACCURACIES, clean_level, pruning_panel
from grokscope.plotting.wording import small_print, title
from grokscope.runs.run import Run


@style.context
def plot_pruning(run: Run, curves: Mapping[str, xr.Dataset] | xr.Dataset) -> style.Picture:
    """Draw the accuracies of a network under pruning, a panel for each order of removal.

    Args:
        run: the run whose neurons are removed.
        curves: a pruning curve for each order, by the order's name; or a dataset with these along
            the dimension `first`, as `pruning_curves` gives it.

    Returns:
        A Matplotlib figure. A notebook shows it; `savefig` saves it.
    """
    if isinstance(curves, xr.Dataset):
        curves = {str(first): curves.sel(first=first) for first in curves["first"].values}
    figure, (row,) = style.panels(1, len(curves), height=2.1, sharey=True)
    for axes, curve in zip(row, curves.values(), strict=True):
        pruning_panel(axes, curve, ACCURACIES)
        clean_level(axes, run)
        axes.set_title(title(run, [run]))
    row[0].set_ylabel("accuracy")
    return style.finish(figure, small_print([run]), row[0])
