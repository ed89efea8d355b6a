"""How long do extraction with its controls, restricted loss, symmetricity and attribution take?

In the paper's default network with 35 % of wrong labels. One thread.
"""

import time

from common import report, seconds
from grokscope.experiment.experiment import Experiment
from grokscope.measures.examples import Examples
from grokscope.measures.table import network_measures
from grokscope.measures.together import of_networks
from grokscope.runs.extraction import extraction_curve
from grokscope.runs.train import train, train_ensemble

CURVE, ONE, SHARE = 2, 0.050, 0.05
"""Seconds of a curve and of a measure, and the share of a cell's time, that they may take."""

run = train(Experiment(train_fraction=0.5, corruption_fraction=0.35, steps=600), progress=False)
experiment, network = run.experiment, run.network
examples = Examples(run.data, experiment)

began = time.perf_counter()
curve = extraction_curve(run)
first = time.perf_counter() - began
again = seconds(lambda: extraction_curve(run), 3)
fewest = curve.test_accuracy.isel(frequencies=0)
said = ", ".join(f"{kind} {float(fewest.sel(kind=kind)):.3f}" for kind in curve.kind.values)
print(f"{run.phase().title}; test accuracy with one frequency a unit: {said}")
print(f"extraction curve with controls {again:.2f} s; {first:.2f} s at first, with compiling")
report("extraction curve with controls / 2 s", again / CURVE, 1)

NAMES = {
    "extraction": "extracted_test_accuracy",
    "vote": "vote_test_accuracy",
    "restricted loss": "restricted_test_loss",
    "symmetricity": "gradient_symmetricity",
    "attribution": "memorizing_half",
}
times = {
    title: seconds(lambda name=name: of_networks([network], [examples], [name]), 7)
    for title, name in NAMES.items()
}
print(", ".join(f"{name} {taken * 1e3:.1f} ms" for name, taken in times.items()))
for name in ("restricted loss", "symmetricity"):
    report(f"{name} at p = 97 / 50 ms", times[name] / ONE, 1)

everything = seconds(lambda: of_networks([network], [examples], [*network_measures()]), 7)
cell = Experiment(corruption_fraction=0.35, settle=True)
train_ensemble([cell.replace(seed=1)])  # compiles
began = time.perf_counter()
(settled,) = train_ensemble([cell])
took = time.perf_counter() - began
steps = int(settled.final.step)
ended = "settled" if settled.settled_at else "not settled"
print(f"all network measures {everything * 1e3:.0f} ms; a cell {took:.1f} s, {ended} at {steps}")
report("all network measures / a settled cell", everything / took, SHARE)
