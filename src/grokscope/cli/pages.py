"""Commands that make pages for a browser, and movies: explore, movie."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grokscope.cli.base import (
    PAGES,
    RUNS,
    Code,
    Every,
    GridOfStore,
    Json,
    RunName,
    Seeds,
    Settled,
    Store,
    allow_named,
    app,
    option_number,
)
from grokscope.cli.sweeps import requested_grid
from grokscope.errors import ConfigError

if TYPE_CHECKING:
    from grokscope.runs.run import Run

LAST_PORT = 65535

Sources = Annotated[
    list[Path],
    typer.Argument(
        metavar="STORE|FILE|NAME|RUN...",
        help="A folder of runs, an exported sweep, the name of a shipped one, or a run that kept "
        "its weights over time; further runs are compared with it.",
    ),
]
AllowedHosts = Annotated[
    list[str] | None,
    typer.Option(
        help="Name of this machine that requests may have, as behind a proxy; may be repeated.",
        metavar="NAME",
    ),
]


@app.command()
def explore(
    source: Sources,
    grid: GridOfStore = None,
    settle: Settled = False,
    seeds: Seeds = None,
    every: Every = None,
    store: Store = RUNS,
    code: Code = None,
    export: Annotated[
        Path | None, typer.Option(help="Write one HTML file that needs no server, and stop.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to serve at; another lets other machines read the page.")
    ] = "127.0.0.1",
    port: Annotated[int, option_number("Port (default a free one).", least=0, most=LAST_PORT)] = 0,
    allow_host: AllowedHosts = None,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    as_json: Json = False,
) -> None:
    """Look at a sweep or at one network over time, in a browser.

    A sweep is shown by its phase diagrams, and by the network behind every cell. A run that kept
    its weights over time has a time slider, and its neurons move.

    Example: [bold]grokscope explore runs[/bold], or [bold]grokscope explore fb20ab[/bold]
    """
    from grokscope.explorer import serve, trajectory
    from grokscope.explorer.source import is_run, open_source
    from grokscope.paper.shipped import located
    from grokscope.runs.files import require_file

    allow_named(code)
    if export is not None:
        require_file(export, "export", PAGES)
    if len(source) > 1 or is_run(source[0]):
        if grid is not None or settle or seeds is not None or every is not None:
            raise ConfigError(
                "`grid`, `settle`, `seeds` and `every` must be given with a sweep, got a run. "
                "Leave them out."
            )
        run, *others = _opened(source, store)
        page = trajectory.whole_page(run, others)
        if export is not None:
            _write(export, page, {"steps": run.dataset.sizes["kept_step"]}, as_json)
        else:
            _serve(serve.listen_with(page, host, port, allow_host or ()), host, browser, as_json)
        return
    swept = located(source[0])
    opened = open_source(swept, requested_grid(swept, grid, seeds, settle, every))
    if export is not None:
        page, n_cells = serve.whole_page(opened)
        _write(export, page, {"cells": n_cells}, as_json)
    else:
        _serve(serve.listen(opened, host, port, allow_host or ()), host, browser, as_json)


def _opened(names: Sequence[Path], store: Path) -> list[Run]:
    """Runs by their files or the beginnings of their digests."""
    from grokscope.runs.store import Store as Folder

    return [Folder(store, mend=False).open_named(str(name)) for name in names]


def _write(export: Path, page: str, holds: dict[str, int], as_json: bool) -> None:
    """Write a page, and say what it holds."""
    from grokscope.runs.files import write_atomically

    write_atomically(export, page.encode())
    written = {"page": str(export), **holds, "bytes": export.stat().st_size}
    print(json.dumps(written) if as_json else f"page     {export}")


def _serve(server: ThreadingHTTPServer, host: str, browser: bool, as_json: bool) -> None:
    """Serve a page until it is interrupted."""
    from grokscope.explorer import serve

    address = serve.show(server, host, browser)
    print(json.dumps({"address": address}) if as_json else f"page     {address}", flush=True)
    if not as_json:
        print("Ctrl-C ends it.", flush=True)
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


@app.command()
def movie(
    run: RunName,
    store: Store = RUNS,
    code: Code = None,
    out: Annotated[Path | None, typer.Option(help="MP4 or GIF (default figures/RUN.mp4)")] = None,
    fps: Annotated[int, option_number("Frames a second.", most=100)] = 20,
    frames: Annotated[
        int | None,
        option_number("At most so many frames, evenly chosen (default every kept step)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw a movie of one network as it learns, a frame for each step whose weights are kept.

    It shows accuracies, neurons, their IPR, and the logits of a wrongly labelled example.

    Example: [bold]grokscope movie fb20ab --out grokking.mp4[/bold]
    """
    from grokscope.plotting.movie import write_movie

    allow_named(code)
    (opened,) = _opened([Path(run)], store)
    path = out or Path("figures") / f"{opened.digest[:12]}.mp4"
    n_frames = write_movie(opened, path, fps, frames)
    written = {"movie": str(path), "frames": n_frames, "bytes": path.stat().st_size}
    print(json.dumps(written) if as_json else f"movie    {path}")
