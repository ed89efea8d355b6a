import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grokscope.analysis.label_audit import audit
from grokscope.cli import main
from grokscope.cli.runs import By
from grokscope.cli.sweep_tables import print_status
from grokscope.cli.train import setting_options
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.measures.orders import ORDERS
from grokscope.paper.grids import load_grid
from grokscope.runs import train as runs
from grokscope.runs.compact import without_weights
from grokscope.runs.extraction import extraction_curve
from grokscope.runs.files import write_dataset
from grokscope.runs.snapshot import at
from grokscope.runs.store import Store
from grokscope.sweeps.diagram import collect

TINY = ["--modulus", "7", "--width", "16", "--steps", "20", "--corruption-fraction", "0.3"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments):
    with pytest.raises(SystemExit) as exit_:
        main(list(arguments))
    return exit_.value.code


def train(capsys, *options):
    assert call("train", *TINY, "--json", *options) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_train_prints_phase_accuracies_and_path(here, capsys):
    assert call("train", *TINY) == 0
    out = capsys.readouterr().out
    path = re.search(r"run\s+(runs/[0-9a-f]{64}\.nc)", out)
    assert path is not None
    assert (here / path[1]).is_file()
    assert any(phase in out for phase in ("confusion", "memorization", "coexistence"))


@pytest.mark.slow
def test_no_number_is_cut_on_any_terminal(here, capsys, monkeypatch):
    name = train(capsys)["digest"]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    for columns in (60, 80, 99, 100, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert call("train", *TINY, "--dropout", "0.25", "--weight-decay", "12.5") == 0
        assert call("prune", name) == 0
        out = capsys.readouterr().out
        assert "12.5" in out, columns
        assert "…" not in out, columns


def test_train_json_holds_everything(here, capsys):
    summary = train(capsys)
    assert summary["experiment"]["task"]["modulus"] == 7
    assert summary["steps"] == 20
    assert 0 <= summary["train_accuracy"] <= 1
    clean = train(capsys, "--corruption-fraction", "0")
    assert clean["corrupted_accuracy"] is None


def test_every_setting_is_an_option_and_reads_back(here, capsys):
    values = {
        "operation": "multiplication", "modulus": 5, "train_fraction": 0.6,
        "corruption_fraction": 0.1, "exclude_true_label": True, "width": 3, "activation": "relu",
        "dropout": 0.1, "normalization": "layer_norm", "loss": "cross_entropy",
        "optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 1.0, "momentum": 0.5,
        "warmup_steps": 2, "cosine_steps": 9, "label_smoothing": 0.1, "precision": "float64",
        "init_scale": 2.0,
        "steps": 3, "batch_size": 4, "measure_every": 2,
        "seed": 1, "split_seed": 2, "corruption_seed": 3, "init_seed": 4, "batches_seed": 5,
        "dropout_seed": 6, "settle": True, "settle_after": 100, "settle_caution": 2.0,
        "settle_shrink": 3.0, "settle_rise": 1.2, "measure": "log:3", "keep_weights": 2,
        "kept_dtype": "float16", "start_step": 1, "before": "weight_decay=0.5,batch_size=none",
        "prune_by": "norm", "prune_first": "lowest", "prune_share": 0.25,
    }  # fmt: skip
    options = [part for name, value in values.items()
               for part in (f"--{name.replace('_', '-')}", str(value).lower())]  # fmt: skip
    assert call("train", *options, "--print-toml") == 0
    assert Experiment.from_toml(capsys.readouterr().out) == Experiment().replace(**values)
    others = {"depth", "heads", "tied", "scaling", "parameterization", "beta1", "beta2", "eps"}
    others |= {"tied_init", "dropout_sites", "operands", "bits", "relevant_bits", "group"}
    others |= {"second_rule", "label_scores", "slow_memory", "slow_gain"}
    known = {parameter.name for parameter in setting_options()}
    assert {*values, *others, "task", "model", "corruption", "measures"} == known


def test_settings_of_another_kind_are_taken_too(here, capsys):
    options = ["--model", "transformer", "--set", "heads=2", "--set", "model.width=8", "--tied"]
    assert call("train", *options, "true", "--print-toml") == 0
    experiment = Experiment.from_toml(capsys.readouterr().out)
    assert experiment == Experiment().replace(model="transformer", heads=2, width=8, tied=True)
    assert call("train", "--set", "heads") == 2


@pytest.mark.slow
def test_toml_file_with_options_on_top(here, capsys):
    experiment = Experiment(steps=10).replace(modulus=7, width=4)
    (here / "e.toml").write_text(experiment.to_toml())
    assert call("train", "--config", "e.toml", "--steps", "5", "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["experiment"] == experiment.replace(steps=5).model_dump()


@pytest.mark.slow
def test_show_and_prune_draw_pictures(here, capsys):
    name = train(capsys)["digest"][:8]
    assert call("show", name, "--neurons", "1,2", "--out", "a/show.svg") == 0
    assert (here / "a/show.svg").read_text().startswith("<?xml")
    assert call("show", name, "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["picture"].endswith(".png")
    assert call("prune", name) == 0
    printed = capsys.readouterr().out
    assert "fewest neurons" in printed
    assert "pruned at random, central 95 % of 50 orders" in printed
    assert call("prune", name, "--first", "random", "--seed", "3", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert len(report["curves"]["random"]["test_loss"]) == 17
    assert report["by_norm"] == {}
    assert call("prune", name, "--first", "random", "--by", "memorizing") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("grokscope: `first` must be lowest, highest or both where `by` is memor")
    assert call("prune", name, "--by", "ipr_within_norm", "--band", "4", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    band = report["band"]
    assert (band["orders"], band["seed"]) == (4, 0)
    assert band["quantile"] == [0.025, 0.5, 0.975]
    assert np.shape(band["test_accuracy"]) == (len(band["pruned"]), 3)
    assert report["by_norm"].keys() == report["curves"].keys() == {"lowest", "highest"}
    assert report["by_ipr"] == {}
    assert call("prune", name, "--by", "memorizing", "--band", "0", "--json") == 0
    assert json.loads(capsys.readouterr().out)["by_ipr"].keys() == {"lowest", "highest"}
    assert call("prune", name, "--band", "0", "--json") == 0
    assert json.loads(capsys.readouterr().out)["band"] is None


def test_a_network_is_looked_at_as_it_was_at_a_step(here, capsys):
    run = runs.train(Experiment(steps=20).replace(modulus=7, width=16), "runs", progress=False)
    then = at(run, 10)
    expected = {name: then.final[name].item() for name in ("train_loss", "test_loss")}
    found = {}
    for command in ("show", "prune", "extract", "audit"):
        assert call(command, run.digest[:8], "--step", "10", "--json") == 0
        found[command] = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert f"{run.digest[:12]}-step10" in found[command]["picture"]
    assert {name: found["show"][name] for name in expected} == pytest.approx(expected)
    whole = {name: found["prune"]["curves"]["lowest"][name][0] for name in expected}
    assert whole == pytest.approx(expected)
    extracted = extraction_curve(then).test_accuracy.sel(kind="network").values
    assert found["extract"]["curves"]["network"]["test_accuracy"] == pytest.approx([*extracted])
    flagged = int((audit(then).margin > 0).sum())
    assert found["audit"]["flagged"] == flagged
    assert run.final.train_loss.item() != expected["train_loss"]


@pytest.mark.parametrize(
    "options",
    ["show RUN --out x.txt", "show RUN --neurons a", "prune RUN --by foo", "prune RUN --first foo",
     "prune RUN --first random --by norm", "extract RUN --counts a", "audit RUN --out x.txt",
     "show RUN --step 3", "audit x.csv --step 1"],
)  # fmt: skip
def test_what_is_refused_trains_nothing(here, capsys, options):
    run = without_weights(runs.train(Experiment(steps=2, modulus=7, width=8), progress=False))
    path = str(Store("elsewhere").save(run).path)
    assert call(*options.replace("RUN", path).split()) == 2
    assert not (here / "runs").exists()


@pytest.mark.slow
def test_a_run_without_weights_is_trained_once(here, capsys):
    run = without_weights(runs.train(Experiment(steps=2, modulus=7, width=8), progress=False))
    path = Store("elsewhere").save(run).path
    assert call("extract", str(path)) == 0
    trained = here / "runs" / path.name
    written = trained.stat().st_ino
    assert call("extract", str(path)) == 0
    assert trained.stat().st_ino == written


def test_the_help_and_the_page_name_every_order_of_pruning(here, capsys):
    assert get_args(By) == (*ORDERS,)
    assert call("prune", "--help") == 0
    helped = capsys.readouterr().out
    page = (Path(__file__).parents[2] / "docs/how-to/prune.md").read_text("utf-8")
    for name in ORDERS:
        assert name in helped
        assert f'| `"{name}"` |' in page


BAD = [
    "train --train-fraction 1.5",
    "train --train-fraction 0.000001",
    "train --modulus 1",
    "train --width 0",
    "train --steps -3",
    "train --width 1000000 --modulus 4096",
    "train --batch-size 5000",
    "train --operation modulo",
    "train --config missing.toml",
    "train --config bad.toml",
    "train --config type.toml",
    "train --config .",
    "train --store bad.toml",
    "train --store bad.toml/runs",
    "train --momentum 0.9",
    "train --nonsense 3",
    "train --steps",
    "show",
    "show nothing",
    "show bad.toml",
    "prune nothing",
    "figure 100",
    "figure one",
    "figure 1 --scale big",
    "figure 1 --workers 0",
    "figure ٣",
    "figure 1 --refine",
    "figure 3 --from . --seed 2",
    "figure 1 --seed " + "9" * 5000,
    "train --width " + "9" * 5000,
    "train --width " + "9" * 1000,
    "explore . --port 70000",
    "sweep figure3a --seeds 0",
    "sweep figure3a --limit 0",
    "prune nothing --seed x",
    "audit nothing --top -1",
    "figure 1 --seed -1",
    "figure 1 --out picture.jpg",
    "figure 1 --out .",
    "figure 1 --out bad.toml/a.png",
    "sweep figure3a --every 0",
    "sweep smal.toml",
    "status figure3a --every half",
    "phases . --every 2",
    "nonsense",
]


@pytest.mark.parametrize("line", BAD)
def test_bad_input_gets_one_line_and_leaves_nothing(here, capsys, line):
    (here / "bad.toml").write_text("steps = [")
    (here / "type.toml").write_text("steps = 'many'")
    assert call(*line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("grokscope: ")
    assert err.count("\n") == 1
    assert 20 < len(err) < 1000
    assert {path.name for path in here.iterdir()} <= {"bad.toml", "type.toml", "runs", "figures"}
    assert not list(here.glob("*/*"))


def test_a_sweep_whose_shown_cells_are_named_needs_no_refining(here, capsys, monkeypatch):
    small = load_grid("figure14").with_base(modulus=7, width=8, steps=2)
    monkeypatch.setattr("grokscope.paper.grids.grid", lambda name: small)
    assert call("sweep", "figure14", "--limit", "1", "--workers", "1", "--json") == 0
    assert json.loads(capsys.readouterr().out)["done"] == 1


def test_every_few_cells_are_a_sweep_of_their_own(here, capsys):
    assert call("status", "figure3a", "--every", "4", "--json") == 0
    assert json.loads(capsys.readouterr().out)["missing"] == 4 * 5 * 6


def test_a_sweep_names_a_command_that_shows_it(here, capsys):
    grid = Grid(Experiment(steps=2, modulus=7, width=8), axes={"weight_decay": [0, 1, 2]})
    (here / "map.toml").write_text(grid.to_toml())
    assert call("sweep", "map.toml", "--workers", "1", "--settle", "--every", "2") == 0
    named = re.search(r"^next     grokscope (.*)$", capsys.readouterr().out, re.MULTILINE)
    assert call(*named[1].split(), "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["coordinates"]["weight_decay"] == [0, 2]
    assert None not in shown["phase"]


def test_a_sweep_without_any_run_is_drawn(here, capsys):
    (here / "runs").mkdir()
    assert call("phases", "runs", "--grid", "figure3a", "--every", "8", "--out", "empty.png") == 0
    assert (here / "empty.png").read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert "\n· not trained   up: train_fraction\n" in said
    assert "note: 0 of 48 networks are in runs. Train them with `grokscope sweep`" in said


def test_nothing_is_not_exported(here, capsys):
    (here / "runs").mkdir()
    assert call("phases", "runs", "--grid", "figure3a", "--every", "8", "--export", "map.nc") == 2
    assert "`export` must have networks to write, got none: 0 of 48" in capsys.readouterr().err
    assert not (here / "map.nc").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("phases sweep.nc --export y.nc --details", "must go with a store, got the file 'sweep"),
        ("phases . --export y.csv --details", "must go with an export to netCDF, got 'y.csv'. Use"),
        ("phases . --details", "must go with an export to netCDF, got none. Use --export"),
        ("sweep sweep.nc --start-from sweep.nc", "`start_from` must be an export with its runs, "
         "got 'sweep.nc' with what they ended with alone. Export it with --details."),
    ],
)  # fmt: skip
def test_details_are_refused_by_what_lacks_them(here, capsys, line, words):
    grid = Grid(Experiment(steps=2, modulus=7, width=8), axes={"weight_decay": [0, 5]})
    write_dataset(Path("sweep.nc"), collect(grid, Path("none")))
    assert call(*line.split()) == 2
    assert words in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == ["sweep.nc"]


words = st.one_of(
    st.sampled_from(["nan", "inf", "-1", "0", "1e400", "none", "true", "", "½", "1_0", "[]"]),
    st.text(max_size=8).filter(lambda text: "\x00" not in text),
    st.integers().map(str),
    st.floats().map(str),
)
names = st.sampled_from(sorted(p.name.replace("_", "-") for p in setting_options()))


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(names, words, max_size=4), st.booleans())
def test_random_settings_never_give_a_traceback(capsys, options, joined):
    arguments = [
        part
        for name, text in options.items()
        for part in ([f"--{name}={text}"] if joined else [f"--{name}", text])
    ]
    code = call("train", *arguments, "--print-toml")
    out, err = capsys.readouterr()
    if code == 0:
        assert Experiment.from_toml(out)
    else:
        assert code == 2
        assert err.startswith("grokscope: ")
        assert err.count("\n") == 1


def test_a_damaged_stored_run_is_reported_in_one_line(here, capsys):
    path = here / train(capsys)["path"]
    path.write_bytes(path.read_bytes()[:1000])
    assert call("train", *TINY, "--json") == 0
    err = capsys.readouterr().err
    assert "set aside as" in err
    assert err.count("\n") == 1


def test_help_and_import_leave_the_heavy_parts_alone():
    code = (
        "import sys, grokscope, grokscope.cli\n"
        "try: grokscope.cli.main(['train', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'jax', 'numpy', 'xarray', 'matplotlib', 'pandas', 'optax'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--weight-decay" in done.stdout


def test_the_list_of_commands_and_their_completion_load_no_settings():
    code = (
        "import sys, grokscope.cli\n"
        "try: grokscope.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(str({'pydantic', 'rich.progress', 'tomli_w'} & set(sys.modules) or 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == "0\n"
    assert "train" in done.stdout


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("grokscope s", ["show", "sweep", "status", "site"]),
        ("grokscope train --weight", ["--weight-decay"]),
        ("grokscope figure 1 --scale ", ["quick", "paper"]),
    ],
)
def test_a_shell_completes_commands_options_and_choices(line, expected):
    asked = {"_GROKSCOPE_COMPLETE": "complete_bash", "COMP_WORDS": line}
    asked["COMP_CWORD"] = str(line.count(" "))
    done = subprocess.run(
        [sys.executable, "-m", "grokscope"],
        env=os.environ | asked, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == expected


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("figure 1 --workers 0", "`workers` must be greater than or equal to 1, got '0'."),
        ("figure 1 --scale big", "`scale` must be one of 'quick', 'paper', got 'big'."),
        ("explore . --port 70000", "`port` must be less than or equal to 65535, got '70000'."),
        ("train --width wide", "`width` must be a whole number, got 'wide'."),
    ],
)
def test_an_option_is_refused_by_name_with_what_it_must_be_and_what_it_is(capsys, line, words):
    assert call(*line.split()) == 2
    assert words in capsys.readouterr().err


def test_a_folder_that_was_removed_is_told_in_one_line(here, capsys, monkeypatch):
    gone = here / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert call("train", *TINY) == 2
    assert capsys.readouterr() == ("", "grokscope: No such file or directory\n")


def test_words_of_the_user_s_own_are_printed_as_they_are(capsys):
    """Square brackets are markup to Rich, and words between colons pictures."""
    data = collect(Grid(axes={"operation": ["addition", "multiplication"]}), "none")
    print_status(data.assign_coords(operation=["[/]", "[bold]:smile:"]))
    printed = capsys.readouterr().out
    assert "[/]" in printed
    assert "[bold]:smile:" in printed


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["explore", "SWEEP", "--no-browser", "--host", ""], "`host`"),
        (["explore", "SWEEP", "--no-browser", "--host", "192.0.2.1"], "`host` and `port`"),
        (["status", "figure3a", "--store", "a-file"], "`store`"),
        (["verify", "--from", "nowhere"], "`from`"),
        (["report", "--from", "nowhere"], "`from`"),
        (["show", "SWEEP"], "a sweep's export"),
        (["train", "--steps", "2147483647", "--measure-every", "1"], "`measure_every`"),
    ],
)
def test_what_would_go_wrong_later_is_refused_at_once(here, capsys, arguments, field):
    Path("a-file").touch()
    sweep = collect(Grid(axes={"weight_decay": [0, 5], "train_fraction": [0.3, 0.5]}), Path("none"))
    write_dataset(Path("sweep.nc"), sweep)
    assert call(*("sweep.nc" if word == "SWEEP" else word for word in arguments)) == 2
    said = capsys.readouterr().err
    assert field in said
    assert said.count("\n") == 1
