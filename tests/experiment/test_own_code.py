"""A user's own operation, corruption, network, optimiser, measure and data; and what is refused."""

import json
import subprocess
import sys
import textwrap
from importlib.metadata import version

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import grokscope
from grokscope.cli import main
from grokscope.cli.tables import print_run, print_runs
from grokscope.data.dataset import complete, make_dataset
from grokscope.data.tables import table_of
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment, digest
from grokscope.experiment.grid import Grid
from grokscope.experiment.own_code import load
from grokscope.measures.table import is_reserved
from grokscope.plotting import wording
from grokscope.runs.pruning import pruning_curves
from grokscope.runs.run import open_run
from grokscope.runs.store import Store
from grokscope.runs.train import train
from grokscope.sweeps.archive import archive
from grokscope.sweeps.diagram import as_table, collect, grid_of, phase_diagram
from grokscope.sweeps.sweep import sweep

CODE = """
import jax
import jax.numpy as jnp
import numpy as np
import optax
from grokscope import Layer, Network

def squares(m, n):
    return m**2 + n

def shifted(labels, n_labels, rng):
    return (labels + 1) % n_labels

def descent(learning_rate=0.1, weight_decay=0.0, nesterov=True):
    return optax.sgd(learning_rate, momentum=0.5, nesterov=nesterov)

def named(name="sgd"):
    return optax.sgd(0.1)

def counted(n_labels=3):
    return blobs()

def largest(network, dataset):
    return float(network(jnp.asarray(dataset.inputs)).max())

def blobs(n=90, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=n)
    features = (rng.normal(size=(n, 4)) + 3 * np.eye(4)[labels]).astype(np.float32)
    split = 2 * n // 3
    return features[:split], labels[:split], features[split:], labels[split:]

class Sum(Network):
    E: jax.Array
    W: jax.Array

    @classmethod
    def init(cls, key, n_inputs, n_labels, width=12, scale=0.3):
        keys = jax.random.split(key)
        sizes = (n_inputs, width), (n_labels, width)
        return cls(*(scale * jax.random.normal(k, s) for k, s in zip(keys, sizes)))

    @property
    def layers(self):
        return {"hidden": Layer(("E", "W"), "W")}

    def __call__(self, inputs):
        return jnp.square(self.E[inputs].sum(axis=1)) @ self.W.T
"""

BASE = Experiment(steps=20, corruption_fraction=0.5).replace(modulus=7, width=8)


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A file of the user's, under a name that no other test has imported."""
    name = f"own_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))  # to be imported by tests, as a user might
    return name


def test_own_operation_is_the_table(module):
    experiment = BASE.replace(operation=f"{module}:squares")
    m, n = np.divmod(np.arange(49), 7)
    assert np.array_equal(table_of(experiment.task).labels, (m**2 + n) % 7)
    assert train(experiment, progress=False).final.mean_ipr > 0
    assert f"modular {module}:squares, p = 7" in wording.words_of([experiment])


def test_own_operation_may_be_one_written_in_c(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inC.py").write_text("import numpy as np\nf = np.maximum\n")
    task = BASE.replace(operation="inC:f").task
    assert table_of(task).labels.reshape(7, 7).tolist() == [
        [max(m, n) for n in range(7)] for m in range(7)
    ]


def test_own_corruption_gives_the_wrong_labels_and_stays_nested(module):
    data = make_dataset(BASE.replace(corruption=f"{module}:shifted"))
    wrong = data.is_corrupted
    assert wrong.sum() == data.n_train // 2
    assert np.array_equal(data.given_labels[wrong], (data.true_labels[wrong] + 1) % 7)
    assert np.array_equal(data.given_labels[~wrong], data.true_labels[~wrong])
    assert np.array_equal(make_dataset(BASE).is_corrupted, wrong)  # the same examples as else


def test_own_network_trains_is_measured_and_pruned(module):
    run = train(BASE.replace(model=f"{module}:Sum", width=10), progress=False)
    network = run.network
    assert network.E.shape == (7, 10)
    assert run.dataset.vectors.values.tolist() == ["E", "W"]
    curves = pruning_curves(run, stride=5)
    assert curves.pruned.values.tolist() == [0, 5, 10]
    assert float(curves.test_loss[0, 0]) == pytest.approx(float(run.final.test_loss), rel=1e-5)


@pytest.mark.parametrize("times", ["1 *", "2 *", "(lambda h: h[:, :5])"])
def test_features_that_are_not_those_of_the_logits_are_refused(module, times, tmp_path):
    without = train(BASE.replace(model=f"{module}:Sum"), progress=False)
    assert pruning_curves(without).train_accuracy.values.std() > 0
    source = (
        (tmp_path / f"{module}.py").read_text()
        + f"""
    def features(self, inputs):
        return {times}(jnp.square(self.E[inputs].sum(axis=1)))
"""
    )
    (tmp_path / f"{module}.py").write_text(source)
    run = train(BASE.replace(model=f"{module}:Sum"), progress=False)
    if times == "1 *":
        xr.testing.assert_allclose(pruning_curves(run), pruning_curves(without))
    else:
        with pytest.raises(ConfigError, match="`features` must give the logits when multiplied"):
            pruning_curves(run)


def test_own_optimizer_is_what_trains(module):
    """Against the same transformation called by hand: one step from the same weights."""
    values = {"optimizer": f"{module}:descent", "learning_rate": 0.5, "steps": 2}
    own, plain = (
        train(BASE.replace(**values, nesterov=nesterov), progress=False).dataset
        for nesterov in (True, False)
    )
    builtin = {"optimizer": "sgd", "learning_rate": 0.5, "momentum": 0.5, "steps": 2}
    same = train(BASE.replace(**builtin), progress=False).dataset
    np.testing.assert_allclose(plain.U, same.U, atol=1e-6)
    assert not np.allclose(own.U, same.U, atol=1e-6)


def test_small_and_whole_settings_are_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    body = "def f(eps=1e-15, n=3, on=True, rate=1.0): pass"
    (tmp_path / "kinds.py").write_text(body)
    made = BASE.replace(optimizer="kinds:f")
    assert made.optimizer.settings == {"eps": 1e-15, "n": 3, "on": True, "rate": 1.0}
    assert digest(made.replace(n=3.0, on=1, rate=np.int64(1), eps=np.float64(1e-15))) == digest(
        made
    )
    assert made.replace(n=0.5).optimizer.n == 0.5
    with pytest.raises(ConfigError, match="`rate` must be a number, got 'fast'"):
        made.replace(rate="fast")


def test_an_absent_setting_stays_absent(tmp_path, monkeypatch):
    """It is none of the function's default, in the digest, in files and in a sweep."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "capped.py").write_text(
        "import optax\n"
        "def descent(cap=0.5, weight_decay=None, kind=3):\n"
        "    step = optax.sgd(0.0 if cap is None else cap)\n"
        "    return step\n"
    )
    default = BASE.replace(optimizer="capped:descent")
    uncapped = default.replace(cap=None)
    assert digest(uncapped) != digest(default) == digest(uncapped.replace(cap=0.5))
    assert uncapped.optimizer.settings == {"cap": None, "weight_decay": None, "kind": 3}
    assert uncapped.weight_decay == 0
    assert Experiment.from_toml(uncapped.to_toml()) == uncapped
    run = train(uncapped, tmp_path / "runs", progress=False)
    assert open_run(run.path).experiment == uncapped
    assert (run.dataset.train_loss[0] == run.dataset.train_loss).all()  # a rate of 0
    assert not (train(default, progress=False).dataset.train_loss == run.dataset.train_loss).all()
    grid = Grid(base=default, axes={"cap": [None, 0.5]})
    assert [digest(grid.cell((i, 0))) for i in (0, 1)] == [digest(uncapped), digest(default)]
    assert Grid.from_toml(grid.to_toml()).digests == grid.digests


def test_a_grid_holds_the_source_of_own_code(module, tmp_path):
    """So that neither it nor its export means other code once the file has changed or gone."""
    grid = Grid(base=BASE, axes={"operation": ["addition", f"{module}:squares"]})
    before = grid.digests
    data = sweep(grid, tmp_path / "runs", workers=1, progress=False)
    assert data.operation.values.tolist() == ["addition", f"{module}:squares"]
    (tmp_path / f"{module}.py").write_text(CODE.replace("m**2", "m**3"))
    again = Grid.from_toml(grid.to_toml())
    assert again.digests == before == tuple(digest(cell) for _, cell in grid.cells())
    assert Grid(base=BASE, axes=grid.axes | {"width": [8]}).digests == before
    assert grid.replace(axes={"operation": ["addition", f"{module}:squares"]}).digests != before
    (tmp_path / f"{module}.py").unlink()
    assert (collect(grid_of(data), tmp_path / "runs").status == 1).all()
    assert Store(tmp_path / "runs").grid().digests == before


def test_code_that_changes_its_arguments_changes_no_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    body = """
def noise(labels, n_labels, rng):
    labels += 1
    labels %= n_labels
    return labels

def wipe(network, dataset):
    dataset.given_labels[:] = 0
    return 0.0
"""
    (tmp_path / "inplace.py").write_text(body)
    data = make_dataset(BASE.replace(corruption="inplace:noise"))
    assert np.array_equal(data.true_labels, data.inputs.sum(axis=1) % 7)
    assert (data.given_labels != data.true_labels).sum() == data.is_corrupted.sum() > 0
    with pytest.raises(ValueError, match="read-only"):
        train(BASE.replace(measures="inplace:wipe"), progress=False)


@pytest.mark.slow
def test_a_seed_of_ones_own_leaves_seed_the_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "seeded.py").write_text(CODE)
    base = Experiment(steps=4, task="seeded:blobs", model="image_mlp").replace(width=8)
    assert (base.replace(seed=3).seeds.seed, base.replace(seed=3).task.seed) == (3, 0)
    assert base.replace(**{"task.seed": 2}).task.seed == 2
    data = sweep(Grid(base=base, axes={"n": [60, 90]}, seeds=2), tmp_path / "r", workers=1)
    assert data.status.values.tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize(
    "name",
    ["failed_at", "seconds", "norm_U", "phase", "seed", "weight_decay", "label", "pruned_loss",
     "kept_share", "neuron_ipr_spread", "output_norm"],
)  # fmt: skip
def test_measures_and_axes_take_no_name_of_a_sweep(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "names.py").write_text(f"def {name}(model, dataset): return 1.0")
    with pytest.raises(ConfigError, match="`measures` must have names that nothing else"):
        train(BASE.replace(measures=f"names:{name}"), progress=False)
    (tmp_path / "axes_.py").write_text(f"def f({name}=1.0): return 1.0")
    if is_reserved(name) and name != "seed":
        with pytest.raises(ConfigError, match=f"axis `{name}` must have a name"):
            sweep(Grid(base=BASE.replace(optimizer="axes_:f"), axes={name: [1, 2]}), "runs")


@pytest.mark.slow
def test_reserved_names_are_all_that_sweeps_have(tmp_path):
    """Or an axis or a measure of that name would be lost."""
    grid = Grid(base=BASE, axes={"width": [8, 12]})
    sweep(grid, tmp_path, workers=1, progress=False)
    data = archive(grid, tmp_path)
    there = {*map(str, data.variables), *map(str, phase_diagram(data).variables), "code"}
    there |= {*as_table(data).columns} - {"width"}
    assert {name for name in there - {"width"} if not is_reserved(name)} == set()


def test_several_measures_on_one_line(module):
    (first, second) = BASE.replace(measures=f"{module}:largest,{module}:blobs").measures
    assert first.startswith(f"{module}:largest@")
    assert second.startswith(f"{module}:blobs@")


def test_own_measure_is_in_run_summary_sweep_and_tables(module, capsys):
    grid = Grid(base=BASE.replace(measures=f"{module}:largest"), axes={"width": [8, 12]})
    swept = grokscope.sweep(grid, "runs", workers=1)
    data = swept.dataset
    for index, experiment in grid.cells():
        run = train(experiment, progress=False)
        logits = run.network(jnp.asarray(make_dataset(experiment).inputs))
        assert float(run.final.largest) == pytest.approx(float(logits.max()), rel=1e-6)
        assert float(data.largest[index]) == pytest.approx(float(run.final.largest), rel=1e-6)
    assert "largest" in swept.table()
    runs = Store("runs").table()
    assert sorted(runs.largest) == sorted(data.largest.values.ravel())
    assert "measures" not in runs
    print_runs(runs, as_json=False)
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split()[-1] == "largest"
    assert [row.split()[-1] for row in rows] == [f"{value:.3g}" for value in runs.largest]
    print_run(Store("runs").open_named(runs.index[0]), as_json=True)
    known = json.loads(capsys.readouterr().out)["in_the_weights"]
    assert known["largest"] == runs.largest.iloc[0]


@pytest.mark.slow
def test_own_data_are_counted_and_learned(module):
    base = Experiment(task=f"{module}:blobs", model="image_mlp", loss="cross_entropy", steps=80)
    with pytest.raises(ConfigError, match="`task` must say how many examples its data have"):
        _ = base.n_train
    base = complete(base)
    task = base.task
    assert (task.n_examples, task.n_inputs, task.n_labels) == (60, 4, 3)
    assert base.n_train == 30
    run = train(base.replace(width=16, train_fraction=0.9), progress=False)
    assert run.final.test_accuracy > 0.9
    assert "ipr" not in run.dataset
    larger = complete(base.replace(n=120))
    assert (larger.task.n_examples, larger.n_train) == (80, 40)
    assert make_dataset(larger).inputs.shape == (80, 4)
    assert base.replace(width=9).task == task  # nothing to count
    stale = Experiment(**{**larger.model_dump(), "task": {**larger.task.model_dump(), "n": 90}})
    with pytest.raises(ConfigError, match="`n_examples` must be what the task's arrays have, 60"):
        make_dataset(stale)


@pytest.mark.slow
def test_a_sweep_of_own_data_is_looked_at_without_its_code(module, tmp_path):
    grid = Grid(axes={"width": [4, 8]}, task=f"{module}:blobs", model="image_mlp", steps=4)
    with pytest.raises(ConfigError, match="`task` must say how many examples its data have"):
        _ = grid.digests
    swept = grokscope.sweep(grid, "runs", workers=1, progress=False)
    (tmp_path / f"{module}.py").unlink()
    assert (collect(grid, "runs").status == 1).all()
    assert Store("runs").grid().digests == swept.grid.digests
    run = Store("runs").find(swept.grid.cell((0, 0)))
    assert run is not None
    with pytest.raises(ConfigError, match="in a folder that you name for code"):
        _ = run.data


@pytest.mark.slow
def test_a_run_knows_when_its_data_have_changed(module, tmp_path):
    source = "import numpy as np\ndef f(): return (*np.load('a.npz').values(),)\n"
    (tmp_path / "reads.py").write_text(source)
    x, y = np.eye(6, dtype=np.float32), np.arange(6) % 2
    np.savez("a.npz", x, y, x, y)
    run = train(Experiment(task="reads:f", model="image_mlp", steps=4, width=4), progress=False)
    np.savez("a.npz", x, 1 - y, x, y)
    with pytest.raises(ConfigError, match=r"`data_sha256` must be .* made with other data"):
        _ = run.data


def test_data_that_changed_are_another_task(module, tmp_path):
    """Or the run of the old labels would be taken for one of the new ones."""
    (tmp_path / "reads.py").write_text(
        "import numpy as np\ndef f(): return (*np.load('a.npz').values(),)\n"
    )
    x, y = np.eye(6, dtype=np.float32), np.arange(6) % 2
    np.savez("a.npz", x, y, x, y)
    experiment = Experiment(task="reads:f", model="image_mlp", steps=4, width=4)
    grid = Grid(experiment, axes={"weight_decay": [0, 1]})
    before = train(experiment, "runs", progress=False)
    swept = grokscope.sweep(grid, "swept", workers=1, progress=False)
    np.savez("a.npz", x, 1 - y, x, y)
    after = train(experiment, "runs", progress=False)
    assert after.digest != before.digest
    n = after.data.n_train
    assert np.array_equal(after.data.given_labels[:n], (1 - y)[after.data.rows[:n]])
    assert (collect(grid, "swept").status == 1).all()  # as it was when it was swept
    again = grokscope.sweep(grid, "swept", workers=1, progress=False)
    assert not set(again.grid.digests) & set(swept.grid.digests)
    assert (collect(grid, "swept").status == 1).all()
    np.savez("a.npz", x, y, x, y)
    assert train(experiment, "runs", progress=False).digest == before.digest


def test_runs_and_sweeps_of_data_without_a_hash_open_as_they_did(module, tmp_path):
    task = {"name": "own", "code": f"{module}:blobs@{'0' * 16}", "n_examples": 40, "n_inputs": 4,
            "n_labels": 3, "n": 60}  # fmt: skip
    old = Experiment(task=task, model="image_mlp", steps=4)
    assert "data_sha256" not in old.canonical_json()
    counts = {old.task.key: (40, 4, 3)}
    uncounted = {name: task[name] for name in ("name", "code", "n")}
    grid = Grid({"task": uncounted, "model": "image_mlp", "steps": 4}, axes={}, counts=counts)
    assert Grid.from_toml(grid.to_toml()).digests == (grokscope.digest(old),)


@pytest.mark.slow
def test_every_kind_sweeps_in_other_processes(module):
    base = BASE.replace(
        operation=f"{module}:squares", corruption=f"{module}:shifted", model=f"{module}:Sum",
        optimizer=f"{module}:descent", measures=[f"{module}:largest"],
    )  # fmt: skip
    data = grokscope.sweep(Grid(base, {"weight_decay": [0, 1], "width": [4, 5]}), "runs").dataset
    assert (data.status == 1).all()
    again = Experiment.from_toml(base.to_toml())
    assert digest(again) == digest(base)


@pytest.mark.slow
def test_a_run_opens_without_its_code_and_trains_only_with_it(module, tmp_path):
    experiment = BASE.replace(operation=f"{module}:squares")
    path = train(experiment, "runs", progress=False).path
    source = tmp_path / f"{module}.py"
    source.rename(tmp_path / "elsewhere.txt")
    program = f"""
        import grokscope
        run = grokscope.open_run({str(path)!r})
        assert run.experiment.task.operation.startswith("{module}:squares@")
        print(run.phase())
        try:
            grokscope.train(run.experiment.replace(seed=1))
        except grokscope.ConfigError as error:
            print(error)
    """

    def ask():
        return subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True,
            check=True,
        ).stdout  # fmt: skip

    assert f"`{module}` must be a file {module}.py in a folder that you name" in ask()
    source.write_text(CODE + "\n")
    assert "must be the code that the experiment was made with" in ask()
    assert open_run(path).experiment == experiment


def test_another_source_is_another_experiment(module, tmp_path):
    before = BASE.replace(operation=f"{module}:squares")
    (tmp_path / f"{module}.py").write_text(CODE.replace("m**2", "m**3"))
    after = BASE.replace(operation=f"{module}:squares")
    assert digest(before) != digest(after)
    assert load(after.task.operation)(2, 0) == 8
    with pytest.raises(ConfigError, match="must be the code that the experiment was made with"):
        table_of(before.task)


def test_the_function_itself_is_taken(module):
    code = __import__(module)
    assert BASE.replace(operation=code.squares) == BASE.replace(operation=f"{module}:squares")
    assert BASE.replace(model=code.Sum).model.scale == 0.3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"operation": "nowhere_at_all:f"}, "must be a file nowhere_at_all.py in a folder"),
        ({"operation": "json:dumps"}, "must be a file json.py"),
        ({"operation": "OWN:nothing"}, "must be a function or class, got none of that name"),
        ({"operation": lambda m, n: m}, "must be a function or class of a Python file"),
        ({"operation": "__main__:f"}, "Put it into a file my_rules.py"),
        ({"operation": "a.b:c"}, "must be a function or class of a Python file"),
        ({"model": "OWN:squares"}, "must be a network with a class method init"),
        ({"model": "OWN:Sum", "depth": 3}, "a setting of another model"),
        ({"model": {"name": "own", "code": "OWN:Sum", "deep": 3}}, "`deep` is not a setting of"),
        ({"model": {"name": "own", "code": "OWN:Sum", "width": [3]}}, "must be a finite"),
        ({"model": {"code": "OWN:Sum", "name": "own", "scale": "big"}}, "`scale` must be a number"),
        ({"model": {"code": "OWN:Sum", "name": "own", "scale": np.nan}}, "must be a finite number"),
        ({"task": "OWN:squares"}, "`m` must be given for"),
        (
            {"optimizer": {"name": "own", "code": "OWN:descent", "nesterov": "no"}},
            "`nesterov` must be true or false, got 'no'. Use true.",
        ),
        (
            {"optimizer": "OWN:named"},
            "must take settings of other names than name, code, .*got name",
        ),
        ({"task": "OWN:counted"}, "must take settings of other names .*got n_labels"),
        ({"corruption": 3}, "`corruption` must be uniform, uniform_wrong"),
    ],
)
def test_what_is_no_code_is_refused_in_one_line(module, values, message):
    def named(value):
        if isinstance(value, dict):
            return {key: named(item) for key, item in value.items()}
        return value.replace("OWN", module) if isinstance(value, str) else value

    with pytest.raises(ConfigError, match=message) as error:
        BASE.replace(**named(values))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("from my_helpers import f", "import only installed packages"),
        ("import other.thing\ndef f(m, n): return m", "import only installed packages"),
        ("from . import other\ndef f(m, n): return m", "import only installed packages"),
        ("import importlib\nx = importlib.import_module('y')", "must import by import statements"),
        ("x = __import__('y')", "must import by import statements"),
        ("def f(m, n) return m", "does not parse"),
        ("raise OSError('no')\ndef f(m, n): return m", "must be a file that can be run"),
    ],
)
def test_code_in_several_files_or_broken_is_refused(tmp_path, monkeypatch, source, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text(source)
    with pytest.raises(ConfigError, match=message):
        make_dataset(BASE.replace(operation="broken:f"))


@pytest.mark.parametrize(
    ("values", "body", "message"),
    [
        ({"operation": "bad:f"}, "def f(m, n): return m / 2", "must return a whole number"),
        ({"corruption": "bad:f"}, "def f(a, n, r): return a + n", "must return 49 labels from 0"),
        ({"measures": "bad:f"}, "def f(a, b): return [1, 2]", "must return a number"),
        ({"optimizer": "bad:f"}, "f = max", "must be a function written by def"),
        ({"optimizer": "bad:f"}, "def f(): return None", "must return an Optax transformation"),
        ({"operation": "bad:f"}, "def f(m): return m", r"must take 2 arguments, got f\(m\)"),
        (
            {"operation": "bad:f"},
            "from os import getcwd as f",
            r"must take 2 arguments, got getcwd\(\)",
        ),
        ({"operation": "bad:f"}, "def f(m, n): return m**30 + n", "labels with exact integers"),
        (
            {"optimizer": "bad:f"},
            "def f(kind='none'): return None",
            "another default in bad:f than",
        ),
        ({"optimizer": "bad:f"}, "def f(**more): return None", "must name its settings one by one"),
        (
            {"corruption": "bad:f"},
            "import numpy as np\ndef f(a, n, r): return np.random.default_rng().permutation(a)",
            "`bad:f` must return the same every time",
        ),
        (
            {"task": "bad:f", "model": "image_mlp"},
            "import numpy as np\n"
            "def f(seed=None):\n"
            "    x = np.random.default_rng(seed).normal(size=(9, 2))\n"
            "    return x, np.arange(9) % 2, x, np.arange(9) % 2",
            "`bad:f` must return the same every time",
        ),
        ({"corruption": "bad:f"}, "def f(a): return a", r"must take 3 arguments, got f\(a\)"),
        ({"measures": "bad:f"}, "def f(): return 1.0", r"must take 2 arguments, got f\(\)"),
    ],
)
def test_functions_that_take_or_return_something_else_are_refused(
    tmp_path, monkeypatch, values, body, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.py").write_text(body)
    with pytest.raises(ConfigError, match=message):
        train(BASE.replace(**values), progress=False)


NETWORK = """
import jax.numpy as jnp
from grokscope import Network

class f(Network):
    W: object

    @classmethod
    def init(cls, key, n_inputs, n_labels):
        return cls(jnp.zeros((n_inputs, n_labels)))

"""


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ("", "must have a method __call__.*NotImplementedError"),
        ("def __call__(self): return self.W", "must have a method __call__.*TypeError"),
        ("def __call__(self, inputs): return self.W[0]", r"must give logits \[2, 7\].* got \[7\]"),
        (
            "def __call__(self, inputs): return self.W[inputs[:, 0]]\n"
            "    def in_training(self, inputs, *rest): return self(inputs)",
            r"must give logits \[2, 7\] of two examples by in_training, got \[7\]",
        ),
        (
            "def shared(self): return self.W\n"
            "    def __call__(self, inputs, shared): return shared[inputs[:, 0]]",
            "must have a method __call__.*TypeError: .*'shared'",
        ),
        ("def layers(self): return {}", "`layers` must be a property.* got BoundMethod"),
        ("@classmethod\n    def init(cls, *sizes): return 3", "must be made by init .* got int"),
        (
            "@classmethod\n    def init(cls, *_): return cls(jnp.zeros(3, int))",
            "must hold arrays of float32, got one of int32",
        ),
        (
            "def __call__(self, inputs): return self.W[inputs[:, 0]]\n"
            "    def in_training(self, inputs, *rest): return self(inputs), [self.W]",
            r"each of its 0 BatchNorm layers saw.* got \[\[7, 7\]\]",
        ),
        (
            "@property\n    def layers(self):\n"
            "        from grokscope import Layer\n"
            "        return {'last': Layer((), 'b')}\n"
            "    b: object = 0\n"
            "    @classmethod\n    def init(cls, *_): return cls(jnp.zeros((7, 7)), jnp.zeros(7))",
            r"a column for each unit .* got b \[7\] for last",
        ),
        ("@classmethod\n    def init(cls): return 3", "must be a network that can be made, got: f"),
    ],
)
def test_what_is_no_network_is_refused(tmp_path, monkeypatch, methods, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.py").write_text(NETWORK + "    " + methods)
    with pytest.raises(ConfigError, match=message) as error:
        train(BASE.replace(model="bad:f"), progress=False)
    assert "\n" not in str(error.value)


def test_a_run_records_the_packages_that_own_code_imports(module):
    run = train(BASE.replace(operation=f"{module}:squares"), progress=False)
    recorded = json.loads(run.dataset.attrs["environment"])
    assert recorded["optax"] == version("optax")
    own = train(BASE.replace(corruption=f"{module}:shifted"), progress=False)
    assert own.dataset.attrs["environment"] == run.dataset.attrs["environment"]


NORMED = """
import equinox as eqx
import jax
import jax.numpy as jnp
from grokscope import Network
from grokscope.models.normalization import BatchNorm

class Normed(Network):
    E: jax.Array
    W: jax.Array
    norm: BatchNorm

    @classmethod
    def init(cls, key, n_inputs, n_labels, width=12):
        keys = jax.random.split(key)
        E, W = (jax.random.normal(k, (n_inputs, width)) for k in keys)
        return cls(E, W, BatchNorm.init(width))

    def hidden(self, inputs):
        return jnp.square(self.E[inputs].sum(axis=1))

    def __call__(self, inputs):
        return self.norm(self.hidden(inputs)) @ self.W.T

    def in_training(self, inputs, key=None, dropout=0.0, shared=None):
        h, seen = self.norm.in_training(self.hidden(inputs))
        return h @ self.W.T, [seen]
"""


def test_a_batch_norm_that_is_told_nothing_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "unseen_own.py").write_text(NORMED.partition("    def in_training")[0])
    with pytest.raises(ConfigError, match=r"each of its 1 BatchNorm layers saw.* got \[\]"):
        train(BASE.replace(model="unseen_own:Normed"), progress=False)


@pytest.mark.parametrize("width", [1.5, "none", 0])
def test_a_width_that_counts_no_units_chooses_no_tiles(tmp_path, monkeypatch, width):
    monkeypatch.chdir(tmp_path)
    source = NORMED.replace("width=12", f"units=12, width={width!r}").replace("none", "nothing")
    (tmp_path / "odd_own.py").write_text(
        source.replace("(width)", "(units)").replace("n_inputs, width", "n_inputs, units")
    )
    assert BASE.replace(model="odd_own:Normed").model.widest == 500


@pytest.mark.slow
def test_own_batch_norm_sees_the_whole_batch(tmp_path, monkeypatch):
    """In full batches of several tiles, were it not for it: the batch's own mean, by hand."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "normed_own.py").write_text(NORMED)
    base = Experiment(steps=1).replace(modulus=53, model="normed_own:Normed", learning_rate=1e-9)
    run, data = train(base, progress=False), make_dataset(base)
    assert data.n_train > 2 * 336
    E = run.dataset.E.values.astype(float)
    hidden = np.square(E[data.inputs[: data.n_train]].sum(axis=1))
    np.testing.assert_allclose(run.dataset.norm_running_mean, 0.1 * hidden.mean(axis=0), rtol=1e-5)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('("E", "W"), "W"', '("E", "X"), "W"', "`layers` must name arrays of the network, got 'X'"),
        ('("E", "W"), "W"', '("E",), "Y"', "`layers` must name arrays of the network, got 'Y'"),
        ("(n_labels, width)", "(n_labels, 2 * width)", r"7 tokens by units, got W \[7, 24\]"),
        ("(n_inputs, width)", "(width, n_inputs)", r"7 tokens by units, got E \[12, 7\]"),
        ("E: jax", "ipr: jax", "`model` must have names that nothing else in a run has"),
    ],
)
def test_layers_that_cannot_be_measured_are_refused_before_training(
    tmp_path, monkeypatch, old, new, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd.py").write_text(CODE.replace(old, new))
    experiment = BASE.replace(model="odd:Sum", width=12)
    with pytest.raises(ConfigError, match=message):
        train(experiment, progress=False)
    with pytest.raises(ConfigError, match=message):
        grokscope.sweep(Grid(base=experiment, axes={"weight_decay": [0, 1]}), tmp_path / "runs")


@pytest.mark.parametrize("name", ["test_accuracy", "logits", "step", "U"])
def test_a_measure_takes_no_name_that_a_run_has(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "named.py").write_text(f"def {name}(network, dataset): return 1.0")
    with pytest.raises(ConfigError, match=f"nothing else in a run has, got '{name}'"):
        train(BASE.replace(measures=f"named:{name}"), progress=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["--model", "transformer", "--width", "16", "--normalization", "layer_norm"],
        ["--model", "deep_mlp", "--width", "16", "--normalization", "batch_norm"],
    ],
)
def test_every_norm_layer_can_be_shown(tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["train", "--modulus", "11", "--steps", "5", *arguments, "--json"])
    assert not ended.value.code
    shown = json.loads(capsys.readouterr().out)["ipr_correlations"]
    assert bool(shown) == ("batch_norm" in arguments)


@pytest.mark.parametrize(
    "returned",
    ["3, 3, 3, 3", "[[1], [1, 2]], [0, 1], [[1]], [0]", "[['a']] * 4, [0, 1] * 2, [['b']], [0]"],
)
def test_data_that_are_no_arrays_of_numbers_are_refused(tmp_path, monkeypatch, returned):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad_data.py").write_text(f"def f(): return {returned}")
    with pytest.raises(ConfigError, match="must return a table of labels, or") as error:
        complete(Experiment(task="bad_data:f", model="image_mlp"))
    assert "\n" not in str(error.value)


def test_a_logger_is_called_at_every_measurement():
    lines = []
    run = train(BASE, progress=False, log=lambda step, scores: lines.append((step, scores)))
    assert [step for step, _ in lines] == run.experiment.schedule
    assert lines[-1][1]["test_accuracy"] == float(run.final.test_accuracy)
    assert json.dumps(lines)


@pytest.mark.parametrize("raised", ["KeyError: 'x'", "SystemExit", "SystemExit: 3"])
def test_an_error_in_own_code_is_one_line_that_says_where(raised, tmp_path, monkeypatch, capsys):
    kind, _, argument = raised.partition(": ")
    (tmp_path / "mine.py").write_text(f"def bad(m, n):\n    raise {kind}({argument})\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["train", "--operation", "mine:bad", "--modulus", "7", "--width", "8"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said == f"grokscope: `mine.py`, line 2, raised {raised}. Mend the file.\n"


def test_features_are_given_as_they_are_or_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "widths.py").write_text(
        "import numpy as np\n"
        "LABELS = np.array([0, 1]), np.array([1])\n"
        "def made(first, last):\n"
        "    return np.eye(2).astype(first.dtype), LABELS[0], last, LABELS[1]\n"
        "def wide():\n"
        "    return made(np.uint8(0), np.array([[290, 329]], np.uint16))\n"
        "def missing():\n"
        "    return made(np.float64(0), np.array([[np.nan, 1]]))\n"
        "def huge():\n"
        "    return made(np.int64(0), np.array([[10**12, 1]]))\n"
    )

    def data(name):
        return make_dataset(complete(Experiment(task=f"widths:{name}", model="image_mlp")))

    assert data("wide").inputs[-1].tolist() == [290, 329]
    for name, words in (
        ("missing", r"got nan \(1 of 2 numbers\)"),
        ("huge", rf"got {10**12} \(1 of 2 numbers\)"),
    ):
        with pytest.raises(
            ConfigError, match=f"finite features, whole ones within 32 bits, {words}"
        ):
            data(name)
