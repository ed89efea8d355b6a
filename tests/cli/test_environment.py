"""Variables and documents that once gave a traceback: one line each, and nothing written."""

import json
import os
import subprocess
import sys

import jax
import pytest

import grokscope
from grokscope.cli import main

SMALL = "train --steps 2 --modulus 7 --width 4".split()  # noqa: SIM905
GRID = """
[base]
steps = 2
task = {modulus = 7}
model = {width = 4}
[axes]
weight_decay = [0, 1]
"""


@pytest.mark.slow
@pytest.mark.parametrize("command", [SMALL, ["sweep", "grid.toml"]], ids=["train", "sweep"])
@pytest.mark.parametrize(
    ("name", "value"),
    [("JAX_PLATFORMS", "cuda"), ("JAX_DEBUG_NANS", "1")],
)
def test_a_variable_that_no_network_can_train_under(command, name, value, tmp_path):
    (tmp_path / "grid.toml").write_text(GRID)
    ran = subprocess.run(
        [sys.executable, "-m", "grokscope", *command],
        cwd=tmp_path, env=os.environ | {name: value}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"grokscope: `{name}` must")
    assert "Error" not in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not list(tmp_path.rglob("*.nc")) + list(tmp_path.rglob("*.failed"))


@pytest.mark.parametrize("device", ["gpu", "tpu"])
@pytest.mark.parametrize("command", [SMALL, ["sweep", "grid.toml"]], ids=["train", "sweep"])
def test_a_device_that_is_not_there(command, device, tmp_path):
    if jax.default_backend() == device:
        pytest.skip("it is there")
    (tmp_path / "grid.toml").write_text(GRID)
    ran = subprocess.run(
        [sys.executable, "-m", "grokscope", *command, "--device", device],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 2
    assert f"auto here, got '{device}': JAX finds no such device. Install '" in ran.stderr
    assert ran.stderr.startswith("grokscope: `device` must be ")
    assert ran.stderr.count("\n") == 1
    assert not list(tmp_path.rglob("*.nc"))


def test_every_command_that_computes_takes_a_device(capsys):
    commands = "train show prune extract audit sweep figure verify report doctor"
    for command in commands.split():
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert "--device" in capsys.readouterr().out, command


def test_workers_of_a_scheduler_choose_their_own_device(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.toml").write_text(GRID)
    line = refused(capsys, "sweep", "grid.toml", "--scheduler", "tcp://none:1", "--device", "cpu")
    assert "`device` must be left out with a scheduler" in line


def test_a_run_records_the_device_and_the_precision_of_products(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main([*SMALL, "--device", jax.default_backend()])
    (path,) = tmp_path.rglob("*.nc")
    recorded = json.loads(grokscope.open_run(path).dataset.attrs["environment"])
    assert recorded["device"] == jax.devices()[0].device_kind
    assert recorded["matrix_products"] == "highest"


def refused(capsys, *arguments):
    """The one line with which a command line is refused."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    return line


@pytest.mark.parametrize(
    ("document", "name"),
    [
        ("zipped = [5]\n" + GRID, "zipped"),
        (GRID.replace("[base]", "[base]\nmeasures = [5]"), "measures"),
        (GRID.replace("[0, 1]", f"[0, {'9' * 310}]"), "weight_decay"),
        (GRID.replace("{modulus = 7}", "{name = []}"), "`task` must be one of"),
        (
            GRID.replace("weight_decay", "corruption_fraction").replace("1]", f"{'9' * 310}]"),
            "`corruption_fraction` must lie in",
        ),
    ],
)
def test_documents_of_wrong_kinds(document, name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.toml").write_text(document)
    assert name in refused(capsys, "status", "grid.toml")


@pytest.mark.parametrize(
    ("meant", "name"),
    [("learning_rate", "lr"), ("weight_decay", "wd"), ("modulus", "p"), ("width", "N")],
)
def test_what_others_call_a_setting_gets_its_name_here(meant, name, capsys):
    line = refused(capsys, "train", "--set", f"{name}=1")
    assert line.endswith(f"Did you mean `{meant}`?\n")


def test_a_name_like_no_other_is_not_answered_with_all_of_them(capsys):
    assert len(refused(capsys, "train", "--set", "zzz=1")) < 120


def test_a_sweep_in_which_cells_failed_says_so_by_its_exit_code(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    document = GRID.replace("steps = 2", "steps = 2147483647\nmeasure_every = 1")
    (tmp_path / "grid.toml").write_text(document)
    with pytest.raises(SystemExit) as ended:
        main(["sweep", "grid.toml", "--workers", "1"])
    assert ended.value.code == 1
    assert "must let the measurements fit in memory" in capsys.readouterr().out


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert not ended.value.code
    assert capsys.readouterr().out == f"grokscope {grokscope.__version__}\n"
