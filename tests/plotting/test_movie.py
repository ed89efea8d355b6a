"""Movies of one network: their frames, and what is refused."""

import json
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

import grokscope
from grokscope import Experiment
from grokscope.cli import main
from grokscope.errors import ConfigError
from grokscope.plotting import movie

SMALL = Experiment(
    modulus=7, width=16, steps=50, corruption_fraction=0.3, keep_weights="log:6", measure="log:9"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return grokscope.train(SMALL, tmp_path_factory.mktemp("store"), progress=False)


def frames_of(path):
    """The frames of an MP4 as numbers [frame, row, column, colour]."""
    decode = ["-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    found = subprocess.run([movie._ffmpeg(), *decode], capture_output=True, check=True).stdout
    return np.frombuffer(found, np.uint8).reshape(-1, 720, 1280, 3)


def test_an_mp4_has_a_frame_for_each_kept_step_and_they_differ(run, tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    assert run.movie(tmp_path / "a.mp4") == 6
    frames = frames_of(tmp_path / "a.mp4").astype(int)
    assert len(frames) == 6
    for before, after in pairwise(frames):
        assert (np.abs(after - before) > 60).sum() > 100
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_gif_has_at_most_so_many_frames_and_lasts_as_asked(run, tmp_path):
    assert run.movie(str(tmp_path / "a.gif"), fps=5, frames=3) == 3
    with Image.open(tmp_path / "a.gif") as found:
        assert (found.n_frames, found.size, found.info["duration"]) == (3, (800, 450), 200)
        assert found.info["loop"] == 0


@movie.style.context
def drawn_both_ways(run, frame):
    """The points of a frame, drawn on what stays and drawn as a whole."""
    film = movie._film(movie.trajectory(run), 50)
    film.show_frame(frame)
    quick = np.asarray(film._agg.buffer_rgba()).astype(int)
    for artist in (artist for move in film._moves for artist in move(frame)):
        artist.set_animated(False)
    film._agg.draw()
    return quick, np.asarray(film._agg.buffer_rgba()).astype(int)


def test_a_frame_is_what_a_full_drawing_would_be(run):
    """But for the order in which lines cross."""
    quick, whole = drawn_both_ways(run, 4)
    assert (np.abs(quick - whole).max(axis=-1) > 100).mean() < 0.0005


@movie.style.context
def film_of(run):
    return movie._film(movie.trajectory(run), 50)


def test_long_small_print_lies_within_the_frame(run):
    before = {"weight_decay": 8, "batch_size": 5, "learning_rate": 0.02}
    branch = SMALL.replace(start_step=5, before=before, prune_by="memorizing")
    film = film_of(grokscope.train(branch, progress=False))
    (text,) = (text for text in film.texts if "from step 5" in text.get_text())
    words = text.get_window_extent()
    assert 0 < words.x0 < words.x1 < film.bbox.width


@pytest.mark.parametrize("first", [0, 5, 20])
def test_the_axis_of_steps_has_several_ticks_wherever_a_run_begins(first, run):
    if first:
        branch = SMALL.replace(start_step=first, before={"weight_decay": 1})
        run = grokscope.train(branch, progress=False)
    axes = film_of(run).axes[0]
    low, high = axes.get_xlim()
    shown = [label.get_text() for tick, label in zip(axes.get_xticks(), axes.get_xticklabels(),
             strict=True) if low <= tick <= high]  # fmt: skip
    assert low == first
    assert len(set(shown)) >= 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"corruption_fraction": 0},
        {"model": "transformer", "tied": True},
        {"task": "plain_data:features", "model": "image_mlp", "width": 8},
    ],
)
def test_networks_without_some_panels_have_movies(settings, tmp_path):
    base = Experiment(steps=1, keep_weights="log:2") if "task" in settings else SMALL
    run = grokscope.train(base.replace(**settings), progress=False)
    assert run.movie(tmp_path / "a.gif", frames=2) == 2


def test_the_command(run, tmp_path, capsys):
    out = tmp_path / "a.gif"
    with pytest.raises(SystemExit) as ended:
        main(["movie", str(run.path), "--out", str(out), "--frames", "2", "--json"])
    assert ended.value.code == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"movie": str(out), "frames": 2, "bytes": out.stat().st_size}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--out", "a.webm"], "`out` must be a file that ends in .mp4, .gif"),
        (["--out", "a.gif", "--fps", "0"], "`fps`"),
        (["--out", "a.gif", "--frames", "0"], "`frames`"),
        (["--out", "taken/a.gif"], "`out`"),
    ],
)
def test_bad_input_is_told_in_one_line(run, tmp_path, capsys, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").touch()
    with pytest.raises(SystemExit) as ended:
        main(["movie", str(run.path), *words])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_without_ffmpeg_the_extra_is_named_and_nothing_is_written(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"grokscope\[movie\]"):
        run.movie(tmp_path / "a.mp4")
    assert not [*tmp_path.iterdir()]


def test_weights_must_have_been_kept(tmp_path):
    run = grokscope.train(SMALL.replace(keep_weights=None, steps=1), progress=False)
    with pytest.raises(ConfigError, match="log:40"):
        run.movie(tmp_path / "a.gif")
    with pytest.raises(ConfigError, match="`fps` must be 1 or more"):
        run.movie(tmp_path / "a.gif", fps=0)
