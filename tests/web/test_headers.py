"""Every answer protects its reader, and every page obeys its own policy."""

from html.parser import HTMLParser

import pytest
from flask import url_for

from tests.support.world import World, acts_of, client_of

EXPECTED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


LOADS = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("form", "action")}


class Seen(HTMLParser):
    """What a page loads, sends to, or holds against a policy without 'unsafe-inline'."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.addresses += [value or "" for name, value in attrs if (tag, name) in LOADS]
        if tag == "style" or (
            tag == "script" and "src" not in told and told.get("type") != "application/ld+json"
        ):
            self.inline.append(tag)
        self.inline += [f"{tag} {name}" for name in told if name == "style" or name.startswith("on")]
        self.inline += [f"{tag} {name}" for name, value in attrs if (value or "").startswith("javascript:")]


@pytest.mark.parametrize(
    "path", ["/", "/nulle-part", "/mon-espace", "/healthz", "/communes.json?q=ren", "/sitemap.xml", "/%00"]
)
def test_every_answer_has_the_headers(client, path):
    response = client.get(path)
    assert {name: response.headers.get(name) for name in EXPECTED} == EXPECTED


def test_the_policy_allows_nothing_inline_and_nobody_to_frame_a_page(client):
    policy = client.get("/").headers["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["frame-ancestors"] == "'none'"
    assert rules["base-uri"] == "'none'"
    assert rules["form-action"] == rules["script-src"] == rules["style-src"] == "'self'"
    assert "unsafe" not in policy


def test_a_static_file_is_kept_for_a_year_and_is_what_it_says(client):
    response = client.get("/static/site.css")
    assert response.headers["Cache-Control"] == "max-age=31536000, public"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in response.headers


def test_the_address_of_a_static_file_changes_with_its_content(app, tmp_path, monkeypatch):
    monkeypatch.setattr(app, "static_folder", str(tmp_path))
    (tmp_path / "site.css").write_text("a { color: red }")
    before = static_address(app)
    (tmp_path / "site.css").write_text("a { color: blue }")
    assert static_address(app) != before


def static_address(app) -> str:
    with app.test_request_context():
        return url_for("static", filename="site.css")


def test_every_page_obeys_its_policy_and_asks_nobody_else(app, market):
    world = World(market)
    reader = client_of(app, world.everything())
    visitor = client_of(app, None)
    pages = [world.path(act.endpoint) for act in acts_of(app) if act.method == "GET"]
    for path in (*pages, "/nulle-part"):
        for client in (visitor, reader):
            response = client.get(path, follow_redirects=True)
            if response.mimetype != "text/html":
                continue
            seen = Seen(response.text)
            assert seen.inline == [], path
            assert [a for a in seen.addresses if not is_ours(a)] == [], path


def is_ours(address: str) -> bool:
    own = address.startswith(("http://localhost/", "data:", "?", "#")) or address == ""
    return own or (address.startswith("/") and not address.startswith("//"))


def test_a_session_cookie_is_out_of_reach_of_scripts_and_other_sites(app, market):
    world = World(market)
    response = client_of(app, None).post("/connexion", data=world.form("accounts.login"))
    cookies = response.headers.getlist("Set-Cookie")
    assert sorted(cookie.split("=")[0] for cookie in cookies) == ["remember", "session"]
    for cookie in cookies:
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
