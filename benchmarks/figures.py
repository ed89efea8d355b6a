"""How long does each figure take at the quick scale, from an empty store, on all cores?"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from grokscope.figures import FAMILIES

for number in FAMILIES:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "grokscope", "figure", str(number), "--scale", "quick"]
        began = time.monotonic()
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        took = time.monotonic() - began
        assert (Path(folder) / "figures" / f"figure{number}-quick.png").exists()
    verdict = "met" if took <= 180 else "MISSED"
    print(f"figure {number:2d}, quick {took:47.0f} s   target ≤ 180 s   {verdict}", flush=True)
