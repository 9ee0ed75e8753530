"""The invoke server: invocations in turn, what failed in them, and its end."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from model.errors import InputError
from model.serve import MAX_CONNECTIONS, MAX_WAITING, make_server

INVOKE = b"POST /invoke HTTP/1.1\r\n\r\n"


def ask(port: int, method: str, path: str, body: str | None = None) -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body)
    response = connection.getresponse()
    assert response.getheader("Content-Type") == "application/json"
    return response.status, json.loads(response.read())


def invoke(port: int) -> tuple[int, dict]:
    return ask(port, "POST", "/invoke")


class HeldRun:
    """A run that ends when it is let go; counts those that began."""

    def __init__(self) -> None:
        self.entered, self.go, self.count = threading.Semaphore(0), threading.Event(), 0

    def __call__(self) -> list[str]:
        self.count += 1
        self.entered.release()
        assert self.go.wait(20)
        return []


def test_server_answers_health_invoke_and_nothing_else(serving):
    calls = []
    port = serving(lambda: calls.append(1) or [])
    assert ask(port, "GET", "/health") == (200, {"status": "healthy"})
    assert ask(port, "GET", "/invoke")[0] == ask(port, "POST", "/health")[0] == 405
    assert ask(port, "POST", "/")[0] == 404
    assert calls == []
    assert ask(port, "POST", "/invoke", " " * 500_000) == (201, {"status": "done"})
    assert invoke(port)[0] == 201
    assert calls == [1, 1]


def test_server_reports_failures_and_survives_them(serving, capsys):
    results = iter([["a.mha: truncated; replace it", "b.mha: no such file; add it"], []])
    port = serving(lambda: next(results))
    failures = ["a.mha: truncated; replace it", "b.mha: no such file; add it"]
    assert invoke(port) == (500, {"status": "failed", "errors": failures})
    assert invoke(port)[0] == 201
    status, content = invoke(port)  # StopIteration: a bug
    assert status == 500 and "internal error" in content["errors"][0]
    assert ask(port, "GET", "/health")[0] == 200
    assert "StopIteration" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error, line",
    [
        (InputError("in", "no such input folder", "give one"), "in: no such input folder; give one"),
        (RuntimeError("CUDA error: lost\nmore"), "RuntimeError: CUDA error: lost"),
        (MemoryError(), "MemoryError: MemoryError"),
        (OSError(28, "No space left on device"), "OSError: No space left on device"),
        (RecursionError("too deep"), "RecursionError: too deep"),
    ],
)
def test_what_ends_a_run_is_one_line_in_log_and_answer(serving, capsys, error, line):
    results = iter([error])

    def run() -> list[str]:
        for error in results:
            raise error
        return []

    port = serving(run)
    assert invoke(port) == (500, {"status": "failed", "errors": [line]})
    assert capsys.readouterr().err == f"error: {line}\n"
    assert invoke(port)[0] == 201


def test_server_does_one_invocation_at_a_time_and_stays_healthy(serving):
    run = HeldRun()
    port = serving(run)
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(invoke, port) for _ in range(2)]
        assert run.entered.acquire(timeout=20)
        for _ in range(5):
            start = time.perf_counter()
            assert ask(port, "GET", "/health")[0] == 200
            assert time.perf_counter() - start < 0.1
        assert not run.entered.acquire(timeout=0.3)
        run.go.set()
        assert [answer.result()[0] for answer in answers] == [201, 201]
    assert run.count == 2


def test_few_wait_and_the_others_are_told_to_come_again(serving):
    run = HeldRun()
    port = serving(run)
    with ThreadPoolExecutor(MAX_WAITING + 4) as pool:
        first = pool.submit(invoke, port)
        assert run.entered.acquire(timeout=20)
        answers = [pool.submit(invoke, port) for _ in range(MAX_WAITING + 3)]
        deadline = time.monotonic() + 20
        while sum(answer.done() for answer in answers) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        run.go.set()
        statuses = sorted(answer.result()[0] for answer in [first, *answers])
    assert statuses == [201] * (1 + MAX_WAITING) + [503] * 3 and run.count == 1 + MAX_WAITING


def test_who_leaves_while_waiting_is_not_run_for(serving, capfd):
    """The run that goes on is not stopped: its client left too; the next one waits and gets a run of its own."""
    run = HeldRun()
    port = serving(run)
    clients = [socket.create_connection(("127.0.0.1", port))]
    clients[0].sendall(INVOKE)
    assert run.entered.acquire(timeout=20)
    for _ in range(3 * MAX_WAITING):  # more than may wait at once, one after the other
        clients.append(socket.create_connection(("127.0.0.1", port)))
        clients[-1].sendall(INVOKE)
    for client in clients:
        client.close()
    deadline = time.monotonic() + 20
    with ThreadPoolExecutor(1) as pool:
        time.sleep(1.2)  # longer than they are waited for
        answer = pool.submit(invoke, port)
        time.sleep(0.2)
        run.go.set()
        assert answer.result()[0] == 201
    assert run.count == 2 and time.monotonic() < deadline
    assert capfd.readouterr().err == ""


def test_silent_clients_do_not_shut_others_out_for_ever(serving):
    port = serving()
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(MAX_CONNECTIONS + 20)]
    time.sleep(0.2)
    assert threading.active_count() < MAX_CONNECTIONS + 20
    for client in idle:
        client.close()
    time.sleep(0.2)
    assert ask(port, "GET", "/health")[0] == 200


SERVE = """
import signal, sys, time
from model.serve import make_server
signal.signal(signal.SIGTERM, signal.default_int_handler)
def run():
    print("running", flush=True)
    for _ in range(600):
        time.sleep(0.1)
with make_server(run, 0) as server:
    try:
        print(server.server_port, flush=True)
        server.serve_forever()
    except KeyboardInterrupt:
        print("cleaned up", flush=True)
        sys.exit(130)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["idle", "in a run"])
def test_a_signal_ends_server_and_run(root, number, moment):
    command = [sys.executable, "-c", SERVE]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root
    ) as server:
        port = int(server.stdout.readline())
        waiting = []
        if moment == "in a run":
            waiting = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(3)]
            for client in waiting:
                client.sendall(INVOKE)
            assert server.stdout.readline() == "running\n"
        start = time.monotonic()
        server.send_signal(number)
        for client in waiting:
            with client, suppress(ConnectionResetError):
                assert client.recv(1 << 16)[:12] in (b"", b"HTTP/1.0 503")
        assert server.communicate(timeout=20) == ("cleaned up\n", "")
        assert server.returncode == 130 and time.monotonic() - start < 5


def test_a_port_that_cannot_be_had_is_refused():
    with make_server(lambda: [], 0) as server:
        for port in (server.server_port, 99999, -1):
            with pytest.raises(InputError, match=f"port {port}: cannot listen .*; choose another --port"):
                make_server(lambda: [], port)


def test_after_a_hundred_invocations_nothing_has_grown(serving, send, capfd):
    """Twenty of them bad, and a slow client beside them all the time."""
    count = iter(range(10_000))
    port = serving(lambda: ["case: bad; replace it"] if next(count) % 10 == 0 else [])

    def state() -> tuple[int, int]:
        deadline = time.monotonic() + 5
        while threading.active_count() > quiet and time.monotonic() < deadline:
            time.sleep(0.02)
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    def slow_client() -> None:
        while not done.is_set():
            send(port, *(bytes([byte]) for byte in INVOKE[:-2]), then_leave=True)

    invoke(port)
    time.sleep(0.2)
    done, quiet = threading.Event(), threading.active_count()
    before = state()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(slow_client)
        statuses = [invoke(port)[0] for _ in range(90)]
        statuses += [int(send(port, b"POST /invoke HTTP/9.9\r\n\r\n")[9:12]) for _ in range(10)]
        done.set()
        slow.result()
    assert (statuses.count(201), statuses.count(500), statuses.count(505)) == (81, 9, 10)
    assert state() == before and capfd.readouterr().err == ""
