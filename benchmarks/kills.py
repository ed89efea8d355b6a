"""Sweeps that are killed at a random moment, on every kind of executor; see `faults.py`."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from grokscope.runs.run import open_run
from interrupts import LIMIT_SECONDS, MAIN, prepare

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL)
TARGETS = {
    "one process": ("parent",),
    "pool": ("parent", "worker", "both", "group"),
    "Dask": ("parent", "worker", "both", "scheduler"),
}
HUNG_SECONDS = 120
COMMAND = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL); {MAIN}"  # also below nohup
CLUSTER = """
import distributed, sys
if __name__ == "__main__":
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True,
                                       dashboard_address=None, silence_logs=50)
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""


def start(script, *arguments, **streams):
    """A Python process in a session of its own."""
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.Popen(command, start_new_session=True, text=True, **streams)


def members(session):
    """The processes of a session that are alive, oldest first, each with its parent."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent, _, of = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has just ended
            continue
        if int(of) == session and state not in "ZX":
            found.append((int(path.parent.name), int(parent)))
    return sorted(found)


def command_of(pid):
    """The command line of a process; nothing if it has just ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def end(process):
    """Kill what is left of a session; return how many there were."""
    left = members(process.pid)
    for pid, _ in left:
        os.kill(pid, signal.SIGKILL)
    process.wait()
    return len(left)


def hears(process):
    """Whether a command has come so far that Ctrl-C and SIGTERM mean something to it."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught & 1 << (signal.SIGTERM - 1)) or process.poll() is not None


def new_run(made):
    """Whether the sweep in the current folder has stored a run."""
    return len([*Path("runs").glob("*.nc")]) > len([*Path(made, "runs").glob("*.nc")])


def workers_of(home):
    """The processes of a pool or a cluster that train."""
    children = [pid for pid, parent in members(home.pid) if parent == home.pid]
    return [pid for pid in children if "tracker import" not in command_of(pid)]


def victims(process, target, cluster, rng):
    """The processes that get the signal."""
    home = cluster if cluster else process
    workers = workers_of(home)
    worker = [rng.choice(workers)] if workers else []
    return {
        "parent": [process.pid],
        "worker": worker,
        "both": [process.pid, *worker],
        "group": [pid for pid, _ in members(process.pid)],
        "scheduler": [home.pid],
    }[target]


def wrong_end(process, target, fatal, number, err):
    """What is wrong with how a command ended; nothing if it is right."""
    codes = {"worker": (0,), "scheduler": (0, 1, 2)}.get(target, (0, -number if fatal else 130))
    if process.returncode not in codes:
        return f"code {process.returncode}: {err.strip().splitlines()[-1:]}"
    # Loky's tracker warns in its own words of what a killed command leaves to it, and removes it.
    ours = ("grokscope: ", "  warnings.warn(") if fatal else ("grokscope: ",)
    lines = [line for line in err.splitlines() if not line.startswith(ours)]
    lines = [line for line in lines if not (fatal and "resource_tracker: There appear" in line)]
    return f"printed {lines[-3:]}" if lines else ""


def wrong_store(reference, ended):
    """What is wrong with the store after a kill, and after the sweep was started again."""
    sound = {}
    for _ in range(2):
        for path in Path("runs").glob("*.nc"):
            if path.name not in sound:
                sound[path.name] = open_run(path).dataset.drop_attrs()
                if not sound[path.name].identical(reference[path.name]):
                    return f"{path.name} is another run"
        word, told, lines = ended("status grid.toml --json")
        status = json.loads(told)
        if word != "exit code 0" or lines or status["failed"]:
            return f"status: {word} {status['failed']} failed {lines}"
        if status["done"] < len(sound):  # a cluster may go on with what it has
            return f"status says {status['done']} of {len(sound)}"
        word, _, lines = ended("sweep grid.toml --workers 1")
        if word != "exit code 0" or lines:
            return f"started again: {word} {lines}"
    return "" if len(sound) == len(reference) else f"{len(sound)} runs in the end"


def one(made, executor, target, number, cluster, rng, n_runs):
    """Kill one sweep in the current folder: what is wrong, or nothing; how long it took to end."""
    options = {"one process": "--workers 1", "pool": "--workers 2"}
    options = options.get(executor) or f"--scheduler {cluster.address}"
    shutil.copytree(made, ".", dirs_exist_ok=True)
    process = start(COMMAND, *f"sweep grid.toml {options}".split(),
                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # fmt: skip
    trains = rng.random() < 0.7  # and else while it starts
    while not hears(process) or (trains and process.poll() is None and not new_run(made)):
        time.sleep(0.01)
    time.sleep(rng.uniform(0, 2 if trains else 6))
    deaf = process.poll() is None and not hears(process)
    over = deaf and len([*Path("runs").glob("*.nc")]) == n_runs  # as Python itself ends
    fatal = over or number in (signal.SIGHUP, signal.SIGKILL)
    for pid in victims(process, target, cluster, rng):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    told = time.monotonic()
    try:
        _, err = process.communicate(timeout=HUNG_SECONDS)
        wrong = wrong_end(process, target, fatal, number, err)
    except subprocess.TimeoutExpired:
        wrong = "HUNG"
    while members(process.pid) and time.monotonic() < told + HUNG_SECONDS:
        time.sleep(0.05)
    took = time.monotonic() - told
    if left := end(process):
        wrong = wrong or f"{left} processes left"
    busy = max(1.0, os.getloadavg()[0] / os.cpu_count())  # which a second is longer by
    if target not in ("worker", "scheduler") and took > LIMIT_SECONDS * busy:
        wrong = wrong or "took too long"
    return wrong, took


def prepared(made, ended):
    """Make a store that lacks a quarter of a sweep; return the runs of the whole one."""
    prepare(made)
    with contextlib.chdir(made):
        ended("sweep grid.toml --workers 1 --limit 12")
        shutil.copytree("runs", "whole")
        ended("sweep grid.toml --workers 1 --store whole")
        paths = Path("whole").glob("*.nc")
        runs = {path.name: open_run(path).dataset.drop_attrs() for path in paths}
        shutil.rmtree("whole")
        return runs


def kill(ended, n=200, seed=0):
    """Kill sweeps, and print what became of them; `ended` runs a command in this process."""
    rng, found, slowest, cluster = random.Random(seed), Counter(), Counter(), None
    with tempfile.TemporaryDirectory() as made:
        reference = prepared(Path(made), ended)
        for index in range(n):
            executor = [*TARGETS][index % len(TARGETS)]
            target, number = rng.choice(TARGETS[executor]), rng.choice(SIGNALS)
            if cluster and not workers_of(cluster):  # Dask does not replace one that heard SIGTERM
                end(cluster)
                cluster = None
            if executor == "Dask" and cluster is None:
                cluster = start(CLUSTER, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL)  # fmt: skip
                cluster.address = cluster.stdout.readline().strip()
            of_dask = cluster if executor == "Dask" else None
            with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
                wrong, took = one(made, executor, target, number, of_dask, rng, len(reference))
                wrong = wrong or wrong_store(reference, ended)
            found[executor, target] += 1
            slowest[executor, target] = max(took, slowest[executor, target])
            if wrong:
                found["wrong"] += 1
                print(f"{number.name} to {target} of {executor}: {wrong}, {took:.1f} s", flush=True)
            if target == "scheduler":
                end(cluster)
                cluster = None
        if cluster:
            end(cluster)
    for kind, took in sorted(slowest.items()):
        print(f"{' '.join(kind):20} {found[kind]:3}, the slowest had ended after {took:.1f} s")
    print(f"{n} kills: {found['wrong']} went wrong")
