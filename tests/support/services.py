"""Services of the outside, on this machine: an HTTP server that answers what the test says, a mail server."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.controller import Controller


@dataclass
class HttpService:
    """Answers every GET with `status`, `headers` and `body`, after `delay` seconds; `drip`: byte by byte.

    `first`: the statuses of the first answers, in that order.
    """

    port: int = 0
    status: int = 200
    body: bytes = b"{}"
    delay: float = 0.0
    drip: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    first: list[int] = field(default_factory=list)
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def answer(self, told: Any) -> None:
        self.body = told if isinstance(told, bytes) else json.dumps(told).encode()


@contextmanager
def http_service() -> Iterator[HttpService]:
    service = HttpService()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            service.asked.append((parts.path, parse_qs(parts.query)))
            time.sleep(service.delay)
            self.send_response(service.first.pop(0) if service.first else service.status)
            self.send_header("Content-Type", "application/json")
            for name, value in service.headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(BrokenPipeError, ConnectionResetError):  # whoever asked did not wait
                self._send(service.body)

        def _send(self, body: bytes) -> None:
            for byte in body if service.drip else ():
                self.wfile.write(bytes([byte]))
                time.sleep(service.drip)
            if not service.drip:
                self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service.port = server.server_address[1]
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class MailService:
    """Keeps what it is sent, or refuses with the answer given for a step ("mail", "rcpt", "data")."""

    port: int = 0
    refuses: dict[str, str] = field(default_factory=dict)
    received: list[EmailMessage] = field(default_factory=list)
    was_encrypted: bool = False

    async def handle_MAIL(self, _server, _session, envelope, address, _options):
        if "mail" not in self.refuses:
            envelope.mail_from = address
        return self.refuses.get("mail", "250 OK")

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        if "rcpt" not in self.refuses:
            envelope.rcpt_tos.append(address)
        return self.refuses.get("rcpt", "250 OK")

    async def handle_DATA(self, _server, session, envelope):
        if "data" in self.refuses:
            return self.refuses["data"]
        content = envelope.content.replace(b"\r\n", b"\n")
        self.received.append(BytesParser(policy=default).parsebytes(content))
        self.was_encrypted = session.ssl is not None
        return "250 kept"


@contextmanager
def mail_service(**options: Any) -> Iterator[MailService]:
    """Run a real SMTP server; `options` are those of aiosmtpd's Controller."""
    service = MailService(port=free_port())
    controller = Controller(service, hostname="127.0.0.1", port=service.port, **options)
    controller.start()
    try:
        yield service
    finally:
        controller.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
