"""Beyond the paper: where the secondary peaks of App. I.2 are, and what they do."""

from __future__ import annotations

from grokscope.paper.figures import RunFigure
from grokscope.paper.settings import INVERSION_DECAYS, NOISY
from grokscope.plotting.harmonics import plot_harmonics

FIGURES = {
    "harmonics": RunFigure(
        "Secondary peaks of periodic neurons, and the terms that they cancel",
        "With weight decay a periodic neuron has a second wave, at three times its frequency and in antiphase. It cancels terms of Eq. 6: without it they have several times the power, without other multiples they stay as they are. The paper names these peaks and leaves them for future work. Weights that AdamW holds below a bound make them.",
        tuple(NOISY.replace(weight_decay=decay) for decay in INVERSION_DECAYS),
        plot_harmonics,
    ),
}
