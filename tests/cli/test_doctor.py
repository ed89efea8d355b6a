"""The command doctor: what it prints, for people and for programs."""

import json
import os
import subprocess
import sys

import pytest

from grokscope.cli import main
from grokscope.sweeps import machine
from grokscope.training.speed import Speed


def call(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["doctor", *arguments])
    assert not ended.value.code
    return capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="cores cannot be chosen")
def test_on_one_core_it_says_so_and_leaves_nothing_behind(tmp_path):
    core = min(os.sched_getaffinity(0))
    ran = subprocess.run(
        ["taskset", "-c", str(core), sys.executable, "-m", "grokscope", "doctor", "--json",
         "--store", "new/runs"],
        cwd=tmp_path, env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(ran.stdout)
    assert (found["cores"]["allowed"], found["cores"]["affinity"]) == (1, 1)
    assert found["cores"]["present"] == os.cpu_count()
    assert found["memory"]["allowed"] <= found["memory"]["present"]
    assert found["store"]["exists"] is False
    assert found["store"]["locks_exclude"] is True
    assert found["speed"]["step"] * found["speed"]["operations"] / 1.368864e9 == pytest.approx(
        found["speed"]["ratio"]
    )
    if found["devices"]["platform"] == "cpu":
        assert found["cache"]["path"].startswith(str(tmp_path / "cache"))
    assert {path.name for path in tmp_path.iterdir()} <= {"cache"}
    assert not ran.stderr


@pytest.mark.slow
def test_a_variable_that_keeps_jax_from_starting_is_told_once(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "grokscope", "doctor"], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"JAX_PLATFORMS": "abacus", "COLUMNS": "200"}, check=True,
    )  # fmt: skip
    assert not ran.stderr
    assert ran.stdout.count("`JAX_PLATFORMS` must name a device that is there, got 'abacus'") == 1
    assert ran.stdout.count("not known") == 3
    assert "locks exclude" in ran.stdout


def test_each_part_is_a_line(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr(machine, "measure_speed", lambda: Speed(1e11, 0.015, 1.1))
    out = call(capsys, "--store", str(tmp_path), "--device", machine.compilation().device)
    for name in ("versions", "devices", "cores", "memory", "store", "cache", "speed"):
        assert sum(line.startswith(name) for line in out.splitlines()) == 1
    assert "15.00 ms a default step, 1.10 times its products at 100 GFLOP/s: as expected" in out
    assert f"{tmp_path}: " in out


def test_advice_is_printed_below(capsys, monkeypatch, tmp_path):
    told = machine.Part({}, ("Mend this.",))
    monkeypatch.setattr(machine, "examine", lambda store: {"speed": told, "cache": told})
    out = call(capsys, "--store", str(tmp_path))
    assert out.endswith("not known\nMend this.\n")
    monkeypatch.setattr(machine, "examine", lambda store: {})
    assert call(capsys).endswith("Nothing is wrong.\n")
    assert json.loads(call(capsys, "--json")) == {"advice": []}
