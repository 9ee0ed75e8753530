"""Invoke mode: a server that keeps the model loaded. GET or HEAD /health → 200, POST /invoke → 201 on success.

Invocations run one after the other, in the thread that calls serve_forever(): so a signal ends a run as it does without
a server. Requests are read and answered in threads of their own.
"""

import queue
import socketserver
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from model.errors import InputError, reason
from model.request import Handler, Refused
from model.terminal import report

Run = Callable[[], list[str]]

MAX_CONNECTIONS = 64
# Beside the invocation that runs. A client that leaves while it waits gives up its place, within LOOK_SECONDS.
MAX_WAITING = 4
LOOK_SECONDS = 0.5


def make_server(run: Run, port: int) -> "Server":
    """A server bound to the port (0: any free one), to be started with serve_forever().

    run does one invocation and returns one line per case that failed. Raises InputError where the port cannot be had.
    """
    try:
        return Server(run, port)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"port {port}", f"cannot listen ({reason(error)})", "choose another --port"
        ) from None


class Server(socketserver.ThreadingTCPServer):
    """Accepts in one thread, answers in one per connection, runs in the caller's."""

    allow_reuse_address, daemon_threads = True, True
    request_queue_size = MAX_CONNECTIONS

    def __init__(self, run: Run, port: int) -> None:
        self.run = run
        self.connections = threading.Semaphore(MAX_CONNECTIONS)
        self.places = threading.Semaphore(1 + MAX_WAITING)
        self.waiting: queue.SimpleQueue[Future[list[str]] | None] = queue.SimpleQueue()
        self.stopped = threading.Event()
        super().__init__(("", port), _Handler)
        self.server_port = int(self.server_address[1])

    def serve_forever(self, poll_interval: float = 0.1) -> None:
        """Until shutdown() is called in another thread, or an interrupt comes."""
        threading.Thread(target=super().serve_forever, args=(poll_interval,), daemon=True).start()
        try:
            while (future := self._next()) is not None:
                if future.set_running_or_notify_cancel():
                    self._run_for(future)
        finally:
            super().shutdown()
            while not self.waiting.empty():
                if (future := self.waiting.get()) is not None:
                    future.cancel()
            self.stopped.set()

    def _next(self) -> "Future[list[str]] | None":
        """The next invocation; None: it is time to stop."""
        while True:
            # Without a limit a signal that comes just before the wait would not be seen until the next invocation.
            with suppress(queue.Empty):
                return self.waiting.get(timeout=LOOK_SECONDS)

    def shutdown(self) -> None:
        """After the invocations that were asked for before."""
        self.waiting.put(None)
        self.stopped.wait()

    def _run_for(self, future: "Future[list[str]]") -> None:
        try:
            errors = self.run()
        except (InputError, RuntimeError, MemoryError, OSError) as error:
            text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {reason(error)}"
            report(RuntimeError(text))
            errors = [text]
        except Exception:
            traceback.print_exc()  # a bug: the log needs all of it, the server goes on
            errors = ["internal error, see the log"]
        except BaseException:  # an interrupt
            future.set_exception(CancelledError())
            raise
        future.set_result(errors)

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread; where too many are busy, the connection is closed at once."""
        if not self.connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread to be had
            self.connections.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left, or no thread for it: nothing to tell, and the next one may fare better."""


class _Handler(Handler):
    server: Server

    def invoke(self) -> list[str]:
        """Wait for one's turn and for the run. Raises Refused where too many wait, or the server ends."""
        if not self.server.places.acquire(blocking=False):
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "too many wait, try again later")
        future: Future[list[str]] = Future()
        try:
            self.server.waiting.put(future)
            while not future.done():
                wait([future], LOOK_SECONDS)
                # Nobody would see a run that has not begun; one that has is not stopped.
                if not future.done() and self.client_left():
                    future.cancel()
            return future.result()
        except CancelledError:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "not run, try again later") from None
        finally:
            self.server.places.release()
