"""Functions of a notebook's cells and of the script that runs: in this process and in workers."""

import subprocess
import sys

import nbclient
import nbformat
import pytest

SCRIPT = '''
import numpy as np
import jax
import grokscope as gs

SHIFT, data = np.int64(2), np.arange(3)
m = n = data  # which no function means by its arguments
limit = float("inf")

def doubled(m):
    return m * SHIFT

def same(function):
    return function

@same
def rule(m, n):
    """2m + n."""
    return doubled(m) + np.asarray(n)

class Net(gs.Network):
    E: jax.Array
    W: jax.Array

    @classmethod
    def init(cls, key, n_inputs, n_labels, width=8):
        first, last = jax.random.split(key)
        normal = jax.random.normal
        return cls(normal(first, (n_inputs, width)), normal(last, (n_labels, width)))

    def __call__(self, inputs):
        return (self.E[inputs[:, 0]] + self.E[inputs[:, 1]]) ** 2 @ self.W.T

def uses_an_array(m, n):
    return m + data[0]

def uses_infinity(m, n):
    return np.minimum(m, limit)
'''
USE = """
if __name__ == "__main__":
    experiment = gs.Experiment(operation=rule, modulus=5, model=Net, steps=2)
    print(experiment.task.operation.label, experiment.model.code.label)
    made = gs.make_dataset(experiment)
    print((made.true_labels == (2 * made.inputs[:, 0] + made.inputs[:, 1]) % 5).all())
    grid = gs.Grid(experiment, axes={"weight_decay": [0, 1]})
    print(gs.sweep(grid, "runs", workers=2, progress=False))
    for wrong in (uses_an_array, uses_infinity, lambda m, n: m):
        try:
            gs.Experiment(operation=wrong)
        except gs.ConfigError as error:
            print(error)
"""
EXPECTED = [
    "notebook:rule notebook:Net",
    "True",
    "<Sweep weight_decay 2 × seed 1: 0 missing, 2 done, 0 failed>",
    "`data` must be a finite number, a word, a module or a function for code of a notebook to use "
    "it, got ndarray. Make it inside the function.",
    "`limit` must be a finite number, a word, a module or a function for code of a notebook to use "
    "it, got float. Make it inside the function.",
    "`operation` must be a function or class of a Python file, got 'notebook:<lambda>', which no "
    "other process could find. Put it into a file my_rules.py, and use my_rules:name.",
]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache folder of the test's own, but for what is compiled."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "grokscope" / "cells"


@pytest.mark.slow
def test_functions_and_networks_of_the_script_that_runs(tmp_path, cache):
    (tmp_path / "script.py").write_text(SCRIPT + USE)
    ran = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines() == EXPECTED
    sources = sorted(path.read_text() for path in cache.glob("*/notebook.py"))
    assert len(sources) == 2
    assert "SHIFT = 2" in sources[1] or "SHIFT = 2" in sources[0]


@pytest.mark.slow
def test_functions_and_networks_of_a_notebook_s_cells(tmp_path):
    cells = [nbformat.v4.new_code_cell(source) for source in (SCRIPT, USE)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": tmp_path}}
    ).execute()
    printed = "".join(output.text for output in notebook.cells[1].outputs if "text" in output)
    assert printed.splitlines() == EXPECTED
