"""A real HTTP server that answers as a test tells it, and remembers what it was sent."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.broker import free_port


class Endpoint:
    """`answers` are used up one by one; then all is well. An answer is a status, with headers and seconds."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self.answers: list[tuple[int, dict[str, str], float]] = []
        self.always: tuple[int, dict[str, str], float] = (200, {}, 0.0)
        self.taken: list[dict[str, Any]] = []
        """Bodies that were answered with 200."""
        self.asked = 0
        self.headers: list[dict[str, str]] = []
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook/s3cret-path"

    @property
    def items(self) -> list[dict[str, Any]]:
        return [item for body in self.taken for item in body["items"]]

    def start(self) -> Endpoint:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.asked += 1
                outer.headers.append(dict(self.headers))
                status, headers, seconds = outer.answers.pop(0) if outer.answers else outer.always
                time.sleep(seconds)
                if status == 200:
                    outer.taken.append(json.loads(body))
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except OSError:
                    pass  # Who asked has gone.

            do_GET = do_POST

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def until(question: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.05)
    raise AssertionError("it never came true")
