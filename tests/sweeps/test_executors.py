"""Several accelerators: each training process has its own. Two emulated devices stand for them."""

import os
import subprocess
import sys
from importlib.metadata import requires

import pytest

from grokscope.sweeps import executors
from grokscope.sweeps.executors import default_processes, n_cores
from grokscope.training import compile as compiling

TWO = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}

PLACES = """
import time
from grokscope.sweeps.executors import local_pool

def place(seconds):
    import jax
    from grokscope import Experiment, make_dataset
    from grokscope.training.ensemble import train_steps
    time.sleep(seconds)  # so that every process gets one
    small = Experiment(steps=2, modulus=7, width=4)
    *_, (_, (state,)) = train_steps([small], [make_dataset(small)])
    (number,) = {array.device.id for array in jax.tree.leaves(state)}
    return number

def places(pool):
    return [future.result() for future in [pool.submit(place, 1) for _ in range(2)]]

with local_pool(2, accelerators=2) as workers:
    assert sorted(places(workers.executor)) == [0, 1]
    workers.replace_lost()
    assert sorted(places(workers.executor)) == [0, 1]
with local_pool(2) as workers:
    assert places(workers.executor) == [0, 0]
"""

SWEEP = """
import sys
from grokscope import Experiment, Grid, sweep
from grokscope.sweeps import executors
executors.n_accelerators = lambda: 2
started = []
pool = executors.LocalPool
executors.LocalPool = lambda *sizes: started.append(sizes) or pool(*sizes)
base = Experiment(steps=2, modulus=7, width=4)
grid = Grid(base, axes={"weight_decay": [0, 5]})
done = sweep(grid, sys.argv[1], progress=False).dataset
alone = sweep(grid, sys.argv[2], workers=1, progress=False).dataset
assert started == [(2, 2)]
assert done.drop_vars("seconds").drop_attrs().identical(alone.drop_vars("seconds").drop_attrs())
assert (done.status == 1).all()
"""


@pytest.mark.slow
@pytest.mark.parametrize("script", [PLACES, SWEEP], ids=["places", "sweep"])
def test_each_training_process_computes_on_an_accelerator_of_its_own(script, tmp_path):
    stores = [str(tmp_path / "together"), str(tmp_path / "alone")]
    subprocess.run([sys.executable, "-c", script, *stores], env=os.environ | TWO, check=True)


def test_there_is_a_process_for_each_accelerator_or_else_for_each_core(monkeypatch):
    assert default_processes() == n_cores()
    on_gpus = compiling.compilation()._replace(device="gpu")
    monkeypatch.setattr(compiling, "_chosen", on_gpus)
    monkeypatch.setattr(compiling.jax, "local_device_count", lambda: 3)
    assert executors.n_accelerators() == default_processes() == 3


def test_a_last_round_that_leaves_half_of_the_cores_idle_is_avoided(monkeypatch):
    monkeypatch.setattr(executors, "n_cores", lambda: 4)
    monkeypatch.setattr(executors, "n_accelerators", lambda: 0)
    wanted = {1: 1, 3: 3, 4: 4, 5: 5, 6: 6, 7: 4, 8: 4, 1000: 4}
    assert {n: executors.processes_for(n) for n in wanted} == wanted
    monkeypatch.setattr(executors, "n_accelerators", lambda: 2)  # which are not shared
    assert executors.processes_for(3) == 2


@pytest.mark.slow
def test_processes_end_where_there_is_no_pgrep(tmp_path):
    """loky ends them by psutil or else by pgrep, which containers lack; without both it hangs."""
    assert any(name.startswith("psutil") for name in requires("grokscope") or ())
    script = (
        "from grokscope.sweeps.executors import local_pool\n"
        "with local_pool(2) as workers:\n"
        "    assert workers.executor.submit(sum, [1, 2]).result() == 3\n"
    )
    without = os.environ | {"PATH": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], env=without, check=True, timeout=120)


@pytest.mark.slow
def test_a_process_that_another_starts_computes_where_it_does(tmp_path):
    """What the command line asks for wins over a variable, in processes that it starts too."""
    (tmp_path / "grid.toml").write_text(
        "[base]\nsteps = 2\ntask = {modulus = 7}\nmodel = {width = 4}\n"
        "[axes]\nweight_decay = [0, 1]\n"
    )
    command = "sweep grid.toml --device cpu --workers 2".split()  # noqa: SIM905
    ran = subprocess.run(
        [sys.executable, "-m", "grokscope", *command], cwd=tmp_path,
        env=os.environ | {"JAX_PLATFORMS": "abacus"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert len(list((tmp_path / "runs").glob("*.nc"))) == 2
