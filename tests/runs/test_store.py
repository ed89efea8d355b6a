import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grokscope.errors import ConfigError, StoreError
from grokscope.experiment.experiment import Experiment, digest
from grokscope.runs.record import final_network
from grokscope.runs.store import Run, claim, find, open_named, open_run, run_path, save, seal
from grokscope.runs.train import train

EXPERIMENT = Experiment(steps=20, corruption_fraction=0.3).replace(modulus=11, width=8)


@pytest.fixture(scope="module")
def run():
    return train(EXPERIMENT, progress=False)


def test_save_and_open_keep_everything(run, tmp_path):
    saved = save(run, tmp_path)
    assert saved.path == run_path(tmp_path, EXPERIMENT)
    again = open_run(saved.path)
    assert again.experiment == EXPERIMENT
    assert again.dataset.identical(run.dataset)
    assert list(tmp_path.iterdir()) == [saved.path]
    network = final_network(again)
    for name in "UVW":
        assert np.array_equal(getattr(network, name), run.dataset[name])


def test_any_reader_of_netcdf_opens_it_and_finds_units_and_descriptions(run, tmp_path):
    with xr.open_dataset(save(run, tmp_path).path) as dataset:
        for name, variable in dataset.variables.items():
            assert variable.attrs["description"], name
        assert all(v.attrs["units"] == "1" for v in dataset.data_vars.values())
        assert dataset.attrs["digest"] == digest(EXPERIMENT)
        assert json.loads(dataset.attrs["experiment"])["steps"] == 20
        assert {"jax", "instructions"} <= json.loads(dataset.attrs["environment"]).keys()
    assert run.dataset.sizes == {
        "step": 3, "matrix": 3, "vectors": 3, "neuron": 8, "residue": 11
    }  # fmt: skip


def test_a_stored_run_is_returned_and_not_trained_again(run, tmp_path):
    save(run, tmp_path)
    stored = train(EXPERIMENT, tmp_path, progress=False)
    assert stored.dataset.attrs["created"] == run.dataset.attrs["created"]
    assert stored.dataset.attrs["seconds"] == run.dataset.attrs["seconds"]


def damage_truncated(path):
    path.write_bytes(path.read_bytes()[:-200])


def damage_flipped(path):
    content = bytearray(path.read_bytes())
    weights = np.float32(open_run(path).dataset.U.values[0, 0]).tobytes()
    content[content.index(weights)] ^= 1
    path.write_bytes(content)


def damage_foreign(path):
    path.write_bytes(b"not a run")


def damage_empty(path):
    path.write_bytes(b"")


def damage_other_netcdf(path):
    xr.Dataset({"x": ("y", [1.0])}).to_netcdf(path, engine="netcdf4")


def damage_other_run(path):
    other = save(train(EXPERIMENT.replace(seed=1), progress=False), path.parent / "other")
    assert other.path is not None
    os.replace(other.path, path)


DAMAGES = [
    damage_truncated,
    damage_flipped,
    damage_foreign,
    damage_empty,
    damage_other_netcdf,
    damage_other_run,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_reported_set_aside_and_run_again(run, tmp_path, damage):
    path = save(run, tmp_path).path
    damage(path)
    content = path.read_bytes()
    if damage is not damage_other_run:
        with pytest.raises(StoreError) as error:
            open_run(path)
        assert "\n" not in str(error.value)
        assert path.read_bytes() == content
    with pytest.warns(UserWarning, match="set aside as"):
        again = train(EXPERIMENT, tmp_path, progress=False)
    assert again.dataset.drop_attrs().identical(run.dataset.drop_attrs())
    assert path.with_name(f"{path.name}.damaged-1").read_bytes() == content
    damage_foreign(path)
    with pytest.warns(UserWarning, match="damaged-2"):
        assert find(tmp_path, EXPERIMENT) is None


@pytest.fixture(scope="module")
def sound(run, tmp_path_factory):
    return save(run, tmp_path_factory.mktemp("sound")).path.read_bytes()


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_any_flipped_bit_is_found_before_the_file_is_parsed(run, sound, tmp_path, place, bit):
    content = bytearray(sound)
    content[int(place * len(content))] ^= 1 << bit
    path = run_path(tmp_path, EXPERIMENT)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"must match its checksum|must be a file of grokscope"):
        open_run(path)


def test_another_schema_is_refused_with_its_number(run, tmp_path):
    path = save(run, tmp_path).path
    dataset = xr.load_dataset(path, engine="netcdf4").assign_attrs(schema_version=99)
    content = bytes(dataset.to_netcdf(engine="netcdf4"))
    path.write_bytes(content + seal(content))
    with pytest.raises(StoreError, match="schema version 1, got 99"):
        open_run(path)


def test_open_by_path_digest_and_beginning(run, tmp_path):
    path = save(run, tmp_path).path
    assert open_named(str(path), Path("elsewhere")).path == path
    for length in (4, 64):
        assert open_named(run.digest[:length], tmp_path).path == path
    for name in ("", "zz", "*", "../x", "no such file"):
        with pytest.raises(StoreError, match="got none"):
            open_named(name, tmp_path)
    other = path.with_name(f"{run.digest[:10]}{'0' * 54}.nc")
    other.write_bytes(path.read_bytes())
    with pytest.raises(StoreError, match="got 2 that begin so"):
        open_named(run.digest[:8], tmp_path)
    with pytest.raises(StoreError, match="must hold the run of its name"):
        open_named(other.stem, tmp_path)


def test_a_store_that_cannot_be_written_is_refused_before_training(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="`store` must be in a folder that can be written"):
        train(EXPERIMENT.replace(steps=10**9), tmp_path / "file" / "runs", progress=False)


def test_a_failed_write_leaves_nothing(run, tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(run, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_claim_holds_until_its_process_ends(tmp_path):
    with claim(tmp_path, EXPERIMENT) as mine, claim(tmp_path, EXPERIMENT) as again:
        assert (mine, again) == (True, False)
        with claim(tmp_path, EXPERIMENT.replace(steps=1)) as other:
            assert other
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from grokscope.runs.store import claim\n"
            "from grokscope import Experiment\n"
            "with claim(Path(sys.argv[1]), Experiment()):\n"
            "    print('mine', flush=True); time.sleep(60)",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"mine\n"
    with claim(tmp_path, Experiment()) as mine:
        assert not mine
    holder.kill()
    holder.wait()
    with claim(tmp_path, Experiment()) as mine:
        assert mine
    assert not list((tmp_path / ".claims").iterdir())


def test_nothing_is_claimed_where_files_cannot_be_locked(tmp_path):
    (tmp_path / ".claims").write_text("in the way")
    with claim(tmp_path, EXPERIMENT) as mine, claim(tmp_path, EXPERIMENT) as again:
        assert mine
        assert again


def test_a_diverged_run_is_data(tmp_path):
    wild = EXPERIMENT.replace(optimizer="sgd", learning_rate=1e9, measure_every=5)
    run = train(wild, tmp_path, progress=False)
    assert run.failed_at is not None
    assert run.phase() is None
    assert run.dataset.step[-1] < run.failed_at
    assert np.isfinite(run.dataset.train_loss).all()
    assert open_run(run.path).failed_at == run.failed_at


def test_phase_of_a_run_takes_thresholds():
    dataset = xr.Dataset(
        {
            "train_accuracy": ("step", [0.1, 1.0, 0.66]),
            "test_accuracy": ("step", [0.0, 0.95, 0.2]),
        }
    )
    run = Run(EXPERIMENT, dataset)
    assert run.phase() == "forgetting"
    assert run.phase(generalizes=0.99) == "confusion"
    assert run.phase(generalizes=0.1, memorizes=0.6) == "coexistence"
