"""Requests that are none, sent to the invoke server: a status each, silence on stderr, and the server goes on."""

from pathlib import Path

from faults.fault import Expected, Fault

HEALTH, INVOKE = b"GET /health HTTP/1.1\r\n", b"POST /invoke HTTP/1.1\r\n"
CHUNKED = INVOKE + b"Transfer-Encoding: chunked\r\n\r\n"

REQUESTS = {
    "binary": (400, b"\x00\xff\x80\x01"),
    "binary line": (400, b"\xde\xad\xbe\xef\r\n\r\n"),
    "TLS": (400, bytes.fromhex("1603010200010001fc0303")),
    "escape codes": (400, b"GET /\x1b[2Jhealth HTTP/1.1\r\n\r\n"),
    "empty line": (400, b"\r\n\r\n"),
    "no path": (400, b"GET HTTP/1.1\r\n\r\n"),
    "no version": (400, b"GET /health\r\n\r\n"),
    "no method": (400, b"/health HTTP/1.1\r\n\r\n"),
    "two paths": (400, b"GET /health /health HTTP/1.1\r\n\r\n"),
    "lower version": (400, b"GET /health http/1.1\r\n\r\n"),
    "odd version": (400, b"GET /health HTTP/one\r\n\r\n"),
    "endless version": (400, b"GET /health HTTP/" + b"9" * 5000 + b".1\r\n\r\n"),
    "version 9.9": (505, b"GET /health HTTP/9.9\r\n\r\n"),
    "version 2": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "version 0.9": (505, b"GET /health HTTP/0.9\r\n\r\n"),
    "unknown path": (404, b"GET /healthy HTTP/1.1\r\n\r\n"),
    "root": (404, b"GET / HTTP/1.1\r\n\r\n"),
    "climbing path": (404, b"GET /../../etc/passwd HTTP/1.1\r\n\r\n"),
    "broken host": (404, b"GET http://[ HTTP/1.1\r\n\r\n"),
    "long path": (414, b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n"),
    "long path without an end": (414, b"GET /" + b"a" * 300_000),
    "long header": (431, HEALTH + b"X: " + b"a" * 70_000 + b"\r\n\r\n"),
    "many headers": (431, HEALTH + b"X: y\r\n" * 5000 + b"\r\n"),
    "no header": (400, HEALTH + b"no colon\r\n\r\n"),
    "binary header": (400, HEALTH + b"\x00\x01\x02\r\n\r\n"),
    "continued nothing": (400, HEALTH + b" x: y\r\n\r\n"),
    "length behind garbage": (400, INVOKE + b"garbage\r\nContent-Length: 3\r\n\r\nabc"),
    "length of words": (400, INVOKE + b"Content-Length: many\r\n\r\n"),
    "empty length": (400, INVOKE + b"Content-Length: \r\n\r\n"),
    "negative length": (400, INVOKE + b"Content-Length: -1\r\n\r\n"),
    "signed length": (400, INVOKE + b"Content-Length: +1\r\n\r\na"),
    "fraction": (400, INVOKE + b"Content-Length: 1.0\r\n\r\na"),
    "two lengths": (400, INVOKE + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    "length and chunks": (400, INVOKE + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "huge length": (413, INVOKE + b"Content-Length: 9999999999999\r\n\r\n"),
    "endless length": (413, INVOKE + b"Content-Length: " + b"9" * 6000 + b"\r\n\r\n"),
    "long body": (413, INVOKE + b"Content-Length: 3000000\r\n\r\n" + b" " * 3_000_000),
    "unknown coding": (400, INVOKE + b"Transfer-Encoding: gzip\r\n\r\n"),
    "chunk without size": (400, CHUNKED + b"xyz\r\n"),
    "negative chunk": (400, CHUNKED + b"-1\r\n"),
    "chunk too long": (400, CHUNKED + b"1\r\nabc\r\n0\r\n\r\n"),
    "huge chunk": (413, CHUNKED + b"ffffffff\r\n"),
    "many chunks": (413, CHUNKED + b"" + b"1\r\na\r\n" * 400_000),
}


def make(content: bytes, *, then_leave: bool = False):
    def at(folder: Path) -> list[str]:
        (folder / "request").write_bytes(content)
        return ["faults.exchange", str(folder / "request"), *(["--then-leave"] if then_leave else [])]

    return at


def answered(status: str, runs: int = 0) -> Expected:
    """With a status, or not at all; and the next client is served."""
    return Expected("refused" if runs == 0 else "read", 0, (), (f"status {status}, {runs} runs, then 200",))


WHOLE = INVOKE + b"Content-Length: 3\r\n\r\nabc"
FAULTS = [
    *(
        Fault("server", name, make(content), answered(str(status)))
        for name, (status, content) in REQUESTS.items()
    ),
    *(
        Fault(
            "server",
            f"a client that leaves after {count} bytes",
            make(WHOLE[:count], then_leave=True),
            answered("400" if count else "none"),
        )
        for count in range(0, len(WHOLE), 5)
    ),
    Fault(
        "server", "a client that leaves after its request", make(WHOLE, then_leave=True), answered("201", 1)
    ),
]
