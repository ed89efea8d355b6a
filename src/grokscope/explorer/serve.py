"""The page of a sweep, as one file or served to a browser."""

from __future__ import annotations

import secrets
import webbrowser
from collections.abc import Callable, Container
from functools import lru_cache
from http.server import ThreadingHTTPServer

import xarray as xr

from grokscope.errors import ConfigError
from grokscope.explorer import trajectory
from grokscope.explorer.page import page
from grokscope.explorer.payload import details, has_kept_weights, overview
from grokscope.explorer.server import LOOPBACK, make_server
from grokscope.explorer.source import Source
from grokscope.progress import progress_bar


class _UntrainedError(Exception):
    """A cell has no run."""


def whole_page(source: Source, library: str | None = None) -> tuple[str, int]:
    """The page with everything that it shows in it, and how many cells are behind it.

    Args:
        source: what it shows.
        library: as of `page`.
    """
    cells, data = {}, source.dataset()
    with progress_bar("packing runs", data.status.size, True, unit="runs") as advance:
        for cell in range(data.status.size):
            run = source.run(cell)
            if run is not None:
                cells[cell] = details(run)
            advance(1)
    return page(overview(data), cells, library), len(cells)


def listen(
    source: Source, host: str = LOOPBACK, port: int = 0, allowed: Container[str] = ()
) -> ThreadingHTTPServer:
    """A server of the page, which listens; the caller runs and closes it.

    Args:
        source: what it shows.
        host: address to listen at.
        port: 0 for a free one.
        allowed: other names that requests may have for this machine, as behind a proxy.

    Raises:
        ConfigError: if it cannot listen there.
    """

    @lru_cache(maxsize=256)  # where the weights are stored, pruning takes a third of a second
    def known(sweep: str, cell: int) -> dict[str, object]:
        run = source.run(cell, sweep)
        if run is None:
            raise _UntrainedError  # which is not remembered: it may be trained later
        return details(run)

    def cell_details(sweep: str, cell: int) -> dict[str, object] | None:
        try:
            return known(sweep, cell)
        except _UntrainedError:
            return None

    def over_time(sweep: str, cell: int) -> str | None:
        run = source.run(cell, sweep)
        return None if run is None or not has_kept_weights(run) else trajectory.whole_page(run)

    shown: tuple[xr.Dataset, dict[str, object]] | None = None

    def seen(known: str) -> dict[str, object] | None:
        nonlocal shown
        data = source.dataset()
        if shown is None or shown[0] is not data:
            shown = data, overview(data) | {"version": secrets.token_hex(8)}
        return None if known == shown[1]["version"] else shown[1]

    return _listening(page(), seen, cell_details, over_time, host, port, allowed)


def listen_with(
    whole: str, host: str = LOOPBACK, port: int = 0, allowed: Container[str] = ()
) -> ThreadingHTTPServer:
    """A server of a page that holds all its data; arguments and errors as `listen`."""

    def nothing(sweep: str, cell: int) -> None:
        return None

    return _listening(whole, lambda known: None, nothing, nothing, host, port, allowed)


def _listening(
    whole: str,
    seen: Callable[[str], dict[str, object] | None],
    cell: Callable[[str, int], dict[str, object] | None],
    over_time: Callable[[str, int], str | None],
    host: str,
    port: int,
    allowed: Container[str],
) -> ThreadingHTTPServer:
    """A server as `make_server` makes it, whose errors name the settings."""
    if not host:
        raise ConfigError("`host` must be an address, got none. Use 127.0.0.1.")
    try:
        return make_server(whole, seen, cell, over_time, host, port, allowed)
    except OSError as error:
        raise ConfigError(
            f"`host` and `port` must be an address and a port to serve at, got {host}:{port} "
            f"({error.strerror}). Leave them out for a free one on this machine."
        ) from None


def show(server: ThreadingHTTPServer, host: str, browser: bool) -> str:
    """The address of a server's page, which a browser opens if wanted."""
    address = f"http://{host}:{server.server_port}/"
    if browser:
        webbrowser.open(address)
    return address
