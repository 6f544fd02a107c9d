"""What other sites show of this one, in their pages and in a real browser."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import DESKTOP, PARTNER_PORT
from tests.support.services import free_port

# One site serves them all.
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

WIRE_MAX_BYTES = 30_000


@pytest.fixture
def partner(visit):
    """Open a page of another site that holds what the test says."""
    with ExitStack() as servers:

        def open_page(body: str, *, port: int = PARTNER_PORT):
            page = f"<!doctype html><html lang=fr><title>Partenaire</title><body>{body}</body></html>"
            servers.enter_context(serving(page.encode(), port))
            visitor = visit(DESKTOP)
            visitor.page.goto(f"http://localhost:{port}/")
            return visitor

        yield open_page


@contextmanager
def serving(page: bytes, port: int) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def frame_of(address: str) -> str:
    return f'<iframe src="{address}" title="Échanges" width="600" height="100"></iframe>'


def test_a_partner_shows_the_widget_and_its_links_leave_the_frame(partner, site):
    visitor = partner(frame_of(site.url("/widget/annonces?nombre=2&campagne=partenaire")))
    first = visitor.page.frame_locator("iframe").get_by_role("heading", level=2).first
    expect(first).to_be_visible()
    assert visitor.page.context.cookies() == []
    title = first.inner_text()
    first.get_by_role("link").click()
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text(title)
    assert visitor.page.url.startswith(site.url("/annonces/"))


def test_the_frame_takes_the_height_of_what_it_holds(partner, site):
    script = f'<script src="{site.url("/widget/hauteur.js")}" async></script>'
    visitor = partner(frame_of(site.url("/widget/annonces?nombre=5&hauteur=auto")) + script)
    visitor.page.wait_for_function("document.querySelector('iframe').offsetHeight > 400")
    inside = visitor.page.frames[1].evaluate("document.documentElement.getBoundingClientRect().height")
    frame = visitor.page.evaluate("document.querySelector('iframe').offsetHeight")
    assert frame == pytest.approx(inside, abs=6)  # the frame has a border


def test_without_the_height_asked_for_the_frame_runs_no_script(partner, site):
    visitor = partner(frame_of(site.url("/widget/annonces")))
    expect(visitor.page.frame_locator("iframe").get_by_role("main")).to_be_visible()
    assert visitor.page.frames[1].locator("script").count() == 0
    assert visitor.page.evaluate("document.querySelector('iframe').offsetHeight") < 110


@pytest.mark.parametrize(
    ("is_partner", "path"), [(True, "/besoins"), (True, "/connexion"), (False, "/widget/annonces")]
)
def test_nothing_else_is_framed_and_nobody_else_frames(partner, site, is_partner, path):
    visitor = partner(frame_of(site.url(path)), port=PARTNER_PORT if is_partner else free_port())
    visitor.page.wait_for_load_state("networkidle")
    assert any("frame-ancestors" in said for said in visitor.complaints)
    assert visitor.page.frame_locator("iframe").get_by_role("main").count() == 0


def test_the_widget_is_light_over_the_wire(visit):
    visitor = visit()
    visitor.go("/widget/annonces?nombre=10&hauteur=auto")
    sizes = visitor.page.evaluate(
        "['navigation', 'resource'].flatMap(k => performance.getEntriesByType(k).map(e => e.transferSize))"
    )
    assert len(sizes) == 3
    assert sum(sizes) < WIRE_MAX_BYTES


def test_the_preview_shows_what_one_chooses(visit):
    visitor = visit(DESKTOP)
    visitor.go("/integration")
    visitor.page.get_by_label("Compétence").select_option("tableur")
    visitor.page.get_by_label("Couleurs").select_option("sombre")
    visitor.page.get_by_role("button", name="Mettre à jour").click()
    inside = visitor.page.frame_locator("iframe")
    expect(inside.get_by_role("heading", level=1)).to_contain_text("Tableur")
    assert inside.locator("html.theme-sombre").count() == 1
    assert "competence=tableur" in visitor.page.get_by_label("Code à copier").input_value()
    assert visitor.complaints == []


def test_data_for_search_engines_are_no_script(visit):
    visitor = visit()
    visitor.go("/savoir-faire")
    visitor.page.locator("main article h3 a").first.click()
    assert visitor.page.locator("script[type='application/ld+json']").count() == 1
    assert visitor.complaints == []
