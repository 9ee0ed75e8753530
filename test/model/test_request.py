"""Whatever a client sends gets a status and one line of JSON, and nothing of it is printed as an error."""

import json
import random
import socket
import time

import pytest
from faults.server import HEALTH, INVOKE, REQUESTS

from model import request


def status_of(answer: bytes) -> int:
    """Of a well-formed answer."""
    head, separator, body = answer.partition(b"\r\n\r\n")
    first, *headers = head.decode("ascii").split("\r\n")
    fields = dict(line.split(": ", 1) for line in headers)
    assert separator and first.startswith("HTTP/1.0 ") and fields["Content-Type"] == "application/json"
    if body:
        assert int(fields["Content-Length"]) == len(body) and b"\n" not in body
        assert {"status", "error"} & json.loads(body).keys()
    return int(first.split()[1])


@pytest.mark.parametrize(
    "path",
    [b"/health", b"/health/", b"/health//", b"/health?full=1&x", b"/health/?", b"http://here:80/health"],
)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_health_is_told_at_any_way_to_write_its_path(serving, send, method, path):
    answer = send(serving(), method + b" " + path + b" HTTP/1.1\r\nHost: here\r\n\r\n")
    assert status_of(answer) == 200
    assert answer.endswith(b"\r\n\r\n" if method == b"HEAD" else b'{"status": "healthy"}')


@pytest.mark.parametrize(
    "body", [b"\r\n", b"Content-Length: 3\r\n\r\nabc", b"Content-Length: 0004\r\n\r\nabcd"]
)
@pytest.mark.parametrize("path", [b"/invoke", b"/invoke/", b"/invoke?case=7"])
def test_an_invocation_needs_no_body_and_takes_any(serving, send, path, body):
    calls = []
    answer = send(serving(lambda: calls.append(1) or []), b"POST " + path + b" HTTP/1.0\r\n" + body)
    assert status_of(answer) == 201 and calls == [1]


@pytest.mark.parametrize(
    "chunks", [b"0\r\n\r\n", b"3\r\nabc\r\n0\r\n\r\n", b"A;x=1\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n"]
)
def test_a_body_may_come_in_chunks(serving, send, chunks):
    assert status_of(send(serving(), INVOKE + b"Transfer-Encoding: Chunked\r\n\r\n" + chunks)) == 201


@pytest.mark.parametrize(
    "method, path, allowed",
    [
        (b"POST", b"/health", b"GET, HEAD"),
        (b"DELETE", b"/health/", b"GET, HEAD"),
        (b"BREW", b"/health", b"GET, HEAD"),
        (b"GET", b"/invoke", b"POST"),
        (b"HEAD", b"/invoke", b"POST"),
        (b"PUT", b"/invoke?x", b"POST"),
        (b"OPTIONS", b"/invoke/", b"POST"),
    ],
)
def test_another_method_is_told_which_are_allowed(serving, send, method, path, allowed):
    calls = []
    answer = send(serving(lambda: calls.append(1) or []), method + b" " + path + b" HTTP/1.1\r\n\r\n")
    assert status_of(answer) == 405 and b"\r\nAllow: " + allowed + b"\r\n" in answer and not calls


def test_what_is_no_request_is_refused_in_silence(serving, send, capfd):
    calls = []
    port = serving(lambda: calls.append(1) or [])
    got = {name: status_of(send(port, content)) for name, (_, content) in REQUESTS.items()}
    assert got == {name: status for name, (status, _) in REQUESTS.items()}
    assert not calls and capfd.readouterr() == ("", "")


def test_a_client_that_leaves_in_the_middle_runs_nothing(serving, send, capfd):
    """It may be gone wholly, or have closed its half of the connection, which gets an answer."""
    calls = []
    port = serving(lambda: calls.append(1) or [])
    whole = INVOKE + b"Content-Length: 3\r\n\r\nabc"
    for count in range(0, len(whole), 3):
        answer = send(port, whole[:count], then_leave=True)
        assert status_of(answer) == 400 if count else answer == b""
        socket.create_connection(("127.0.0.1", port)).close()
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(whole[:count])
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
    assert not calls
    assert status_of(send(port, whole, then_leave=True)) == 201
    assert calls == [1] and capfd.readouterr() == ("POST /invoke: 201\n", "")


def test_a_request_may_come_byte_by_byte(serving, send):
    port = serving()
    for whole in (
        HEALTH + b"Host: here\r\n\r\n",
        INVOKE + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    ):
        assert status_of(send(port, *(bytes([byte]) for byte in whole))) in (200, 201)


@pytest.mark.parametrize("begun", [b"", b"GET", HEALTH + b"X: ", INVOKE + b"Content-Length: 10\r\n\r\nabc"])
def test_a_client_that_never_ends_is_not_waited_for(serving, send, begun, monkeypatch, capfd):
    monkeypatch.setattr(request, "REQUEST_SECONDS", 0.3)
    start = time.monotonic()
    assert status_of(send(serving(), begun)) == 408
    assert time.monotonic() - start < 5 and capfd.readouterr() == ("", "")


def test_one_byte_now_and_then_does_not_put_off_the_end(serving, monkeypatch):
    monkeypatch.setattr(request, "REQUEST_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", serving()), timeout=20) as client, pytest.raises(OSError):
        for _ in range(200):
            client.sendall(b"A")
            time.sleep(0.05)
        raise AssertionError("it listens for ever")


def test_random_bytes_never_bring_it_down(serving, send, capfd):
    """Requests with bytes changed, left out and repeated."""
    port, random_ = serving(), random.Random(1)
    seeds = [HEALTH + b"Host: a\r\n\r\n", INVOKE + b"Content-Length: 3\r\n\r\nabc"]
    for _ in range(300):
        content = bytearray(random_.choice(seeds))
        for _ in range(random_.randint(1, 4)):
            at = random_.randrange(len(content))
            content[at : at + random_.randint(0, 3)] = random_.randbytes(random_.randint(0, 3))
        status_of(send(port, bytes(content), then_leave=True))
    assert status_of(send(port, HEALTH + b"\r\n")) == 200
    assert capfd.readouterr().err == ""
