"""Invoke servers with stand-ins for the run, and clients that send what they like."""

import socket
import threading

import pytest

from model.serve import make_server


@pytest.fixture
def serving():
    """Starts servers on any free port, returns the port, and stops them at the end."""
    servers = []

    def start(run=lambda: []) -> int:
        server = make_server(run, 0)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return server.server_port

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join(20)


@pytest.fixture
def send():
    """Sends bytes to a port, piece by piece, and returns all that comes back until the server closes."""

    def exchange(port: int, *pieces: bytes, then_leave: bool = False) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            for piece in pieces:
                client.sendall(piece)
            if then_leave:
                client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(1 << 16), b""))

    return exchange
