"""An hour at the desk: `python -m tests.benchmarks.moderation [--listings N] [--postgresql]`.

A moderator reads a queue of N listings (200) as a browser would, in one process, on SQLite or in a PostgreSQL
of its own: the queue page by page; then half of the listings one by one, each page opening the next (four in
five approved, the others sent back or refused by a template, after its preview); then the rest 20 at a time.
Told for each kind of page: how many requests, the median and the worst time of the clock and of this process.
"""

import argparse
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade
from sqlalchemy import select

from marketplace import create_app
from marketplace.extensions import db
from marketplace.models import ListingState, ReasonTemplate
from marketplace.services import desk, reference
from marketplace.services.desk import QueueFilters
from tests.support import databases
from tests.support.builders import Market
from tests.support.clients import SeparateClient

LISTINGS = 200
ONE_IN = 5  # listings that are not approved, among those read one by one
ONE_BY_ONE = 0.5
FLAGS = ([], ["phone"], [], ["price", "commercial"], [])
_VERSION = re.compile(r'name="version" [^>]*value="([0-9a-f]+)"')
_BOX = re.compile(r'name="annonce" [^>]*value="([0-9]+:[0-9a-f]+)"')


class Session:
    """A browser that keeps the time of each request, by kind of page."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.times: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def get(self, kind: str, path: str) -> str:
        return self._timed(kind, "GET", path)[0]

    def post(self, kind: str, path: str, **data: object) -> tuple[str, str]:
        """Return the page, and the address that it leads to."""
        return self._timed(kind, "POST", path, data=data)

    def _timed(self, kind: str, method: str, path: str, **sent: object) -> tuple[str, str]:
        wall, process = time.perf_counter(), time.process_time()
        response = self.client.open(path, method=method, **sent)
        spent = time.perf_counter() - wall, time.process_time() - process
        assert response.status_code in (200, 302), (kind, path, response.status_code)
        self.times[kind].append((1000 * spent[0], 1000 * spent[1]))
        return response.get_data(as_text=True), response.location or ""


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("--listings", type=int, default=LISTINGS)
    told.add_argument("--postgresql", action="store_true")
    asked = told.parse_args()
    with _site(postgresql=asked.postgresql) as app:
        moderator = _fill(asked.listings)
        session = Session(_logged_in(app, moderator.get_id()))
        _read_the_queue(session, asked.listings)
        start = time.perf_counter()
        _one_by_one(session, int(asked.listings * ONE_BY_ONE))
        _the_rest(session)
        spent = time.perf_counter() - start
        left = desk.count(by=moderator, filters=QueueFilters())
        print(f"{asked.listings} listings, {left} left; decided in {spent:.1f} s of the machine")
        _tell(session.times)


def _read_the_queue(session: Session, listings: int) -> None:
    session.client.get("/moderation")  # templates are compiled once in a process
    for page in range(1, -(-listings // desk.QUEUE_PAGE) + 1):
        session.get("queue, 20 a page", f"/moderation?page={page}")
    session.get("queue, one flag", "/moderation?signe=prix")
    session.get("queue, words", "/moderation?q=voisin métier")
    session.get("how many wait", "/moderation/attente")


def _one_by_one(session: Session, number: int) -> None:
    wanted = select(ReasonTemplate.id).where(ReasonTemplate.code == "trop-court")
    template = db.session.scalars(wanted).one()
    db.session.rollback()
    page = session.get("queue, 20 a page", "/moderation")
    path = re.findall(r'href="(/moderation/annonces/[0-9]+)"', page)[0]
    for turn in range(number):
        page = session.get("listing", path)
        version = _VERSION.findall(page)[0]
        if turn % ONE_IN:
            _, path = session.post("approve", path, decision="approve", version=version)
            continue
        against = {
            "decision": "reject" if turn % 2 else "request_changes", "version": version, "modele": template
        }  # fmt: skip
        session.post("preview", path, **against, etape="apercu")
        _, path = session.post("send back or refuse", path, **against, etape="envoyer")


def _the_rest(session: Session) -> None:
    while boxes := _BOX.findall(session.get("queue, 20 a page", "/moderation")):
        session.post("approve 20", "/moderation/annonces", annonce=boxes, decision="approve")


def _tell(times: dict[str, list[tuple[float, float]]]) -> None:
    print(f"{'':24} {'requests':>8} {'median':>8} {'worst':>8} {'process':>8}   ms")
    rows = [*times.items(), ("all", [each for some in times.values() for each in some])]
    for kind, spent in rows:
        wall, process = zip(*spent, strict=True)
        print(f"{kind:24} {len(spent):8} {median(wall):8.1f} {max(wall):8.1f} {median(process):8.1f}")


def _fill(listings: int):
    """Open Rennes with a moderator, and let listings wait there, each of a structure of its own."""
    market = Market()
    market.open_territory()
    moderator = market.moderator()
    with market.in_one_transaction():
        for number in range(listings):
            market.need(state=ListingState.PENDING, flags=FLAGS[number % len(FLAGS)])
    return moderator


def _logged_in(app: Flask, key: str) -> FlaskClient:
    app.test_client_class = SeparateClient
    client = app.test_client()
    with client.session_transaction() as session:
        session["_user_id"], session["_fresh"] = key, True
    return client


@contextmanager
def _site(*, postgresql: bool) -> Iterator[Flask]:
    server = databases.Postgres() if postgresql else None
    with tempfile.TemporaryDirectory() as folder:
        address = server.empty() if server else f"sqlite:///{folder}/desk.sqlite3"
        app = create_app(databases.settings(address, Path(folder)))
        with app.app_context():
            upgrade()
            reference.load()
            db.session.rollback()
            yield app
            db.session.remove()
            db.engine.dispose()
    if server:
        server.close()


if __name__ == "__main__":
    main()
