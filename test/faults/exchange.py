"""Starts an invoke server with nothing to run, and sends a file's bytes to it: python -m faults.exchange FILE."""

import argparse
import socket
import threading
from pathlib import Path

from model.serve import make_server


def answer(port: int, content: bytes, *, then_leave: bool) -> str:
    """The status, or "none"."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(content)
        if then_leave:
            client.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: client.recv(1 << 16), b""))
    return received.split()[1].decode() if received else "none"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--then-leave", action="store_true", help="close the client's half of the connection")
    args = parser.parse_args()
    runs: list[int] = []
    server = make_server(lambda: runs.append(1) or [], 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    status = answer(server.server_port, args.file.read_bytes(), then_leave=args.then_leave)
    healthy = answer(server.server_port, b"GET /health HTTP/1.1\r\n\r\n", then_leave=False)
    print(f"status {status}, {len(runs)} runs, then {healthy}", flush=True)
    server.shutdown()


if __name__ == "__main__":
    main()
