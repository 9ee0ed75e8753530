"""The invoke server by itself."""

import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from model.errors import InputError
from model.serve import make_server


@pytest.fixture
def serving():
    """Starts servers on any free port and stops them at the end."""
    servers = []

    def start(run) -> http.client.HTTPConnection:
        server = make_server(run, 0)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join(20)


def ask(connection, method: str, path: str, body: str | None = None) -> tuple[int, dict]:
    connection.request(method, path, body)
    response = connection.getresponse()
    assert response.getheader("Content-Type") == "application/json"
    return response.status, json.loads(response.read())


def test_server_answers_health_invoke_and_nothing_else(serving):
    calls = []
    connection = serving(lambda: calls.append(1) or [])
    assert ask(connection, "GET", "/health")[0] == 200
    assert ask(connection, "GET", "/invoke")[0] == 404
    assert ask(connection, "POST", "/health")[0] == 404
    connection.request("POST", "/invoke", headers={"Content-Length": "many"})
    assert connection.getresponse().read() and calls == []
    connection.close()
    assert calls == []
    assert ask(connection, "POST", "/invoke", " " * 500_000) == (201, {"status": "done"})
    assert ask(connection, "POST", "/invoke")[0] == 201
    assert calls == [1, 1]


def test_server_reports_failures_and_survives_them(serving, capsys):
    results = iter([["a.mha: truncated; replace it"], []])
    connection = serving(lambda: next(results))
    assert ask(connection, "POST", "/invoke") == (
        500,
        {"status": "failed", "errors": ["a.mha: truncated; replace it"]},
    )
    assert ask(connection, "POST", "/invoke")[0] == 201
    status, content = ask(connection, "POST", "/invoke")  # StopIteration: a bug
    assert status == 500 and "internal error" in content["errors"][0]
    assert ask(connection, "GET", "/health")[0] == 200
    assert "StopIteration" in capsys.readouterr().err


def test_server_does_one_invocation_at_a_time_and_stays_healthy(serving):
    entered, release = threading.Semaphore(0), threading.Event()
    running = []

    def run() -> list[str]:
        running.append(1)
        entered.release()
        assert release.wait(20)
        running.append(-1)
        return []

    first = serving(run)
    second, third = (http.client.HTTPConnection("127.0.0.1", first.port, timeout=20) for _ in range(2))
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(ask, connection, "POST", "/invoke") for connection in (first, second)]
        assert entered.acquire(timeout=20)
        assert ask(third, "GET", "/health")[0] == 200
        assert not entered.acquire(timeout=0.3)
        release.set()
        assert [answer.result()[0] for answer in answers] == [201, 201]
    assert running == [1, -1, 1, -1]


def test_a_port_that_cannot_be_had_is_refused():
    with make_server(lambda: [], 0) as server:
        for port in (server.server_port, 99999):
            with pytest.raises(InputError, match=f"port {port}: cannot listen .*; choose another --port"):
                make_server(lambda: [], port)
