"""How long does each figure take at the quick scale, from an empty store, on all cores?

`figures.py 9 10` times some of them. All together take about three hours.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from grokscope.figures import FAMILIES, SweepFigure, load

LIMITS = dict.fromkeys((7, 12, 13, 14, 15, 16), 900) | dict.fromkeys((5, 20, 21, 22), 600)
"""Seconds, of deeper and of normalised networks."""


def limit(number):
    """Seconds that a figure may take: ten minutes if it is of sweeps, three of a few networks."""
    return LIMITS.get(number, 600 if isinstance(load(number), SweepFigure) else 180)


chosen = [number for number in FAMILIES if not sys.argv[1:] or str(number) in sys.argv[1:]]
for number in chosen:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "grokscope", "figure", str(number), "--scale", "quick"]
        began = time.monotonic()
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        took = time.monotonic() - began
        assert (Path(folder) / "figures" / f"figure{number}-quick.png").exists()
    most = limit(number)
    verdict = "met" if took <= most else "MISSED"
    print(f"figure {number}, quick {took:47.0f} s   target ≤ {most} s   {verdict}", flush=True)
