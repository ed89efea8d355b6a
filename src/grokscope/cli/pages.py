"""Commands that make pages for a browser: explore."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

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
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="Name of this machine that requests may have, as behind a proxy; may be repeated.",
            metavar="NAME",
        ),
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    as_json: Json = False,
) -> None:
    """Look at a sweep in a browser: its phase diagrams, and the network behind every cell.

    Example: [bold]grokscope explore runs[/bold]
    """
    from grokscope.explorer import serve
    from grokscope.explorer.source import open_source
    from grokscope.runs.files import require_file, write_atomically

    if export is not None:
        require_file(export, "export", PAGES)
    opened = open_source(source, requested_grid(source, grid, seeds, settle, every))
    if export is not None:
        page, n_cells = serve.whole_page(opened)
        write_atomically(export, page.encode())
        written = {"page": str(export), "cells": n_cells, "bytes": export.stat().st_size}
        print(json.dumps(written) if as_json else f"page     {export}")
        return
    server = serve.listen(opened, host, port, allow_host or ())
    address = serve.show(server, host, browser)
    print(json.dumps({"address": address}) if as_json else f"page     {address}", flush=True)
    if not as_json:
        print("Ctrl-C ends it.", flush=True)
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
