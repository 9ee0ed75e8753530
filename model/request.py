"""One request to the invoke server: read, routed, answered. Whatever a client sends, or however it leaves, is answered
with a status and a line of JSON, or not at all; nothing of it goes to stderr.
"""

import http.client
import io
import json
import re
import socket
import time
from http import HTTPStatus
from socketserver import StreamRequestHandler
from typing import Any

from model.terminal import log

# A client has so long for its whole request, and so long for taking the answer.
REQUEST_SECONDS, ANSWER_SECONDS = 20.0, 5.0
# How long, and for how many bytes, a client is listened to after the answer.
LINGER_SECONDS, LINGER_BYTES = 1.0, 1 << 24
MAX_LINE_BYTES, MAX_BODY_BYTES = 1 << 16, 1 << 20

METHODS = {"/health": ("GET", "HEAD"), "/invoke": ("POST",)}
REQUEST_LINE = re.compile(rb"([!-~]+) ([!-~]+) HTTP/([0-9]{1,9})\.[0-9]{1,9}\r?\n")
TEXT = re.compile(rb"[ -~]*(\r?\n|\r?$)")
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(;[^\r\n]*)?\r?\n")


class Refused(Exception):
    """A request that is answered with a status and one line that says why."""

    def __init__(self, status: HTTPStatus, text: str, **headers: str) -> None:
        super().__init__(status, text)
        self.status, self.text, self.headers = status, text, headers


class Incoming(io.RawIOBase):
    """What a client sends, until the moment at which its whole request has to be there.

    Raises TimeoutError after it, and Refused where the client ends in the middle of the request.
    """

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self.connection, self.end, self.begun = connection, time.monotonic() + seconds, False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.connection.settimeout(left)
        count = self.connection.recv_into(buffer)
        if count == 0 and self.begun:
            raise Refused(HTTPStatus.BAD_REQUEST, "the request ends early")
        self.begun = True
        return count


class Handler(StreamRequestHandler):
    """One request and its answer; then the connection is closed."""

    method, path = "", ""
    incoming: io.BufferedReader
    headers: http.client.HTTPMessage

    def invoke(self) -> list[str]:
        """Do one invocation: one line per case that failed. Raises Refused where it is not done."""
        raise NotImplementedError

    def setup(self) -> None:
        super().setup()
        self.rfile = self.incoming = io.BufferedReader(Incoming(self.connection, REQUEST_SECONDS))

    def handle(self) -> None:
        try:
            if self.incoming.peek(1):
                self._read_head()
                self._answer(*self._respond())
        except Refused as refused:
            self._answer(refused.status, {"error": refused.text}, refused.headers)
        except TimeoutError:
            self._answer(HTTPStatus.REQUEST_TIMEOUT, {"error": "the request takes too long"})

    def finish(self) -> None:
        """Listen to the end: a connection closed while its client still sends is reset, and the answer lost."""
        super().finish()
        self.connection.shutdown(socket.SHUT_WR)
        end, left = time.monotonic() + LINGER_SECONDS, LINGER_BYTES
        while left > 0 and (seconds := end - time.monotonic()) > 0:
            self.connection.settimeout(seconds)
            left -= len(self.connection.recv(MAX_LINE_BYTES)) or left

    def client_left(self) -> bool:
        """Whether it has closed the connection, or its half of it, after its request."""
        self.connection.setblocking(False)
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _read_head(self) -> None:
        """Request line and headers."""
        if not TEXT.match(self.incoming.peek(1)):  # TLS, for example; a line's end may never come
            raise Refused(HTTPStatus.BAD_REQUEST, "this is not HTTP")
        line = self.incoming.readline(MAX_LINE_BYTES + 1)
        if len(line) > MAX_LINE_BYTES:
            raise Refused(HTTPStatus.REQUEST_URI_TOO_LONG, "the request line is too long")
        match = REQUEST_LINE.fullmatch(line)
        if match is None:
            raise Refused(HTTPStatus.BAD_REQUEST, "the first line is no request of HTTP/1.1")
        self.method, self.path, major = (group.decode() for group in match.groups())
        if int(major) != 1:
            raise Refused(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.0 and 1.1 are understood")
        try:
            self.headers = http.client.parse_headers(self.incoming)
        except http.client.HTTPException:
            raise Refused(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too many or too long headers"
            ) from None
        if self.headers.defects:
            raise Refused(HTTPStatus.BAD_REQUEST, "a header is malformed")

    def _respond(self) -> tuple[HTTPStatus, dict[str, Any]]:
        """Status and content of the answer to a request whose head has been read."""
        path = re.split("[?#]", re.sub("^https?://[^/?#]*", "", self.path))[0].rstrip("/")
        if path not in METHODS:
            raise Refused(HTTPStatus.NOT_FOUND, f"no such path, only {' and '.join(METHODS)}")
        if self.method not in METHODS[path]:
            allowed = ", ".join(METHODS[path])
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, f"{path} takes {allowed}", Allow=allowed)
        if path == "/health":
            return HTTPStatus.OK, {"status": "healthy"}
        self._read_body()
        errors = self.invoke()
        status = HTTPStatus.INTERNAL_SERVER_ERROR if errors else HTTPStatus.CREATED
        log(f"{self.method} {path}: {status.value}")
        return status, {"status": "failed", "errors": errors} if errors else {"status": "done"}

    def _read_body(self) -> None:
        """And forget it: an invocation needs none."""
        lengths = self.headers.get_all("Content-Length", [])
        codings = self.headers.get_all("Transfer-Encoding", [])
        if codings:
            if lengths or [coding.strip().lower() for coding in codings] != ["chunked"]:
                raise Refused(HTTPStatus.BAD_REQUEST, "give the body's length, or give it in chunks")
            self._read_chunks()
        elif lengths:
            if len(set(lengths)) > 1 or not re.fullmatch("[0-9]+", lengths[0]):
                raise Refused(HTTPStatus.BAD_REQUEST, "Content-Length is no number of bytes")
            digits = lengths[0].lstrip("0")
            self._skip(int(digits or 0) if len(digits) < 10 else MAX_BODY_BYTES + 1)

    def _read_chunks(self) -> None:
        left = MAX_BODY_BYTES
        while True:
            match = CHUNK_SIZE.fullmatch(self.incoming.readline(MAX_LINE_BYTES))
            if match is None:
                raise Refused(HTTPStatus.BAD_REQUEST, "a chunk without a size")
            size = int(match[1], 16)
            left -= size + len(match[0])
            self._skip(size if left >= 0 else MAX_BODY_BYTES + 1)
            # Headers may follow the last chunk.
            while (line := self.incoming.readline(MAX_LINE_BYTES)) not in (b"\r\n", b"\n"):
                left -= len(line)
                if size or left < 0:
                    raise Refused(HTTPStatus.BAD_REQUEST, "a chunk of another size than it says")
            if not size:
                return

    def _skip(self, count: int) -> None:
        if count > MAX_BODY_BYTES:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too long, and none is needed")
        self.incoming.read(count)

    def _answer(
        self, status: HTTPStatus, content: dict[str, Any], headers: dict[str, str] | None = None
    ) -> None:
        body = json.dumps(content).encode()
        own = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
        lines = [f"HTTP/1.0 {status.value} {status.phrase}"]
        lines += [f"{name}: {value}" for name, value in (own | (headers or {})).items()]
        head = "\r\n".join([*lines, "", ""]).encode()
        self.connection.settimeout(ANSWER_SECONDS)
        self.wfile.write(head if self.method == "HEAD" else head + body)
