"""The picture of waves at multiples of periodic neurons' frequencies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import ScalarFormatter

from grokscope.analysis.harmonics import MULTIPLES, doubled_power, harmonics
from grokscope.plotting import style
from grokscope.plotting.palette import GREY, PHASE_COLORS
from grokscope.plotting.wording import small_print, title
from grokscope.runs.run import Run

TURN = 2 * np.pi
ANGLES = {0: "0", np.pi: "π", TURN: "2π"}
BINS = 24

SIZES = 6, 3
"""Of the first and the last line's markers, so that one shows behind another."""


@style.context
def plot_harmonics(runs: Sequence[Run], note: str = "") -> style.Picture:
    """Amplitudes at multiples, the phase at three times, and what the terms are without each."""
    figure, ((amplitudes, phases, terms),) = style.panels(1, 3, height=2.3)
    for run, size in zip(runs, np.linspace(*SIZES, len(runs)), strict=True):
        found = harmonics(run).sel(matrix=["U", "V"])
        line = {"color": PHASE_COLORS[run.phase()], "marker": "o", "ms": size}
        amplitude = found.amplitude.median(("matrix", "neuron"))
        amplitudes.plot(MULTIPLES, amplitude, label=title(run, runs), **line)
        shift = found["shift"].sel(multiple=3).values.ravel()
        counts, edges = np.histogram(shift, BINS, (0, TURN))
        phases.stairs(counts * BINS / max(shift.size, 1), edges, color=line["color"], lw=1.2)
        whole = doubled_power(run)
        without = [doubled_power(run, n) / whole for n in MULTIPLES[1:].tolist()]
        terms.plot(MULTIPLES[1:], without, **line)
    amplitudes.set(title="(a) waves in U and V", xlabel="multiple of a neuron's frequency k",
                   ylabel="relative amplitude", yscale="log", xticks=MULTIPLES)  # fmt: skip
    phases.axhline(1, color=GREY, ls="--", lw=0.8)
    phases.set(title="(b) phase ψ at 3k, φ at k", xlabel="ψ − 3φ",
               ylabel="relative density", xlim=(0, TURN), ylim=(0, None))  # fmt: skip
    phases.set_xticks([*ANGLES], [*ANGLES.values()])
    terms.axhline(1, color=GREY, ls="--", lw=0.8)
    terms.set(title="(c) terms in 2m and 2n", xlabel="multiple left out of the weights",
              ylabel="relative power", yscale="log", xticks=MULTIPLES[1:])  # fmt: skip
    terms.yaxis.set_major_formatter(ScalarFormatter())
    words = f"{small_print(runs, note)} · neurons above IPR .5"
    return style.finish(figure, words, amplitudes)
