"""Commands that make pages for a browser: explore."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from grokscope.cli.base import PAGES, Json, app, whole
from grokscope.cli.sweeps import Every, Seeds, Settled, requested_grid
from grokscope.errors import ConfigError

LAST_PORT = 65535


@app.command()
def explore(
    source: Annotated[
        Path, typer.Argument(metavar="STORE|FILE", help="A folder of runs, or an exported sweep.")
    ],
    grid: Annotated[
        str | None,
        typer.Option(metavar="GRID", help="Which sweep of the store (default found out from it)."),
    ] = None,
    settle: Settled = False,
    seeds: Seeds = None,
    every: Every = None,
    export: Annotated[
        Path | None, typer.Option(help="Write one HTML file that needs no server, and stop.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to serve at; another lets other machines read the sweep.")
    ] = "127.0.0.1",
    port: Annotated[str, typer.Option(metavar="N", help="Port (default a free one).")] = "0",
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    as_json: Json = False,
) -> None:
    """Look at a sweep in a browser: its phase diagrams, and the network behind every cell.

    Example: [bold]grokscope explore runs[/bold]
    """
    from grokscope.explorer.page import page
    from grokscope.explorer.payload import details, overview
    from grokscope.explorer.server import make_server
    from grokscope.explorer.source import open_source
    from grokscope.progress import progress_bar
    from grokscope.runs.files import require_file, write_atomically

    if export is not None:
        require_file(export, "export", PAGES)
    opened = open_source(source, requested_grid(source, grid, seeds, settle, every))
    if export is not None:
        cells, data = {}, opened.dataset()
        size = data.status.size
        with progress_bar("packing runs", size, True, unit="runs") as advance:
            for cell in range(size):
                run = opened.run(cell)
                if run is not None:
                    cells[cell] = details(run)
                advance(1)
        write_atomically(export, page(overview(data), cells).encode())
        written = {"page": str(export), "cells": len(cells), "bytes": export.stat().st_size}
        print(json.dumps(written) if as_json else f"page     {export}")
        return

    def cell_details(cell: int) -> dict[str, Any] | None:
        run = opened.run(cell)
        return None if run is None else details(run)

    number = whole("port", port)
    if number > LAST_PORT:
        raise ConfigError(
            f"`port` must be at most {LAST_PORT}, got {number}. Use 0 for a free one."
        )
    if not host:
        raise ConfigError("`host` must be an address, got none. Use 127.0.0.1.")
    try:
        server = make_server(page(), lambda: overview(opened.dataset()), cell_details, host, number)
    except OSError as error:
        raise ConfigError(
            f"`host` and `port` must be an address and a port to serve at, got {host}:{number} "
            f"({error.strerror}). Leave them out for a free one on this machine."
        ) from None
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
