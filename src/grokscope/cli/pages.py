"""Commands that make pages for a browser: explore."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grokscope.cli.base import (
    PAGES,
    Every,
    GridOfStore,
    Json,
    Seeds,
    Settled,
    SweepSource,
    app,
    option_number,
)
from grokscope.cli.sweeps import requested_grid
from grokscope.errors import ConfigError

if TYPE_CHECKING:
    from http.server import ThreadingHTTPServer

    from grokscope.explorer.source import Source

LAST_PORT = 65535


@app.command()
def explore(
    source: SweepSource,
    grid: GridOfStore = None,
    settle: Settled = False,
    seeds: Seeds = None,
    every: Every = None,
    export: Annotated[
        Path | None, typer.Option(help="Write one HTML file that needs no server, and stop.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to serve at; another lets other machines read the sweep.")
    ] = "127.0.0.1",
    port: Annotated[int, option_number("Port (default a free one).", least=0, most=LAST_PORT)] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    as_json: Json = False,
) -> None:
    """Look at a sweep in a browser: its phase diagrams, and the network behind every cell.

    Example: [bold]grokscope explore runs[/bold]
    """
    from grokscope.explorer.source import open_source
    from grokscope.runs.files import require_file

    if export is not None:
        require_file(export, "export", PAGES)
    opened = open_source(source, requested_grid(source, grid, seeds, settle, every))
    if export is not None:
        _write_page(opened, export, as_json)
        return
    server = _server(opened, host, port)
    address = f"http://{host}:{server.server_port}/"
    print(json.dumps({"address": address}) if as_json else f"page     {address}", flush=True)
    if not as_json:
        print("Ctrl-C ends it.", flush=True)
    if browser:
        webbrowser.open(address)
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def _write_page(source: Source, path: Path, as_json: bool) -> None:
    """Write the page as one file, with what is behind every cell."""
    from grokscope.explorer.page import page
    from grokscope.explorer.payload import details, overview
    from grokscope.progress import progress_bar
    from grokscope.runs.files import write_atomically

    cells, data = {}, source.dataset()
    size = data.status.size
    with progress_bar("packing runs", size, True, unit="runs") as advance:
        for cell in range(size):
            run = source.run(cell)
            if run is not None:
                cells[cell] = details(run)
            advance(1)
    write_atomically(path, page(overview(data), cells).encode())
    written = {"page": str(path), "cells": len(cells), "bytes": path.stat().st_size}
    print(json.dumps(written) if as_json else f"page     {path}")


def _server(source: Source, host: str, port: int) -> ThreadingHTTPServer:
    """The server of the page, listening.

    Raises:
        ConfigError: if it cannot listen there.
    """
    from grokscope.explorer.page import page
    from grokscope.explorer.payload import details, overview
    from grokscope.explorer.server import make_server

    def cell_details(cell: int) -> dict[str, object] | None:
        run = source.run(cell)
        return None if run is None else details(run)

    if not host:
        raise ConfigError("`host` must be an address, got none. Use 127.0.0.1.")
    try:
        return make_server(page(), lambda: overview(source.dataset()), cell_details, host, port)
    except OSError as error:
        raise ConfigError(
            f"`host` and `port` must be an address and a port to serve at, got {host}:{port} "
            f"({error.strerror}). Leave them out for a free one on this machine."
        ) from None
