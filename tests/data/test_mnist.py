"""MNIST: its files read, found, downloaded and refused; trained on with wrong labels."""

import gzip

import numpy as np
import pytest

import plain
from grokscope.data.dataset import make_dataset
from grokscope.data.mnist import FILES, FOLDER, SOURCE, _read, parse_idx, read_mnist
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.runs.compact import without_weights
from grokscope.runs.train import train
from reference import MNIST as REAL

with_files = pytest.mark.skipif(not REAL.is_dir(), reason=f"set {FOLDER} to MNIST's folder")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache of downloads, and nothing remembered."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(FOLDER, raising=False)
    monkeypatch.setenv(SOURCE, "http://127.0.0.1:9/none/")
    _read.cache_clear()
    yield tmp_path / "cache/grokscope/mnist"
    _read.cache_clear()


def test_idx_by_its_definition():
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    header = bytes([0, 0, 8, 3]) + np.array(array.shape, ">u4").tobytes()
    assert np.array_equal(parse_idx(header + array.tobytes()), array)
    for wrong in (b"", b"\x89PNG", bytes([0, 0, 13, 1, 0, 0, 0, 1, 0])):
        with pytest.raises(ValueError, match="not an IDX file"):
            parse_idx(wrong)


@with_files
def test_files_are_read_compressed_or_not(tmp_path):
    images, labels, test_images, test_labels = read_mnist(REAL)
    assert (images.shape, test_images.shape) == ((60_000, 784), (10_000, 784))
    assert (images.dtype, images.max(), labels.min(), labels.max()) == (np.uint8, 255, 0, 9)
    assert labels[:5].tolist() == [5, 0, 4, 1, 9]  # as its authors print them
    assert np.bincount(test_labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009
    ]  # fmt: skip
    for name in FILES:
        (tmp_path / name).write_bytes(gzip.decompress((REAL / f"{name}.gz").read_bytes()))
    for array, other in zip(read_mnist(tmp_path), read_mnist(REAL), strict=True):
        assert np.array_equal(array, other)


@with_files
def test_what_is_missing_is_downloaded_once(server, cache, monkeypatch):
    monkeypatch.setenv(SOURCE, server(REAL))
    images = read_mnist()[0]
    assert sorted(path.name for path in cache.iterdir()) == sorted(f"{n}.gz" for n in FILES)
    _read.cache_clear()
    monkeypatch.setenv(SOURCE, "http://127.0.0.1:9/none/")
    assert np.array_equal(read_mnist()[0], images)


def test_no_network_is_one_clear_line():
    with pytest.raises(ConfigError, match=f"be downloaded.*failed.*Set {FOLDER} to a folder") as e:
        read_mnist()
    assert "\n" not in str(e.value)


def test_other_content_is_refused_and_not_kept(server, cache, monkeypatch, tmp_path):
    for name in FILES:
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(b"something else"))
    with pytest.raises(ConfigError, match="must be MNIST's, got a file with another checksum"):
        read_mnist(tmp_path)
    monkeypatch.setenv(SOURCE, server(tmp_path))
    with pytest.raises(ConfigError, match="another checksum"):
        read_mnist()
    assert not list(cache.glob("*.gz"))


def test_a_folder_without_the_files_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="must hold MNIST's train-images-idx3-ubyte"):
        read_mnist(tmp_path)


@pytest.mark.slow
@with_files
def test_wrong_labels_and_a_network(monkeypatch):
    monkeypatch.setenv(FOLDER, str(REAL))
    base = Experiment(
        task="mnist", model="image_mlp", loss="cross_entropy", corruption_fraction=0.2,
        train_fraction=0.02, batch_size=64, steps=60, measure_every=30,
    ).replace(width=32, learning_rate=0.003)  # fmt: skip
    data = make_dataset(base)
    assert data.inputs.shape == (11_200, 784)
    assert (data.n_train, data.is_corrupted.sum()) == (1200, 240)
    assert np.array_equal(data.given_labels[1200:], data.true_labels[1200:])
    smaller = make_dataset(base.replace(train_fraction=0.01))
    assert np.array_equal(smaller.inputs[:600], data.inputs[:600])
    run = train(base, progress=False)
    assert run.final.test_accuracy > 0.5
    assert run.neuron_ipr.size == 0
    logits = plain.image_mlp(run.network, data.inputs[1200:])
    hits = (logits.argmax(1) == data.true_labels[1200:]).mean()
    assert float(run.final.test_accuracy) == pytest.approx(hits, abs=3e-4)
    lean = without_weights(run)
    assert "neurons_required" not in lean.dataset


@pytest.mark.slow
@with_files
def test_pixels_move_to_the_device_once_and_as_bytes(monkeypatch):
    import jax

    from grokscope.training import ensemble as t

    train_block, traced = t.train_block, []

    def spy(state, dynamic, start, n_steps, static, how):
        block = jax.make_jaxpr(train_block.__wrapped__, static_argnums=(4, 5))
        traced.append(str(block(state, dynamic, start, n_steps, static, how)))
        return train_block(state, dynamic, start, n_steps, static, how)

    monkeypatch.setenv(FOLDER, str(REAL))
    base = Experiment(task="mnist", model="image_mlp", batch_size=64).replace(width=8)
    steps = base.replace(steps=2, measure_every=2)
    monkeypatch.setattr(t, "train_block", spy)
    for _ in t.train_steps([steps], [make_dataset(steps)]):
        pass
    (compiled,) = traced
    assert f"u8[{base.n_train},784]" in compiled
    assert f"f32[{base.n_train},784]" not in compiled  # never all of them as numbers, nor a copy
