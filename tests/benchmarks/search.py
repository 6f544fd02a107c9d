"""How long a search takes: `python -m tests.benchmarks.search [--listings N] [--postgresql] [--url ADDRESS]`.

The demonstration market, made to measure (100,000 listings in real communes), in SQLite or in a PostgreSQL
of its own; --url: a database that is there already. Each question is asked ROUNDS times, in turn with the
others, in one process that has read the facts about listings. Told are the time of the clock and that of this
process: the rest is other work of the machine, or PostgreSQL's. The first question is told apart.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import select

from marketplace import create_app
from marketplace.extensions import db
from marketplace.models import ListingKind, Skill, Venue
from marketplace.services import demo, places, reference, search
from marketplace.services.directory import Filters, Sort
from tests.support import databases
from tests.support.builders import RENNES

LISTINGS, ROUNDS = 100_000, 15
WORDS = (
    "boutique en ligne", "boutik en lign", "facture", "facutre electronique", "site", "clients", "excel",
    "vendre mes confitures sur internet", "instagram", "caisse", "mot de passe", "nanterre", "xylophone",
)  # fmt: skip


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("--listings", type=int, default=LISTINGS)
    told.add_argument("--postgresql", action="store_true")
    told.add_argument("--url", default="")
    asked = told.parse_args()
    with _market(asked.listings, postgresql=asked.postgresql, url=asked.url):
        start = time.perf_counter()
        search.find(None, Filters())
        print(f"first question of a process: {1000 * (time.perf_counter() - start):.0f} ms")
        questions = dict(_questions())
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in questions}
        for name, (kind, filters) in [*questions.items()] * (ROUNDS + 1):
            times[name].append(_timed(kind, filters))
        _tell({name: np.array(each[1:]) for name, each in times.items()}, questions)


def _questions() -> Iterator[tuple[str, tuple[ListingKind | None, Filters]]]:
    near = places.get(RENNES)
    for words in WORDS:
        yield words, (None, Filters(words=words, sort=Sort.RELEVANCE))
        around = Filters(words=words, near=near, radius_km=30, sort=Sort.RELEVANCE)
        yield f"{words} + 30 km", (None, around)
    yield "list of needs", (ListingKind.NEED, Filters())
    yield "list around", (ListingKind.NEED, Filters(near=near, radius_km=30, sort=Sort.DISTANCE))
    skill = db.session.scalars(select(Skill).where(Skill.slug == "boutique-en-ligne")).one()
    yield "list of a skill, remote", (ListingKind.OFFER, Filters(skill=skill, venue=Venue.REMOTE))


def _timed(kind: ListingKind | None, filters: Filters) -> tuple[float, float]:
    wall, process = time.perf_counter(), time.process_time()
    search.find(kind, filters)
    spent = time.perf_counter() - wall, time.process_time() - process
    db.session.rollback()
    return spent


def _tell(times: dict[str, np.ndarray], questions: dict[str, tuple[ListingKind | None, Filters]]) -> None:
    print(f"{'':44} {'found':>7} {'wall':>7} {'process':>8}   median, ms")
    for name, (kind, filters) in questions.items():
        total = sum(search.find(kind, filters).counts.kinds.values())
        wall, process = 1000 * np.median(times[name], axis=0)
        print(f"{name:44} {total:7} {wall:7.1f} {process:8.1f}")
    every = 1000 * np.concatenate(list(times.values()))
    for share in (50, 95, 99):
        wall, process = np.percentile(every, share, axis=0)
        print(f"{f'{share} % of all within':44} {'':7} {wall:7.1f} {process:8.1f}")


@contextmanager
def _market(listings: int, *, postgresql: bool, url: str) -> Iterator[Flask]:
    server = databases.Postgres() if postgresql and not url else None
    with tempfile.TemporaryDirectory() as folder:
        address = url or (server.empty() if server else f"sqlite:///{folder}/market.sqlite3")
        app = create_app(databases.settings(address, Path(folder)))
        with app.app_context():
            if not url:
                upgrade()
                reference.load()
                demo.load(needs=listings // 2, offers=listings - listings // 2)
                db.session.rollback()
            yield app
            db.session.remove()
            db.engine.dispose()
    if server:
        server.close()


if __name__ == "__main__":
    main()
