"""What training costs, and how much memory there is for it."""

import os

import pytest

from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.training import cost
from grokscope.training.cost import memory_bytes, require_memory

GROUPS = {"": "max", "slurm": "3000", "slurm/job_7": "max", "slurm/job_7/step": "2000000"}


@pytest.fixture
def groups(monkeypatch, tmp_path):
    """Control groups in folders of their own; this process is in the innermost."""
    for group, limit in GROUPS.items():
        (tmp_path / group).mkdir(exist_ok=True)
        (tmp_path / group / "memory.max").write_text(f"{limit}\n")
    own = tmp_path / "own"
    own.write_text("1:name=systemd:/else\n0::/slurm/job_7/step\n")
    monkeypatch.setattr(cost, "CGROUPS", tmp_path)
    monkeypatch.setattr(cost, "OWN_CGROUP", own)
    for name in ("MEM_PER_NODE", "MEM_PER_CPU", "CPUS_ON_NODE"):
        monkeypatch.delenv(f"SLURM_{name}", raising=False)
    return tmp_path


def test_memory_is_what_the_strictest_grants(groups, monkeypatch):
    assert memory_bytes() == 3000
    (groups / "slurm/memory.max").write_text("max")
    assert memory_bytes() == 2_000_000
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1")
    assert memory_bytes() == 2**20
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "0")
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "1")
    assert memory_bytes() == 2_000_000, "of an unknown number of cores"
    (groups / "slurm/job_7/step/memory.max").write_text("max")
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "3")
    assert memory_bytes() == 3 * 2**20
    monkeypatch.delenv("SLURM_MEM_PER_CPU")
    (groups / "own").unlink()
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "0")  # all of it
    assert memory_bytes() == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_a_network_too_large_for_what_is_granted_is_refused(groups):
    with pytest.raises(ConfigError, match="must let the network fit in memory"):
        require_memory(Experiment())
