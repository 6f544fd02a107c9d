"""Whatever is sent to whatever address: an answer for people, nothing half written, never a 500."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BytesIO
from itertools import cycle, islice, product
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from marketplace import create_app
from marketplace.extensions import db
from marketplace.models import AuditEntry, OutboxMail
from marketplace.services import throttle
from tests.support.world import Act, World, acts_of, by_the_dozen, client_of

SCRIPT = "<script>alert(1)</script>"
TEXTS = {
    "nothing": "",
    "blanks": " \t\r\n\u00a0\u200b ",
    "nul": "a\x00b",
    "control": "\x1b[31m\x07\x1e\x7f",
    "surrogate": "\ud83d",
    "right to left": "\u202etxt.exe",
    "long": "x" * 100_000,
    "long line of words": "mot " * 25_000,
    "emoji": "👩🏽‍🌾🥖" * 20,
    "html": f"\"'>{SCRIPT}<img src=x onerror=alert(1)>&amp;",
    "sql": "' OR 1=1; DROP TABLE listing; -- %_\\",
    "template": "{{7*7}}{% raw %}%s%n${7*7}",
    "path": "../../../../etc/passwd",
    "address": "https://piege.example//piege.example",
    "negative": "-1",
    "zero": "0",
    "beyond 32 bits": str(2**31),
    "beyond 64 bits": "9" * 40,
    "beyond all digits": "9" * 5_000,
    "not a number": "NaN",
    "infinite": "1e999",
    "other digits": "٣",
}
# The nastiest, tried in one field at a time as well.
WORST = ("nothing", "nul", "surrogate", "long", "html", "beyond 64 bits")
IN_ADDRESSES = (*WORST, "control", "path", "negative", "not a number", "other digits")
# What PostgreSQL refuses where SQLite does not: the rest is settled before any database, and tried on one.
FOR_DATABASES = ("nul", "surrogate", "beyond 32 bits", "beyond 64 bits")
ADDRESS_MAX = 5_000  # longer than any server lets through
VALUE_MAX = 500  # as long in all, with every parameter, and longer than any field takes
# Every name that an address of the site may carry.
PARAMETERS = (
    "q", "nom", "mail", "suite", "next", "page", "siret", "activite", "activite_code", "secteur", "effectif",
    "commune", "commune_insee", "adresse", "competence", "competence_2", "description", "titre", "niveau",
    "lieu", "rayon", "rayon_concurrent", "horaires", "urgence", "simultanes", "total", "permanente",
    "structure", "frequence", "domaine", "territoire", "tri", "etat", "type", "portee", "brouillon", "v",
    "signe", "sujet", "age", "decision", "vue", "carte",
    "theme", "nombre", "hauteur", "campagne", "origine",
)  # fmt: skip


@pytest.fixture(autouse=True)
def without_limits(monkeypatch):
    """Each request of a test must go as deep as the first."""
    monkeypatch.setattr(throttle, "count_attempt", lambda *_args, **_limits: None)


@pytest.fixture
def everything(app) -> bool:
    """Say whether this database is the one that everything is tried on."""
    return app.config["SQLALCHEMY_DATABASE_URI"].startswith("sqlite")


@pytest.fixture
def tried(everything) -> Callable[[Iterable[str]], list[str]]:
    """Return which of some texts are tried on this database."""
    return lambda names: [name for name in names if everything or name in FOR_DATABASES]


@pytest.fixture
def world(market) -> World:
    return World(market)


@pytest.fixture
def everybody(app, world) -> list[FlaskClient]:
    """A visitor, and somebody whom no page turns away."""
    return [client_of(app, None), client_of(app, world.everything())]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests for each address that exists, so that a new one is tried without anybody thinking of it."""
    if not {"pages", "act"} & set(metafunc.fixturenames):
        return
    acts = acts_of(create_app({"DATABASE_URL": "sqlite://", "SECRET_KEY": "x", "MAIL_FOLDER": "x"}))
    if "pages" in metafunc.fixturenames:
        metafunc.parametrize("pages", by_the_dozen([act for act in acts if act.method == "GET"]))
    else:
        metafunc.parametrize(
            "act", [act for act in acts if act.method == "POST"], ids=lambda act: act.endpoint
        )


# Asked twice for each answer.
WRITTEN = select(*(select(func.count(table.id)).scalar_subquery() for table in (AuditEntry, OutboxMail)))


def written() -> tuple[int, ...]:
    return tuple(db.session.execute(WRITTEN).one())


def check(client: FlaskClient, method: str, path: str, **sent: Any) -> TestResponse:
    """Ask, and check what holds for every answer."""
    before = written()
    response = client.open(path, method=method, **sent)
    assert response.status_code < 500, (method, path[:200])
    assert SCRIPT.encode() not in response.data
    if response.status_code >= 400:
        assert written() == before, "refused, and written all the same"
        assert response.mimetype != "text/html" or "<h1" in response.text
    return response


def test_every_page_bears_any_parameter_said_once_twice_nested_or_unreadable(
    world, everybody, everything, tried, pages
):
    visitor, reader = everybody
    texts = {name: _sendable(TEXTS[name][:VALUE_MAX]) for name in tried(IN_ADDRESSES)}
    in_all = [dict.fromkeys(PARAMETERS, texts[name]) for name in tried(WORST)]
    in_turn = [dict(zip(PARAMETERS, _from(texts.values(), shift), strict=False)) for shift in range(2)]
    unreadable = [
        "&".join(f"{name}=1&{name}=2&{name}[]=1&{name}[a][b]=2" for name in PARAMETERS),
        "&".join(f"{name}=%ff%c3%28%ed%a0%80" for name in PARAMETERS) + "&%ff=%ff&&&==&=;b=2&%",
    ]
    in_all += unreadable if everything else []
    for page, (client, queries) in product(pages, ((visitor, in_turn), (reader, in_all))):
        path = world.path(page.endpoint)
        for query in queries:
            if _is_sent_to_log_in(check(client, "GET", path, query_string=query)):
                break


def test_every_address_bears_any_text_in_its_parts(app, world, everybody, tried):
    texts = [TEXTS[name][:ADDRESS_MAX] for name in tried(IN_ADDRESSES)]
    for act, client in product(acts_of(app), everybody):
        for path in (path for text in texts for path in _with_each_part(app, world, act, text)):
            if _is_sent_to_log_in(check(client, act.method, path)):
                break


@pytest.mark.parametrize("key", ["0", "2147483647", "2147483648", "9" * 40, "-1"])
def test_an_id_that_leads_nowhere_is_not_found(app, world, everybody, key):
    visitor, reader = everybody
    for act in acts_of(app):
        if act.endpoint.startswith("partner_api."):  # without a token nothing is looked for
            continue
        for part in (part for part in world.values(act.endpoint) if part.endswith("_id")):
            path = _raw(app, act, {**world.values(act.endpoint), part: key})
            sent = {"data": world.form(act.endpoint)} if act.method == "POST" else {}
            assert check(reader, act.method, path, **sent).status_code in (404, 405), path
            assert check(visitor, act.method, path, **sent).status_code in (302, 404, 405), path


def test_every_form_bears_any_text_in_its_fields(world, everybody, tried, act):
    visitor, reader = everybody
    path, form = world.path(act.endpoint), world.form(act.endpoint)
    names, texts = [*form, "unknown"], [_sendable(TEXTS[name]) for name in tried(TEXTS)]
    in_all = [dict.fromkeys(names, _sendable(TEXTS[name])) for name in tried(WORST)]
    in_turn = [dict(zip(names, _from(texts, shift), strict=False)) for shift in range(0, len(texts), 4)]
    for client, sent in ((visitor, in_turn[:2]), (reader, in_all + in_turn)):
        for data in sent:
            if _is_sent_to_log_in(check(client, "POST", path, data=data)):
                break
    for field in form:  # in one, while the others are right
        for name in tried(("nul", "html", "beyond 64 bits")):
            check(reader, "POST", path, data={**form, field: _sendable(TEXTS[name])})


@pytest.mark.parametrize("app", ["sqlite"], indirect=True)  # no file comes as far as a database
def test_every_form_bears_a_file_where_text_is_expected(app, world, everybody):
    _, reader = everybody
    for path, form in _forms(app, world):
        check(reader, "POST", path, data={field: (BytesIO(b"\x00\xff"), "a\x00<b>.exe") for field in form})


@pytest.mark.parametrize("app", ["sqlite"], indirect=True)  # how often a field is said, no database sees
def test_every_form_bears_fields_said_twice_or_nested(app, world, everybody):
    _, reader = everybody
    for path, form in _forms(app, world):
        check(reader, "POST", path, data=MultiDict([(field, "a") for field in form] * 2))
        check(reader, "POST", path, data={f"{field}[]": "a" for field in form} | {"a[0][b]": "a"})
        check(reader, "POST", path, data={field: ["1"] * 1_000 for field in form})


@pytest.mark.parametrize("app", ["sqlite"], indirect=True)  # no body of these comes as far as a database
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b"nom=%ff%fe&mail=%c3(&%00=%00&=&&"),
        ("application/x-www-form-urlencoded; charset=utf-16", b"nom=a"),
        ("application/json", b'{"nom": ["a"], "siret": {"b": 1}}'),
        ("application/json", b"[" * 50_000),
        ("text/plain", b"\x00\xff"),
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\n"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n\xff\r\n--x--',
        ),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\na\r\n" * 1_000 + b"--x--",
        ),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data; name=nom\r\n\r\n" + b"x" * 5_000_000,
        ),
        ("x" * 5_000, b"a"),
        ("\xff", b"a"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_every_form_bears_a_body_of_another_kind(app, world, everybody, kind, body):
    _, reader = everybody
    for path, _form in _forms(app, world):
        check(reader, "POST", path, data=body, content_type=kind)


def test_a_body_that_is_too_big_is_refused_with_a_page(app, everybody):
    response = check(
        everybody[0], "POST", "/connexion", data={"mail": "x" * (app.config["MAX_CONTENT_LENGTH"] + 1)}
    )
    assert response.status_code == 413
    assert "Envoi trop lourd" in response.text


def test_an_address_that_does_not_exist_has_a_page_in_any_alphabet(everybody):
    for path in (
        "/nulle-part",
        "/%ff%fe",
        "/🥖",
        "/a%0d%0aSet-Cookie:%20x=1",
        "/" + "x" * 8_000,
        "/a\x00b",
        "//x.example",
    ):
        response = check(everybody[0], "GET", path)
        assert response.status_code in (301, 308, 400, 404), path
        assert "x=1" not in response.headers.get("Set-Cookie", "")


@pytest.mark.parametrize("app", ["sqlite"], indirect=True)  # nor does any of these
@pytest.mark.parametrize("method", ["PUT", "TRACE", "G\xe9T"])
def test_a_method_that_no_page_knows_is_refused(app, world, everybody, method):
    for act in acts_of(app):
        assert check(everybody[1], method, world.path(act.endpoint)).status_code == 405


def _is_sent_to_log_in(response: TestResponse) -> bool:
    """Whoever must log in first is sent there whatever they ask: once is enough."""
    return "/connexion?next=" in response.headers.get("Location", "")


def _forms(app: Flask, world: World) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the address of each form and what is right to send there."""
    for act in acts_of(app):
        if act.method == "POST" and world.form(act.endpoint):
            yield world.path(act.endpoint), world.form(act.endpoint)


def _from(texts: Iterable[Any], shift: int) -> Iterator[Any]:
    """Return texts in turn, without end, those after the first ones first."""
    return islice(cycle(texts), shift, None)


def _sendable(text: str) -> Any:
    """A browser cannot send half a surrogate pair; a program can, as bytes."""
    return text.encode("utf-8", "surrogatepass")


def _with_each_part(app: Flask, world: World, act: Act, text: str) -> list[str]:
    right = world.values(act.endpoint)
    return [_raw(app, act, {**right, part: text}) for part in right]


def _raw(app: Flask, act: Act, values: Mapping[str, Any]) -> str:
    """Return the address with anything in its parts, where url_for() would refuse to build it."""
    rule = next(rule for rule in app.url_map.iter_rules(act.endpoint) if set(rule.arguments) == set(values))

    def said(part: re.Match[str]) -> str:
        return quote(str(values[part["name"]]).encode("utf-8", "surrogatepass"), safe="")

    return re.sub(r"<(\w+:)?(?P<name>\w+)>", said, rule.rule)
