"""Memory of a training process over networks of many shapes: flat once each shape was met.

    python benchmarks/shapes.py [NETWORKS] [SHAPES]

By default 300 networks of 17 train fractions, as in Figure 3, of a few steps each: some minutes.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from grokscope.experiment.experiment import Experiment
from grokscope.sweeps.executors import Report
from grokscope.sweeps.task import train_cells


def resident_megabytes():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


networks, shapes = (int(number) for number in (sys.argv[1:] + ["300", "17"][len(sys.argv) - 1 :]))
base = Experiment(steps=20)
fractions = np.linspace(0.1, 0.9, shapes).tolist()
with TemporaryDirectory() as store:
    for number in range(networks):
        cell = base.replace(train_fraction=fractions[number % shapes], seed=number // shapes)
        train_cells([cell], store, False, Report())
        if number in (0, networks - 1) or (number + 1) % shapes == 0:
            print(f"{number + 1:5} networks  {resident_megabytes():6.0f} MB", flush=True)
