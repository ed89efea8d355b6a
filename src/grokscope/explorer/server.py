"""A server of the page and its data, one cell at a time, and of nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

from grokscope.errors import ConfigError, StoreError

LOOPBACK = "127.0.0.1"

CELL = re.compile(r"/cell/([0-9]{1,9})")


def make_server(
    page: str,
    overview: Callable[[], dict[str, object]],
    cell: Callable[[int], dict[str, object] | None],
    host: str = LOOPBACK,
    port: int = 0,
) -> ThreadingHTTPServer:
    """A server of `/`, `/overview` and `/cell/N`, which the caller runs and closes.

    While it serves this machine only, it refuses requests that name another host, so that no page
    from elsewhere can read it. If a function fails, the answer has status 503 and the reason.

    Args:
        page: the page.
        overview: makes what `/overview` answers.
        cell: makes what `/cell/N` answers; None for a cell that was not trained.
        host: address to listen at.
        port: port to listen at; 0 for a free one.

    Raises:
        OSError: if it cannot listen there.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = (self.headers.get("Host") or "").rpartition(":")[0] or self.headers.get("Host")
            if is_local and name not in (LOOPBACK, "localhost", host):
                self.send_error(403)
            elif self.path == "/":
                self._answer(page, "text/html; charset=utf-8")
            elif self.path == "/overview":
                self._answer_with(overview)
            elif asked := CELL.fullmatch(self.path):
                self._answer_with(lambda: cell(int(asked[1])))
            else:
                self.send_error(404)

        def _answer_with(self, make: Callable[[], object]) -> None:
            try:
                found, status = make(), 200
            except (ConfigError, StoreError, OSError) as error:
                found, status = {"error": str(error)}, 503
            self._answer(json.dumps(found, allow_nan=False), "application/json", status)

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

    server = ThreadingHTTPServer((host, port), Handler)
    is_local = ip_address(str(server.server_address[0])).is_loopback
    return server
