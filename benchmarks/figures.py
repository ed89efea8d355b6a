"""How long does each figure take at the quick scale, from an empty store, on all cores?

`figures.py 9 10` times some of them. All together take about three hours.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from grokscope.paper.figures import SweepFigure, figures

LIMITS = dict.fromkeys((7, 12, 13, 14, 15, 16), 900) | dict.fromkeys((5, 20, 21, 22), 600)
"""Seconds that deeper and normalised networks may take; others of a few networks have three
minutes, and those of sweeps ten."""

for number, figure in figures().items():
    if sys.argv[1:] and str(number) not in sys.argv[1:]:
        continue
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "grokscope", "figure", str(number), "--scale", "quick"]
        began = time.monotonic()
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        took = time.monotonic() - began
        assert (Path(folder) / "figures" / f"figure{number}-quick.png").exists()
    limit = LIMITS.get(number, 600 if isinstance(figure, SweepFigure) else 180)
    verdict = "met" if took <= limit else "MISSED"
    print(f"figure {number}, quick: {took:.0f} s   target ≤ {limit} s   {verdict}", flush=True)
