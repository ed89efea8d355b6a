"""Importing changes nothing; threads, cache and options are set at the first compilation."""

import json
import os
import subprocess
import sys

import jax.numpy as jnp
import pytest

from grokscope.experiment.experiment import Experiment
from grokscope.runs.train import train
from grokscope.training import compile as compiling
from grokscope.training.ensemble import ensemble_key

WATCHED = """
import json, os, sys
import jax
from jax._src.xla_bridge import backends_are_initialized
from pathlib import Path
folder = Path(sys.argv[1])

def state():
    return {k: v for k, v in os.environ.items() if not k.startswith("KMP_")}, {**jax.config.values}

before = state()
"""

IMPORTS = (
    WATCHED
    + """
import importlib, pkgutil
import grokscope
for module in pkgutil.walk_packages(grokscope.__path__, "grokscope."):
    if not module.name.endswith(("__main__", "in_torch")):  # which needs an extra
        importlib.import_module(module.name)
assert state() == before  # but for KMP_, which diptest sets
assert not list(folder.rglob("*"))
assert not backends_are_initialized()
"""
)

DEFAULTS = (
    WATCHED
    + """
from grokscope.experiment.experiment import Experiment
from grokscope.runs.train import train
from grokscope.training.compile import compilation
run = train(Experiment(steps=1).replace(modulus=5, width=2), progress=False)
assert compilation().threads == 1
assert os.environ["NPROC"] == "1"
assert compilation().folder.is_relative_to(folder)
assert list(compilation().folder.glob("jit_train_block*"))
assert json.loads(run.dataset.attrs["environment"])["threads"] == "1"
"""
)

CHOSEN = (
    WATCHED
    + """
from grokscope.experiment.experiment import Experiment
from grokscope.runs.train import train
from grokscope.training.compile import compilation, configure
chosen = configure(threads=2, folder=folder / "mine", options={"xla_cpu_nonsense": 1})
run = train(Experiment(steps=1).replace(modulus=5, width=2), progress=False)
assert compilation() == chosen == (2, folder / "mine", {}, ("xla_cpu_nonsense",), "cpu")
assert list((folder / "mine").iterdir())
environment = json.loads(run.dataset.attrs["environment"])
assert environment["threads"] == "2"
assert environment["unknown_compiler_options"] == "xla_cpu_nonsense"
"""
)

STARTED = (
    WATCHED
    + """
from grokscope.training.compile import configure
jax.numpy.ones(3)
assert configure(threads=2, folder=folder / "late").threads is None
assert "NPROC" not in os.environ
jax.jit(lambda x: x * 3)(2.0)
assert list((folder / "late").glob("jit__lambda*"))
"""
)


ABSENT = (
    WATCHED
    + """
from grokscope.errors import ConfigError
from grokscope.training.compile import compilation, configure
try:
    configure(device="abacus")
except ConfigError as error:
    said = str(error)
assert said.startswith("`device` must be "), said
assert said.endswith("auto here, got 'abacus': JAX finds no such device. Leave it out."), said
assert compilation().device == jax.default_backend() == jax.numpy.ones(3).device.platform
"""
)

ON_CPU = (
    WATCHED
    + """
from grokscope.errors import ConfigError
from grokscope.training.compile import compilation, configure
jax.config.update("jax_platforms", "abacus")
assert configure(device="cpu").device == "cpu" == jax.numpy.ones(3).device.platform
assert compilation().device == "cpu"
try:
    configure(device="abacus")
except ConfigError as error:
    assert "must be chosen before JAX computes, got 'abacus'" in str(error)
else:
    raise AssertionError
assert configure(device="cpu") == configure(device="auto")
"""
)


@pytest.mark.slow
@pytest.mark.parametrize("script", [IMPORTS, DEFAULTS, CHOSEN, STARTED, ABSENT, ON_CPU])
def test_only_the_first_compilation_changes_the_process(script, tmp_path):
    home = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "MPLCONFIGDIR": str(tmp_path.parent)}
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("JAX_", "NPROC"))}  # fmt: skip
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], env=environment | home, check=True
    )


def test_options_that_the_compiler_lacks_are_left_out_and_noted(monkeypatch):
    options = dict(compiling.CPU_OPTIONS) | {"xla_cpu_of_tomorrow": True}
    monkeypatch.setattr(compiling, "_chosen", None)
    chosen = compiling.configure(options=options)
    assert chosen.unknown == ("xla_cpu_of_tomorrow",)
    assert dict(chosen.options) == compiling.CPU_OPTIONS
    run = train(Experiment(steps=1).replace(modulus=5, width=2), progress=False)
    noted = json.loads(run.dataset.attrs["environment"])
    assert noted["unknown_compiler_options"] == "xla_cpu_of_tomorrow"


def test_a_compiled_function_follows_what_is_configured(monkeypatch):
    traced = []

    @compiling.compiled("times")
    def repeated(x, times):
        traced.append(times)
        return x * times

    assert repeated(jnp.float32(2), times=3) == repeated(jnp.float32(2), 3) == 6
    monkeypatch.setattr(compiling, "_chosen", compiling.compilation()._replace(options={}))
    assert repeated(jnp.float32(2), times=3) == 6
    assert traced == [3, 3], "once for each set of options"


def test_a_shape_too_many_makes_room_by_forgetting_what_was_compiled(monkeypatch):
    monkeypatch.setattr(compiling, "_shapes", set())
    traced = []

    @compiling.compiled()
    def doubled(x):
        traced.append(x.shape)
        return 2 * x

    for shape in range(compiling.KEPT_SHAPES):
        compiling.make_room(shape)
        doubled(jnp.ones(3))
    assert len(traced) == 1
    compiling.make_room(0)
    compiling.make_room(compiling.KEPT_SHAPES)
    doubled(jnp.ones(3))
    assert len(traced) == 2, "compiled anew"


@pytest.mark.slow
def test_training_makes_room_for_its_shape(monkeypatch):
    shapes = []
    monkeypatch.setattr("grokscope.runs.train.make_room", shapes.append)
    small = Experiment(steps=1, modulus=5, width=4)
    cells = [small, small.replace(seed=1), small.replace(width=6)]
    for cell in cells:
        train(cell, progress=False)
    assert shapes == [ensemble_key(cell) for cell in cells]
    assert shapes[0] == shapes[1] != shapes[2]
