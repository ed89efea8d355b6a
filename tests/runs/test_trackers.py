"""Every tracker by its own library: what is written is read back, and equals the run."""

import json
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple

import pandas as pd
import pytest

from grokscope import ConfigError, Experiment, Grid, Store, WorkerError, cli, digest, sweep, train
from grokscope.measures.table import scores
from grokscope.runs import trackers
from grokscope.runs.trackers import TRACKERS, Entry, Tracker, settings_of, tracking

SMALL = Experiment(
    steps=20, measure_every=5, train_fraction=0.8, corruption_fraction=0.3, modulus=7, width=8
)
NAME = digest(SMALL)[:12]
GRID = Grid(SMALL, axes={"weight_decay": [0, 5]})

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the libraries


class Found(NamedTuple):
    """A run as a tracker has it."""

    settings: dict
    measured: dict[str, dict[int, float]]
    outcome: dict


def read_csv(folder):
    """The outcome stands below the settings as comments."""
    found = {}
    for path in folder.glob("*.csv"):
        table = pd.read_csv(path, index_col="step")
        text = path.with_suffix(".toml").read_text("utf-8")
        ends = [line[2:].partition(" = ") for line in text.splitlines() if line.startswith("# ")]
        outcome = {key: json.loads(value) for key, _, value in ends}
        found[path.stem] = Found(settings_of(Experiment.from_toml(text)), table.to_dict(), outcome)
    return found


def read_tensorboard(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.metadata import parse_session_start_info_plugin_data

    found = {}
    for path in folder.iterdir():
        events = EventAccumulator(str(path), size_guidance={"scalars": 0})
        events.Reload()
        (content,) = [
            data
            for tag, data in events.PluginTagToContent("hparams").items()
            if tag.endswith("session_start_info")
        ]
        hparams = parse_session_start_info_plugin_data(content).hparams
        settings = {key: getattr(v, v.WhichOneof("kind")) for key, v in hparams.items()}
        tags = events.Tags()
        measured = {
            tag: {event.step: event.value for event in events.Scalars(tag)}
            for tag in tags["scalars"]
        }
        texts = {
            tag.partition("/")[0]: events.Tensors(tag)[-1].tensor_proto.string_val[0].decode()
            for tag in tags["tensors"]
        }
        outcome = {key: int(v) if v.isdecimal() else v for key, v in texts.items()}
        found[path.name] = Found(settings, measured, outcome)
    return found


def wandb_records(path):
    """The records of an offline run: LevelDB's log format, after a header of seven bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, block, at, record = path.read_bytes(), 32768, 7, b""
    while at < len(content):
        if block - at % block < 7:  # no room for a header: filled with zeros
            at += block - at % block
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        record += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(record)
            record = b""


def read_wandb(folder):
    found = {}
    for path in folder.glob("wandb/offline-run-*/*.wandb"):
        name, settings, outcome, measured = "", {}, {}, {}
        for record in wandb_records(path):
            if record.HasField("run"):
                assert record.run.project == "grokscope"
                name = record.run.display_name
                settings |= {u.key: json.loads(u.value_json) for u in record.run.config.update}
            row = {i.key or i.nested_key[0]: json.loads(i.value_json) for i in record.history.item}
            for key, value in row.items():
                if not key.startswith("_"):
                    measured.setdefault(key, {})[row["_step"]] = float(value)
            outcome |= {
                i.key or i.nested_key[0]: json.loads(i.value_json) for i in record.summary.update
            }
        settings.pop("_wandb", None)
        ends = ("phase", "settled_at", "failed_at")
        outcome = {key: value for key, value in outcome.items() if key in ends}
        found[name] = Found(dict(trackers._leaves(settings)), measured, outcome)
    return found


def mlflow_runs(folder):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    project = client.get_experiment_by_name("grokscope")
    return client, client.search_runs([project.experiment_id]) if project else []


def read_mlflow(folder):
    client, runs = mlflow_runs(folder)
    found = {}
    for run in runs:
        assert run.info.status == "FINISHED"
        measured = {
            key: {m.step: m.value for m in client.get_metric_history(run.info.run_id, key)}
            for key in run.data.metrics
        }
        own = {k: v for k, v in run.data.tags.items() if not k.startswith("mlflow.")}
        outcome = {key: int(v) if v.isdecimal() else v for key, v in own.items()}
        found[run.info.run_name] = Found(run.data.params, measured, outcome)
    return found


READ = {
    "csv": read_csv, "tensorboard": read_tensorboard, "wandb": read_wandb, "mlflow": read_mlflow,
}  # fmt: skip

every_kind = pytest.mark.parametrize("kind", TRACKERS)


def require_equal(kind, found, run):
    """What a tracker has of a run is its experiment, its measurements and what became of it."""
    expected = settings_of(run.experiment)
    if kind == "mlflow":  # which knows text alone
        expected = {key: str(value) for key, value in expected.items()}
    assert found.settings == expected
    tolerance = 1e-6 if kind == "tensorboard" else 0  # single precision
    for name in scores():
        values = dict(zip(run.dataset.step.values, run.dataset[name].values, strict=True))
        assert found.measured[name] == pytest.approx(values, rel=tolerance, abs=0, nan_ok=True)
    norms = dict(zip(run.dataset.step.values, run.dataset.norm.values[:, 0], strict=True))
    assert found.measured["norm_U"] == pytest.approx(norms, rel=1e-6)
    assert set(found.measured) > {"mean_ipr", "dead_neurons", *scores()}
    assert found.outcome["phase"] == str(run.phase())
    assert found.outcome.get("failed_at") == run.failed_at
    assert found.outcome.get("settled_at") == run.settled_at


def test_every_kind_is_read_back_here():
    assert list(READ) == list(TRACKERS)


@pytest.mark.slow
@every_kind
def test_a_run_is_tracked_whole_and_silently(kind, tmp_path, capfd):
    run = train(SMALL, progress=False, log=f"{kind}:{tmp_path / 'logs'}")
    assert capfd.readouterr() == ("", "")
    found = READ[kind](tmp_path / "logs")
    assert list(found) == [NAME]
    require_equal(kind, found[NAME], run)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "workers"), [("csv", 1), ("tensorboard", 1), ("wandb", 2), ("mlflow", 2)]
)
def test_a_sweep_tracks_each_cell_where_it_is_trained(kind, workers, tmp_path, monkeypatch, capfd):
    """Two processes write below one folder at once; what is stored is not tracked."""
    monkeypatch.chdir(tmp_path)
    sweep(Grid(SMALL, axes={"weight_decay": [0]}), "runs", workers=1, progress=False)
    sweep(
        Grid(SMALL, axes={"weight_decay": [0, 5, 9]}),
        "runs", workers=workers, progress=False, log=f"{kind}:logs",
    )  # fmt: skip
    assert capfd.readouterr() == ("", "")
    found = READ[kind](tmp_path / "logs")
    cells = [SMALL.replace(weight_decay=5), SMALL.replace(weight_decay=9)]
    assert sorted(found) == sorted(digest(cell)[:12] for cell in cells)
    for cell in cells:
        run = Store("runs").find(cell)
        assert run is not None
        require_equal(kind, found[digest(cell)[:12]], run)


@pytest.mark.slow
@every_kind
def test_a_run_that_diverges_or_settles_says_so(kind, tmp_path):
    diverging = SMALL.replace(optimizer="sgd", learning_rate=1e6)
    settling = SMALL.replace(steps=400, settle=True, settle_after=20, weight_decay=20)
    runs = [train(e, progress=False, log=f"{kind}:{tmp_path}") for e in (diverging, settling)]
    assert runs[0].failed_at is not None
    assert runs[1].settled_at is not None
    found = READ[kind](tmp_path)
    assert len(found) == 2
    for run in runs:
        outcome = found[run.digest[:12]].outcome
        assert outcome["phase"] == str(run.phase())
        assert outcome.get("failed_at") == run.failed_at
        assert outcome.get("settled_at") == run.settled_at


@pytest.mark.slow
def test_any_executor_tracks_too(tmp_path):
    with ThreadPoolExecutor(1) as threads:
        log = f"wandb:{tmp_path / 'logs'}"
        sweep(GRID, tmp_path / "runs", executor=threads, progress=False, log=log)
    assert len(read_wandb(tmp_path / "logs")) == 2


def test_a_run_that_is_stored_is_not_tracked(tmp_path):
    train(SMALL, tmp_path / "runs", progress=False)
    train(SMALL, tmp_path / "runs", progress=False, log=f"csv:{tmp_path / 'logs'}")
    assert read_csv(tmp_path / "logs") == {}


def test_a_csv_file_can_be_followed(tmp_path):
    with tracking(f"csv:{tmp_path}", [SMALL]) as tracked:
        for step in range(3):
            tracked.log(SMALL, step, {"train_loss": 0.1 * step, "corrupted_accuracy": math.nan})
            text = (tmp_path / f"{NAME}.csv").read_text()
            assert text.count("\n") == step + 2
            assert text.endswith("\n")
    assert text.splitlines()[:2] == ["step,train_loss,corrupted_accuracy", "0,0.0,nan"]


def test_an_event_file_hides_those_of_an_earlier_training(tmp_path):
    for value, steps in ((1.0, 5), (2.0, 2)):
        with tracking(f"tensorboard:{tmp_path}", [SMALL]) as tracked:
            for step in range(steps):
                tracked.log(SMALL, step, {"train_loss": value})
        for path in (tmp_path / NAME).glob("events.out*"):
            path.rename(path.with_name(f"{path.name}.{value}"))  # as if made in other seconds
    assert read_tensorboard(tmp_path)[NAME].measured == {"train_loss": {0: 2.0, 1: 2.0}}


def test_a_training_that_fails_is_closed_as_failed(tmp_path):
    def fail():
        with tracking(f"mlflow:{tmp_path}", [SMALL]) as tracked:
            tracked.log(SMALL, 0, {"train_loss": 1.0})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    (run,) = mlflow_runs(tmp_path)[1]
    assert (run.info.status, run.data.metrics) == ("FAILED", {"train_loss": 1.0})


@contextmanager
def on_a_full_disk(folder, name, experiment):
    def log(step, measured):
        if step == 10:
            raise OSError(28, "No space left on device")

    yield Entry(log, lambda outcome: None)


def test_a_tracker_that_fails_is_no_failure_of_the_run(tmp_path, monkeypatch):
    """One line; a sweep ends, records no failure, and goes on when it is asked again."""
    monkeypatch.setitem(TRACKERS, "full", Tracker(on_a_full_disk))
    line = r"^`log` must .* got 'full:.*', which failed \(OSError: .*No space left.*\)\. .*again"
    with pytest.raises(WorkerError, match=line):
        train(SMALL, tmp_path, progress=False, log=f"full:{tmp_path}")
    with pytest.raises(WorkerError, match=line):
        sweep(GRID, tmp_path, workers=1, progress=False, log=f"full:{tmp_path}")
    assert Store(tmp_path).failures() == {}
    assert "0 missing, 2 done, 0 failed" in repr(sweep(GRID, tmp_path, workers=1, progress=False))


def test_an_own_function_that_fails_fails_the_run_as_it_is(tmp_path):
    with pytest.raises(ZeroDivisionError):
        train(SMALL, progress=False, log=lambda step, measured: 1 / 0)


@pytest.mark.parametrize("text", ["csv", "csv:", ":logs", "wandb", "neptune:logs", "", "CSV:logs"])
def test_a_target_that_is_none_is_refused_before_training(text, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    line = rf"`log` must be KIND:DIR, where the kind is one of csv, .*, got '{text}'\. Use csv:"
    with pytest.raises(ConfigError, match=line):
        train(SMALL, "runs", log=text)
    with pytest.raises(ConfigError, match=line):
        sweep(GRID, "runs", log=text)
    for command in (["train"], ["sweep", "figure3a"]):
        with pytest.raises(SystemExit) as ended:
            cli.main([*command, "--log", text])
        assert ended.value.code == 2
        printed = capsys.readouterr()
        assert printed.err.startswith("grokscope: `log` must be KIND:DIR")
        assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="`log` must be in a folder that can be written"):
        train(SMALL, log=f"csv:{tmp_path / 'file' / 'logs'}")


@pytest.mark.parametrize("kind", [kind for kind, row in TRACKERS.items() if row.packages])
def test_a_missing_library_is_one_line(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    package = TRACKERS[kind].packages[0]
    line = rf"got '{kind}:logs' without {package}\. Use pip install 'grokscope\[{kind}\]'\."
    with pytest.raises(ConfigError, match=line):
        train(SMALL, tmp_path, log=f"{kind}:logs")


def test_the_commands_take_a_target(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "map.toml").write_text(GRID.to_toml())
    options = "--steps 5 --modulus 7 --width 8 --train-fraction 0.8".split()  # noqa: SIM905
    for command in (["train", *options], ["sweep", "map.toml", "--workers", "1"]):
        with pytest.raises(SystemExit) as ended:
            cli.main([*command, "--log", "csv:logs"])
        assert not ended.value.code, capsys.readouterr().err
    assert len(read_csv(tmp_path / "logs")) == 3


def test_the_help_names_every_kind(capsys):
    for command in ("train", "sweep"):
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        words = capsys.readouterr().out
        assert all(kind in words for kind in TRACKERS)


def without_signs_of_a_test():
    """The environment of a user: some libraries behave otherwise where they see a test."""
    signs = ("PYTEST", "CI", "WANDB", "MLFLOW")
    return {key: value for key, value in os.environ.items() if not key.startswith(signs)}


OFFLINE = """
import sys

def heard(event, arguments):
    reaches = event == "socket.connect" and isinstance(arguments[1], tuple)
    if reaches or event == "socket.getaddrinfo":
        print(event, arguments)

sys.addaudithook(heard)
from grokscope import Experiment, train
train(Experiment(steps=2, modulus=7, width=8), progress=False, log=sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wandb", "mlflow"])
def test_nothing_reaches_the_network(kind, tmp_path):
    """Neither from Python, nor the server that Weights & Biases' own process would talk to."""
    asked = []

    class Server(BaseHTTPRequestHandler):
        def handle_one_request(self):
            asked.append(self.rfile.readline())

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        environment = without_signs_of_a_test() | {"WANDB_BASE_URL": address}
        ran = subprocess.run(
            [sys.executable, "-c", OFFLINE, f"{kind}:logs"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        server.shutdown()
    assert (ran.returncode, ran.stdout, ran.stderr, asked) == (0, "", "", [])
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]
    assert len(READ[kind](tmp_path / "logs")) == 1


@pytest.mark.slow
def test_help_loads_no_tracker(tmp_path):
    packages = {name for row in TRACKERS.values() for name in row.packages}
    code = (
        "import sys, atexit\n"
        f"atexit.register(lambda: print(sorted({packages} & set(sys.modules)), file=sys.stderr))\n"
        "import grokscope; grokscope.train\n"
        "from grokscope.cli import main; main(['train', '--help'])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stderr == "[]\n"
