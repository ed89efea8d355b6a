"""A movie of one network as it learns, for slides."""

from __future__ import annotations

import shutil
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.animation import AbstractMovieWriter, FFMpegWriter, PillowWriter
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg

from grokscope.analysis.trajectory import CURVES, Trajectory, trajectory
from grokscope.errors import ConfigError
from grokscope.plotting import style
from grokscope.plotting.palette import BLUE, GREY, LINES, RED
from grokscope.plotting.panels import BINS, clean_level
from grokscope.plotting.wording import small_print
from grokscope.runs.files import require_file, write_atomically
from grokscope.runs.run import Run

MOVIES = (".mp4", ".gif")
"""Endings of movies."""

INCHES = (8.0, 4.5)
DPI = {".mp4": 160, ".gif": 100}
"""1280 by 720 points for slides, 800 by 450 for pages."""

HOLD = 2
"""Seconds for which a GIF shows its last frame before it starts again."""

Move = Callable[[int], list[Artist]]
"""Sets a panel's artists to a frame, and returns them."""


class Film(style.Picture):
    """A figure of which only some artists change, so that a frame takes a few milliseconds.

    Matplotlib's writers ask for a frame by `savefig`; they get the still part, drawn once, with
    the moving artists on top.
    """

    def show_first(self, moves: list[Move]) -> None:
        """Draw what stays, with the panels where the layout puts them."""
        self._moves = moves
        for artist in (artist for move in moves for artist in move(0)):
            artist.set_animated(True)
        self._agg = FigureCanvasAgg(self)
        self._agg.draw()
        self.set_layout_engine("none")
        self._still = self._agg.copy_from_bbox(self.bbox)

    def show_frame(self, frame: int) -> None:
        """Draw a frame on top of what stays."""
        self._agg.restore_region(self._still)
        for artist in (artist for move in self._moves for artist in move(frame)):
            artist.draw(self._agg.get_renderer())

    def savefig(self, fname: Any, **settings: object) -> None:  # type: ignore[override]
        """Write the present frame as a writer wants it: four bytes a point."""
        fname.write(self._agg.buffer_rgba())


@style.context
def write_movie(run: Run, path: Path, fps: int = 20, frames: int | None = None) -> int:
    """Write a movie of a run's accuracies, neurons, IPR and logits, whole or not at all.

    Args:
        run: with weights kept over time.
        path: an MP4 or GIF file.
        fps: frames a second.
        frames: at most so many, evenly chosen; by default one for each kept step.

    Returns:
        How many frames it has.

    Raises:
        ConfigError: if the run diverged or has not kept its weights over time, an argument is out
            of range, the file cannot be written, or there is no ffmpeg for an MP4.
    """
    if fps < 1:
        raise ConfigError(f"`fps` must be 1 or more, got {fps}. Use 20.")
    require_file(path, "out", MOVIES)
    ending = path.suffix.lower()
    followed = trajectory(run, frames)
    writer = _writer(ending, fps)
    film = _film(followed, DPI[ending])
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / f"movie{ending}"
        with writer.saving(film, whole, DPI[ending]):
            for frame in range(len(followed.steps)):
                film.show_frame(frame)
                writer.grab_frame()
            if ending == ".gif":  # equal frames become one that lasts as long
                for _ in range(HOLD * fps):
                    writer.grab_frame()
        write_atomically(path, whole.read_bytes())
    return len(followed.steps)


def _writer(ending: str, fps: int) -> AbstractMovieWriter:
    """What writes a movie, once it is known to be there.

    Raises:
        ConfigError: if ffmpeg is needed and is not there.
    """
    if ending == ".gif":
        return PillowWriter(fps=fps)
    mpl.rcParams["animation.ffmpeg_path"] = _ffmpeg()  # within this project's settings alone
    return FFMpegWriter(fps=fps, codec="h264", extra_args=["-crf", "20"])


def _ffmpeg() -> str:
    """The program that writes an MP4: of the package imageio-ffmpeg, or on the path."""
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        return get_ffmpeg_exe()
    except (ImportError, RuntimeError):  # the latter of a package that came without the program
        if program := shutil.which("ffmpeg"):
            return program
    raise ConfigError(
        "`out` must be a GIF where there is no ffmpeg, got an MP4. "
        "Install it with pip install 'grokscope[movie]', or use --out movie.gif."
    )


def _film(followed: Trajectory, dpi: int) -> Film:
    """The figure with its panels, at the first step."""
    figure = Film(figsize=INCHES, dpi=dpi, layout="constrained")
    left, right = figure.subplots(2, 2)
    moves = [_step(figure, followed), _accuracies(left[0], followed)]
    if followed.neurons:
        moves.append(_plane(left[1], followed))
    if "ipr" in followed.neurons:
        moves.append(_histogram(right[0], followed))
    moves.append(_logits(right[1], followed))
    for axes in (axes for axes in (left[1], right[0]) if not axes.has_data()):
        axes.set_axis_off()
        axes.text(0, 0.5, textwrap.fill(" ".join(followed.lacking), 50), va="center")
    style.finish(figure, small_print([followed.run]))
    figure.show_first(moves)
    return figure


def _step(figure: Film, followed: Trajectory) -> Move:
    """The present step, in large letters."""
    words = figure.suptitle("step 0", x=0.01, ha="left", fontsize=13, fontweight="bold")

    def move(frame: int) -> list[Artist]:
        words.set_text(f"step {followed.steps[frame]:,}")
        return [words]

    return move


def _accuracies(axes: Axes, followed: Trajectory) -> Move:
    """Accuracies over steps: pale, and strong up to the present step."""
    data, steps = followed.run.dataset, followed.steps
    names = [name for name in CURVES if np.isfinite(data[name].values).any()]
    for name in names:
        look = LINES[name]
        axes.plot(data.step, data[name], color=look["color"], ls=look["ls"], alpha=0.25)
    lines = [axes.plot([], [], **LINES[name])[0] for name in names]
    clean_level(axes, followed.run)
    cursor = axes.axvline(steps[0], color=BLUE, lw=1)
    first, last = int(data.step[0]), max(int(data.step[-1]), 1)
    style.log_steps(axes, first, last, "symlog", linthresh=1.0, linscale=0.4)
    axes.set(xlabel="step", xlim=(min(first, last - 1), last), ylabel="accuracy")
    style.legend_above(axes, 3)

    def move(frame: int) -> list[Artist]:
        until = data.step.values <= steps[frame]
        for line, name in zip(lines, names, strict=True):
            line.set_data(data.step.values[until], data[name].values[until])
        cursor.set_xdata([steps[frame]] * 2)
        return [*lines, cursor]

    return move


def _plane(axes: Axes, followed: Trajectory) -> Move:
    """Each neuron as a point, by what it adds, or else by its wave."""
    neurons = followed.neurons
    x, y = ("memorizing", "generalizing") if "memorizing" in neurons else ("frequency", "ipr")
    places = np.stack([neurons[x], neurons[y]], axis=-1)
    ipr = neurons.get("ipr")
    looks = {"s": 11, "lw": 0.3, "ec": "#222222"}
    if ipr is None:
        points = axes.scatter(*places[0].T, color=GREY, **looks)
    else:
        points = axes.scatter(
            *places[0].T, c=ipr[0], cmap=style.LOW_TO_HIGH, vmin=0, vmax=1, **looks
        )
        axes.figure.colorbar(points, ax=axes, label="IPR", aspect=14)
    if x == "memorizing":
        axes.axhline(0, color="#999999", lw=0.7)
        axes.axvline(0, color="#999999", lw=0.7)
    axes.set(title="neurons", xlabel=x, ylabel="IPR" if y == "ipr" else y)
    for values, setter in ((neurons[x], axes.set_xlim), (neurons[y], axes.set_ylim)):
        low, high = np.nanmin(values), np.nanmax(values)
        setter(low - 0.06 * (high - low or 1), high + 0.06 * (high - low or 1))

    def move(frame: int) -> list[Artist]:
        points.set_offsets(np.ma.masked_invalid(places[frame]))
        if ipr is not None:
            points.set_array(np.ma.masked_invalid(ipr[frame]))
        return [points]

    return move


def _histogram(axes: Axes, followed: Trajectory) -> Move:
    """How many neurons have which IPR, on an axis of square roots."""
    ipr = followed.neurons["ipr"]
    counts = np.stack([np.histogram(one[np.isfinite(one)], BINS)[0] for one in ipr])
    bars = axes.bar(BINS[:-1], counts[0], np.diff(BINS), align="edge", ec="#222222", lw=0.3)
    for bar, middle in zip(bars, BINS, strict=False):
        bar.set_facecolor(style.LOW_TO_HIGH(middle + BINS[1] / 2))
    axes.set_yscale("function", functions=(lambda v: np.sqrt(np.maximum(v, 0)), np.square))
    most = 1.05 * max(counts.max(), 1)
    ticks = [v for v in (0, 10, 50, 200, 500, 1000, 5000) if v <= most]
    axes.set(xlim=(0, 1), ylim=(0, most), yticks=ticks, xlabel="IPR", ylabel="neurons (√ axis)")
    axes.set_title("neurons by IPR")

    def move(frame: int) -> list[Artist]:
        for bar, count in zip(bars, counts[frame], strict=True):
            bar.set_height(count)
        return [*bars]

    return move


def _logits(axes: Axes, followed: Trajectory) -> Move:
    """The logits of one example, with the peaks of its true and its given label."""
    data, index = followed.run.data, followed.examples[0]
    logits = followed.logits[:, 0]
    true, given = int(data.true_labels[index]), int(data.given_labels[index])
    (line,) = axes.plot(logits[0], color="#8a8a8a", lw=0.9)
    marks = {true: axes.plot([], [], "o", color=BLUE, ms=5, label=f"true label {true}")[0]}
    if given != true:
        marks[given] = axes.plot([], [], "X", color=RED, ms=6, label=f"given label {given}")[0]
    gap = 0.08 * (np.ptp(logits) or 1)
    axes.set(xlabel="label", ylabel="logit", ylim=(logits.min() - gap, logits.max() + gap))
    kind = "rightly" if given == true else "wrongly"
    axes.set_title(f"logits of a {kind} labelled example")
    style.legend_above(axes, 2)

    def move(frame: int) -> list[Artist]:
        line.set_ydata(logits[frame])
        for label, mark in marks.items():
            mark.set_data([label], [logits[frame, label]])
        return [line, *marks.values()]

    return move
