"""A server of one file on loopback that misbehaves as it is told to, an answer at a time."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable
from typing import Any


class FileServer:
    """Serves ``content`` under every path.

    Attributes:
      content: the file.
      headers: sent with it: an ETag, a Last-Modified.
      ranges: whether Range is understood.
      conditional: whether If-Range is.
      script: for the next requests, what answers instead of ``serve``; given the handler.
      requests: the headers of each so far.
    """

    def __init__(self) -> None:
        self.content = bytes(range(256)) * 800  # 200 KiB
        self.headers = {"ETag": '"one"'}
        self.ranges = self.conditional = True
        self.script: list[Callable[[Any], None]] = []
        self.requests: list[dict[str, str]] = []
        self._end = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/toy.bin"

    def close(self) -> None:
        self._end.set()
        self._server.shutdown()
        self._server.server_close()

    def serve(
        self, handler: Any, cut: int | None = None, stall: bool = False, length: int | None = None
    ) -> None:
        """Answer well, but for: only ``cut`` bytes, then nothing (``stall``) or a closed
        connection; another ``length`` than the true one declared."""
        asked, start = handler.headers.get("Range"), 0
        condition = handler.headers.get("If-Range")
        same = not self.conditional or condition in (None, *self.headers.values())
        if asked and self.ranges and same:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(self.content):
                return self.refuse(416)(handler)
        body = self.content[start:]
        handler.send_response(206 if start else 200)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        if start:
            size = len(self.content)
            handler.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body[:cut])
        if stall:
            self._end.wait(20)
        handler.close_connection |= cut is not None or length is not None
        return None

    def cut(self, count: int) -> Callable[[Any], None]:
        return lambda handler: self.serve(handler, cut=count)

    def stall(self, count: int) -> Callable[[Any], None]:
        return lambda handler: self.serve(handler, cut=count, stall=True)

    def declare(self, length: int) -> Callable[[Any], None]:
        return lambda handler: self.serve(handler, length=length)

    def refuse(self, status: int, **headers: str) -> Callable[[Any], None]:
        def answer(handler: Any) -> None:
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        return answer

    def raw(self, head: str, body: bytes) -> Callable[[Any], None]:
        def answer(handler: Any) -> None:
            handler.wfile.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
            handler.close_connection = True

        return answer

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        files = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                files.requests.append({"path": self.path, **self.headers})
                (files.script.pop(0) if files.script else files.serve)(self)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
