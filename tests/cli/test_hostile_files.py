"""Documents that name code to run: whatever opens them imports and calls nothing."""

import hashlib
import json
import re
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

import grokscope
from grokscope import Experiment, Grid
from grokscope.cli import main
from grokscope.errors import ConfigError, StoreError
from grokscope.experiment import own_code
from grokscope.paper.grids import load_grid
from grokscope.runs.compact import without_weights
from grokscope.runs.files import read_dataset, write_dataset
from grokscope.sweeps.archive import archive, export, restore
from grokscope.sweeps.diagram import collect

EVIL = """
from pathlib import Path
Path("owned").touch()

def data(cmd=""):
    Path("owned").touch()

def step(weight_decay=0.0):
    Path("owned").touch()

def rule(m, n):
    Path("owned").touch()
    return m + n

class Net:
    @classmethod
    def init(cls, key, n_inputs, n_labels, width=8):
        Path("owned").touch()
"""
HASH = hashlib.sha256(EVIL.encode()).hexdigest()[:16]
OF_SUBPROCESS = hashlib.sha256(Path(subprocess.__file__).read_bytes()).hexdigest()[:16]

COUNTS = {"n_examples": 49, "n_inputs": 7, "n_labels": 7}
OF_FEATURES = {"model": {"name": "image_mlp", "width": 8}}
"""The rest of an experiment on such data, or it would be refused for that."""

OWN = {
    "standard library": {
        "task": {"code": "subprocess:getoutput", "cmd": "touch owned"},
        **OF_FEATURES,
    },
    "its hash": {
        "task": {"code": f"subprocess:getoutput@{OF_SUBPROCESS}", "cmd": "touch owned", **COUNTS},
        **OF_FEATURES,
    },
    "file beside": {"task": {"code": "evil:data", "cmd": ""}, **OF_FEATURES},
    "counted": {"task": {"code": f"evil:data@{HASH}", "cmd": "", **COUNTS}, **OF_FEATURES},
    "operation": {"task": {"name": "modular", "operation": f"evil:rule@{HASH}", "modulus": 7}},
    "corruption": {"corruption": f"evil:rule@{HASH}"},
    "model": {"model": {"code": f"evil:Net@{HASH}", "width": 8}},
    "optimizer": {"optimizer": {"code": f"evil:step@{HASH}", "weight_decay": 0.0}},
    "measures": {"measures": [f"evil:rule@{HASH}"]},
}
"""What a hostile document says in place of a part of an experiment."""


def named(settings):
    """The settings with `name = "own"` where they leave it out."""
    return {
        part: {"name": "own"} | value if isinstance(value, dict) else value
        for part, value in settings.items()
    }


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch):
    """What a test allows is allowed in no other."""
    monkeypatch.setattr(own_code, "_folders", dict(own_code._folders))


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A store with one small sweep, and its export."""
    folder = tmp_path_factory.mktemp("sound")
    base = Experiment(steps=2, corruption_fraction=0.5).replace(modulus=7, width=8)
    grid = Grid(base=base, axes={"weight_decay": [0, 5], "train_fraction": [0.3, 0.5]})
    grokscope.sweep(grid, folder / "runs", workers=1, progress=False, final_weights=True)
    export(archive(grid, folder / "runs"), folder / "sweep.nc")
    return folder


@pytest.fixture(params=OWN)
def hostile(request, sound, tmp_path, monkeypatch):
    """A folder with a grid, an experiment, an export and a store that all name evil code.

    The code lies beside them, as it would in an archive that somebody unpacks and looks at.
    """
    settings = named(OWN[request.param])
    monkeypatch.chdir(tmp_path)
    Path("evil.py").write_text(EVIL)
    shutil.copytree(sound / "runs", "runs")
    (grid_file,) = Path("runs/.grids").glob("*.toml")
    grid = json.loads(json.dumps(load_grid(grid_file).model_dump(exclude_none=True)))
    grid["base"] |= settings
    grid.pop("counts")
    document = toml(grid)
    Path("grid.toml").write_text(document)
    Path("experiment.toml").write_text(toml(grid["base"]))
    grid_file.unlink()
    (grid_file.parent / f"{hashlib.sha256(document.encode()).hexdigest()[:16]}.toml").write_text(
        document
    )
    for path in Path("runs").glob("*.nc"):
        data = read_dataset(path)
        told = json.dumps(json.loads(data.attrs["experiment"]) | settings)
        with suppress(ConfigError):  # what cannot be an experiment stays as it is
            told = Experiment.from_json(told).canonical_json()
        data.attrs["experiment"] = told
        data.attrs["digest"] = hashlib.sha256(data.attrs["experiment"].encode()).hexdigest()
        path.unlink()
        write_dataset(Path("runs") / f"{data.attrs['digest']}.nc", data)
    Path("runs/.summaries").unlink()
    data = read_dataset(sound / "sweep.nc")
    write_dataset(Path("sweep.nc"), data.assign_attrs(grid=document))
    return tmp_path


def toml(document):
    import tomli_w

    return tomli_w.dumps(document)


COMMANDS = [
    "show RUN",
    "prune RUN",
    "audit RUN",
    "phases runs",
    "phases runs --grid grid.toml",
    "phases sweep.nc",
    "status grid.toml",
    "explore runs --export page.html",
    "explore sweep.nc --export page.html",
    "train --config experiment.toml --print-toml",
    "figure 24 --from .",
]


@pytest.mark.slow
def test_no_command_that_looks_at_a_document_runs_its_code(hostile, capsys):
    shutil.copy("sweep.nc", "figure3a.nc")
    run = next(Path("runs").glob("*.nc"))
    for command in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            main([str(run) if word == "RUN" else word for word in command.split()])
        assert ended.value.code in (0, 2), command
        assert "Traceback" not in capsys.readouterr().err, command
        assert not Path("owned").exists(), command


EARLIER = {
    "standard library": "`subprocess` must be a file subprocess.py",
    "file beside": "`task` must say how many examples its data have",
}


def test_a_sweep_that_starts_from_a_hostile_export_runs_only_its_own(hostile, request, capsys):
    Path("mine.toml").write_text(Grid(Experiment(steps=2), axes={"weight_decay": [0]}).to_toml())
    with pytest.raises(SystemExit):
        main(["sweep", "mine.toml", "--start-from", "sweep.nc"])
    words = EARLIER.get(request.node.callspec.params["hostile"], "`start_from` must hold cells of")
    assert words in capsys.readouterr().err
    assert not Path("owned").exists()


def looked_at():
    """Everything public that opens or reads something, on the hostile folder."""
    run = next(Path("runs").glob("*.nc"))
    yield lambda: Experiment.from_toml(Path("experiment.toml")).to_toml()
    yield lambda: grokscope.digest(Experiment.from_toml(Path("experiment.toml")))
    yield lambda: Grid.from_toml(Path("grid.toml")).digests
    yield lambda: load_grid("grid.toml").to_toml()
    yield lambda: collect(Grid.from_toml(Path("grid.toml")), "runs")
    yield lambda: grokscope.open_run(run).phase()
    yield lambda: repr(grokscope.open_run(run)) + grokscope.open_run(run)._repr_html_()
    yield lambda: grokscope.load_sweep("sweep.nc")._repr_html_()
    yield lambda: grokscope.open_run(run).plot()
    yield lambda: grokscope.Store("runs").grid().to_toml()
    yield lambda: grokscope.Store("runs").summaries()
    yield lambda: grokscope.open_run(run).network
    yield lambda: grokscope.make_dataset(grokscope.open_run(run).experiment)
    yield lambda: grokscope.open_run(run).audit()
    yield lambda: grokscope.open_run(run).prune()
    yield lambda: without_weights(grokscope.open_run(run))
    yield lambda: grokscope.load_sweep("sweep.nc").table()
    yield lambda: grokscope.load_sweep("sweep.nc").phases()
    yield lambda: grokscope.load_sweep("sweep.nc").boundaries()
    yield lambda: export(grokscope.load_sweep("sweep.nc").dataset, "copy.csv")
    yield lambda: restore(grokscope.load_sweep("sweep.nc").dataset, "other")
    yield lambda: archive(Grid.from_toml(Path("grid.toml")), "runs")


REFUSED = "in a folder that you name for code|`task` must say how many examples"
SET_ASIDE = "|no recorded sweep has them all|must be a run file, got none"
"""What is said of runs whose experiment is impossible, once one look has set them aside."""


def test_no_public_function_that_opens_something_runs_its_code(hostile, request):
    """If a look ends early, it is for the code that it was not allowed to run."""
    is_impossible = request.node.callspec.params["hostile"] == "standard library"
    for number, look in enumerate(looked_at()):
        said = ""
        try:
            look()
        except (ConfigError, StoreError) as refusal:
            said = str(refusal)
        assert not said or re.search(REFUSED + SET_ASIDE * is_impossible, said), number
        assert not Path("owned").exists(), number


def test_the_evil_code_does_run_where_the_user_says_so(sound, tmp_path, monkeypatch):
    """Or the tests above could not fail: trained in its folder, it is what the user asked for."""
    monkeypatch.chdir(tmp_path)
    Path("evil.py").write_text(EVIL)
    with pytest.raises(ConfigError, match="must return a table of one to four"):
        grokscope.train(Experiment.from_toml('[task]\nname = "own"\ncode = "evil:data"\n'
                                             '[model]\nname = "image_mlp"'))  # fmt: skip
    assert Path("owned").exists()


def test_code_of_an_unnamed_folder_is_run_only_once_it_is_named(sound, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "my_rule.py").write_text("def rule(m, n): return m + 2 * n")
    source = (tmp_path / "mine" / "my_rule.py").read_bytes()
    reference = f"my_rule:rule@{hashlib.sha256(source).hexdigest()[:16]}"
    document = Experiment(steps=2).replace(modulus=7, width=8).to_toml()
    experiment = Experiment.from_toml(document.replace('"addition"', f'"{reference}"'))
    with pytest.raises(ConfigError, match="`my_rule` must be a file my_rule"):
        grokscope.make_dataset(experiment)
    grokscope.allow_code(tmp_path / "mine")
    data = grokscope.make_dataset(experiment)
    assert (data.true_labels == (data.inputs @ [1, 2]) % 7).all()
