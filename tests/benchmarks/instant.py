"""How fast one listing finds its best counterparts: `python -m tests.benchmarks.instant`.

A market of 100,000 offers and as many needs in the communes of France, in SQLite. Warm: the index of the
process is there. Cold: the first question of a new process, which finds the file of another. First: a
process that finds no file, whose index is being read by its thread meanwhile. Changing: a listing is paused
or resumed before each tenth question.
"""

import gc
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import insert, select

from marketplace import clock, create_app
from marketplace.extensions import db
from marketplace.models import (
    Commune,
    Listing,
    ListingKind,
    ListingSkill,
    ListingState,
    Organisation,
    Place,
    Sector,
    Skill,
)
from marketplace.services import live_index, ranking, reference
from tests.benchmarks.memory import peak_mebibytes

SEED = 20_260_101
LISTINGS, FIRMS = 100_000, 60_000
ASKED, COLD = 400, 40
RADII_KM = (5, 10, 20, 30, 50, 100)
SKILL_EXPONENT, REMOTE_SHARE, FURTHER_SHARE = 0.9, 0.15, 0.3
BATCH = 5_000


def main(listings: int = LISTINGS) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/market.sqlite3"
        with _application(url, folder) as app:
            _fill(np.random.default_rng(SEED), listings)
            asked = _asked()
        print(f"{listings} needs and {listings} offers; best 10 with reasons; {len(asked)} listings ask")
        with _application(url, folder) as app:
            _first(app, asked[:40])
        _told("cold", [_cold(url, folder, key) for key in asked[:COLD]])
        with _application(url, folder):
            for listing_id in asked[:20]:
                _ask(listing_id)
            _told("warm", [_timed(lambda key=key: _ask(key)) for key in asked])
            _told("warm, changing", [_timed(lambda key=key: _ask(key)) for key in _changing(asked)])
            _told("from the database", [_timed(lambda key=key: _ask_database(key)) for key in asked[:100]])
            print(f"peak memory {peak_mebibytes():.0f} MiB")


def _cold(url: str, folder: str, listing_id: int) -> float:
    """Return how long the first question of a new application takes."""
    with _application(url, folder):
        gc.collect()  # a new process holds nothing of those before it
        return _timed(lambda: _ask(listing_id))


def _first(app: Flask, asked: list[int]) -> None:
    """Ask from the first moment of a process on, while its thread reads the market, and keeps it."""
    seconds = []
    for listing_id in asked:
        seconds.append(_timed(lambda key=listing_id: _ask(key)))
        if app.extensions["live_index"].index is not None:
            break
    _told("first", seconds)
    app.extensions["live_index"].reader.join()
    for thread in threading.enumerate():
        if thread.name == "live-index-file":
            thread.join()


def _changing(asked: list[int]) -> Iterator[int]:
    """Change a listing before each tenth question."""
    for number, listing_id in enumerate(asked):
        if number % 10 == 0:
            listing = db.session.get_one(Listing, asked[number - 1])
            paused = listing.state is ListingState.PAUSED
            listing.state = ListingState.PUBLISHED if paused else ListingState.PAUSED
            db.session.commit()
        yield listing_id


def _ask(listing_id: int) -> int:
    """Ask as a request does: with a session of its own, the listing being loaded already."""
    listing = db.session.get_one(Listing, listing_id)
    return len(ranking.best_for(listing))


def _ask_database(listing_id: int) -> int:
    held, live_index.counterparts = live_index.counterparts, lambda *_, **__: None
    try:
        return _ask(listing_id)
    finally:
        live_index.counterparts = held


def _timed(act: Callable[[], int]) -> float:
    db.session.rollback()
    db.session.remove()
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def _told(name: str, seconds: list[float]) -> None:
    p50, p95, p99 = np.percentile(np.array(seconds) * 1000, [50, 95, 99])
    worst = max(seconds) * 1000
    print(
        f"{name:20} n={len(seconds):4}  p50 {p50:6.2f}  p95 {p95:6.2f}  p99 {p99:6.2f}  max {worst:6.2f} ms"
    )


def _asked() -> list[int]:
    ids = np.array(list(db.session.scalars(select(Listing.id).order_by(Listing.id))))
    return np.random.default_rng(SEED + 1).choice(ids, ASKED, replace=False).tolist()


def _fill(random: np.random.Generator, listings: int) -> None:
    communes = db.session.execute(
        select(Commune.insee, Commune.territory_siren, Commune.lat, Commune.lon, Commune.population).where(
            Commune.lat.is_not(None)
        )
    ).all()
    sectors = list(db.session.scalars(select(Sector.code).where(Sector.level == "subclass")))
    people = np.array([row.population for row in communes], np.float64)
    home = random.choice(len(communes), FIRMS, p=people / people.sum())
    sector = random.integers(len(sectors), size=FIRMS)
    shift = random.normal(0, 0.01, (FIRMS, 2))
    places = [communes[row] for row in home.tolist()]
    firms = [
        {
            "id": number + 1, "siret": f"{number:014d}", "name": f"Structure {number}",
            "sector_code": sectors[sector[number]], "commune_insee": place.insee,
            "lat": place.lat + shift[number, 0], "lon": place.lon + shift[number, 1],
        }
        for number, place in enumerate(places)
    ]  # fmt: skip
    _insert(Organisation, firms)
    for kind in ListingKind:
        _fill_side(random, kind, firms, [place.territory_siren for place in places], listings)
    db.session.commit()


def _fill_side(
    random: np.random.Generator, kind: ListingKind, firms: list[dict], territories: list[str | None], n: int
) -> None:
    skills = np.array(list(db.session.scalars(select(Skill.id).order_by(Skill.id))))
    share = np.arange(1, len(skills) + 1) ** -SKILL_EXPONENT
    skills = np.random.default_rng(SEED).permutation(skills)
    wanted = skills[random.choice(len(skills), (n, 2), p=share / share.sum())]
    firm, now = random.integers(FIRMS, size=n), clock.now()
    level, radius = random.integers(1, 5, n), random.choice(RADII_KM, n)
    remote, age = random.random(n) < REMOTE_SHARE, random.integers(0, 80, n)
    first = int(kind is ListingKind.OFFER) * n + 1
    is_need = kind is ListingKind.NEED
    rows = []
    for row in range(n):
        owner, published = firms[firm[row]], now - timedelta(days=int(age[row]))
        rows.append(
            {
                "id": first + row, "kind": kind, "state": ListingState.PUBLISHED,
                "organisation_id": owner["id"], "skill_id": int(wanted[row, 0]), "level": int(level[row]),
                "title": f"Annonce {row}", "description": "Un texte.",
                "commune_insee": owner["commune_insee"],
                "territory_siren": territories[owner["id"] - 1], "sector_code": owner["sector_code"],
                "lat": owner["lat"], "lon": owner["lon"],
                "places": int(Place.HELPER | Place.LEARNER | (Place.REMOTE if remote[row] else 0)),
                "radius_km": int(radius[row]), "availability": int(random.integers(1 << 14)),
                "urgency": 1 if is_need else None, "capacity": 1 if is_need else int(random.integers(1, 4)),
                "submitted_at": published, "published_at": published,
                "expires_at": published + timedelta(days=90),
            }
        )  # fmt: skip
    _insert(Listing, rows)
    further = np.flatnonzero((random.random(n) < FURTHER_SHARE) & (wanted[:, 0] != wanted[:, 1])).tolist()
    _insert(
        ListingSkill,
        [{"listing_id": first + row, "rank": 1, "skill_id": int(wanted[row, 1])} for row in further],
    )


def _insert(model: type, rows: list[dict]) -> None:
    for start in range(0, len(rows), BATCH):
        db.session.execute(
            insert(model), rows[start : start + BATCH], execution_options={"render_nulls": True}
        )


@contextmanager
def _application(url: str, folder: str) -> Iterator[Flask]:
    folders = {"MAIL_FOLDER": f"{folder}/mail", "LIVE_INDEX_FOLDER": f"{folder}/live-index"}
    app = create_app({"DATABASE_URL": url, "SECRET_KEY": "only for this", **folders})
    with app.app_context():
        if not Path(url.removeprefix("sqlite:///")).exists():
            upgrade()
            reference.load()
        yield app
        db.session.remove()
        db.engine.dispose()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
