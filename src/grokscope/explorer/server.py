"""A server of the page and its data, one cell at a time, and of nothing else."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Container
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any

from grokscope.errors import ConfigError, StoreError

LOOPBACK = "127.0.0.1"

OVERVIEW = re.compile(r"/overview(?:/([0-9a-f]{16}))?")

CELL = re.compile(r"/(cell|time)/([0-9a-f]{16})/([0-9]{1,9})")


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: object) -> None:
        """Print an error, unless a browser has left: it drops its requests."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Answering(BaseHTTPRequestHandler):
    def _answer_with(self, make: Callable[[], object]) -> None:
        try:
            found, status = make(), 200
        except (ConfigError, StoreError, OSError) as error:
            found, status = {"error": str(error)}, 503
        self._answer(json.dumps(found, allow_nan=False), "application/json", status)

    def _answer_page(self, make: Callable[[], str | None]) -> None:
        try:
            page = make()
        except (ConfigError, StoreError, OSError) as error:
            self.send_error(503, explain=str(error))
            return
        if page is None:
            self.send_error(404)
        else:
            self._answer(page, "text/html; charset=utf-8")

    def _answer(self, text: str, kind: str, status: int = 200) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


def make_server(
    page: str,
    overview: Callable[[str], dict[str, object] | None],
    cell: Callable[[str, int], dict[str, object] | None],
    over_time: Callable[[str, int], str | None],
    host: str = LOOPBACK,
    port: int = 0,
    allowed: Container[str] = (),
) -> ThreadingHTTPServer:
    """A server of `/`, `/overview/VERSION`, `/cell/SWEEP/N` and `/time/SWEEP/N`.

    The caller runs and closes it.

    While it serves this machine only, it refuses requests that name another host, so that no page
    from elsewhere can read it. If a function fails, the answer has status 503 and the reason.

    Args:
        page: the page.
        overview: makes what `/overview` answers, and `/overview/VERSION` to a page that has that
            version already: None if it is still the same.
        cell: makes what `/cell/SWEEP/N` answers; None for a cell that was not trained, or of a
            sweep that is not served here.
        over_time: makes the page at `/time/SWEEP/N`; None for a cell without kept weights.
        host: address to listen at.
        port: port to listen at; 0 for a free one.
        allowed: other names that requests may have for this machine, as behind a proxy.

    Raises:
        OSError: if it cannot listen there.
    """

    class Handler(_Answering):
        def do_GET(self) -> None:
            asked = self.headers.get("Host") or ""
            name = asked.rpartition(":")[0] or asked
            if is_local and not (name in (LOOPBACK, "localhost", host) or name in allowed):
                self.send_error(403)
            elif self.path == "/":
                self._answer(page, "text/html; charset=utf-8")
            elif known := OVERVIEW.fullmatch(self.path):
                self._answer_with(lambda: overview(known[1] or ""))
            elif (cell_of := CELL.fullmatch(self.path)) and cell_of[1] == "cell":
                self._answer_with(lambda: cell(cell_of[2], int(cell_of[3])))
            elif cell_of:
                self._answer_page(lambda: over_time(cell_of[2], int(cell_of[3])))
            else:
                self.send_error(404)

    server = _Server((host, port), Handler)
    is_local = ip_address(str(server.server_address[0])).is_loopback
    return server
