"""Invoke mode: a server that keeps the model loaded. GET /health → 200, POST /invoke → 201 on success."""

import json
import threading
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from model.errors import InputError, reason

Run = Callable[[], list[str]]
_MAX_BODY_BYTES = 1 << 20


def make_server(run: Run, port: int) -> ThreadingHTTPServer:
    """A server bound to the port (0: any free one), to be started with serve_forever().

    run does one invocation and returns one line per case that failed; invocations wait for each other.
    Raises InputError where the port cannot be had.
    """
    lock = threading.Lock()

    class Handler(_Handler):
        def invoke(self) -> list[str]:
            with lock:
                return run()

    try:
        return ThreadingHTTPServer(("", port), Handler)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"port {port}", f"cannot listen ({reason(error)})", "choose another --port"
        ) from None


class _Handler(BaseHTTPRequestHandler):
    timeout = 60  # a client that never finishes its request

    def invoke(self) -> list[str]:
        raise NotImplementedError

    def do_GET(self) -> None:
        if self.path == "/health":
            self._answer(200, {"status": "healthy"})
        else:
            self._answer(404, {"error": f"no such path: {self.path}"})

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length") or "0"
        if not length.isdecimal():
            self._answer(400, {"error": f"Content-Length: {length}"})
            return
        self.rfile.read(min(int(length), _MAX_BODY_BYTES))
        if self.path != "/invoke":
            self._answer(404, {"error": f"no such path: {self.path}"})
            return
        try:
            errors = self.invoke()
        except Exception:
            traceback.print_exc()  # a bug: the log needs all of it, the server goes on
            errors = ["internal error, see the log"]
        if errors:
            self._answer(500, {"status": "failed", "errors": errors})
        else:
            self._answer(201, {"status": "done"})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if self.path != "/health":  # asked every few seconds
            print(f"{self.command} {self.path}: {code}", flush=True)
