"""The site as a person meets it: the demonstration market, served as by `make run`, in headless Chromium."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from marketplace.settings import ROOT
from tests.support import databases
from tests.support.services import free_port

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
# No call home: the machine may have no network, and the site must not need any.
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1280, "height": 900}
STARTS_WITHIN_SECONDS = 90
# A site of somebody else that may frame the widget; tests play it.
PARTNER_PORT = free_port()


@dataclass(frozen=True, slots=True)
class Site:
    """A running site. `mail`: the folder its messages are written to."""

    address: str
    mail: Path

    def url(self, path: str) -> str:
        return self.address + path

    def mailed_link(self, to: str, *, subject: str, within: float = 20) -> str:
        """Return the path of the first link in the newest message to `to`, once the worker has sent it."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            for file in sorted(self.mail.glob("*.eml"), key=lambda f: f.stat().st_mtime, reverse=True):
                message = message_from_bytes(file.read_bytes(), policy=policy.default)
                if message["To"] == to and subject in message["Subject"]:
                    text = message.get_body(("plain",)).get_content()
                    found = urlsplit(re.search(r"https?://\S+", text).group())
                    return found.path + (f"?{found.query}" if found.query else "")
            time.sleep(0.05)
        raise AssertionError(f"no message « {subject} » to {to}")


@pytest.fixture(scope="session")
def site(sqlite: databases.Sqlite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        "DATABASE_URL": sqlite.new(),
        "MAIL_FOLDER": str(folder / "mail"),
        "SECRET_KEY": "only for tests",
        "PUBLIC_URL": address,
        "DEMONSTRATION": "1",
        "WIDGET_ORIGINS": f"http://localhost:{PARTNER_PORT}",
        "ARGON2_MEMORY_KIB": "64",
        "FLASK_WORKER_EVERY": "0.5",  # journeys wait for mail
    }
    log = (folder / "log").open("wb")
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "serve", "--demo", "--port", str(port)]
    server = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        _wait(address, server, folder / "log")
        yield Site(address, folder / "mail")
    finally:
        os.killpg(server.pid, signal.SIGKILL)  # with its worker, and without waiting for open connections
        server.wait(timeout=STARTS_WITHIN_SECONDS)
        log.close()


def _wait(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            if httpx.get(address + "/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"the site did not start:\n{log.read_text()}")


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    if CHROMIUM is None:
        databases.skip("no Chromium: install Debian's chromium or set CHROMIUM")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass(slots=True)
class Visitor:
    """Somebody with a browser of their own; what it complained about, and whom else it called."""

    page: object
    site: Site
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        self.page.goto(self.site.url(path))

    def log_in(self, email: str, password: str) -> None:
        self.go("/connexion")
        self.page.get_by_label("Votre adresse mail").fill(email)
        self.page.get_by_label("Mot de passe").fill(password)
        self.page.get_by_role("button", name="Me connecter").click()

    def see(self, text: str) -> None:
        from playwright.sync_api import expect

        expect(self.page.get_by_text(text).first).to_be_visible()

    def fits(self) -> bool:
        """Say whether the page scrolls down only."""
        return self.page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )


@pytest.fixture
def visit(chromium, site: Site) -> Iterator[Callable[..., Visitor]]:
    """Open a browser for somebody: `visit()` on a phone; `visit(DESKTOP)`, `visit(javascript=False)`."""
    with _closing() as contexts:

        def open_browser(viewport: dict[str, int] = PHONE, *, javascript: bool = True) -> Visitor:
            context = chromium.new_context(viewport=viewport, locale="fr-FR", java_script_enabled=javascript)
            context.set_default_timeout(10_000)
            contexts.append(context)
            visitor = Visitor(context.new_page(), site)
            _listen(visitor)
            return visitor

        yield open_browser


@contextmanager
def _closing() -> Iterator[list]:
    contexts: list = []
    try:
        yield contexts
    finally:
        for context in contexts:
            context.close()


def _listen(visitor: Visitor) -> None:
    page, complain = visitor.page, visitor.complaints.append
    page.on("pageerror", lambda error: complain(f"script: {error}"))
    page.on("console", lambda said: complain(f"console: {said.text}") if said.type == "error" else None)
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((visitor.site.address, "data:"))
            else complain(f"called {request.url}")
        ),
    )
