"""Does every command end within three seconds of Ctrl-C or SIGTERM, whenever it comes?

    python benchmarks/interrupts.py [SIGNALS] [SEED]

Signals come at random moments of a command's life. Afterwards every run of the store must open.
"""

import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import grokscope
from grokscope.runs.run import open_run

LIMIT_SECONDS = 3.0
MAIN = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from grokscope.cli import main; main()"
)
COMMANDS = (
    "sweep grid.toml --workers 1",
    "sweep grid.toml --workers 2",
    "sweep grid.toml --workers 1 --final-weights",
    "status grid.toml",
    "phases runs --grid grid.toml --export sweep.nc --details",
    "explore runs --grid grid.toml --export page.html",
    "train --modulus 23 --width 64 --steps 20000 --measure-every 10",
)


def prepare(folder):
    """A grid, and a store with half of it."""
    base = grokscope.Experiment(steps=300, measure_every=10).replace(modulus=23, width=32)
    axes = {"weight_decay": [0, 1, 2, 5], "train_fraction": [0.3, 0.4, 0.5, 0.6]}
    grid = grokscope.Grid(base, axes=axes, seeds=3)
    (folder / "grid.toml").write_text(grid.to_toml())
    grokscope.sweep(grid, folder / "runs", limit=24, workers=1, progress=False)
    (folder / "runs" / ".summaries").unlink()


def one(command, made, seconds, number):
    """How a command ended that got a signal after some seconds: words, and how long it took."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(made, folder, dirs_exist_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, *command.split()],
            cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        time.sleep(seconds)
        process.send_signal(number)
        told = time.monotonic()
        try:
            _, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return "HUNG", 60.0
        took = time.monotonic() - told
        for path in Path(folder, "runs").glob("*.nc"):
            open_run(path)
        if process.returncode not in (0, 130) or "Traceback" in err:
            return f"code {process.returncode}: {err.strip().splitlines()[-1:]}", took
        return ("ended" if process.returncode == 130 else "was done"), took


def main(n_signals=200, seed=0):
    """Send the signals and print what became of the commands."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as made:
        prepare(Path(made))
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", MAIN, "status", "grid.toml"], cwd=made, check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        start_up = time.monotonic() - began
        found, slowest = Counter(), 0.0
        for index in range(n_signals):
            command = COMMANDS[index % len(COMMANDS)]
            number = rng.choice((signal.SIGINT, signal.SIGTERM))
            seconds = rng.uniform(0.3, 2.5) * start_up
            words, took = one(command, made, seconds, number)
            found[words] += 1
            slowest = max(slowest, took)
            if words not in ("ended", "was done") or took > LIMIT_SECONDS:
                print(f"{number.name} after {seconds:.2f} s of {command}: {words}, {took:.1f} s")
    print(f"{n_signals} signals: {dict(found)}; the slowest took {slowest:.2f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
