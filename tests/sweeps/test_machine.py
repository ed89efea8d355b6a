"""What the doctor finds, on machines that are short of something."""

import os
import platform
from contextlib import suppress
from pathlib import Path

import pytest

from grokscope.errors import ConfigError
from grokscope.runs import disk
from grokscope.sweeps import machine
from grokscope.sweeps.machine import PROCESS_BYTES, examine, is_writable
from grokscope.training import cost
from grokscope.training.speed import Speed

AS_EXPECTED = Speed(operations=1e11, step=0.015, ratio=1.1)


@pytest.fixture(autouse=True)
def measured(monkeypatch):
    """A speed, without seconds of measuring."""
    monkeypatch.setattr(machine, "measure_speed", lambda: AS_EXPECTED)


def advice(part, store):
    return examine(store)[part].advice


def test_of_a_machine_in_order_there_is_nothing_to_say(tmp_path):
    store = tmp_path / "runs"
    found = examine(store)
    assert found["versions"].facts["python"] == platform.python_version()
    assert found["speed"].facts == AS_EXPECTED._asdict() | {
        "expected_ratio": 1.25, "is_slow": False,
    }  # fmt: skip
    assert found["devices"].facts["matrix_products"] == "highest"
    facts = found["store"].facts
    assert (facts["exists"], facts["writable"], facts["locks_exclude"]) == (False, True, True)
    there = os.statvfs(tmp_path)
    assert facts["free_bytes"] == pytest.approx(there.f_bavail * there.f_frsize, rel=0.1)
    assert not found["speed"].advice + found["versions"].advice
    assert not list(tmp_path.iterdir())


def test_memory_is_what_the_container_grants_beside_what_is_there(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text(str(PROCESS_BYTES - 1))
    monkeypatch.setattr(cost, "CGROUPS", tmp_path)
    monkeypatch.setattr(cost, "OWN_CGROUP", tmp_path / "none")
    found = examine(tmp_path)["memory"]
    present = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert found.facts == {"allowed": PROCESS_BYTES - 1, "present": present}
    assert found.advice[0].endswith("Sweep with --workers 1.")


def test_cores_are_what_slurm_grants_beside_what_is_there(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    found = examine(tmp_path)["cores"]
    assert found.facts == {
        "allowed": 1, "present": 64, "affinity": len(os.sched_getaffinity(0)), "slurm": 1,
    }  # fmt: skip
    assert found.advice[0].startswith("Of 64 cores 1 may be used here.")


def test_a_broken_part_is_told_and_hides_no_other(monkeypatch, tmp_path):
    def fail():
        raise PermissionError(13, "Permission denied", "/some/where")

    def refuse():
        raise ConfigError("`JAX_PLATFORMS` must name a device that is there. Unset it.")

    monkeypatch.setattr(machine, "measure_speed", fail)
    monkeypatch.setattr(machine, "memory_bytes", fail)
    monkeypatch.setattr(machine, "device_kinds", refuse)
    found = examine(tmp_path)
    assert not found["speed"].facts
    assert "The memory could not be examined: [Errno 13] Permission" in found["memory"].advice[0]
    assert found["devices"].advice == (
        "`JAX_PLATFORMS` must name a device that is there. Unset it.",
    )
    assert found["store"].facts["locks_exclude"]


def test_a_slow_step_is_told_with_the_load(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "measure_speed", lambda: AS_EXPECTED._replace(ratio=2.0))
    found = examine(tmp_path)["speed"]
    assert found.facts["is_slow"]
    assert "takes 2.0 times its products, and at most 1.25" in found.advice[0]


def test_a_store_that_is_a_file(tmp_path):
    (tmp_path / "runs").write_text("")
    assert "must be a folder of runs, got the file" in advice("store", tmp_path / "runs")[0]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="writes to /proc, which root cannot")
def test_a_store_that_cannot_be_written():
    found = examine(Path("/proc/grokscope/runs"))["store"]
    assert (found.facts["writable"], found.facts["locks_exclude"]) == (False, None)
    assert "must be in a folder that can be written" in found.advice[0]


@pytest.mark.parametrize("small_disk", ["64k"], indirect=True)
def test_a_full_disk(small_disk):
    (small_disk / "large").write_bytes(b"0" * 60_000)
    with (small_disk / "rest").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"0" * 512)
    found = examine(small_disk)["store"]
    assert not found.facts["writable"]
    assert any("MB free. Make room" in line for line in found.advice)
    assert {path.name for path in small_disk.iterdir()} == {"large", "rest"}
    assert not is_writable(small_disk)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("rw", "is on a network (nfs4): locks between processes of this machine hold there"),
        ("rw,local_lock=flock", "hold within this machine alone"),
    ],
)
def test_a_store_on_a_network(monkeypatch, tmp_path, options, words):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"23 22 0:9 / {tmp_path} rw - nfs4 server:/ {options}\n")
    monkeypatch.setattr(disk, "MOUNTS", mounts)
    found = examine(tmp_path / "runs")["store"]
    assert found.facts["file_system"] == "nfs4"
    assert words in found.advice[0]


def test_a_store_without_locks(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "locks_exclude", lambda folder: False)
    assert "Files cannot be locked in" in advice("store", tmp_path)[0]


@pytest.mark.parametrize("folder", [None, Path("/proc")])
def test_a_cache_that_cannot_be_written(monkeypatch, tmp_path, folder):
    elsewhere = machine.compilation()._replace(folder=folder)
    monkeypatch.setattr(machine, "compilation", lambda: elsewhere)
    found = examine(tmp_path)["cache"]
    assert not found.facts["writable"]
    assert "Set JAX_COMPILATION_CACHE_DIR" in found.advice[0]


def test_the_cache_is_as_large_as_its_files(monkeypatch, tmp_path):
    (tmp_path / "one").write_bytes(b"12345")
    elsewhere = machine.compilation()._replace(folder=tmp_path)
    monkeypatch.setattr(machine, "compilation", lambda: elsewhere)
    found = examine(tmp_path)["cache"].facts
    assert (found["files"], found["bytes"], found["writable"]) == (1, 5, True)


def test_several_accelerators_are_told_as_processes(monkeypatch, tmp_path):
    on_gpus = machine.compilation()._replace(device="gpu")
    monkeypatch.setattr(machine, "compilation", lambda: on_gpus)
    monkeypatch.setattr(machine, "device_kinds", lambda: ["NVIDIA H200"] * 4)
    found = examine(tmp_path)
    assert "starts 4 training processes" in found["devices"].advice[0]
    assert found["speed"].facts["expected_ratio"] is None
