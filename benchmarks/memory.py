"""How much memory do the default run and a very wide one take at their peak?"""

import os
import subprocess
import sys

for what, options, must in (
    ("default run, 2000 steps", [], 0.8),
    ("N = 10,000, 5 steps", ["--width", "10000", "--steps", "5", "--measure-every", "1"], 2.0),
):
    code = (
        "import resource, tempfile\n"
        "from grokscope.cli import main\n"
        "with tempfile.TemporaryDirectory() as store:\n"
        f"    try: main(['train', '--store', store, *{options!r}])\n"
        "    except SystemExit as end: assert not end.code, end\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=os.environ
    )
    peak = int(done.stdout.split()[-1]) * 1024 / 1e9
    print(f"{what:58s} {peak:8.2f} GB   target ≤ {must} GB   {'met' if peak <= must else 'MISSED'}")
