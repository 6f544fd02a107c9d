"""Fixtures: each test of the site runs on SQLite and on PostgreSQL, from the same clean market."""

import gc
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path

import pytest
import trustme
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import (
    Dialect,
    String,
    cast,
    delete,
    exists,
    literal,
    or_,
    select,
    true,
    union_all,
    update,
)

from marketplace import clock as site_clock
from marketplace import create_app
from marketplace.extensions import db
from marketplace.models import (
    AuditEntry,
    AuditHead,
    ModerationMode,
    OutboxMail,
    ReasonTemplate,
    SkillEdition,
    Territory,
    User,
)
from marketplace.models.audit import NO_HASH
from tests.support import audit_log, databases, reference_data
from tests.support.builders import Market
from tests.support.clients import SeparateClient
from tests.support.clusters import two_workers
from tests.support.services import HttpService, http_service

# Loaded once a session; a test never changes them, but for the settings of territories.
REFERENCE = frozenset(
    {
        "region", "department", "territory", "commune", "postcode", "sector", "seed_file",
        "skill_domain", "skill", "skill_level", "skill_relation", "skill_word", "alembic_version",
        "audit_head", "reason_template",
    }
)  # fmt: skip

# Needs, and as many offers.
MARKET_SHOWN = 50


def pytest_collection_finish() -> None:
    """Keep the thousands of tests, which stay, out of every collection of garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Trust one authority and not the world's: each client of HTTP reads them all, and no test calls out."""
    path = tmp_path_factory.mktemp("authority") / "authority.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SSL_CERT_FILE", str(path))
        yield


@pytest.fixture(scope="session")
def sqlite() -> Iterator[databases.Sqlite]:
    database = databases.Sqlite()
    yield database
    database.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[databases.Postgres]:
    server = databases.Postgres()
    yield server
    server.close()


@pytest.fixture(scope="session")
def scheduler() -> Iterator[str]:
    """The address of a scheduler with two workers; tests that ask for it are of xdist's group "cluster"."""
    with two_workers() as address:
        yield address


@pytest.fixture(scope="session")
def _applications(request: pytest.FixtureRequest) -> Callable[[str], Flask]:
    made: dict[str, Flask] = {}

    def application(name: str) -> Flask:
        if name not in made:
            database = request.getfixturevalue(name)
            made[name] = create_app(databases.settings(database.new(), database.folder))
            made[name].test_client_class = SeparateClient
            _prepare(made[name])
        return made[name]

    return application


@pytest.fixture(scope="session")
def _folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a folder for each test, made when something is written there: `tmp_path` makes one at once."""
    root = tmp_path_factory.mktemp("app")
    return (root / str(number) for number in count())


@pytest.fixture(params=["sqlite", "postgres"])
def app(
    request: pytest.FixtureRequest, _applications: Callable[[str], Flask], _folders: Iterator[Path]
) -> Iterator[Flask]:
    application = _applications(request.param)
    before = dict(application.config)
    folder = next(_folders)
    application.config["MAIL_FOLDER"] = str(folder / "mail")
    application.config["OPEN_DATA_FOLDER"] = str(folder / "open-data")
    with application.app_context():
        _empty()
        yield application
        db.session.rollback()
        db.session.remove()
    application.config.clear()
    application.config.update(before)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def db_session(app: Flask):
    """The session of the test. Rows read before an act are read afresh after it."""
    return db.session


@pytest.fixture
def market(app: Flask) -> Market:
    return Market()


@pytest.fixture
def login(client: FlaskClient) -> Callable[[User], FlaskClient]:
    """Log somebody in on `client` without the form."""

    def log_in(user: User) -> FlaskClient:
        with client.session_transaction() as session:
            session["_user_id"] = user.get_id()
            session["_fresh"] = True
        return client

    return log_in


@pytest.fixture
def service() -> Iterator[HttpService]:
    """A server of the outside that answers what the test says."""
    with http_service() as running:
        yield running


class Clock:
    """Time as the site sees it: it stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = datetime.now(tz=site_clock.UTC).replace(microsecond=0)

    def move(self, **gap: float) -> None:
        self.now += timedelta(**gap)

    def set(self, moment: datetime) -> None:
        self.now = moment.astimezone(site_clock.UTC)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    held = Clock()
    monkeypatch.setattr(site_clock, "now", lambda: held.now)
    return held


class Outbox:
    """The mail that the site has written so far."""

    def all(self) -> list[OutboxMail]:
        return list(db.session.scalars(select(OutboxMail).order_by(OutboxMail.id)))

    def to(self, email: str) -> list[OutboxMail]:
        return [mail for mail in self.all() if mail.recipient == email]

    def last(self, to: str) -> OutboxMail:
        return self.to(to)[-1]

    def link(self, mail: OutboxMail) -> str:
        """Return the first address in the message, as a path of the site."""
        address = next(word for word in mail.text.split() if word.startswith("http"))
        return "/" + address.split("/", 3)[3]


@pytest.fixture
def outbox(app: Flask) -> Outbox:
    return Outbox()


def _empty() -> None:
    """Delete every row but the reference data."""
    connection = db.session.connection()
    question = "SELECT filled()" if connection.dialect.name == "postgresql" else _question(connection.dialect)
    filled = set(connection.exec_driver_sql(question).scalars())
    if {AuditEntry.__tablename__, AuditHead.__tablename__} & filled:  # one without the other: a spoilt log
        _empty_audit_log()
    if emptied := [name for name in _EMPTIED if name in filled]:
        _run(f'DELETE FROM "{name}"' for name in emptied)
    if ReasonTemplate.__tablename__ in filled:
        db.session.execute(delete(ReasonTemplate).where(ReasonTemplate.code.is_(None)))
    if Territory.__tablename__ in filled:
        db.session.execute(update(Territory).where(_CHANGED).values(**AS_LOADED, policy={}, partners=[]))
    if SkillEdition.__tablename__ in filled:
        reference_data.restore()
    db.session.commit()


def _run(statements: Iterable[str]) -> None:
    """Run statements without parameters, at once where the driver can."""
    connection = db.session.connection()
    if connection.dialect.name == "postgresql":
        statements = ["; ".join(statements)]
    for statement in statements:
        connection.exec_driver_sql(statement)


AS_LOADED = {
    "is_open": False,
    "moderation_mode": ModerationMode.BEFORE,
    "default_radius_km": 20,
    "welcome_text": "",
    "contact": "",
    "charter": "",
    "trusted_after": 0,
    "logo_mark": "",
}
_CHANGED = or_(
    *(getattr(Territory, name) != value for name, value in AS_LOADED.items()),
    cast(Territory.policy, String) != "{}",
    cast(Territory.partners, String) != "[]",
)
# One question tells which few of the many tables a test has changed.
_CHANGED_ROWS = {
    "territory": _CHANGED,
    "reason_template": ReasonTemplate.code.is_(None),
    "audit_head": AuditHead.entries > 0,
}
_FILLED = union_all(
    *(
        select(literal(table.name, String)).where(
            exists(select(literal(1)).select_from(table).where(_CHANGED_ROWS.get(table.name, true())))
        )
        for table in db.metadata.sorted_tables
        if table.name not in REFERENCE or table.name in _CHANGED_ROWS
    )
)


# Those that refer to others before these.
_EMPTIED = [
    table.name
    for table in reversed(db.metadata.sorted_tables)
    if table.name not in REFERENCE and table is not AuditEntry.__table__
]


@cache
def _question(dialect: Dialect) -> str:
    return str(_FILLED.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def _prepare(application: Flask) -> None:
    """Let PostgreSQL keep the plan of the question, which takes longer than the answer, and know a market."""
    with application.app_context():
        reference_data.keep()
        dialect = db.engine.dialect
        if dialect.name == "postgresql":
            db.session.connection().exec_driver_sql(
                "CREATE FUNCTION filled() RETURNS SETOF text LANGUAGE plpgsql AS "
                f"$$ BEGIN RETURN QUERY {_question(dialect)}; END $$"
            )
            _show_a_market()
        db.session.commit()


def _show_a_market() -> None:
    """Give the planner the figures of a site in use: without, it plans for tables of one row, or of many."""
    market = Market()
    with market.in_one_transaction():
        for _ in range(MARKET_SHOWN):
            market.need()
            market.offer(extra_skills=["tableur"])
    db.session.connection().exec_driver_sql("ANALYZE")


def _empty_audit_log() -> None:
    """The one table that refuses it, so that its guard steps aside."""
    with audit_log.behind_the_guard():
        db.session.execute(delete(AuditEntry))
    db.session.execute(update(AuditHead).values(entries=0, hash=NO_HASH))
