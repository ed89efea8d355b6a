"""Pictures of pruning: what a network still does without some of its neurons."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from grokscope.plotting import style
from grokscope.plotting.panels import (
    ACCURACIES,
    CONTROLLED,
    band_panel,
    clean_level,
    control_panel,
    pruning_panel,
)
from grokscope.plotting.wording import small_print, title
from grokscope.runs.run import Run


@style.context
def plot_pruning(
    run: Run,
    curves: Mapping[str, xr.Dataset] | xr.Dataset,
    band: xr.Dataset | None = None,
    by_norm: Mapping[str, xr.Dataset] | None = None,
    by_ipr: Mapping[str, xr.Dataset] | None = None,
) -> style.Picture:
    """Draw the accuracies of a network under pruning, a panel for each order of removal.

    Test accuracy and accuracy on wrong labels stand before their controls: the thin lines are the
    same by norm, those with marks by IPR, the bands the same at random.

    Args:
        run: the run whose neurons are removed.
        curves: a pruning curve for each order, by the order's name; or a dataset with these along
            the dimension `first`, as `pruning_curves` gives it.
        band: the quantiles of random orders, as `control_band` gives them.
        by_norm: for some of the orders, the pruning curve by norm.
        by_ipr: for some of the orders, that by IPR.

    Returns:
        A Matplotlib figure. A notebook shows it; `savefig` saves it.
    """
    if isinstance(curves, xr.Dataset):
        curves = {str(first): curves.sel(first=first) for first in curves["first"].values}
    height = 2.1 if len(curves) > 1 else 2.5  # a narrow figure's legend has more lines
    figure, (row,) = style.panels(1, len(curves), height=height, sharey=True)
    for axes, (order, curve) in zip(row, curves.items(), strict=True):
        pruning_panel(axes, curve, ACCURACIES)
        clean_level(axes, run)
        for control in (by_norm, by_ipr):
            if control and order in control:
                control_panel(axes, control[order], CONTROLLED)
        if band is not None:
            band_panel(axes, band, CONTROLLED)
        axes.set_title(title(run, [run]))
    row[0].set_ylabel("accuracy")
    return style.finish(figure, small_print([run]), row[0])
