"""Whole runs in processes of their own: killed, interrupted, repeated, pooled, on a full disk."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.runs.run import open_run
from grokscope.runs.store import Store
from grokscope.runs.train import train
from grokscope.sweeps.sweep import train_missing

EXPERIMENT = Experiment(corruption_fraction=0.3, steps=400).replace(modulus=53, width=100)
OPTIONS = "train --corruption-fraction 0.3 --steps 400 --modulus 53 --width 100".split()  # noqa: SIM905


MAIN = """
import signal
from grokscope.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell's & has started
main()
"""
KILLED_WHILE_WRITING = """
import os, signal
os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)
"""


def start(*arguments, cwd, before=""):
    command = [sys.executable, "-c", before + MAIN, *arguments]
    return subprocess.Popen(
        command, cwd=cwd, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def until(condition, seconds=120):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.fixture(scope="module")
def whole():
    """The run as it is when nothing disturbs it."""
    return train(EXPERIMENT, progress=False)


def same_bits(a, b):
    return a.dataset.drop_attrs().identical(b.dataset.drop_attrs())


@pytest.mark.slow
def test_killed_and_restarted_equals_uninterrupted(whole, tmp_path):
    process = start(*OPTIONS, cwd=tmp_path, before=KILLED_WHILE_WRITING)
    path = Store(tmp_path / "runs").path_of(EXPERIMENT)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not path.exists()
    process = start(*OPTIONS, cwd=tmp_path)
    assert process.communicate()[1] == ""
    assert process.returncode == 0
    assert same_bits(open_run(path), whole)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_by_a_signal_leaves_one_line_and_no_file(tmp_path, number):
    process = start(*OPTIONS, "--steps", "100000000", "--log", "csv:logs", cwd=tmp_path)
    until(lambda: (tmp_path / "logs").exists() or process.poll() is not None)
    time.sleep(0.5)  # into the compilation or the steps
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert err.startswith("grokscope: interrupted")
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]


@pytest.mark.slow
def test_pool_equals_one_process_and_trains_only_what_is_missing(whole, tmp_path):
    experiments = [EXPERIMENT, EXPERIMENT.replace(seed=1), EXPERIMENT]
    runs = train_missing(experiments, tmp_path, workers=2, progress=False)
    assert same_bits(runs[0], whole)
    assert runs[0] is runs[2]
    assert [run.experiment for run in runs] == experiments
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.nc")}
    more = [*experiments, EXPERIMENT.replace(steps=1)]
    again = train_missing(more, tmp_path, workers=1, progress=False)
    assert all(map(same_bits, again[:3], runs))
    after = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.nc")}
    assert {path: after[path] for path in before} == before
    assert len(after) == len(before) + 1 == 3


@pytest.mark.slow
def test_a_pool_ends_with_its_parent(tmp_path):
    """Kill -9 of the parent: its workers stop too, and nothing half-written stays as a run."""
    script = tmp_path / "parent.py"
    script.write_text(
        "from grokscope.experiment.experiment import Experiment\n"
        "from grokscope.sweeps.sweep import train_missing\n"
        "if __name__ == '__main__':\n"
        "    base = Experiment(steps=10**8).replace(modulus=11, width=8)\n"
        "    train_missing([base, base.replace(seed=1)], 'runs', workers=2)\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], cwd=tmp_path, process_group=0)
    group = parent.pid

    def alive():
        pids = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdecimal()]
        groups = []
        for pid in pids:
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
                groups.append(int(state[2]) == group and state[0] != "Z")
            except (FileNotFoundError, ProcessLookupError):
                continue
        return any(groups)

    locks = lambda: [path for path in tmp_path.glob("runs/**/*") if path.is_file()]  # noqa: E731
    until(lambda: len(locks()) == 2 or parent.poll() is not None)
    assert parent.poll() is None
    parent.kill()
    parent.wait()
    until(lambda: not alive())
    assert list((tmp_path / "runs").glob("*.nc")) == []


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_run_done_again(tmp_path):
    (tmp_path / "map.toml").write_text(
        Grid(base=EXPERIMENT.replace(steps=800), axes={"weight_decay": [0, 5]}, seeds=2).to_toml()
    )
    process = start("sweep", "map.toml", "--workers", "2", cwd=tmp_path)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    workers = []
    while process.poll() is None and not workers:
        time.sleep(0.2)
        workers = [
            int(pid)
            for pid in children.read_text().split()
            if b"popen_loky" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
    os.kill(workers[0], signal.SIGKILL)
    _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    assert len(list((tmp_path / "runs").glob("*.nc"))) == 4


@pytest.mark.slow
def test_progress_is_silent_where_there_is_no_terminal(tmp_path, capfd):
    train(EXPERIMENT.replace(steps=20), tmp_path)
    assert capfd.readouterr() == ("", "")


def test_schedule_is_the_step_coordinate(whole):
    assert whole.dataset.step.values.tolist() == EXPERIMENT.schedule
    assert whole.dataset.sizes["neuron"] == 100
    assert np.isfinite(whole.dataset.norm).all()


@pytest.mark.slow
@pytest.mark.parametrize("small_disk", ["100k"], indirect=True)
def test_a_full_disk_gives_one_line_and_keeps_the_store_whole(tmp_path, small_disk):
    process = start(*OPTIONS, cwd=tmp_path)
    _, err = process.communicate()
    assert process.returncode == 2
    assert "No space left on device" in err
    assert err.count("\n") == 1
    assert list(small_disk.iterdir()) == []
